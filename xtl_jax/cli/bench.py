"""`xtl bench NAME`: measurements on this machine.

xtl bench feed               packed examples a second from a cache, on one core
xtl bench feed --json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import platform
import tempfile
import time
from typing import Any

from xtl_jax.errors import UserError


def add_parser(subparsers: Any) -> None:
    """Add `xtl bench` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "bench",
        help="measurements on this machine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = parser.add_subparsers(dest="name", metavar="NAME", required=True)
    feed = names.add_parser("feed", help="packed examples a second from a cache")
    feed.add_argument("--examples", type=int, default=500_000, help="in the store")
    feed.add_argument("--batches", type=int, default=300, help="that are timed")
    feed.add_argument("--json", action="store_true", help="one JSON document")
    feed.set_defaults(run=run_feed)


def run_feed(args: argparse.Namespace) -> int:
    """Measure the feed and print what came out."""
    from xtl_jax.bench import feed

    if args.examples < 1 or args.batches < 1:
        raise UserError("--examples and --batches must be at least 1")
    results = []
    for kind in ("equal", "varied"):
        setting = feed.Setting(kind=kind, examples=args.examples, batches=args.batches)
        with tempfile.TemporaryDirectory(prefix="xtl-bench-") as folder:
            opened = feed.write_store(pathlib.Path(folder) / "store", setting)
            results.append(
                feed.measure(
                    opened, setting, wall=time.perf_counter, cpu=time.process_time
                )
            )
    document = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "rows": "512/128 tokens, 128 a batch, one thread, lengths as `kind` says",
        "results": [dataclasses.asdict(result) for result in results],
    }
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        _print(document)
    return 0


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("lengths")
    for head in ("tokens/example", "examples/s", "tokens/s", "fill %", "CPU s", "s"):
        table.add_column(head, justify="right")
    for row in document["results"]:
        table.add_row(
            row["kind"],
            f"{row['tokens_per_example']:.1f}",
            f"{row['examples_per_second']:,}",
            f"{row['tokens_per_second']:,}",
            f"{row['fill_percent']:.1f}",
            f"{row['cpu_seconds']:.2f}",
            f"{row['wall_seconds']:.2f}",
        )
    console = Console()
    console.print(f"{document['machine']}; {document['rows']}", style="dim")
    console.print(table)
