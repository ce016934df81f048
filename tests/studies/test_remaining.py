"""How long a study will still take."""

from __future__ import annotations

import pytest

from tests.studies.test_executor import stage
from xtl_jax.studies import remaining

STAGES = (
    stage("a", steps=100),
    stage("b", "a", steps=300),
    stage("c", "b", kind="predict"),
    stage("d", "a", kind="predict"),
)


def test_steps_tell_training_and_means_tell_the_rest():
    took = {"a": 50.0, "d": 8.0}
    # 300 steps at half a second, and one prediction.
    assert remaining.seconds(STAGES, took=took) == pytest.approx(158.0)
    assert remaining.seconds(STAGES, took=took, workers=2) == pytest.approx(79.0)


def test_nothing_is_said_before_a_kind_is_known():
    assert remaining.seconds(STAGES, took={"a": 50.0}) is None
    assert remaining.seconds(STAGES, took=dict.fromkeys("abcd", 1.0)) == 0.0
