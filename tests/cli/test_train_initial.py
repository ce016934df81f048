"""What a run begins with is looked at before anything is computed."""

from __future__ import annotations

import types

import pytest

from xtl_jax.cli import train_initial
from xtl_jax.errors import UserError
from xtl_jax.train.config import RunConfig


def test_moments_are_restored_from_checkpoints_of_t5x_alone(shared, toy, tmp_path):
    path = str(shared / "conformance/hf/mt5_tiny")
    run = RunConfig(
        task="toy",
        steps=1,
        lengths={"inputs": 8, "targets": 8},
        vocabulary="bytes",
        run_dir=str(tmp_path),
        initial_checkpoint=path,
        restore_optimizer=True,
    )
    with pytest.raises(UserError, match=f"restore_optimizer: {path} is no checkpoint"):
        train_initial.load(types.SimpleNamespace(run=run, model=toy))
