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
is `None`: a mean over fewer languages would be another number under the same name. The
same holds for the means over groups of languages (`groups.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.metrics import groups
from xtl_jax.metrics.groups import Group
from xtl_jax.metrics.languages import SOURCE
from xtl_jax.metrics.metric import Counts, Metric, Values, add, mean_values


def transfer_gap(values: Mapping[str, Values]) -> dict[str, float] | None:
    """English minus the mean of the others; `None` if there is no such pair."""
    others = {name: row for name, row in values.items() if name != SOURCE}
    if SOURCE not in values or not others:
        return None
    mean = mean_values(others)
    return {key: values[SOURCE][key] - mean[key] for key in mean}


def xtreme_metric(macro: Values, *, primary: str) -> float:
    """XTREME's one number of a task: for questions the mean of exact match and F1.

    Example:
        >>> xtreme_metric({"exact_match": 50.0, "f1": 60.0}, primary="f1")
        55.0
        >>> xtreme_metric({"f1": 50.0, "precision": 40.0}, primary="f1")
        50.0
    """
    if "exact_match" in macro:
        return (macro["exact_match"] + macro["f1"]) / 2
    return macro[primary]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """One family over its standard languages; `None` where a language is missing."""

    metric: str
    primary: str
    macro: Values | None
    intervals: Mapping[str, tuple[float, float]] | None
    english: Values | None
    non_english: Values | None
    non_english_intervals: Mapping[str, tuple[float, float]] | None
    transfer_gap: Values | None
    transfer_gap_intervals: Mapping[str, tuple[float, float]] | None
    xtreme_metric: float | None
    languages: Mapping[str, Values]  # the standard ones that were scored
    other_languages: Mapping[str, Values]  # scored beside them, in no mean
    missing_languages: tuple[str, ...]
    groups: tuple[Group, ...]  # by resources, script, family, …

    def to_json(self) -> dict[str, Any]:
        """The entry of a family in `scores/summary.json`."""
        entry = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        }
        keys = tuple(
            next(iter((*self.languages.values(), *self.other_languages.values())))
        )
        # A mean that cannot be given is null under its key, so that readers find it.
        for name in ("macro", "transfer_gap"):
            entry[name] = entry[name] or dict.fromkeys(keys)
        for name in ("intervals", "non_english_intervals", "transfer_gap_intervals"):
            found = entry[name] or {}
            entry[name] = {key: list(pair) for key, pair in found.items()}
        entry["missing_languages"] = list(self.missing_languages)
        entry["groups"] = groups.to_json(self.groups, keys=keys)
        return entry


def summarise(
    counts: Mapping[str, Mapping[str, Counts]],
    *,
    metric: Metric,
    standard_languages: Sequence[str],
    extended_languages: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
) -> Summary:
    """The summary of a family.

    Args:
        counts: by language, the counts of each example by its id.
        metric: what made the counts.
        standard_languages: the languages of the mean.
        extended_languages: the languages of a larger version of the family, such as
            XTREME-R's of XTREME's. Where one that is not standard was scored, groups
            are made of all of these.
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

    # Arrays in place of numbers: a mean and a gap for each resample at once.
    def draws_of(names: Sequence[str]) -> Mapping[str, Any]:
        from xtl_jax.metrics import bootstrap  # numpy is imported only when needed

        return bootstrap.draws(
            {name: counts[name] for name in names if name in counts},
            metric=metric,
            resamples=resamples,
            seed=seed,
        )

    draws = group_draws = draws_of(standard_languages)
    grouped = tuple(standard_languages)
    if any(name in others for name in extended_languages):
        grouped = (*grouped, *(n for n in extended_languages if n not in grouped))
        group_draws = draws_of(grouped)
    gap_draws = transfer_gap(draws) if complete else None
    return Summary(
        metric=metric.name,
        primary=metric.primary,
        macro=macro,
        intervals=groups.intervals(mean_values(draws)) if complete else None,
        english=standard.get(SOURCE),
        non_english=mean_values({name: standard[name] for name in rest})
        if rest_is_there
        else None,
        non_english_intervals=groups.intervals(
            mean_values({name: draws[name] for name in rest})
        )
        if rest_is_there
        else None,
        transfer_gap=gap,
        transfer_gap_intervals=None
        if gap_draws is None
        else groups.intervals(gap_draws),
        xtreme_metric=xtreme_metric(macro, primary=metric.primary) if macro else None,
        languages=standard,
        other_languages=others,
        missing_languages=missing,
        groups=groups.of_languages(values, draws=group_draws, languages=grouped),
    )
