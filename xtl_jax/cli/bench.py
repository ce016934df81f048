"""`xtl bench NAME`: measurements on this machine.

xtl bench aims               all that was aimed at, in one table
xtl bench train              a training step, beside T5X and transformers if installed
xtl bench infer              answers, generated and ranked, likewise
xtl bench data               packed examples a second from a cache, on one core
xtl bench start              from the command to the first step
xtl bench plan               what training steps need of TPUs, compiled without one
xtl bench perturbation       steps of perturbed training, beside the plain one
xtl bench power              simulated studies: what their tests find, rightly or not
xtl bench faults             work killed at random moments, gone on with and compared
xtl bench fuzz               every reader of files, given what no file should hold
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
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
    feed = names.add_parser(
        "data", aliases=["feed"], help="packed examples a second from a cache"
    )
    feed.add_argument("--examples", type=int, default=500_000, help="in the store")
    feed.add_argument("--batches", type=int, default=300, help="that are timed")
    feed.add_argument("--json", action="store_true", help="one JSON document")
    feed.set_defaults(run=run_feed)
    from xtl_jax.cli import (
        bench_aims,
        bench_faults,
        bench_fuzz,
        bench_infer,
        bench_perturbation,
        bench_plan,
        bench_power,
        bench_start,
        bench_train,
    )

    for module in (
        *(bench_train, bench_infer, bench_start, bench_plan, bench_aims),
        *(bench_perturbation, bench_power, bench_faults, bench_fuzz),
    ):
        module.add_parser(names)


def run_feed(args: argparse.Namespace) -> int:
    """Measure the feed and print what came out."""
    for name in ("examples", "batches"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} must be at least 1, got {getattr(args, name)}")
    document = {
        "machine": machine(),
        **feed(examples=args.examples, batches=args.batches),
    }
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        _print(document)
    return 0


def feed(**fields: Any) -> dict[str, Any]:
    """What the feed gives, as one JSON document.

    Args:
        **fields: of the setting.
    """
    from xtl_jax.bench import feed as feeds

    results = []
    for kind in ("equal", "varied"):
        setting = feeds.Setting(kind=kind, **fields)
        with tempfile.TemporaryDirectory(prefix="xtl-bench-") as folder:
            opened = feeds.write_store(pathlib.Path(folder) / "store", setting)
            results.append(
                feeds.measure(
                    opened, setting, wall=time.perf_counter, cpu=time.process_time
                )
            )
    return {
        "rows": "512/128 tokens, 128 a batch, one thread, lengths as `kind` says",
        "results": [dataclasses.asdict(result) for result in results],
    }


def machine() -> str:
    """What the figures are of."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return (
        f"{platform.machine()}, {cores or os.cpu_count()} cores, Python "
        f"{platform.python_version()}"
    )


def print_pair(
    args: argparse.Namespace,
    setting: Any,
    result: Any,
    *,
    ours: str,
    theirs: str,
    after: str,
) -> None:
    """A measurement beside transformers: one JSON document, or two lines."""
    if args.json:
        document = {
            "machine": machine(),
            "setting": dataclasses.asdict(setting) | {"model": args.model},
            "result": dataclasses.asdict(result),
        }
        print(json.dumps(document, indent=2))
        return
    print(ours)
    if result.ratio is None:
        print("transformers is not installed here: nothing to compare with")
        return
    low, high = result.ratio_spread
    print(
        f"transformers: {result.peer_seconds:.2f} s{theirs}; ours is "
        f"{result.ratio:.2f} times as fast ({low:.2f} to {high:.2f}){after}"
    )


def model(name: str, *, owner: str = "") -> Any:
    """The shape of a packaged gin file.

    Args:
        name: of the file.
        owner: "ModelConfig" or "EncoderConfig"; "" takes either.
    """
    from xtl_jax.cli import config as configs
    from xtl_jax.errors import near
    from xtl_jax.model import network

    folder = configs.folder() / "models"
    owners = (owner,) if owner else ("ModelConfig", "EncoderConfig")
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.gin")):
        bindings = configs.parse(path.read_text(encoding="utf-8"), source=str(path))
        fields = {b.field: b.value for b in bindings if b.owner in owners}
        if fields:
            found[path.stem] = fields
    if name not in found:
        raise UserError(f"--model={name}: no such shape; near: {near(name, found)}")
    return network.from_json({**found[name], "vocab": found[name]["vocab"] or 32_000})


def _print(document: dict[str, Any]) -> None:
    from rich.table import Table

    from xtl_jax.cli.screen import Console

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
