"""`xtl report`: scores, curves and wrong examples as one page.

    xtl report runs/with_squad                    one run
    xtl report runs/without runs/with --out page  arms side by side, the first is the
                                                  baseline of the differences
    xtl report runs/xnli runs/panx runs/mlqa      one run for each target task: one arm
    xtl report without=a/xnli+a/panx with=b/xnli+b/panx    two such arms, named

Runs that have no family in common are one arm, since none can be the baseline of
another. XTREME's and XTREME-R's tables are made for each arm that has two of their
tasks.

Writes `report.html` (one file, no network), `report.md`, `scores.csv` and `report.tex`
into `--out`, by default the last run directory, and prints the tables. `--json` prints
the numbers and the names of the files as one JSON document instead.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax import storage

if TYPE_CHECKING:
    from xtl_jax.report.cells import AverageRow, LanguageRow
    from xtl_jax.report.results import RunResults
    from xtl_jax.report.tables import FamilyTable


def add_parser(subparsers: Any) -> None:
    """Add `xtl report` to the command line."""
    parser = subparsers.add_parser(
        "report",
        help="tables, plots and one HTML page from scored runs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run_dir",
        nargs="+",
        metavar="RUN_DIR",
        help="run directory with scores, or [NAME=]RUN+RUN…: several as one arm; the "
        "first arm is the baseline",
    )
    parser.add_argument(
        "--out", help="folder to write to (default: the last run directory)"
    )
    parser.add_argument("--title", help="heading of the page")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, no tables"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report and show its tables.

    Raises:
        UserError: a run that is not there, has no scores, or cannot be read.
    """
    from xtl_jax.cli import run_results
    from xtl_jax.report.tables import family_tables

    wanted = run_results.arguments(args.run_dir)
    arms = run_results.read_arms(wanted)
    tables = family_tables(arms)
    out = storage.at(args.out) if args.out else wanted[-1].run_dirs[-1]
    files = _write(arms, tables=tables, out=out, title=args.title)
    if args.json:
        print(json.dumps(_document(arms, tables, files), ensure_ascii=True))
        return 0
    from xtl_jax.cli.screen import Console
    from xtl_jax.report import terminal

    console = Console()
    terminal.show(arms, tables=tables, console=console)
    console.print(f"page: {files['html']}", markup=False, highlight=False)
    return 0


def write_report(
    run_dirs: Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] | None,
    title: str | None = None,
) -> storage.AnyPath:
    """Write the report of scored runs and return the path of its page.

    Args:
        run_dirs: the runs, the baseline first.
        out: folder to write to; the last run's where None.
        title: heading of the page; made from the tasks where None.

    Raises:
        UserError: a run that is not there, has no scores, or cannot be read.
    """
    from xtl_jax.cli import run_results
    from xtl_jax.report.tables import family_tables

    folders = [storage.at(path) for path in run_dirs]
    arms = run_results.read_arms([run_results.Arm(None, (path,)) for path in folders])
    folder = folders[-1] if out is None else storage.at(out)
    return _write(arms, tables=family_tables(arms), out=folder, title=title)["html"]


def _write(
    arms: Sequence[RunResults],
    *,
    tables: Sequence[FamilyTable],
    out: storage.AnyPath,
    title: str | None,
) -> dict[str, storage.AnyPath]:
    from xtl_jax.infer import records
    from xtl_jax.report import markdown, page, tabular, wording
    from xtl_jax.report.benchmarks import benchmark_tables

    benchmarks = benchmark_tables(arms)
    heading = title or wording.title(tables)
    texts = {
        "html": ("report.html", page.render(arms, tables=tables, title=heading)),
        "markdown": ("report.md", markdown.render(arms, tables=tables, title=heading)),
        "csv": ("scores.csv", tabular.scores_csv(tables, benchmarks=benchmarks)),
        "latex": ("report.tex", tabular.latex(tables, benchmarks=benchmarks)),
    }
    for name, text in texts.values():  # everything is made before anything is written
        records.replace(out / name, text)
    return {kind: out / name for kind, (name, _) in texts.items()}


def _document(
    arms: Sequence[RunResults],
    tables: Sequence[FamilyTable],
    files: dict[str, storage.AnyPath],
) -> dict[str, Any]:
    from xtl_jax.report import benchmarks, wording

    return {
        "files": {kind: str(path) for kind, path in files.items()},
        "runs": [arm.label for arm in arms],
        "notes": wording.notes(arms),
        "benchmarks": benchmarks.documents(arms),
        "families": {
            table.family: {
                "split": table.split,
                "primary": table.primary,
                "languages": {
                    row.language: _cells(row, table)
                    for row in (*table.rows, *table.pairs)
                },
                "averages": {row.name: _cells(row, table) for row in table.averages},
                "groups": {
                    group.name: {
                        row.name: {
                            "languages": row.languages,
                            "runs": _cells(row, table),
                        }
                        for row in group.rows
                    }
                    for group in table.groups
                },
            }
            for table in tables
        },
    }


def _cells(row: LanguageRow | AverageRow, table: FamilyTable) -> dict[str, Any]:
    """By run: values, intervals, and the primary metric's difference to the first."""
    found = {}
    for index, arm in enumerate(table.arms):
        cells = {key: row.cell(index, key) for key in table.keys}
        difference = row.differences[index]
        found[arm] = {
            "values": {key: cell.value for key, cell in cells.items()},
            "intervals": {key: cell.interval for key, cell in cells.items()},
            "difference": difference and difference.value,
            "difference_interval": difference and difference.interval,
        }
    return found
