"""Arm minus baseline on the same examples, with an interval.

Two arms answered the same questions, so a question that is hard for one tends to be
hard for the other. Drawing examples once for both keeps that and gives a narrower
interval than two separate ones would suggest. Values 0 and 1 against 1 and 1:

    >>> found = resample({"en": ({"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 1.0})})
    >>> found.mean(["en"])
    (50.0, (0.0, 100.0))

All languages of a family are drawn once; the difference of a language, of a group of
languages and of all are means over those same draws.

This needs a value that is the mean of its examples, as accuracy and the F1 of answers
are. Where the ids differ or the value is no such mean, there is no paired difference
(None), and the report shows the two values alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.report.results import Interval, LanguageScore

RESAMPLES = 1000
SEED = 0

PerExample = Mapping[str, float]  # example id to its value, 0 to 1
Difference = tuple[float, Interval]  # points and their 95 % interval
Both = tuple[LanguageScore | None, LanguageScore | None]  # baseline and another arm


@dataclasses.dataclass(frozen=True, kw_only=True)
class Differences:
    """Second arm minus first, by language."""

    points: Mapping[str, float]
    resampled: Mapping[str, Any]  # arrays: entry i is of resample i in each language

    def mean(self, languages: Sequence[str]) -> Difference | None:
        """The mean over languages; None where one has no paired difference."""
        from xtl_jax.metrics import bootstrap

        if not languages or any(name not in self.points for name in languages):
            return None
        arrays = [self.resampled[name] for name in languages]
        mean = sum(self.points[name] for name in languages) / len(languages)
        drawn: Any = sum(arrays[1:], start=arrays[0])
        return mean, bootstrap.interval(drawn / len(arrays))


def between(scores: Mapping[str, Both]) -> Differences:
    """The differences of those languages that can be paired."""
    return resample(
        {
            language: (baseline.per_example, other.per_example)
            for language, (baseline, other) in scores.items()
            if baseline is not None
            and other is not None
            and _can_be_paired(baseline, other)
        }
    )


def resample(values: Mapping[str, tuple[PerExample, PerExample]]) -> Differences:
    """Second minus first of each language, in points, and resampled.

    Args:
        values: by language, the values of the two arms; the same ids in both.
    """
    from xtl_jax.metrics import bootstrap
    from xtl_jax.metrics.comparisons import MEAN, rows_of

    sides = {
        f"{language}/{side}": rows_of(both[side])
        for language, both in values.items()
        for side in (0, 1)
    }
    draws = bootstrap.draws(sides, metric=MEAN, resamples=RESAMPLES, seed=SEED)
    return Differences(
        points={
            language: 100.0 * (_mean(second) - _mean(first))
            for language, (first, second) in values.items()
        },
        resampled={
            language: draws[f"{language}/1"]["value"] - draws[f"{language}/0"]["value"]
            for language in values
        },
    )


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
