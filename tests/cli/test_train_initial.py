"""What a run begins with is looked at before anything is computed."""

from __future__ import annotations

import types

import pytest

from xtl_jax.cli import train_initial
from xtl_jax.errors import UserError
from xtl_jax.train.config import RunConfig


@pytest.fixture
def begin(shared, tmp_path):
    """Loads Hugging Face's small mT5 for a run of some model."""

    def load(model, **fields):
        run = RunConfig(
            task="toy",
            steps=1,
            lengths={"inputs": 8, "targets": 8},
            vocabulary="bytes",
            run_dir=str(tmp_path),
            initial_checkpoint=str(shared / "conformance/hf/mt5_tiny"),
            **fields,
        )
        return train_initial.load(types.SimpleNamespace(run=run, model=model))

    return load


def test_moments_are_restored_from_checkpoints_of_t5x_alone(begin, toy):
    with pytest.raises(UserError, match=r"restore_optimizer: .*mt5_tiny is no checkp"):
        begin(toy, restore_optimizer=True)


def test_another_family_or_size_is_no_beginning(begin, toy, toy_encoder):
    with pytest.raises(UserError, match=r"mt5_tiny is mT5 and the gin .* xlm-roberta"):
        begin(toy_encoder)
    with pytest.raises(UserError, match=r"mt5_tiny does not fit .* embed: "):
        begin(toy)
