"""The tables as Markdown, for a pull request or a lab notebook.

Numbers only: bars, curves and wrong examples are on the HTML page. Cells are escaped,
so a run called `a|b` or `<b>` is shown as it is called.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from xtl_jax.report import certified, facts, robustness, wording
from xtl_jax.report.benchmarks import benchmark_tables
from xtl_jax.report.cells import Cell, metric_title
from xtl_jax.report.results import RunResults
from xtl_jax.report.sheet import Entry, benchmark_sheet, sheet
from xtl_jax.report.tables import FamilyTable
from xtl_jax.report.text import one_line

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#&~])")


def render(
    arms: Sequence[RunResults], *, tables: Sequence[FamilyTable], title: str
) -> str:
    """The report as Markdown, ending in a newline."""
    parts = [f"# {escape(title)}"]
    if facts.is_toy(arms):
        parts.append("Toy data: the numbers say that the pipeline works, no more.")
    parts.append(
        _table(
            ["", *(arm.label for arm in arms)],
            [
                [fact.name, *(value or "–" for value in fact.values)]
                for fact in facts.headline(arms)
            ],
        )
    )
    found = wording.notes(arms)
    if found:
        parts.append("**Before you trust a number**")
        parts.append("\n".join(f"- {escape(note)}" for note in found))
    for table in benchmark_tables(arms):
        head, entries = benchmark_sheet(table)
        parts.append(f"## {escape(table.title)}")
        parts.append(
            "Task scores, percent: plain means over the benchmark's languages; for "
            "questions the mean of exact match and F1."
            + " (ours): XTREME's own script prints no such number."
            * table.has_ours
        )
        parts.append(_table(head, [list(map(_written, row)) for row in entries]))
    for table in tables:
        made = sheet(table)
        parts.append(f"## {escape(table.family)}")
        parts.append(
            f"{escape(metric_title(table.primary))}, percent, {escape(table.split)} "
            "split; brackets are 95 % bootstrap intervals."
        )
        rows = (*made.languages, *made.pairs, *made.averages)
        parts.append(_table(made.head, [list(map(_written, row)) for row in rows]))
        for group, entries in made.groups:
            parts.append(
                _table(
                    [group, *made.head[1:-1], "languages"],
                    [list(map(_written, row)) for row in entries],
                )
            )
    for found in robustness.tables(arms):
        parts += _attacked(found)
    for table in certified.tables(arms):
        parts.append(f"## {escape(table.family)}, certified: {escape(table.arm)}")
        parts.append(table.caption)
        parts.append(_table(certified.head(table), certified.lines(table)))
    runs = [run for arm in arms for run in arm.runs]
    commands = [(run.label, facts.command(run)) for run in runs]
    shown = [
        f"- {escape(label)}: {_code(command)}" for label, command in commands if command
    ]
    if shown:
        parts += ["## Run it again", "\n".join(shown)]
    return "\n\n".join(parts) + "\n"


def _attacked(table: robustness.RobustnessTable) -> list[str]:
    """A family under attack: a row an attack, then gaps by language."""

    def written(cell: Cell) -> str:
        return f"{wording.number(cell.value)} {wording.interval(cell)}".strip()

    head = ["attack", "languages", "clean", "attacked", "gap", "success", "queries"]
    means = [
        [
            row.title,
            row.code,
            *map(written, (row.clean, row.attacked, row.gap)),
            wording.number(row.success),
            wording.number(row.queries),
        ]
        for row in table.means
    ]
    gaps = []
    for code, name in table.languages:
        cells = [table.row(mean.attack, code) for mean in table.means]
        shown = ["not applied" if c is None else written(c.gap) for c in cells]
        gaps.append([f"{name} {code}", *shown])
    return [
        f"## {escape(table.family)} under attack: {escape(table.arm)}",
        f"{escape(metric_title(table.primary))}, percent, {escape(table.split)} split: "
        "means over the languages and examples that an attack applies to; gap is clean "
        "minus attacked, its interval paired by example; success is the share of right "
        "answers that became wrong; queries are those for each example.",
        _table(head, means),
        "Gap by language:",
        _table(["language", *(row.title for row in table.means)], gaps),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(map(escape, cells)) + " |"

    rule = "|" + "|".join([" --- ", *[" ---: "] * (len(head) - 1)]) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def _written(entry: Entry) -> str:
    return f"{entry.text} {entry.interval}".strip()


def _code(command: str) -> str:
    """A command as a code span that its own back-ticks cannot close."""
    text = one_line(command, limit=2000)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text}`"


def escape(text: str) -> str:
    r"""Text as Markdown shows it.

    Example:
        >>> escape("a|b_c")
        'a\\|b\\_c'
    """
    return _SPECIAL.sub(r"\\\1", one_line(text, limit=200))
