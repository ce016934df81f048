"""From languages to one line: macro average, English against the rest, the gap.

The *macro average* is the plain mean of the languages' values: each language counts the
same, however many examples it has. The *transfer gap* is XTREME's: the value in English
minus the mean of all other languages, in points; lower is better:

    >>> values = {"en": {"f1": 80.0}, "ar": {"f1": 50.0}, "zh": {"f1": 60.0}}
    >>> mean_values(values)["f1"]
    63.333333333333336
    >>> transfer_gap(values)["f1"]
    25.0

A language that was not scored is *missing*. It is listed, and every mean it belongs to
is `None`: a mean over fewer languages would be another number under the same name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.metrics.metric import Counts, Metric, add

SOURCE = "en"  # XTREME's source language, which its gap is measured from

Values = Mapping[str, float]  # key of a metric to percent


def mean_values(values: Mapping[str, Values]) -> dict[str, float]:
    """The plain mean over languages of each key, added in their order."""
    sums = add(values.values())
    return {key: total / len(values) for key, total in sums.items()}


def transfer_gap(values: Mapping[str, Values]) -> dict[str, float] | None:
    """English minus the mean of the others; `None` if there is no such pair."""
    others = {name: row for name, row in values.items() if name != SOURCE}
    if SOURCE not in values or not others:
        return None
    mean = mean_values(others)
    return {key: values[SOURCE][key] - mean[key] for key in mean}


def xtreme_metric(macro: Values) -> float:
    """XTREME's one number of a task: the mean of its keys (exact match and F1)."""
    return sum(macro.values()) / len(macro)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """One family over its standard languages; `None` where a language is missing."""

    metric: str
    primary: str
    macro: Values | None
    intervals: Mapping[str, tuple[float, float]] | None
    english: Values | None
    non_english: Values | None
    transfer_gap: Values | None
    transfer_gap_intervals: Mapping[str, tuple[float, float]] | None
    xtreme_metric: float | None
    languages: Mapping[str, Values]  # the standard ones that were scored
    other_languages: Mapping[str, Values]  # scored beside them, in no mean
    missing_languages: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The entry of a family in `scores/summary.json`."""
        entry = dataclasses.asdict(self)
        keys = tuple(
            next(iter((*self.languages.values(), *self.other_languages.values())))
        )
        # A mean that cannot be given is null under its key, so that readers find it.
        for name in ("macro", "transfer_gap"):
            entry[name] = entry[name] or dict.fromkeys(keys)
        for name in ("intervals", "transfer_gap_intervals"):
            found = entry[name] or {}
            entry[name] = {key: list(pair) for key, pair in found.items()}
        entry["missing_languages"] = list(self.missing_languages)
        return entry


def summarise(
    counts: Mapping[str, Mapping[str, Counts]],
    *,
    metric: Metric,
    standard_languages: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
) -> Summary:
    """The summary of a family.

    Args:
        counts: by language, the counts of each example by its id.
        metric: what made the counts.
        standard_languages: the languages of the mean.
        resamples: bootstrap resamples of the intervals.
        seed: of the bootstrap.
    """
    values = {
        language: metric.combine(add(rows.values()))
        for language, rows in counts.items()
    }
    # In the order of the standard languages: so XTREME adds them.
    standard = {name: values[name] for name in standard_languages if name in values}
    others = {name: row for name, row in values.items() if name not in standard}
    missing = tuple(name for name in standard_languages if name not in values)
    rest = [name for name in standard_languages if name != SOURCE]
    rest_is_there = bool(rest) and all(name in standard for name in rest)
    complete = not missing
    macro = mean_values(standard) if complete else None
    gap = transfer_gap(standard) if complete else None
    macro_intervals = gap_intervals = None
    if complete:
        macro_intervals, gap_intervals = _intervals(
            {name: counts[name] for name in standard},
            metric=metric,
            resamples=resamples,
            seed=seed,
        )
    return Summary(
        metric=metric.name,
        primary=metric.primary,
        macro=macro,
        intervals=macro_intervals,
        english=standard.get(SOURCE),
        non_english=mean_values({name: standard[name] for name in rest})
        if rest_is_there
        else None,
        transfer_gap=gap,
        transfer_gap_intervals=gap_intervals,
        xtreme_metric=xtreme_metric(macro) if macro else None,
        languages=standard,
        other_languages=others,
        missing_languages=missing,
    )


def _intervals(
    counts: Mapping[str, Mapping[str, Counts]],
    *,
    metric: Metric,
    resamples: int,
    seed: int,
) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]] | None]:
    from xtl_jax.metrics import bootstrap  # numpy is imported only when it is needed

    # Arrays in place of numbers: a mean and a gap for each resample at once.
    draws: Any = bootstrap.draws(counts, metric=metric, resamples=resamples, seed=seed)
    macro = mean_values(draws)
    gap = transfer_gap(draws)

    def interval_of(arrays: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
        return {key: bootstrap.interval(draw) for key, draw in arrays.items()}

    return interval_of(macro), None if gap is None else interval_of(gap)
