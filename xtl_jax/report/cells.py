"""The parts of a table: cells, the rows of languages, the rows of averages.

All numbers are percent; a difference is in points, arm minus baseline (the first arm).
A value that is not there is a cell of `None`, and every output shows it as missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from xtl_jax.report import languages
from xtl_jax.report.results import Interval, LanguageScore

# The dimensions that tables for people show; files for programs have all.
SHOWN_GROUPS = ("resource", "mt5", "script", "family")

_TITLES = {
    "f1": "F1",
    "exact_match": "Exact match",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "map@20": "mAP@20",
}


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
    """One average over languages."""

    name: str  # "macro", "others", "transfer_gap", or a group's
    title: str
    languages: tuple[str, ...]  # that it is made of
    cells: tuple[Mapping[str, Cell], ...]  # by arm, then by metric
    missing: tuple[tuple[str, ...], ...]  # by arm: the languages that are not there
    differences: tuple[Cell | None, ...]

    def cell(self, arm: int, key: str) -> Cell:
        """Value and interval of one metric in one arm."""
        return self.cells[arm].get(key, MISSING)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupTable:
    """A family's languages parted in one way, an average a group."""

    name: str  # "resource", "script", "family", …
    title: str
    rows: tuple[AverageRow, ...]

    @property
    def absent(self) -> tuple[str, ...]:
        """Titles of the groups that the family has no language of."""
        return tuple(row.title for row in self.rows if not row.languages)
