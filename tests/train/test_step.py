"""One update: the same in parts, the same on eight devices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from xtl_jax.cli import devices
from xtl_jax.model.loss import LossSums
from xtl_jax.train import optimizer, sharding, state, step
from xtl_jax.train.config import MeshConfig
from xtl_jax.train.step import _first_bad, make_train_step, parameter_path


def _two_steps(mesh_config, toy, run, params, batch):
    """Final state and outputs, compiled and placed as `xtl train` does it."""
    method = optimizer.build(run)
    with devices.on_mesh(mesh_config) as mesh:
        at, places = state.create(toy, method, mesh=mesh, seed=0, params=params)
        rows = sharding.batch_sharding(mesh)
        update = jax.jit(
            make_train_step(toy, run, method),
            donate_argnums=0,
            in_shardings=(places, dict.fromkeys(batch, rows)),
            out_shardings=(places, None),
        )
        placed = {name: jax.device_put(array, rows) for name, array in batch.items()}
        outputs = []
        for _ in range(2):
            at, output = update(at, placed)
            outputs.append(jax.device_get(output))
    return at, outputs


@pytest.fixture(scope="module")
def alone(toy, toy_params, toy_batch, make_run):
    config = MeshConfig(data=1)
    return _two_steps(config, toy, make_run(), toy_params, toy_batch)


@pytest.mark.parametrize(
    "mesh",
    [
        MeshConfig(data=8),
        MeshConfig(data=4, model=2),
        MeshConfig(data=2, fsdp=2, model=2),
    ],
    ids=["data", "data_model", "data_fsdp_model"],
)
def test_eight_devices_compute_what_one_computes(
    mesh, alone, toy, toy_params, toy_batch, make_run
):
    one, one_outputs = alone
    many, outputs = _two_steps(mesh, toy, make_run(), toy_params, toy_batch)
    assert len(many.params["token_embedder"]["embedding"].sharding.device_set) == 8
    for mine, theirs in zip(outputs, one_outputs, strict=True):
        np.testing.assert_allclose(mine.sums, theirs.sums, rtol=2e-5)
        np.testing.assert_allclose(mine.gradient_norm, theirs.gradient_norm, rtol=2e-5)
    _same_second_moments(many, one)
    _same_parameters(many, one)


def test_four_microbatches_update_like_one_batch(
    alone, toy, toy_params, toy_batch, make_run
):
    one, one_outputs = alone
    run = make_run(microbatches=4)
    parts, outputs = _two_steps(MeshConfig(data=2), toy, run, toy_params, toy_batch)
    for mine, theirs in zip(outputs, one_outputs, strict=True):
        np.testing.assert_allclose(mine.sums, theirs.sums, rtol=2e-5)
    _same_second_moments(parts, one)
    _same_parameters(parts, one)


def _same_second_moments(one, other):
    """These are averaged squares of gradients: equal where gradients are equal."""
    moments = (at.opt_state[0][0]._replace(count=None) for at in (one, other))
    for mine, theirs in zip(*map(jax.tree.leaves, moments), strict=True):
        mine, theirs = np.asarray(mine), np.asarray(theirs)
        limit = 2e-5 * np.abs(theirs).max()
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=limit)


def _same_parameters(one, other):
    """But for the few whose gradient is rounding alone: its sign is the whole step."""
    apart = total = 0
    for mine, theirs in zip(
        jax.tree.leaves(one.params), jax.tree.leaves(other.params), strict=True
    ):
        apart += (np.abs(np.asarray(mine) - np.asarray(theirs)) > 1e-6).sum()
        total += mine.size
    assert apart / total < 1e-3


def test_a_loss_can_be_divided_by_a_number_or_by_the_tokens(toy, make_run, monkeypatch):
    def three_per_weight(model, params, batch, **settings):
        """A loss of slope 3, over 5 tokens."""
        zero = jnp.float32(0.0)
        return LossSums(3.0 * params["w"], zero, jnp.float32(5.0), zero)

    monkeypatch.setattr(step, "batch_loss", three_per_weight)
    rate = optax.sgd(1.0)
    start = state.at_zero(rate, {"w": jnp.float32(0.0)})
    for factor, slope in ((0.0, 3.0), (2.0, 1.5), ("tokens", 0.6)):
        run = make_run(loss_normalizing_factor=factor)
        end, output = make_train_step(toy, run, rate)(start, {})
        np.testing.assert_allclose(end.params["w"], -slope, rtol=1e-6)
        np.testing.assert_allclose(output.gradient_norm, slope, rtol=1e-6)
        assert output.sums.loss == 0.0  # sums are never divided
        assert int(end.step) == 1


def test_the_first_bad_parameter_is_numbered_as_paths_are(toy_params):
    squares = [jnp.float32(1.0) for _ in jax.tree.leaves(toy_params)]
    assert int(_first_bad(squares)) == -1
    squares[5], squares[7] = jnp.float32(jnp.nan), jnp.float32(jnp.inf)
    assert int(_first_bad(squares)) == 5
    node = toy_params
    for key in parameter_path(toy_params, 5).split("/"):
        node = node[key]
    assert node is jax.tree.leaves(toy_params)[5]
