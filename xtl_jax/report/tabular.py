"""Scores as CSV for other programs and as LaTeX for a paper.

CSV is long: one row a run, task, language and metric, so that a spreadsheet or a data
frame can pivot it as it likes. An average is a row whose language is `macro`,
`others` or `transfer_gap`, that of a group is `DIMENSION:GROUP`, as `script:Latin`. A
benchmark is a family whose languages are its tasks and groups. Empty cells are missing
values.

    run,family,language,metric,value,low,high,total,missing,chance
    with,mlqa,ar,f1,41.25,38.0,44.5,500,0,

LaTeX is wide: one table a family, a row a run, a column a language, the average last;
below it one of its groups, and before all a benchmark's, a column a task. Where that
would be too many columns for a page, rows and columns are changed over.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from xtl_jax.report.benchmarks import BenchmarkTable
from xtl_jax.report.cells import (
    SHOWN_GROUPS,
    AverageRow,
    Cell,
    GroupTable,
    LanguageRow,
    metric_title,
)
from xtl_jax.report.tables import FamilyTable
from xtl_jax.report.text import one_line, visible

COLUMNS = (
    *("run", "family", "language", "metric", "value", "low", "high"),
    *("total", "missing", "chance", "difference", "difference_low", "difference_high"),
    "signature",
)

MOST_COLUMNS = 16  # XNLI's languages and their average

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{symbol: f"\\{symbol}" for symbol in "&%$#_"},
    }
)


def scores_csv(
    tables: Sequence[FamilyTable], *, benchmarks: Sequence[BenchmarkTable] = ()
) -> str:
    """All scores and averages of all runs, full precision."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    rows = [row for table in benchmarks for row in _benchmark_rows(table)]
    for table in tables:
        rows += _rows(table)
    for row in rows:
        writer.writerow(
            {k: visible(v) if isinstance(v, str) else v for k, v in row.items()}
        )
    return file.getvalue()


def _rows(table: FamilyTable) -> Iterator[dict[str, object]]:
    for index, arm in enumerate(table.arms):
        for row in (*table.rows, *table.pairs):
            score = row.scores[index]
            for key in table.keys:
                yield {
                    "run": arm,
                    "family": table.family,
                    "language": row.language,
                    "metric": key,
                    **_numbers(row.cell(index, key)),
                    "total": "" if score is None else score.total,
                    "missing": "" if score is None else score.missing,
                    "chance": "" if row.chance_percent is None else row.chance_percent,
                    "signature": "" if score is None else score.signature,
                    **_difference(row.differences[index], key == table.primary),
                }
        averages = [(row.name, row) for row in table.averages]
        averages += [
            (f"{group.name}:{row.name}", row)
            for group in table.groups
            for row in group.rows
            if row.languages
        ]
        for name, average in averages:
            for key in table.keys:
                yield {
                    "run": arm,
                    "family": table.family,
                    "language": name,
                    "metric": key,
                    **_numbers(average.cell(index, key)),
                    **_difference(average.differences[index], key == table.primary),
                }


def _benchmark_rows(table: BenchmarkTable) -> Iterator[dict[str, object]]:
    for index, arm in enumerate(table.arms):
        for row in table.rows:
            place, points = row.places[index], row.difference(index) if index else None
            yield {
                "run": arm,
                "family": table.name,
                "language": row.name,
                "metric": "score",
                "value": "" if place.score is None else place.score,
                "difference": "" if points is None else points,
            }


def _numbers(cell: Cell) -> dict[str, object]:
    low, high = cell.interval or ("", "")
    value = "" if cell.value is None else cell.value
    return {"value": value, "low": low, "high": high}


def _difference(cell: Cell | None, primary: bool) -> dict[str, object]:
    if cell is None or not primary:
        return {}
    numbers = _numbers(cell)
    return {
        "difference": numbers["value"],
        "difference_low": numbers["low"],
        "difference_high": numbers["high"],
    }


def latex(
    tables: Sequence[FamilyTable], *, benchmarks: Sequence[BenchmarkTable] = ()
) -> str:
    """One `tabular` a benchmark, family and its groups, for `booktabs`: one decimal."""
    parts = [_benchmark(table) for table in benchmarks]
    for table in tables:
        if table.rows:
            parts.append(_tabular(table))
        if table.averages:
            shown = [group for group in table.groups if group.name in SHOWN_GROUPS]
            parts += [_group(table, group) for group in shown]
    return "\n".join(parts)


def _tabular(table: FamilyTable) -> str:
    macro = table.average("macro")
    columns: list[tuple[str, LanguageRow | AverageRow]] = [
        (row.language, row) for row in table.rows
    ]
    if macro:
        columns.append(("avg.", macro))
    return _wide(
        f"{one_line(table.family)}, {table.split} split, "
        f"{metric_title(table.primary)} (percent); -- is missing",
        heads=[head for head, _ in columns],
        rows=_primary(table, [row for _, row in columns]),
    )


def _group(table: FamilyTable, group: GroupTable) -> str:
    rows = [row for row in group.rows if row.languages]
    return _wide(
        f"{one_line(table.family)} by {one_line(group.title)}, "
        f"{metric_title(table.primary)} (percent); number of languages in brackets",
        heads=[f"{row.title} ({len(row.languages)})" for row in rows],
        rows=_primary(table, rows),
    )


def _primary(
    table: FamilyTable, rows: Sequence[LanguageRow | AverageRow]
) -> dict[str, list[float | None]]:
    return {
        arm: [row.cell(index, table.primary).value for row in rows]
        for index, arm in enumerate(table.arms)
    }


def _benchmark(table: BenchmarkTable) -> str:
    return _wide(
        f"{table.title}, task scores (percent); -- is missing"
        + ("; * is no number of XTREME's own script" if table.has_ours else ""),
        heads=[row.title + "*" * row.ours for row in table.rows],
        rows={
            arm: [row.places[index].score for row in table.rows]
            for index, arm in enumerate(table.arms)
        },
    )


def _wide(
    comment: str, *, heads: Sequence[str], rows: Mapping[str, Sequence[float | None]]
) -> str:
    """A row an arm under `heads`, or, of many heads, a row a head under the arms.

    A value of None is written `--`.
    """
    body = {
        escape(one_line(arm)): [
            "--" if value is None else f"{value:.1f}" for value in values
        ]
        for arm, values in rows.items()
    }
    top = [escape(one_line(head)) for head in heads]
    if len(top) > MOST_COLUMNS:
        cells = zip(*body.values(), strict=True)
        top, body = list(body), dict(zip(top, cells, strict=True))
    return "\n".join(
        [
            f"% {one_line(comment, limit=300)}",
            r"\begin{tabular}{l" + "r" * len(top) + "}",
            r"\toprule",
            " & ".join(["", *top]) + r" \\",
            r"\midrule",
            *(" & ".join([name, *texts]) + r" \\" for name, texts in body.items()),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def escape(text: str) -> str:
    r"""Text as LaTeX shows it.

    Example:
        >>> escape("with_mnli 50%")
        'with\\_mnli 50\\%'
    """
    return text.translate(_LATEX)
