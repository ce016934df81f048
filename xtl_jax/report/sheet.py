"""One family as a head and rows of entries, for outputs that are a plain table.

Markdown and the terminal show the same sheet, each in its own way. One run: a column a
metric. Several runs: a column a run with the primary metric, and behind each run but
the first its difference to the first.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, NamedTuple

from xtl_jax.report.tables import (
    AverageRow,
    Cell,
    FamilyTable,
    LanguageRow,
    metric_title,
)
from xtl_jax.report.wording import interval, number, signed


class Entry(NamedTuple):
    """One place of a sheet: what stands there, its interval, and what it is."""

    text: str
    interval: str = ""
    kind: Literal["text", "value", "missing", "difference", "up", "down"] = "text"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table without a format: the first column is text, the others numbers."""

    head: tuple[str, ...]
    languages: tuple[tuple[Entry, ...], ...]
    pairs: tuple[tuple[Entry, ...], ...]  # text and question in different languages
    averages: tuple[tuple[Entry, ...], ...]


def sheet(table: FamilyTable) -> Sheet:
    """The sheet of one family."""
    many = len(table.arms) > 1
    head = ["language"]
    for index, arm in enumerate(table.arms):
        head += [arm] if many else [metric_title(key) for key in table.keys]
        if index:
            head.append("difference")
    return Sheet(
        head=(*head, "examples"),
        languages=tuple(_language(row, table) for row in table.rows),
        pairs=tuple(_language(row, table) for row in table.pairs),
        averages=tuple(
            (Entry(row.title), *_numbers(row, table), Entry(""))
            for row in table.averages
            if row.name != "english"  # the row of `en` says it
        ),
    )


def _language(row: LanguageRow, table: FamilyTable) -> tuple[Entry, ...]:
    return (
        Entry(f"{row.title} ({row.language})" + " †" * row.beside),
        *_numbers(row, table),
        Entry("–" if row.total is None else str(row.total)),
    )


def _numbers(row: LanguageRow | AverageRow, table: FamilyTable) -> list[Entry]:
    keys = (table.primary,) if len(table.arms) > 1 else table.keys
    entries = []
    for index in range(len(table.arms)):
        entries += [_value(row.cell(index, key)) for key in keys]
        if index:
            entries.append(_difference(row.differences[index]))
    return entries


def _value(cell: Cell) -> Entry:
    kind = "missing" if cell.value is None else "value"
    return Entry(number(cell.value), interval(cell), kind)


def _difference(cell: Cell | None) -> Entry:
    if cell is None or cell.value is None:
        return Entry("–", kind="difference")
    kind = "difference"
    if cell.excludes_zero:
        kind = "up" if cell.value > 0 else "down"
    return Entry(signed(cell.value), interval(cell, sign=True), kind)
