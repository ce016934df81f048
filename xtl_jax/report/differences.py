"""Arm minus baseline on the same examples, with an interval.

Two arms answered the same questions, so a question that is hard for one tends to be
hard for the other. Drawing examples once for both keeps that and gives a narrower
interval than two separate ones would suggest. Values 0 and 1 against 1 and 1:

    >>> paired({"en": ({"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 1.0})})
    (50.0, (0.0, 100.0))

This needs a value that is the mean of its examples, as accuracy and the F1 of answers
are. Where the ids differ or the value is no such mean, there is no paired difference
(None), and the report shows the two values alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from xtl_jax.report.results import Interval, LanguageScore

RESAMPLES = 1000
SEED = 0

PerExample = Mapping[str, float]  # example id to its value, 0 to 1
Difference = tuple[float, Interval]  # points and their 95 % interval


def of_language(baseline: LanguageScore, other: LanguageScore) -> Difference | None:
    """The difference of one language."""
    return of_average([(baseline, other)])


def of_average(
    pairs: Sequence[tuple[LanguageScore | None, LanguageScore | None]],
) -> Difference | None:
    """The difference of the mean over languages; None where one cannot be paired."""
    values: dict[str, tuple[PerExample, PerExample]] = {}
    for baseline, other in pairs:
        if baseline is None or other is None or not _can_be_paired(baseline, other):
            return None
        values[other.language] = (baseline.per_example, other.per_example)
    return paired(values)


def paired(values: Mapping[str, tuple[PerExample, PerExample]]) -> Difference:
    """Second minus first, meaned over languages, in points.

    Args:
        values: by language, the values of the two arms; the same ids in both.
    """
    from xtl_jax.metrics import bootstrap
    from xtl_jax.metrics.metric import Metric, percent

    mean = Metric(
        name="mean",
        primary="value",
        keys=("value",),
        counts=lambda value, **_: {"total": 1.0, "value": value},
        combine=lambda sums: {"value": percent(sums["value"], total=sums["total"])},
    )
    sides = {
        f"{language}/{side}": {
            key: mean.counts(value) for key, value in both[side].items()
        }
        for language, both in values.items()
        for side in (0, 1)
    }
    draws = bootstrap.draws(sides, metric=mean, resamples=RESAMPLES, seed=SEED)
    of_languages = [
        draws[f"{language}/1"]["value"] - draws[f"{language}/0"]["value"]
        for language in values
    ]
    points = [_mean(second) - _mean(first) for first, second in values.values()]
    resampled = sum(of_languages[1:], start=of_languages[0]) / len(of_languages)
    return 100.0 * sum(points) / len(points), bootstrap.interval(resampled)


def _mean(values: PerExample) -> float:
    return math.fsum(values.values()) / len(values)


def _can_be_paired(baseline: LanguageScore, other: LanguageScore) -> bool:
    if not other.per_example or baseline.primary != other.primary:
        return False
    if baseline.per_example.keys() != other.per_example.keys():
        return False
    return all(
        math.isclose(
            100 * _mean(score.per_example), score.values[score.primary], abs_tol=1e-6
        )
        for score in (baseline, other)
    )
