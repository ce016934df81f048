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
from collections.abc import Sequence

from xtl_jax.report import averages, differences, languages
from xtl_jax.report.cells import AverageRow, GroupTable, LanguageRow
from xtl_jax.report.results import RunResults

SHARES = {
    "empty": "Empty",
    "sentinel": "Sentinel",
    "illegal": "Illegal label",
    "illegal_nfkc": "… after NFKC",
    "unplaced": "Not placed",
    "not_in_context": "Not in context",
    "not_in_context_raw": "… as decoded",
    "not_in_context_nfkc": "… after NFKC",
    "not_in_context_unpadded": "… and unpadded",
}
# What scripts cannot tell of a language is no fault of an answer.
_NO_FAULT = {"not_identified"}

# Shares that a page points at, and what is counted, for a sentence.
UNHEALTHY = {
    "empty": "the outputs are no answers: empty",
    "sentinel": "the outputs are no answers: a sentinel is left in them",
    "illegal": "the outputs are no answers: illegal label",
    "unplaced": "the parts of tagged sentences found no place",
}
UNHEALTHY_PERCENT = 5.0  # share of outputs from which a page points at them


def share_title(key: str) -> str:
    """How a share of outputs is called in a table.

    Example:
        >>> share_title("sentinel"), share_title("wrong_script")
        ('Sentinel', 'Wrong script')
    """
    return SHARES.get(key, key.replace("_", " ").capitalize())


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
    groups: tuple[GroupTable, ...]  # of languages: by resources, script, family, …

    @property
    def shares(self) -> tuple[str, ...]:
        """The kinds of unhealthy output that were counted for this family."""
        counted = {
            key
            for row in (*self.rows, *self.pairs)
            for score in row.scores
            if score is not None
            for key in score.shares_percent.keys() - _NO_FAULT
        }
        return (
            *(key for key in SHARES if key in counted),
            *sorted(counted - SHARES.keys()),
        )

    @property
    def groups_have_more(self) -> bool:
        """Whether groups hold languages that are no part of the averages."""
        averaged = {row.language for row in self.rows if row.averaged}
        return any(
            not averaged.issuperset(row.languages)
            for group in self.groups
            for row in group.rows
        )

    @property
    def unhealthy(self) -> bool:
        """Whether a language of some arm has more than a few outputs that are none."""
        return any(
            score.shares_percent.get(key, 0.0) > UNHEALTHY_PERCENT
            for row in self.rows
            for score in row.scores
            if score is not None
            for key in UNHEALTHY
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
    both = [
        {lang: (arms[0].score(family, lang), arm.score(family, lang)) for lang in known}
        for arm in arms[1:]
    ]
    paired = (None, *(differences.between(each) for each in both))
    rows = [
        LanguageRow(
            language=language,
            averaged=language in averaged,
            scores=tuple(arm.score(family, language) for arm in arms),
            differences=tuple(
                None if each is None else averages.difference(each, (language,))
                for each in paired
            ),
        )
        for language in languages.ordered(known)
    ]
    primary = scores[0].primary if scores else "score"
    others = dict.fromkeys(key for score in scores for key in score.values)
    keys = (primary, *(key for key in others if key != primary))
    singles = tuple(row for row in rows if not languages.is_pair(row.language))
    return FamilyTable(
        family=family,
        split=scores[0].split if scores else "",
        primary=primary,
        keys=keys,
        arms=tuple(arm.label for arm in arms),
        rows=singles,
        pairs=tuple(row for row in rows if languages.is_pair(row.language)),
        averages=tuple(
            averages.averages(family, arms, rows=singles, keys=keys, paired=paired)
        ),
        groups=averages.group_tables(family, arms, keys=keys, paired=paired),
    )
