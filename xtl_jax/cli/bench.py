"""`xtl bench NAME`: measurements on this machine.

xtl bench feed               packed examples a second from a cache, on one core
xtl bench feed --json
xtl bench infer              generation, beside transformers where it is installed
xtl bench infer --model mt5_small --beams 4
xtl bench train              a step of fine-tuning an encoder, likewise
xtl bench perturbation       steps of perturbed training, beside the plain one
xtl bench power              simulated studies: what their tests find, rightly or not
xtl bench faults             work killed at random moments, gone on with and compared
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
    infer = names.add_parser("infer", help="generation, beside transformers")
    infer.add_argument(
        "--model", default="mt5_small", help="a shape of gin/models (default: it)"
    )
    infer.add_argument("--batch_size", type=int, default=8, help="rows")
    infer.add_argument("--inputs", type=int, default=256, help="tokens of each")
    infer.add_argument("--generated", type=int, default=32, help="ids of each")
    infer.add_argument("--beams", type=int, default=1, help="1: greedy")
    infer.add_argument("--rounds", type=int, default=5, help="that are timed")
    infer.add_argument("--json", action="store_true", help="one JSON document")
    infer.set_defaults(run=run_infer)
    train = names.add_parser("train", help="a step of an encoder, beside transformers")
    train.add_argument(
        "--model", default="e5_small", help="an encoder of gin/models (default: it)"
    )
    train.add_argument("--batch_size", type=int, default=32, help="rows")
    train.add_argument("--length", type=int, default=128, help="tokens of each")
    train.add_argument("--rounds", type=int, default=5, help="that are timed")
    train.add_argument("--json", action="store_true", help="one JSON document")
    train.set_defaults(run=run_train)
    from xtl_jax.cli import bench_faults, bench_perturbation, bench_power

    bench_faults.add_parser(names)
    bench_perturbation.add_parser(names)
    bench_power.add_parser(names)


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


def run_infer(args: argparse.Namespace) -> int:
    """Measure generation and print what came out."""
    from xtl_jax.bench import infer

    setting = infer.Setting(
        model=model(args.model, owner="ModelConfig"),
        batch_size=args.batch_size,
        inputs=args.inputs,
        generated=args.generated,
        beams=args.beams,
        rounds=args.rounds,
    )
    with tempfile.TemporaryDirectory(prefix="xtl-bench-") as folder:
        result = infer.measure(
            setting, folder=pathlib.Path(folder), clock=time.perf_counter
        )
    same = result.same_ids_percent
    _print_pair(
        args,
        setting,
        result,
        ours=f"{args.model}, {args.batch_size} x {args.inputs} tokens -> "
        f"{args.generated} ids, beams {args.beams}: {result.seconds:.2f} s, "
        f"{result.ids_per_second:.1f} ids/s",
        theirs="",
        after="" if same is None else f"; {same:.1f} % of the ids are the same",
    )
    return 0


def run_train(args: argparse.Namespace) -> int:
    """Measure a step of fine-tuning and print what came out."""
    from xtl_jax.bench import train

    setting = train.Setting(
        model=model(args.model, owner="EncoderConfig"),
        batch_size=args.batch_size,
        length=args.length,
        rounds=args.rounds,
    )
    with tempfile.TemporaryDirectory(prefix="xtl-bench-") as folder:
        result = train.measure(
            setting, folder=pathlib.Path(folder), clock=time.perf_counter
        )
    loss = result.peer_loss
    _print_pair(
        args,
        setting,
        result,
        ours=f"{args.model}, {args.batch_size} x {args.length} tokens: "
        f"{result.seconds:.2f} s a step, {result.tokens_per_second:,.0f} tokens/s, "
        f"loss {result.loss:.5f}",
        theirs="" if loss is None else f", loss {loss:.5f}",
        after="",
    )
    return 0


def _print_pair(
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
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
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


def model(name: str, *, owner: str) -> Any:
    """The shape of a packaged gin file."""
    from xtl_jax.cli import config as configs
    from xtl_jax.errors import near
    from xtl_jax.model import network

    folder = configs.folder() / "models"
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.gin")):
        bindings = configs.parse(path.read_text(encoding="utf-8"), source=str(path))
        fields = {b.field: b.value for b in bindings if b.owner == owner}
        if fields:
            found[path.stem] = fields
    if name not in found:
        raise UserError(f"--model={name}: no such shape; near: {near(name, found)}")
    return network.from_json({**found[name], "vocab": found[name]["vocab"] or 32_000})


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
