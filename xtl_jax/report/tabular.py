"""Scores as CSV for other programs and as LaTeX for a paper.

CSV is long: one row a run, task, language and metric, so that a spreadsheet or a data
frame can pivot it as it likes. An average is a row whose language is `macro`,
`others` or `transfer_gap`. Empty cells are missing values.

    run,family,language,metric,value,low,high,total,missing,chance
    with,mlqa,ar,f1,41.25,38.0,44.5,500,0,

LaTeX is wide: one table a family, a row a run, a column a language, the average last.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from xtl_jax.report.tables import Cell, FamilyTable, metric_title
from xtl_jax.report.text import one_line, visible

COLUMNS = (
    *("run", "family", "language", "metric", "value", "low", "high"),
    *("total", "missing", "chance", "difference", "difference_low", "difference_high"),
    "signature",
)

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


def scores_csv(tables: Sequence[FamilyTable]) -> str:
    """All scores and averages of all runs, full precision."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for table in tables:
        for row in _rows(table):
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
        for average in table.averages:
            if average.name == "english":
                continue  # the row of `en` says it
            for key in table.keys:
                yield {
                    "run": arm,
                    "family": table.family,
                    "language": average.name,
                    "metric": key,
                    **_numbers(average.cell(index, key)),
                    **_difference(average.differences[index], key == table.primary),
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


def latex(tables: Sequence[FamilyTable]) -> str:
    """One `tabular` a family, for `booktabs`: primary metric, one decimal."""
    return "\n".join(_tabular(table) for table in tables if table.rows)


def _tabular(table: FamilyTable) -> str:
    macro = table.average("macro")
    heads = [row.language for row in table.rows] + (["avg."] if macro else [])
    lines = [
        f"% {one_line(table.family)}, {table.split} split, "
        f"{metric_title(table.primary)} (percent); -- is missing",
        r"\begin{tabular}{l" + "r" * len(heads) + "}",
        r"\toprule",
        " & ".join(["", *map(escape, heads)]) + r" \\",
        r"\midrule",
    ]
    for index, arm in enumerate(table.arms):
        cells = [row.cell(index, table.primary) for row in table.rows]
        if macro:
            cells.append(macro.cell(index, table.primary))
        texts = ["--" if cell.value is None else f"{cell.value:.1f}" for cell in cells]
        lines.append(" & ".join([escape(one_line(arm)), *texts]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def escape(text: str) -> str:
    r"""Text as LaTeX shows it.

    Example:
        >>> escape("with_mnli 50%")
        'with\\_mnli 50\\%'
    """
    return text.translate(_LATEX)
