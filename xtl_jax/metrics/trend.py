"""Does a value rise, or fall, with a number: of intermediate tasks, of steps?

Arms belong to *levels* (0, 1, 2, 4, 6, 9 tasks); a level's value is the mean of its
arms. Two tests, of two questions:

    slope   points for each unit of the number: a weighted sum of arms, and so tested
            as any difference is, over seeds and items (`crossed`)
    order   Page's test (1963): whether the levels come in the stated order more often
            than chance, seed by seed. Only ranks within a seed count, so it needs no
            straight line; it knows of seeds alone, not of items

One that is significant without the other is a hint at a curve that bends, or at a trend
that other items might not show. A rise that ends, or turns, is seen in the curve, not
in a p-value; neither test says that the steps in between are rises.

Three seeds that all rise over three levels. Of the 6 orders of a seed one does, so by
chance three do in 1 of 216; two-sided, 1 of 108:

    >>> round(page([[1.0, 2.0, 3.0], [1.5, 1.7, 2.6], [0.0, 4.0, 5.0]]).p * 108, 6)
    1.0
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from xtl_jax.errors import UserError, near
from xtl_jax.metrics import comparisons, crossed
from xtl_jax.metrics.comparisons import Sample
from xtl_jax.metrics.crossed import Estimate


class Order(NamedTuple):
    """Page's test. `rises`: whether the ranks go up rather than down."""

    rises: bool
    p: float  # two-sided


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trend:
    """A value over the levels of a number."""

    numbers: tuple[float, ...]  # ascending
    values: tuple[float, ...]  # percent, mean over seeds, languages and arms
    seeds: tuple[int, ...]  # that all arms have
    slope: Estimate  # points for each unit of the scale
    order: Order | None  # None for a single seed


def of(
    sample: Sample,
    numbers: Mapping[str, float],
    *,
    languages: Sequence[str],
    scale: str = "linear",
) -> Trend | None:
    """The trend over arms; None if no seed has all of them.

    Args:
        sample: of one target.
        numbers: by arm. Several arms may have the same.
        languages: that the value is the mean of.
        scale: of the slope: "linear", or "doublings" for numbers on a geometric grid;
            0, which has no logarithm, then counts as one doubling below the smallest.

    Raises:
        UserError: an arm that is not there, fewer than three levels, a negative number
            or another scale.
    """
    lost = [arm for arm in numbers if arm not in sample.arms]
    if lost:
        raise UserError(
            f"no arm {lost[0]!r} to make a trend of; near: {near(lost[0], sample.arms)}"
        )
    levels = tuple(sorted(set(numbers.values())))
    if len(levels) < 3 or levels[0] < 0:
        raise UserError(
            f"a trend needs at least 3 different numbers, none below 0, got {levels}"
        )
    arms = {n: [arm for arm, number in numbers.items() if number == n] for n in levels}
    places = _places(levels, scale=scale)
    centred = places - places.mean()
    weights = {
        arm: float(place / (centred**2).sum() / len(arms[number]))
        for number, place in zip(levels, centred, strict=True)
        for arm in arms[number]
    }
    seeds, values, draws = comparisons.contrast(sample, weights, languages=languages)
    if not seeds:
        return None
    table = np.array(
        [
            comparisons.contrast(
                sample,
                {arm: (numbers[arm] == number) / len(arms[number]) for arm in numbers},
                languages=languages,
            )[1].mean(axis=1)
            for number in levels
        ]
    ).T
    return Trend(
        numbers=levels,
        values=tuple(table.mean(axis=0).tolist()),
        seeds=seeds,
        slope=crossed.estimate(
            values, draws, items=comparisons.items_of(sample, languages)
        ),
        order=page(table.tolist()) if len(seeds) > 1 else None,
    )


def page(table: Sequence[Sequence[float]]) -> Order:
    """Page's test for ordered levels, two-sided.

    Args:
        table: values by seed and level; at least 2 seeds and 3 levels.
    """
    from scipy import stats

    values = np.asarray(table, dtype=np.float64)
    if (values == values[:, :1]).all():
        return Order(rises=False, p=1.0)  # nothing moves, so nothing has an order
    up, down = (
        float(stats.page_trend_test(each).pvalue) for each in (values, values[:, ::-1])
    )
    return Order(rises=up < down, p=min(1.0, 2 * min(up, down)))


def _places(levels: Sequence[float], *, scale: str) -> np.ndarray:
    if scale == "linear":
        return np.array(levels, dtype=np.float64)
    if scale != "doublings":
        raise UserError(f"scale must be 'linear' or 'doublings', got {scale!r}")
    smallest = next(number for number in levels if number > 0)
    return np.array([math.log2(n) if n else math.log2(smallest) - 1 for n in levels])
