"""What attacks cost, as tables: from `robustness/summary.json` of a run.

One table a run and family: a row an attack, with the means over the languages that it
applies to, and below it a row a language. *Clean* of an attack is over the examples
that this attack applies to, so it may differ between rows; the gap is paired.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.errors import UserError
from xtl_jax.report import languages
from xtl_jax.report.cells import Cell
from xtl_jax.report.results import RunResults

SHOWN_GROUPS = ("script", "resource")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttackRow:
    """One attack, in one language or in the mean over all."""

    attack: str  # with its settings
    title: str  # the attack, a language or a group
    code: str  # of the language; how many languages there are
    clean: Cell
    attacked: Cell
    gap: Cell
    success: float | None  # percent of what was right
    queries: float | None  # for each example


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobustnessTable:
    """All attacks on one family by one run."""

    arm: str
    family: str
    split: str
    primary: str
    means: tuple[AttackRow, ...]  # an attack each
    rows: Mapping[str, tuple[AttackRow, ...]]  # attack to its languages
    groups: Mapping[str, tuple[AttackRow, ...]]  # attack to groups of languages

    @property
    def languages(self) -> tuple[tuple[str, str], ...]:
        """Codes and names of all languages that any attack applies to."""
        found = {row.code: row.title for rows in self.rows.values() for row in rows}
        return tuple((code, found[code]) for code in languages.ordered(found))

    def row(self, attack: str, code: str) -> AttackRow | None:
        """One language under one attack; None where it does not apply."""
        return next((row for row in self.rows[attack] if row.code == code), None)


def tables(arms: Sequence[RunResults]) -> tuple[RobustnessTable, ...]:
    """The tables of all runs that were attacked.

    Raises:
        UserError: a run's document is not what `xtl score` writes.
    """
    return tuple(table for arm in arms for run in arm.runs for table in _tables(run))


def _tables(run: RunResults) -> list[RobustnessTable]:
    try:
        return [
            _table(run.label, family, by_attack)
            for family, by_attack in run.robustness.items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise UserError(
            f"{run.folder}/robustness/summary.json is not what this version writes "
            f"({type(error).__name__}: {error}); write it again with `xtl score`"
        ) from None


def _table(arm: str, family: str, by_attack: Mapping[str, Any]) -> RobustnessTable:
    first = next(iter(by_attack.values()))
    return RobustnessTable(
        arm=arm,
        family=str(family),
        split=str(first["split"]),
        primary=str(first["primary"]),
        means=tuple(
            _row(
                found["mean"],
                attack=attack,
                title=str(found["attack"]["title"]),
                code=str(len(found["languages"])),
            )
            for attack, found in by_attack.items()
        ),
        rows={
            attack: tuple(
                _row(
                    found["languages"][code],
                    attack=attack,
                    title=languages.name(code),
                    code=code,
                )
                for code in languages.ordered(found["languages"])
            )
            for attack, found in by_attack.items()
        },
        groups={
            attack: tuple(
                _row(
                    group,
                    attack=attack,
                    title=str(group["title"]),
                    code=str(len(group["languages"])),
                )
                for dimension in SHOWN_GROUPS
                for group in found["groups"].get(dimension, {}).values()
                if group["languages"]
            )
            for attack, found in by_attack.items()
        },
    )


def _row(found: Mapping[str, Any], *, attack: str, title: str, code: str) -> AttackRow:
    values, intervals = found["values"], found["intervals"]

    def cell(key: str) -> Cell:
        pair = intervals.get(key)
        return Cell(
            value=values[key],
            interval=None if pair is None else (float(pair[0]), float(pair[1])),
        )

    return AttackRow(
        attack=attack,
        title=title,
        code=code,
        clean=cell("clean"),
        attacked=cell("attacked"),
        gap=cell("gap"),
        success=values.get("success"),
        queries=found.get("queries_per_example"),
    )
