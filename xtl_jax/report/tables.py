"""From score files to the tables that every output shows.

A `FamilyTable` is one task family: a row a language, one cell an arm and metric, below
them the averages. All numbers are percent; a difference is in points, arm minus
baseline (the first arm), paired by example.

What is missing stays visible: a language without a score is a row of empty cells, and
an average that would have needed it is empty too. With scores en 60, de 40 and no ar:

    English      60.0
    Arabic       missing
    German       40.0
    Average (3)  missing: ar
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from xtl_jax.report import differences, languages
from xtl_jax.report.results import Interval, LanguageScore, RunResults

_TITLES = {
    "f1": "F1",
    "exact_match": "Exact match",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
}

SHARES = {
    "empty": "Empty",
    "sentinel": "Sentinel",
    "illegal": "Illegal label",
    "illegal_nfkc": "… after NFKC",
    "not_in_context": "Not in context",
    "not_in_context_raw": "… as decoded",
    "not_in_context_nfkc": "… after NFKC",
    "not_in_context_unpadded": "… and unpadded",
}

UNHEALTHY_PERCENT = 5.0  # share of outputs from which a page points at them


def metric_title(key: str) -> str:
    """How a metric is called in a table.

    Example:
        >>> metric_title("exact_match"), metric_title("span_f1")
        ('Exact match', 'Span f1')
    """
    return _TITLES.get(key, key.replace("_", " ").capitalize())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """A value with its 95 % interval; a value of None is missing."""

    value: float | None
    interval: Interval | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero (for differences)."""
        return self.interval is not None and (
            self.interval[0] > 0 or self.interval[1] < 0
        )


