"""`xtl study status`: what of a study is done, who works, what failed and why.

It reads files alone and disturbs nobody, so it may be asked on any machine that sees
the study's directory.
"""

from __future__ import annotations

import argparse
import collections
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xtl_jax.infer import records
from xtl_jax.studies import claims
from xtl_jax.studies.directory import STATES, STUDY, Directory, Node

if TYPE_CHECKING:
    from rich.console import RenderableType

EXAMPLE = """examples:
  xtl study status --study_dir studies/tasks
  xtl study status --study_dir studies/tasks --watch
  xtl study status --study_dir studies/tasks --all --json
"""
_EVERY = 2.0  # seconds between two looks of --watch
_OPEN = ("running", "ready", "waiting")  # something may still come of them
_SHOWN = ("running", "failed", "blocked", "ready")  # without --all


def add_parser(commands: Any) -> None:
    """Register `xtl study status`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "status",
        help="what is done, who works, what failed and why",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--study_dir", required=True, help="folder of the study")
    parser.add_argument(
        "--all", action="store_true", help="show stages that are done or wait, too"
    )
    parser.add_argument(
        "--watch", action="store_true", help="until nothing can be done any more"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show a study; 1 if a stage failed."""
    directory = Directory(arguments.study_dir)
    found = status(directory)
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
    elif arguments.watch:
        found = _watch(directory, found, every=arguments.all)
    else:
        from xtl_jax.cli.screen import Console

        Console().print(table(found, every=arguments.all))
    return 1 if found["counts"]["failed"] else 0


def _watch(
    directory: Directory, found: dict[str, Any], *, every: bool
) -> dict[str, Any]:
    from rich.live import Live

    with Live(table(found, every=every), auto_refresh=False) as live:
        while any(found["counts"][state] for state in _OPEN):
            time.sleep(_EVERY)
            found = status(directory)
            live.update(table(found, every=every), refresh=True)
    return found


def status(directory: Directory) -> dict[str, Any]:
    """Every stage as it is now, as JSON values.

    Raises:
        UserError: there is no study.
    """
    study = directory.study()
    with records.understood(directory.path / STUDY):
        return _status(directory, study)


def _status(directory: Directory, study: Mapping[str, Any]) -> dict[str, Any]:
    nodes = [
        Node(stage["id"], tuple(parent["id"] for parent in stage["parents"]))
        for stage in study["stages"]
    ]
    seen = directory.look(nodes)
    stages = []
    for stage in study["stages"]:
        here = seen[stage["id"]]
        row = {
            **{key: stage[key] for key in ("id", "kind", "title", "seed", "target")},
            "state": here.state,
        }
        if here.state == "running" and here.held is not None:
            row |= {
                "worker": here.held.holder["name"],
                "attempt": here.held.number,
                "seconds": here.held.seconds,
                "heard_seconds_ago": round(max(0.0, time.time() - here.held.at), 1),
            }
        if here.document is not None:
            row |= here.document
        stages.append(row)
    counted = collections.Counter(row["state"] for row in stages)
    return {
        "study": study["study"]["name"],
        "scale": study["study"]["scale"],
        "study_dir": str(directory.path),
        "counts": {state: counted[state] for state in STATES},
        "stages": stages,
    }


def table(found: Mapping[str, Any], *, every: bool) -> RenderableType:
    """Counts, and the stages that somebody should know of."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    shown = Table()
    for column in ("id", "kind", "stage", "seed", "state", ""):
        shown.add_column(column, no_wrap=column in ("id", "state"))
    for row in found["stages"]:
        if every or row["state"] in _SHOWN:
            shown.add_row(
                *(row["id"], row["kind"], escape(row["title"])),
                "" if row["seed"] is None else str(row["seed"]),
                *(row["state"], escape(_says(row))),
            )
    head = Text(f"{found['study']}, {found['scale']}: {counts(found)}")
    return Group(head, shown) if shown.row_count else head


def counts(found: Mapping[str, Any]) -> str:
    """How many stages are in each state."""
    parts = [
        f"{number:,} {state}" for state, number in found["counts"].items() if number
    ]
    return f"{len(found['stages']):,} stages: {', '.join(parts)}"


def _says(row: Mapping[str, Any]) -> str:
    if row["state"] == "running":
        text = f"by {row['worker']}, {row['seconds']:.0f} s"
        if row["attempt"] > 1:
            text += f", attempt {row['attempt']}"
        if row["heard_seconds_ago"] > claims.PATIENCE:
            text += f"; silent for {row['heard_seconds_ago']:.0f} s: will be taken over"
        return text
    if row["state"] == "failed":
        return str(row.get("error", ""))
    if row["state"] == "done":
        return f"{row['seconds']:.1f} s, by {row.get('worker', '?')}"
    return ""


def show_counts(found: Mapping[str, Any], *, outcome: str, seconds: float) -> None:
    """What came of a study, and what failed in it."""
    from xtl_jax.cli.screen import Console

    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{found['study']}: {outcome} after {seconds:,.0f} s; {counts(found)}",
        markup=False,
    )
    for row in found["stages"]:
        if row["state"] == "failed":
            console.print(
                f"failed: {row['id']} {row['kind']} {row['title']}: {row['error']}",
                markup=False,
            )
