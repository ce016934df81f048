r"""The tables on a terminal.

Of the groups of languages only those by resources are printed; the others are on the
page.

Text from data goes in as `rich.text.Text`, never as markup, and without characters that
a terminal would obey: a run called `[red]` or `\x1b[31m` is shown, not followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xtl_jax.report import wording
from xtl_jax.report.benchmarks import BenchmarkTable, benchmark_tables
from xtl_jax.report.cells import metric_title
from xtl_jax.report.results import RunResults
from xtl_jax.report.sheet import Entry, benchmark_sheet, sheet
from xtl_jax.report.tables import FamilyTable
from xtl_jax.report.text import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_STYLES = {"missing": "yellow", "up": "green", "down": "red"}


def show(
    arms: Sequence[RunResults], *, tables: Sequence[FamilyTable], console: Console
) -> None:
    """Print the benchmarks, one table a family, then what the reader must know."""
    from rich.text import Text

    for table in benchmark_tables(arms):
        console.print(_benchmark(table))
    for table in tables:
        made = _table(table, intervals=True)
        wanted = console.measure(made, options=console.options.update(width=10_000))
        if wanted.maximum > console.width:  # numbers first: brackets are on the page
            made = _table(table, intervals=False)
        console.print(made)
        if table.pairs:
            console.print(
                f"{len(table.pairs)} pairs of languages are on the page", style="dim"
            )
    for note in wording.notes(arms):
        console.print(Text(f"! {one_line(note, limit=500)}", style="yellow"))


def _table(table: FamilyTable, *, intervals: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = one_line(table.family)
    if table.split:
        title += f", {one_line(table.split)} split"
    if len(table.arms) > 1:
        title += f", {metric_title(table.primary)}"
    made = Table(
        title=Text(f"{title} (percent)", style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    parts = sheet(table)
    for place, head in enumerate(parts.head):
        made.add_column(
            Text(one_line(head, limit=28)),
            justify="right" if place else "left",
            no_wrap=not place,
        )
    for row in parts.languages:
        made.add_row(*(_written(entry, intervals=intervals) for entry in row))
    if parts.averages:
        made.add_section()
    for row in parts.averages:
        made.add_row(*(_written(entry, intervals=intervals) for entry in row))
    for title, rows in parts.groups[:1]:
        made.add_section()
        made.add_row(Text(f"{title}:", style="dim"))
        for row in rows:
            made.add_row(*(_written(entry, intervals=intervals) for entry in row))
    return made


def _benchmark(table: BenchmarkTable) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(
        title=Text(f"{table.title}, task scores (percent)", style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    head, rows = benchmark_sheet(table)
    for place, name in enumerate(head):
        made.add_column(
            Text(one_line(name, limit=28)), justify="right" if place else "left"
        )
    tasks = sum(row.kind in ("task", "own_mean") for row in table.rows)
    for place, entries in enumerate(rows):
        if place == tasks:
            made.add_section()
        made.add_row(*(_written(entry, intervals=True) for entry in entries))
    return made


def _written(entry: Entry, *, intervals: bool) -> Text:
    from rich.text import Text

    text = Text(one_line(entry.text), style=_STYLES.get(entry.kind, ""))
    if entry.interval and intervals:
        text.append(f" {entry.interval}", style="dim")
    return text
