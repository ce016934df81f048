"""The feed's measurement counts what it gives."""

from __future__ import annotations

import itertools

import pytest

from xtl_jax.bench import feed
from xtl_jax.data.features import Lengths


def test_examples_and_fill_are_those_of_equal_lengths_by_hand(tmp_path):
    setting = feed.Setting(
        kind="equal",
        examples=4096,
        inputs=57,
        targets=8,
        lengths=Lengths(inputs=512, targets=128),
        batch_size=16,
        batches=5,
    )
    opened = feed.write_store(tmp_path / "s", setting)
    result = feed.measure(
        opened,
        setting,
        wall=itertools.count(0, 2.0).__next__,  # each look at the clock is 2 s later
        cpu=itertools.count(0, 0.5).__next__,
    )
    assert result.examples == 5 * 16 * 8  # 512 // 57 = 8 examples a row
    assert result.examples_per_second == 640 / 0.5
    assert result.wall_seconds == 2.0
    assert result.fill_percent == pytest.approx(100 * 8 * 57 / 512, abs=0.01)
    assert result.tokens_per_example == 65.0
