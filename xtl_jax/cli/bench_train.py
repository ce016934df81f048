"""`xtl bench train`: a training step, beside whichever peers are installed.

xtl bench train                          of tiny: 4+4 layers, 256 wide, 32,128 rows
xtl bench train --model mt5_small        of mT5-Small, 4 rows of 256/64
xtl bench train --t5x_python PYTHON      T5X in another interpreter takes part too
xtl bench train --model e5_small         an encoder with a head, beside transformers

An mT5 learns beside T5X and transformers, each in a process of its own; a product of
matrices, timed in the same run, is what its FLOP/s are a share of.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import tempfile
import time
from typing import TYPE_CHECKING, Any

from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.bench import seq2seq

GIB = 2**30
_ROWS = {"tiny": 16, "mt5_small": 4}  # of an mT5's batch
_SHORT = 5  # rounds of a step that takes a second; others have 3


def add_parser(names: Any) -> None:
    """Add it to the measurements."""
    parser: argparse.ArgumentParser = names.add_parser(
        "train",
        help="a training step, beside T5X and transformers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", default="tiny", help="tiny (default), or a shape of gin/models"
    )
    parser.add_argument("--batch_size", type=int, help="rows (16; mt5_small 4)")
    parser.add_argument("--inputs", type=int, help="tokens of each (256; encoders 128)")
    parser.add_argument("--targets", type=int, default=64, help="of an mT5 (64)")
    parser.add_argument("--rounds", type=int, help="that are timed (tiny 5, others 3)")
    add_t5x(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(run=run)


def add_t5x(parser: argparse.ArgumentParser) -> None:
    """Where T5X is."""
    parser.add_argument(
        "--t5x_python",
        metavar="PYTHON",
        default="",
        help="interpreter that has T5X, if this one has not",
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print what came out."""
    from xtl_jax.cli import bench
    from xtl_jax.model.encoder_sizes import EncoderConfig

    given = ("batch_size", "inputs", "targets", "rounds")
    for name in given:
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} must be at least 1, got {value}")
    shape = model(args.model, owner="")
    if isinstance(shape, EncoderConfig):
        return _run_encoder(args, shape)
    document = measure(
        args.model,
        t5x_python=args.t5x_python,
        **{name: getattr(args, name) for name in given if getattr(args, name)},
    )
    document = {"machine": bench.machine(), **document}
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        _show(document)
    return 0


def model(name: str, *, owner: str = "ModelConfig") -> Any:
    """The shape of that name: tiny is the one that peers are measured with."""
    from xtl_jax.bench import seq2seq
    from xtl_jax.cli import bench

    return seq2seq.TINY if name == "tiny" else bench.model(name, owner=owner)


def setting(name: str, **given: Any) -> seq2seq.Setting:
    """How an mT5 of that name is measured.

    Args:
        name: of its shape.
        **given: fields of the setting that somebody chose.
    """
    from xtl_jax.bench import seq2seq

    fields = {
        "batch_size": _ROWS.get(name, 4),
        "rounds": _SHORT if name == "tiny" else 3,
        **given,
    }
    return seq2seq.Setting(model=model(name), **fields)


def measure(name: str, *, t5x_python: str = "", **given: Any) -> dict[str, Any]:
    """A training step of an mT5 and its peers, as one JSON document."""
    from xtl_jax.bench import seq2seq
    from xtl_jax.hardware import hlo

    chosen = setting(name, **given)
    with tempfile.TemporaryDirectory(prefix="xtl-bench-") as folder:
        found = seq2seq.measure(
            chosen, folder=pathlib.Path(folder), t5x_python=t5x_python, tell=tell
        )
    return {
        "setting": dataclasses.asdict(chosen) | {"model": name},
        "useful_flops": found.useful_flops,
        "executed_flops": hlo.count(found.program).flops,
        "ceiling_flops": found.ceiling_flops,
        "figures": [
            dataclasses.asdict(each)
            | {"mfu_percent": None if each.missing else found.mfu_percent(each)}
            for each in found.figures
        ],
    }


def _show(document: dict[str, Any]) -> None:
    from rich.table import Table

    from xtl_jax.cli.screen import Console

    chosen = document["setting"]
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("a step of")
    heads = ("s", "CPU s", "ours is faster", "in CPU s", "MFU %", "peak GiB", "loss")
    for head in heads:
        table.add_column(head, justify="right")
    missing = []
    for each in document["figures"]:
        if each["missing"]:
            missing.append(f"not measured: {each['missing']}")
            continue
        low, high = each["ratio_spread"]
        table.add_row(
            each["name"],
            f"{each['seconds']:.3f}",
            f"{each['cpu_seconds']:.3f}",
            f"{each['ratio']:.2f} ({low:.2f} to {high:.2f})",
            f"{each['cpu_ratio']:.2f}",
            f"{each['mfu_percent']:.1f}",
            "–" if each["peak_bytes"] is None else f"{each['peak_bytes'] / GIB:.2f}",
            f"{each['facts']['loss']:.5f}",
        )
    console = Console()
    console.print(
        f"{chosen['model']}, {chosen['batch_size']} x {chosen['inputs']}/"
        f"{chosen['targets']} tokens, float32, {chosen['rounds']} rounds",
        style="dim",
    )
    console.print(table)
    for line in dict.fromkeys(missing):
        console.print(line, markup=False)
    compiled = document["figures"][0]["facts"]["compiled_bytes"] / GIB
    console.print(
        f"{document['useful_flops'] / 1e9:,.0f} GFLOP of a step are useful, "
        f"{document['executed_flops'] / 1e9:,.0f} are in our program's products; the "
        f"best product of this machine: {document['ceiling_flops'] / 1e9:,.0f} GFLOP/s;"
        f" our program asks for {compiled:.2f} GiB",
        style="dim",
        highlight=False,
    )


def _run_encoder(args: argparse.Namespace, shape: Any) -> int:
    from xtl_jax.bench import train
    from xtl_jax.cli import bench

    chosen = train.Setting(
        model=shape,
        batch_size=args.batch_size or 32,
        length=args.inputs or 128,
        rounds=args.rounds or 5,
    )
    with tempfile.TemporaryDirectory(prefix="xtl-bench-") as folder:
        result = train.measure(
            chosen, folder=pathlib.Path(folder), clock=time.perf_counter
        )
    loss = result.peer_loss
    bench.print_pair(
        args,
        chosen,
        result,
        ours=f"{args.model}, {chosen.batch_size} x {chosen.length} tokens: "
        f"{result.seconds:.2f} s a step, {result.tokens_per_second:,.0f} tokens/s, "
        f"loss {result.loss:.5f}",
        theirs="" if loss is None else f", loss {loss:.5f}",
        after="",
    )
    return 0
