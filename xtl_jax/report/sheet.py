"""One family as a head and rows of entries, for outputs that are a plain table.

Markdown and the terminal show the same sheet, each in its own way. One run: a column a
metric. Several runs: a column a run with the primary metric, and behind each run but
the first its difference to the first.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, NamedTuple

from xtl_jax.report.benchmarks import BenchmarkTable
from xtl_jax.report.cells import (
    SHOWN_GROUPS,
    AverageRow,
    Cell,
    LanguageRow,
    metric_title,
)
from xtl_jax.report.tables import FamilyTable
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
    groups: tuple[tuple[str, tuple[tuple[Entry, ...], ...]], ...]  # title, rows


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
        ),
        groups=tuple(
            (group.title, tuple(_group(row, table) for row in group.rows))
            for group in table.groups
            if table.averages and group.name in SHOWN_GROUPS
        ),
    )


def benchmark_sheet(table: BenchmarkTable) -> tuple[list[str], list[list[Entry]]]:
    """Head and rows of a benchmark; what an arm lacks stands in place of its score."""
    head = ["task"]
    for index, arm in enumerate(table.arms):
        head += [arm, "difference"] if index else [arm]
    rows = []
    for row in table.rows:
        entries = [Entry(f"{row.title}{' (ours)' * row.ours}")]
        for index, place in enumerate(row.places):
            if place.score is None:
                entries.append(Entry("missing", f"({place.lacking})", "missing"))
            else:
                entries.append(Entry(number(place.score), kind="value"))
            if index:
                points = row.difference(index)
                text = "–" if points is None else signed(points)
                entries.append(Entry(text, kind="difference"))
        rows.append(entries)
    return head, rows


def _language(row: LanguageRow, table: FamilyTable) -> tuple[Entry, ...]:
    return (
        Entry(f"{row.title} ({row.language})" + " †" * row.beside),
        *_numbers(row, table),
        Entry("–" if row.total is None else str(row.total)),
    )


def _group(row: AverageRow, table: FamilyTable) -> tuple[Entry, ...]:
    count = str(len(row.languages))
    if not row.languages:
        none = (Entry("–") for _ in _numbers(row, table))
        return (Entry(row.title), *none, Entry(count))
    return (Entry(row.title), *_numbers(row, table), Entry(count))


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
