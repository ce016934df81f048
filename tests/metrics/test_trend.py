"""Trends over ordered arms: by hand, by counting orders, and against scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from xtl_jax.errors import UserError
from xtl_jax.metrics import trend
from xtl_jax.metrics.comparisons import MEAN, resample, rows_of


def sample_of(values):
    """Values by arm and seed; ten items that are all the same."""
    return resample(
        {
            arm: {
                seed: {"de": rows_of({str(i): value for i in range(10)})}
                for seed, value in enumerate(by_seed)
            }
            for arm, by_seed in values.items()
        },
        metric=MEAN,
    )


def test_page_is_a_count_of_orders():
    """Two seeds, four levels: all 24 * 24 orders, ranked by Page's sum."""
    table = np.array([[1.0, 3.0, 2.0, 4.0], [1.0, 2.0, 4.0, 3.0]])

    def sums(rows):
        return sum(
            level * rank for row in rows for level, rank in enumerate(row, start=1)
        )

    orders = list(itertools.permutations(range(1, 5)))
    observed = sums(table.tolist())
    above = sum(sums(pair) >= observed for pair in itertools.product(orders, orders))
    found = trend.page(table.tolist())
    assert found.p == pytest.approx(2 * above / len(orders) ** 2)
    assert found.rises
    falling = trend.page(table[:, ::-1].tolist())
    assert falling.p == pytest.approx(found.p)
    assert not falling.rises


def test_equal_levels_have_no_order():
    assert trend.page([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]) == (False, 1.0)


def test_the_slope_of_each_seed_is_that_of_scipy():
    rng = np.random.default_rng(0)
    numbers = {"none": 0, "one": 1, "two": 2, "four": 4}
    values = {
        arm: (0.5 + 0.01 * number + 0.01 * rng.normal(size=5)).tolist()
        for arm, number in numbers.items()
    }
    found = trend.of(sample_of(values), numbers, languages=["de"])
    slopes = [
        stats.linregress(
            list(numbers.values()), [100 * values[arm][seed] for arm in numbers]
        ).slope
        for seed in range(5)
    ]
    reference = stats.ttest_1samp(slopes, 0)
    assert found.slope.points == pytest.approx(np.mean(slopes))
    assert found.slope.p == pytest.approx(reference.pvalue)
    assert found.numbers == (0, 1, 2, 4)
    assert found.values == pytest.approx(
        [100 * np.mean(values[arm]) for arm in numbers]
    )
    assert found.order.rises


def test_several_arms_of_a_number_count_as_their_mean():
    values = {"a": [0.1, 0.2], "b": [0.2, 0.4], "c": [0.4, 0.4], "d": [0.5, 0.7]}
    numbers = {"a": 1, "b": 2, "c": 2, "d": 3}
    found = trend.of(sample_of(values), numbers, languages=["de"])
    merged = {"a": values["a"], "m": [0.3, 0.4], "d": values["d"]}
    same = trend.of(sample_of(merged), {"a": 1, "m": 2, "d": 3}, languages=["de"])
    assert found.values == pytest.approx((15.0, 35.0, 60.0))
    assert found.slope.points == pytest.approx(same.slope.points) == 22.5
    assert found.order == same.order


def test_doublings():
    values = {f"{n}": [0.1 * i] for i, n in enumerate((0, 100, 200, 400))}
    numbers = {name: float(name) for name in values}
    found = trend.of(sample_of(values), numbers, languages=["de"], scale="doublings")
    assert found.slope.points == pytest.approx(10.0)
    assert found.order is None  # one seed


def test_only_seeds_that_have_all_arms_are_used():
    values = {"a": [0.1, 0.9], "b": [0.2, 0.8], "c": [0.3]}
    numbers = {"a": 1, "b": 2, "c": 3}
    found = trend.of(sample_of(values), numbers, languages=["de"])
    assert found.seeds == (0,)
    assert found.slope.points == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("numbers", "scale", "message"),
    [
        ({"a": 1, "b": 2}, "linear", "at least 3 different numbers"),
        ({"a": 1, "b": 2, "c": 2}, "linear", "at least 3 different numbers"),
        ({"a": -1, "b": 2, "c": 3}, "linear", "none below 0"),
        ({"a": 1, "b": 2, "x": 3}, "linear", "no arm 'x'"),
        ({"a": 1, "b": 2, "c": 3}, "log", "'linear' or 'doublings'"),
    ],
)
def test_bad_input_is_named(numbers, scale, message):
    sample = sample_of({"a": [0.1], "b": [0.2], "c": [0.3]})
    with pytest.raises(UserError, match=message):
        trend.of(sample, numbers, languages=["de"], scale=scale)