MISSING = Cell(value=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageRow:
    """One language: its score in each arm (None: no score file)."""

    language: str
    averaged: bool  # whether the family's averages count it
    scores: tuple[LanguageScore | None, ...]
    differences: tuple[Cell | None, ...]  # None for the baseline and unpaired arms

    @property
    def title(self) -> str:
        """The language's English name."""
        return languages.name(self.language)

    @property
    def beside(self) -> bool:
        """A language that is shown but no part of the averages."""
        return not self.averaged and not languages.is_pair(self.language)

    @property
    def chance_percent(self) -> float | None:
        """Score of guessing, where the task has one."""
        known = [s.chance_percent for s in self.scores if s is not None]
        return next((chance for chance in known if chance is not None), None)

    @property
    def total(self) -> int | None:
        """How many examples were scored, where any arm has a score."""
        return next((s.total for s in self.scores if s is not None), None)

    def cell(self, arm: int, key: str) -> Cell:
        """Value and interval of one metric in one arm."""
        score = self.scores[arm]
        if score is None or key not in score.values:
            return MISSING
        return Cell(value=score.values[key], interval=score.intervals.get(key))


@dataclasses.dataclass(frozen=True, kw_only=True)
class AverageRow:
    """One average below the languages."""

    name: str  # "macro", "english", "others" or "transfer_gap"
    title: str
    cells: tuple[Mapping[str, Cell], ...]  # by arm, then by metric
    missing: tuple[tuple[str, ...], ...]  # by arm: the languages that are not there
    differences: tuple[Cell | None, ...]

    def cell(self, arm: int, key: str) -> Cell:
        """Value and interval of one metric in one arm."""
        return self.cells[arm].get(key, MISSING)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FamilyTable:
    """Everything that the report says in numbers about one family."""

    family: str
    split: str
    primary: str
    keys: tuple[str, ...]  # metrics, the primary one first
    arms: tuple[str, ...]
    rows: tuple[LanguageRow, ...]  # one language a row
    pairs: tuple[LanguageRow, ...]  # context and question in different languages
    averages: tuple[AverageRow, ...]

    @property
    def shares(self) -> tuple[str, ...]:
        """The kinds of unhealthy output that were counted for this family."""
        counted = {
            key
            for row in (*self.rows, *self.pairs)
            for score in row.scores
            if score is not None
            for key in score.shares_percent
        }
        return tuple(key for key in SHARES if key in counted)

    @property
    def unhealthy(self) -> bool:
        """Whether a language of some arm has more than a few outputs that are none."""
        return any(
            score.shares_percent.get(key, 0.0) > UNHEALTHY_PERCENT
            for row in self.rows
            for score in row.scores
            if score is not None
            for key in ("empty", "sentinel", "illegal")
        )

    def above_chance(self, arm: int) -> list[bool]:
        """Languages whose chance is known: is the whole interval above it?"""
        found = [row.scores[arm] for row in self.rows if row.scores[arm] is not None]
        answers = [score.above_chance for score in found if score is not None]
        return [answer for answer in answers if answer is not None]

    def average(self, name: str) -> AverageRow | None:
        """The average of that name, if the family has it."""
        return next((row for row in self.averages if row.name == name), None)


def family_tables(arms: Sequence[RunResults]) -> tuple[FamilyTable, ...]:
    """One table a family that any arm has a score for, by name."""
    families = {score.family for arm in arms for score in arm.scores}
    families.update(name for arm in arms for name in arm.summary)
    return tuple(_family_table(family, arms) for family in sorted(families))


def _family_table(family: str, arms: Sequence[RunResults]) -> FamilyTable:
    scores = [score for arm in arms for score in arm.scores if score.family == family]
    averaged, known = set(), {score.language for score in scores}
    for arm in arms:
        if family in arm.summary:
            summary = arm.summary[family]
            averaged.update(summary.languages, summary.missing_languages)
    known |= averaged
    rows = [
        LanguageRow(
            language=language,
            averaged=language in averaged,
            scores=tuple(arm.score(family, language) for arm in arms),
            differences=_language_differences(family, language, arms),
        )
        for language in languages.ordered(known)
    ]
    primary = scores[0].primary if scores else "score"
    keys = [
        primary,
        *(
            k
            for k in dict.fromkeys(k for s in scores for k in s.values)
            if k != primary
        ),
    ]
    singles = tuple(row for row in rows if not languages.is_pair(row.language))
    return FamilyTable(
        family=family,
        split=scores[0].split if scores else "",
        primary=primary,
        keys=tuple(keys),
        arms=tuple(arm.label for arm in arms),
        rows=singles,
        pairs=tuple(row for row in rows if languages.is_pair(row.language)),
        averages=tuple(_averages(family, arms, rows=singles, keys=keys)),
    )


def _language_differences(
    family: str, language: str, arms: Sequence[RunResults]
) -> tuple[Cell | None, ...]:
    baseline = arms[0].score(family, language)
    found: list[Cell | None] = [None]
    for arm in arms[1:]:
        score = arm.score(family, language)
        if baseline is None or score is None:
            found.append(None)
            continue
        paired = differences.of_language(baseline, score)
        found.append(
            None if paired is None else Cell(value=paired[0], interval=paired[1])
        )
    return tuple(found)


def _averages(
    family: str,
    arms: Sequence[RunResults],
    *,
    rows: Sequence[LanguageRow],
    keys: Sequence[str],
) -> list[AverageRow]:
    """Macro average, English beside the others, and the transfer gap."""
    averaged = [row for row in rows if row.averaged]
    if len(averaged) < 2:
        return []
    english = [row for row in averaged if row.language == "en"]
    others = [row for row in averaged if row.language != "en"]
    count = len(averaged)
    made = [
        AverageRow(
            name="macro",
            title=f"Average of {count} languages",
            cells=tuple(_summary_cells(arm, family, keys, "macro") for arm in arms),
            missing=_missing(averaged, arms),
            differences=_mean_differences(averaged, arms),
        )
    ]
    if english and others:
        made += [
            AverageRow(
                name="english",
                title="English alone",
                cells=tuple(
                    {key: english[0].cell(arm, key) for key in keys}
                    for arm in range(len(arms))
                ),
                missing=_missing(english, arms),
                differences=_mean_differences(english, arms),
            ),
            AverageRow(
                name="others",
                title=f"Average of the {len(others)} others",
                cells=tuple(
                    _summary_cells(arm, family, keys, "non_english") for arm in arms
                ),
                missing=_missing(others, arms),
                differences=_mean_differences(others, arms),
            ),
            AverageRow(
                name="transfer_gap",
                title="Transfer gap",
                cells=tuple(
                    _summary_cells(arm, family, keys, "transfer_gap") for arm in arms
                ),
                missing=_missing(averaged, arms),
                differences=(None,) * len(arms),
            ),
        ]
    return made


def _summary_cells(
    arm: RunResults,
    family: str,
    keys: Sequence[str],
    name: Literal["macro", "non_english", "transfer_gap"],
) -> dict[str, Cell]:
    """The averages are the scorer's own: a report never averages anew."""
    summary = arm.summary.get(family)
    if summary is None:
        return {}
    values, intervals = {
        "macro": (summary.macro, summary.intervals),
        "non_english": (summary.non_english, {}),
        "transfer_gap": (summary.transfer_gap, summary.transfer_gap_intervals),
    }[name]
    return {
        key: Cell(value=values.get(key), interval=intervals.get(key)) for key in keys
    }


def _missing(
    rows: Sequence[LanguageRow], arms: Sequence[RunResults]
) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(row.language for row in rows if row.scores[arm] is None)
        for arm in range(len(arms))
    )


def _mean_differences(
    rows: Sequence[LanguageRow], arms: Sequence[RunResults]
) -> tuple[Cell | None, ...]:
    found: list[Cell | None] = [None]
    for arm in range(1, len(arms)):
        pairs = [(row.scores[0], row.scores[arm]) for row in rows]
        paired = differences.of_average(pairs)
        found.append(
            None if paired is None else Cell(value=paired[0], interval=paired[1])
        )
    return tuple(found)
