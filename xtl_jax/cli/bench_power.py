"""`xtl bench power`: simulated studies with known effects.

xtl bench power                              a table, from 1,000 studies a row, twice
xtl bench power --studies 100                faster and rougher
xtl bench power --markdown_into PAGE.md      the table between the marks of a page

What is drawn, and what the columns say, is in `bench/power.py`. The same number of
studies gives the same table.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import pages
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.bench.power import Result, Setting, Share

HEAD = (
    *("study", "seeds", "languages", "items", "false positives, %"),
    *("percentile bootstrap, %", "detectable, points", "found, %"),
)


def add_parser(names: Any) -> None:
    """Add `xtl bench power` to the measurements."""
    parser: argparse.ArgumentParser = names.add_parser(
        "power",
        help="what the tests of studies find, on simulated ones",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--studies", type=int, default=1000, help="of each row, with and without effect"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    pages.add_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate and print, or write, what came out."""
    from xtl_jax.bench import power

    if args.studies < 2:
        raise UserError(f"--studies={args.studies}: at least 2 are needed")
    page = pages.Page(args.markdown_into, mark="power")
    rows = []
    for number, setting in enumerate(power.SETTINGS, start=1):
        print(f"{number} of {len(power.SETTINGS)}: {setting.title}", file=sys.stderr)
        rows.append((setting, power.measure(setting, studies=args.studies)))
    table = markdown(rows, studies=args.studies)
    if args.json:
        print(
            json.dumps(
                [
                    {"setting": dataclasses.asdict(setting)}
                    | {"result": dataclasses.asdict(result)}
                    for setting, result in rows
                ],
                indent=2,
            )
        )
    else:
        print(table)
    page.write(table)
    return 0


def markdown(rows: Sequence[tuple[Setting, Result]], *, studies: int) -> str:
    """The table, a line a setting; a trend has a second one for Page's test."""
    lines = ["| " + " | ".join(HEAD) + " |", "| --- " * len(HEAD) + "|"]
    for setting, result in rows:
        items = f"{setting.items}" + ", shared" * (
            setting.parallel and setting.languages > 1
        )
        sizes = (str(setting.seeds), str(setting.languages), items)
        lines.append(
            _line(
                setting.title,
                *sizes,
                _percent(result.false_positives),
                _percent(result.percentile_false_positives),
                f"{result.detectable:.1f}",
                _percent(result.found),
            )
        )
        if result.order_found is not None and result.order_false_positives is not None:
            lines.append(
                _line(
                    "the same, Page's test",
                    *sizes,
                    _percent(result.order_false_positives),
                    "",
                    "",
                    _percent(result.order_found),
                )
            )
    note = (
        f"{studies:,} simulated studies a cell; ± is one standard error from their "
        "number. A trend's points are from its first arm to its last."
    )
    return "\n".join([*lines, "", note])


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _percent(share: Share) -> str:
    return f"{share.percent:.1f} ± {share.error:.1f}"
