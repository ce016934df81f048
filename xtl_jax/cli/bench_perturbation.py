"""`xtl bench perturbation`: steps of perturbed training, beside the plain one.

xtl bench perturbation
xtl bench perturbation --model encoder_tiny --batch_size 32 --length 32 --rounds 9
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import time
from typing import Any

from xtl_jax.errors import UserError


def add_parser(names: Any) -> None:
    """Add it to the measurements."""
    parser: argparse.ArgumentParser = names.add_parser(
        "perturbation",
        help="steps of perturbed training, beside the plain one",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", default="e5_small", help="an encoder of gin/models (default: it)"
    )
    parser.add_argument("--batch_size", type=int, default=8, help="rows")
    parser.add_argument("--length", type=int, default=128, help="tokens of each")
    parser.add_argument("--steps", type=int, default=2, help="of ascent")
    parser.add_argument("--rounds", type=int, default=5, help="that are timed")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print what came out."""
    from xtl_jax.bench import perturbation
    from xtl_jax.cli import bench

    for name in ("batch_size", "length", "steps", "rounds"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} must be at least 1, got {getattr(args, name)}")
    setting = perturbation.Setting(
        model=bench.model(args.model, owner="EncoderConfig"),
        batch_size=args.batch_size,
        length=args.length,
        steps=args.steps,
        rounds=args.rounds,
    )
    found = perturbation.measure(setting, clock=time.perf_counter)
    if args.json:
        document = {
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "setting": dataclasses.asdict(setting) | {"model": args.model},
            "results": [dataclasses.asdict(cost) for cost in found],
        }
        print(json.dumps(document, indent=2))
        return 0
    print(
        f"{args.model}, {args.batch_size} x {args.length} tokens, {args.steps} steps "
        f"of ascent, {args.rounds} rounds"
    )
    for cost in found:
        low, high = cost.ratio_spread
        print(
            f"{cost.method:9} {cost.passes} passes {cost.seconds:8.3f} s  "
            f"{cost.ratio:.2f} times the plain step ({low:.2f} to {high:.2f})"
        )
    return 0
