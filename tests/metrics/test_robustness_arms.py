"""Arms under one attack: differences of gaps, over seeds and examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from xtl_jax.errors import UserError
from xtl_jax.metrics import accuracy, robustness_arms

IDS = [f"{number:03d}" for number in range(200)]


def _run(clean, attacked, *, ids=IDS):
    def count(right):
        return {"total": 1.0, "correct": float(right)}

    pairs = zip(ids, clean, attacked, strict=True)
    return {"en": {id_: (count(was), count(now)) for id_, was, now in pairs}}


def _arms(rng, *, seeds, shares):
    """Clean answers are right in 90 %; attacked ones in a share of each arm."""
    hard = rng.random(len(IDS))  # an example is as hard for every run
    return {
        name: [
            _run(rng.random(len(IDS)) < 0.9, hard < share + rng.normal(0, 0.03))
            for _ in range(seeds)
        ]
        for name, share in shares.items()
    }


def test_the_gap_is_clean_minus_attacked_in_every_difference():
    rng = np.random.default_rng(0)
    arms = _arms(rng, seeds=3, shares={"plain": 0.3, "against": 0.6})
    first, second = robustness_arms.compare(arms, metric=accuracy.METRIC)
    assert first.differences == {}
    for found in (first.values, second.values, second.differences):
        points = {key: each.points for key, each in found.items()}
        assert points["gap"] == pytest.approx(points["clean"] - points["attacked"])
    for key, each in second.differences.items():
        assert each.points == pytest.approx(
            second.values[key].points - first.values[key].points
        )
    assert second.differences["gap"].points < -15
    assert second.differences["gap"].interval[1] < 0


def test_with_one_run_an_arm_the_interval_is_that_of_a_paired_t_test():
    rng = np.random.default_rng(1)
    arms = _arms(rng, seeds=1, shares={"plain": 0.4, "against": 0.55})
    _, found = robustness_arms.compare(arms, metric=accuracy.METRIC, resamples=4000)
    sides = {
        name: np.array([[p["correct"] for p in pair] for pair in run["en"].values()])
        for name, (run,) in arms.items()
    }
    gaps = {name: side[:, 0] - side[:, 1] for name, side in sides.items()}
    each = 100 * (gaps["against"] - gaps["plain"])
    exact = stats.ttest_1samp(each, 0).confidence_interval(0.95)
    low, high = found.differences["gap"].interval
    assert low == pytest.approx(exact.low, abs=0.4)
    assert high == pytest.approx(exact.high, abs=0.4)


def test_an_interval_holds_no_difference_as_often_as_it_says():
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(120):
        arms = _arms(rng, seeds=3, shares={"a": 0.5, "b": 0.5})
        _, found = robustness_arms.compare(arms, metric=accuracy.METRIC, resamples=100)
        low, high = found.differences["gap"].interval
        missed += not low <= 0 <= high
    # 5 % of 120 are 6; 14 or more would have a chance of 0.3 %.
    assert missed < 14


def test_examples_are_those_that_all_runs_have():
    answers = np.ones(3, bool)
    arms = {
        "a": [_run(answers, ~answers, ids=["1", "2", "3"])],
        "b": [_run(answers, ~answers, ids=["2", "3", "4"])],
    }
    for found in robustness_arms.compare(arms, metric=accuracy.METRIC):
        assert found.examples == 2
        assert found.languages == ("en",)


def test_arms_that_cannot_be_paired_are_refused():
    right = np.ones(2, bool)
    one, other = (_run(right, right, ids=list(ids)) for ids in ("ab", "cd"))
    with pytest.raises(UserError, match="as many runs"):
        robustness_arms.compare({"a": [one, one], "b": [one]}, metric=accuracy.METRIC)
    with pytest.raises(UserError, match="no attacked example in common"):
        robustness_arms.compare({"a": [one], "b": [other]}, metric=accuracy.METRIC)
