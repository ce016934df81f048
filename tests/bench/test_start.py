"""A start is `xtl train` itself."""

from __future__ import annotations

import dataclasses
import time

import pytest

from xtl_jax.bench import start
from xtl_jax.cli import config as configs


def test_the_run_is_of_the_shape_that_is_measured(toy):
    setting = start.Setting(model=toy, batch_size=8, inputs=96, targets=16)
    config = configs.resolve(
        [
            *configs.parse(start.gin(setting), source="start"),
            configs.Binding("RunConfig", "run_dir", "x", "test"),
        ]
    )
    assert config.model == toy
    assert (config.run.steps, config.run.batch_size) == (1, 8)
    assert config.run.lengths == {"inputs": 96, "targets": 16}


@pytest.mark.slow
@pytest.mark.long
def test_the_second_start_finds_data_and_programs(toy, tmp_path):
    model = dataclasses.replace(toy, vocab=384)  # of bytes there are 259
    setting = start.Setting(model=model, batch_size=8, inputs=96, targets=16)
    found = start.measure(setting, folder=tmp_path, clock=time.monotonic)
    assert found.imports > 0
    assert found.seconds == pytest.approx(found.data + found.state + found.step)
    assert found.seconds < found.cold_seconds
    assert found.compiling["compiled or found"] > 0
    assert found.found_compiled > 0
