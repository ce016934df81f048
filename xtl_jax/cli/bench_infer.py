"""`xtl bench infer`: answers, generated and ranked.

xtl bench infer                          both, of mT5-Small
xtl bench infer --only generate --beams 4
xtl bench infer --only rank --t5x_python PYTHON

Generation is timed beside transformers. Ranking answers rows as long as XNLI's by the
likelihood of three labels, beside T5X, which pads rows to the longest one and generates
the label, and beside our own decoder, which does the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.cli.bench_train import add_t5x
from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError

_KINDS = ("generate", "rank")


def add_parser(names: Any) -> None:
    """Add it to the measurements."""
    parser: argparse.ArgumentParser = names.add_parser(
        "infer",
        help="answers: generated beside transformers, ranked beside T5X",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=_KINDS, help="one of the two")
    parser.add_argument(
        "--model", default="mt5_small", help="a shape of gin/models (default: it)"
    )
    parser.add_argument("--batch_size", type=int, default=8, help="rows generated (8)")
    parser.add_argument("--inputs", type=int, default=256, help="tokens of each (256)")
    parser.add_argument("--generated", type=int, default=32, help="ids of each (32)")
    parser.add_argument("--beams", type=int, default=1, help="1: greedy")
    parser.add_argument("--examples", type=int, default=128, help="ranked (128)")
    parser.add_argument("--rounds", type=int, help="that are timed (5; ranking 3)")
    add_t5x(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print what came out."""
    from xtl_jax.cli import bench

    for name in ("batch_size", "inputs", "generated", "beams", "examples", "rounds"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} must be at least 1, got {value}")
    kinds = (args.only,) if args.only else _KINDS
    document: dict[str, Any] = {"machine": bench.machine(), "model": args.model}
    if "generate" in kinds:
        document["generate"] = generate(
            args.model,
            batch_size=args.batch_size,
            inputs=args.inputs,
            generated=args.generated,
            beams=args.beams,
            rounds=args.rounds or 5,
        )
    if "rank" in kinds:
        document["rank"] = rank(
            args.model,
            t5x_python=args.t5x_python,
            examples=args.examples,
            rounds=args.rounds or 3,
        )
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        _show(document)
    return 0


def generate(name: str, **fields: Any) -> dict[str, Any]:
    """Generation beside transformers, as one JSON document.

    Args:
        name: of the shape.
        **fields: of the setting.
    """
    from xtl_jax.bench import infer
    from xtl_jax.cli import bench_train

    chosen = infer.Setting(model=bench_train.model(name), **fields)
    tell(f"generate: {chosen.rounds} rounds")
    with tempfile.TemporaryDirectory(prefix="xtl-bench-") as folder:
        found = infer.measure(
            chosen, folder=pathlib.Path(folder), clock=time.perf_counter
        )
    return {
        "setting": dataclasses.asdict(chosen) | {"model": name},
        **dataclasses.asdict(found),
    }


def rank(name: str, *, t5x_python: str = "", **fields: Any) -> list[dict[str, Any]]:
    """Ranking beside generation, each contestant as JSON values.

    Args:
        name: of the shape.
        t5x_python: interpreter that has T5X; "" is this one.
        **fields: of the setting.
    """
    from xtl_jax.bench import rank as ranking
    from xtl_jax.cli import bench_train

    chosen = ranking.Setting(model=bench_train.model(name), **fields)
    with tempfile.TemporaryDirectory(prefix="xtl-bench-") as folder:
        found = ranking.measure(
            chosen, folder=pathlib.Path(folder), t5x_python=t5x_python, tell=tell
        )
    return [dataclasses.asdict(each) for each in found]


def _show(document: Mapping[str, Any]) -> None:
    if "generate" in document:
        _show_generation(document["model"], document["generate"])
    if "rank" in document:
        _show_ranking(document["model"], document["rank"])


def _show_generation(name: str, found: Mapping[str, Any]) -> None:
    chosen = found["setting"]
    print(
        f"{name}, {chosen['batch_size']} x {chosen['inputs']} tokens -> "
        f"{chosen['generated']} ids, beams {chosen['beams']}: "
        f"{found['seconds']:.2f} s, {found['ids_per_second']:.1f} ids/s"
    )
    if found["ratio"] is None:
        print("transformers is not installed here: nothing to compare with")
        return
    low, high = found["ratio_spread"]
    print(
        f"transformers: {found['peer_seconds']:.2f} s; ours is {found['ratio']:.2f} "
        f"times as fast ({low:.2f} to {high:.2f}); {found['same_ids_percent']:.1f} % "
        "of the ids are the same"
    )


def _show_ranking(name: str, figures: Sequence[Mapping[str, Any]]) -> None:
    print(f"{name}, rows as long as XNLI's, three labels:")
    for each in figures:
        if each["missing"]:
            print(f"{each['name']}: not measured: {each['missing']}")
            continue
        low, high = each["ratio_spread"]
        print(
            f"{each['name']}: {1 / each['seconds']:.2f} examples/s; ranking is "
            f"{each['ratio']:.2f} times as fast ({low:.2f} to {high:.2f})"
        )
