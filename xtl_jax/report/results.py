"""What a report is made from: the files of a run directory as values.

    run.json            what was run: the resolved configuration
    log.jsonl           how it went: one line a logging step
    scores/*.json       how good it is: one file a task and language
    scores/summary.json averages over the languages of a family
    predictions/*.jsonl what the model wrote, for the wrong examples
    robustness/summary.json what attacks cost, where there were any
    robustness/certified.json   what a vote under noise certifies, where there was one

`cli/report.py` opens the files; this module says which keys they must have and turns
them into `RunResults`. Runs compared in one report are *arms*; the first is the
baseline that the others are measured against.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.errors import UserError
from xtl_jax.metrics.groups import DIMENSIONS

if TYPE_CHECKING:
    from xtl_jax.infer.records import Record

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageScore:
    """The score of one task in one language, as `xtl score` wrote it; percent."""

    task: str
    family: str
    language: str
    split: str
    metric: str
    primary: str  # the key that is plotted and compared
    total: int
    missing: int  # examples without a prediction: they count as wrong
    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    shares_percent: Mapping[str, float]
    chance_percent: float | None
    signature: str
    checkpoint: str
    step: int | None
    per_example: Mapping[str, float]  # id -> primary value of one example, 0 to 1

    @property
    def above_chance(self) -> bool | None:
        """Whether the whole interval lies above chance; None where unknown."""
        interval = self.intervals.get(self.primary)
        if self.chance_percent is None or interval is None:
            return None
        return interval[0] > self.chance_percent


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupSummary:
    """The average over some of a family's languages, such as those of one script."""

    name: str
    title: str
    languages: tuple[str, ...]  # missing ones too
    missing_languages: tuple[str, ...]
    values: Mapping[str, float | None]  # None where a language is missing
    intervals: Mapping[str, Interval]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dimension:
    """One way to part a family's languages into groups."""

    name: str
    title: str
    groups: tuple[GroupSummary, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FamilySummary:
    """Averages over the standard languages of one family, as `xtl score` wrote them."""

    macro: Mapping[str, float | None]  # None where a language is missing
    intervals: Mapping[str, Interval]  # of macro
    non_english: Mapping[str, float | None]
    non_english_intervals: Mapping[str, Interval]
    transfer_gap: Mapping[str, float | None]  # English minus the mean of the others
    transfer_gap_intervals: Mapping[str, Interval]
    languages: tuple[str, ...]  # averaged languages that have a score
    missing_languages: tuple[str, ...]
    groups: tuple[Dimension, ...] = ()  # none in files of older versions

    def group(self, dimension: str, name: str) -> GroupSummary | None:
        """One group of one dimension, if the summary has it."""
        for each in self.groups:
            if each.name == dimension:
                return next((g for g in each.groups if g.name == name), None)
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResults:
    """One arm: everything a report knows of one run."""

    label: str
    folder: str
    config: Mapping[str, Any]
    log: tuple[Mapping[str, Any], ...]
    scores: tuple[LanguageScore, ...]
    summary: Mapping[str, FamilySummary]
    predictions: Mapping[str, Sequence[Record]]  # "mlqa.ar" -> records
    notes: tuple[str, ...] = ()  # what is missing or broken, for the reader
    parts: tuple[RunResults, ...] = ()  # the runs it was joined from, if it was
    # Family to attack to what it cost (`report/robustness.py`).
    robustness: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )
    # Family to language to certified accuracy (`report/certified.py`).
    certified: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def runs(self) -> tuple[RunResults, ...]:
        """The runs themselves: those it was joined from, or this one."""
        return self.parts or (self,)

    def score(self, family: str, language: str) -> LanguageScore | None:
        """Score of one language, or None where it is missing."""
        for score in self.scores:
            if (score.family, score.language) == (family, language):
                return score
        return None


def language_score(document: Any, *, source: str) -> LanguageScore:
    """One `scores/TASK.LANGUAGE.json` as a value.

    Args:
        document: the parsed JSON.
        source: name of its file, for the error message.

    Raises:
        UserError: a key is missing or holds something else than it must.
    """
    try:
        per_example = document["per_example"]
        primary = document["primary"]
        score = LanguageScore(
            task=str(document["task"]),
            family=str(document["family"]),
            language=str(document["language"]),
            split=str(document["split"]),
            metric=str(document["metric"]),
            primary=str(primary),
            total=int(document["total"]),
            missing=int(document["missing"]),
            values=_finite(document["values"]),
            intervals=_intervals(document["intervals"]),
            shares_percent=_finite(document["shares_percent"]),
            chance_percent=_number(document["chance_percent"]),
            signature=str(document["signature"]),
            checkpoint=str(document.get("checkpoint") or ""),
            step=None if document.get("step") is None else int(document["step"]),
            per_example=dict(
                zip(
                    map(str, per_example["ids"]),
                    map(float, per_example[primary]),
                    strict=True,
                )
            ),
        )
    except KeyError as error:
        raise UserError(
            f"{source} has no key {error.args[0]!r}: it is not a score file of this "
            "version; score the predictions again with `xtl score`"
        ) from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{source} holds a value that is not allowed ({error}); score the "
            "predictions again with `xtl score`"
        ) from None
    if score.primary not in score.values:
        raise UserError(
            f"{source} has no value for its primary metric {score.primary!r}, only "
            f"{sorted(score.values)}; score the predictions again with `xtl score`"
        )
    return score


def family_summaries(document: Any, *, source: str) -> dict[str, FamilySummary]:
    """`scores/summary.json` as values, by family.

    Raises:
        UserError: it is not a summary.
    """
    try:
        return {
            str(name): FamilySummary(
                macro=_numbers(family["macro"]),
                intervals=_intervals(family.get("intervals")),
                non_english=_numbers(family.get("non_english")),
                non_english_intervals=_intervals(family.get("non_english_intervals")),
                transfer_gap=_numbers(family.get("transfer_gap")),
                transfer_gap_intervals=_intervals(family.get("transfer_gap_intervals")),
                languages=tuple(map(str, family["languages"])),
                missing_languages=tuple(map(str, family["missing_languages"])),
                groups=_dimensions(family.get("groups") or {}),
            )
            for name, family in document["families"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{source} is not a summary of scores ({type(error).__name__}: {error}); "
            "write it again with `xtl score`"
        ) from None


def _dimensions(document: Mapping[str, Any]) -> tuple[Dimension, ...]:
    titles = {dimension.name: dimension.title for dimension in DIMENSIONS}
    return tuple(
        Dimension(
            name=str(name),
            title=titles.get(name, str(name)),
            groups=tuple(
                GroupSummary(
                    name=str(group),
                    title=str(entry["title"]),
                    languages=tuple(map(str, entry["languages"])),
                    missing_languages=tuple(map(str, entry["missing_languages"])),
                    values=_numbers(entry["values"]),
                    intervals=_intervals(entry["intervals"]),
                )
                for group, entry in found.items()
            ),
        )
        for name, found in document.items()
    )


def _number(value: Any) -> float | None:
    """A finite number, or None: a NaN in a file is a number nobody has."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _numbers(values: Mapping[str, Any] | None) -> dict[str, float | None]:
    return {str(key): _number(value) for key, value in (values or {}).items()}


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    numbers = _numbers(values)
    return {key: value for key, value in numbers.items() if value is not None}


def _intervals(values: Mapping[str, Any] | None) -> dict[str, Interval]:
    found = {}
    for key, bounds in (values or {}).items():
        if bounds is None:
            continue
        low, high = (_number(bound) for bound in bounds)
        if low is not None and high is not None:
            found[str(key)] = (low, high)
    return found
