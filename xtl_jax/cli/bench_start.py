"""`xtl bench start`: from the command `xtl train` to the end of its first step.

xtl bench start
xtl bench start --model mt5_small --batch_size 4

The command is run twice; the second time it finds its tokens cached and its step
compiled. It says where the time goes, as far as that is seen from outside.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import tempfile
import time
from typing import Any

from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError


def add_parser(names: Any) -> None:
    """Add it to the measurements."""
    parser: argparse.ArgumentParser = names.add_parser(
        "start",
        help="from the command to the first step, compiled before",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", default="tiny", help="tiny (default), or an mT5 of gin/models"
    )
    parser.add_argument("--batch_size", type=int, default=16, help="rows (16)")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print what came out."""
    from xtl_jax.cli import bench

    if args.batch_size < 1:
        raise UserError(f"--batch_size must be at least 1, got {args.batch_size}")
    found = measure(args.model, batch_size=args.batch_size)
    if args.json:
        print(json.dumps({"machine": bench.machine(), **found}, indent=2))
        return 0
    compiling = ", ".join(f"{name} {s:.1f}" for name, s in found["compiling"].items())
    print(
        f"{args.model}: {found['seconds']:.1f} s to the first step's end; the first "
        f"time, with nothing cached, {found['cold_seconds']:.1f} s\n"
        f"  {found['data']:.1f} s until data are found and checked, imports included "
        f"({found['imports']:.1f} s alone)\n"
        f"  {found['state']:.1f} s until the state lies on the devices\n"
        f"  {found['step']:.1f} s until a step was made\n"
        f"  of all, s: {compiling}; {found['found_compiled']} programs were found "
        "compiled"
    )
    return 0


def measure(name: str = "tiny", **fields: Any) -> dict[str, Any]:
    """A start, as one JSON document.

    Args:
        name: of the shape.
        **fields: of the setting.
    """
    from xtl_jax.bench import start
    from xtl_jax.cli import bench_train

    chosen = start.Setting(model=bench_train.model(name), **fields)
    tell("xtl train is started twice")
    with tempfile.TemporaryDirectory(prefix="xtl-bench-") as folder:
        found = start.measure(
            chosen, folder=pathlib.Path(folder), clock=time.perf_counter
        )
    return {"model": name, **dataclasses.asdict(found)}
