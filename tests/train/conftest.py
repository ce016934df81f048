"""Everything here compiles toy models: quickly is enough."""

from __future__ import annotations

import pytest

from xtl_jax.train.config import RunConfig


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
