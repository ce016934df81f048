"""Everything here compiles toy models: quickly is enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest

from xtl_jax.cli import devices
from xtl_jax.train import labels, sharding, state
from xtl_jax.train.config import MeshConfig, RunConfig
from xtl_jax.train.step import StepOutput, make_train_step

Stepped = Callable[..., tuple[StepOutput, Any]]


@pytest.fixture(autouse=True, scope="module")
def compile_quickly(quick_compiles):
    return


@pytest.fixture(scope="session")
def make_run():
    """A function from the fields that a test cares for to a run's config."""

    def make(**fields):
        plain = {
            "task": "toy",
            "steps": 6,
            "lengths": {"inputs": 12, "targets": 8},
            "vocabulary": "bytes",
            "run_dir": "run",
            "batch_size": 8,
        }
        return RunConfig(**{**plain, **fields})

    return make


@pytest.fixture(scope="session")
def one_step() -> Stepped:
    """A function from model, run, mesh, parameters and batch to a step's output and
    gradient: the step of a run, with an optimiser that keeps what it is given."""

    def run_once(
        model: Any, run: RunConfig, mesh_config: MeshConfig, params: Any, batch: Any
    ) -> tuple[StepOutput, Any]:
        keeps = optax.trace(decay=0.0)
        settings: dict[str, Any] = {}
        if hasattr(model, "task_heads"):
            settings["objective"] = labels.objective(model, run)
            settings["inputs"] = labels.inputs_of(model)
        with devices.on_mesh(mesh_config) as mesh:
            begun, places = state.create(model, keeps, mesh=mesh, seed=0, params=params)
            rows = sharding.batch_sharding(mesh)
            step = jax.jit(
                make_train_step(model, run, keeps, **settings),
                in_shardings=(places, rows),
                out_shardings=(places, None),
            )
            after, output = step(begun, jax.device_put(batch, rows))
            return jax.device_get(output), jax.device_get(after.opt_state.trace)

    return run_once


def assert_same_step(found: tuple[StepOutput, Any], other: tuple[StepOutput, Any]):
    """Two steps did the same, but for the order in which float32 numbers were added."""
    (output, gradient), (expected, other_gradient) = found, other
    np.testing.assert_allclose(output.sums, expected.sums, rtol=2e-6)
    np.testing.assert_allclose(output.gradient_norm, expected.gradient_norm, rtol=1e-5)
    assert output.first_bad == expected.first_bad == -1
    paths = jax.tree_util.tree_leaves_with_path(gradient)
    for (path, mine), theirs in zip(
        paths, jax.tree.leaves(other_gradient), strict=True
    ):
        # Beside the largest of an array. A bias of all keys, options or ends of an
        # answer changes no probability: what it has is the rounding of what cancels,
        # of a sum over rows of numbers up to 1 or of gradients of the usual size.
        largest = max(np.abs(theirs).max(), 1e-2 * expected.gradient_norm, 0.1)
        np.testing.assert_allclose(
            *(mine, theirs),
            rtol=1e-4,
            atol=2e-5 * largest,
            err_msg=jax.tree_util.keystr(path),
        )
