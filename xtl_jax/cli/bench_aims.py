"""`xtl bench aims`: all that was aimed at, measured, in one table.

xtl bench aims
xtl bench aims --only train,infer --t5x_python PYTHON
xtl bench aims --kept FILE.json --markdown_into PAGE.md --picture FILE.svg

It takes a quarter of an hour on two cores that have nothing else to do, and longer
where the TPU's compiler is installed. With --kept measurements are kept in a file, from
which those of the kinds that --only leaves out are taken.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import pages
from xtl_jax.cli.bench_train import add_t5x
from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError, near

if TYPE_CHECKING:
    from xtl_jax.bench.aims import Row

_MARK = "aims"
_PACKAGES = ("jax", "jaxlib", "flax", "torch", "transformers", "libtpu")


def add_parser(names: Any) -> None:
    """Add it to the measurements."""
    parser: argparse.ArgumentParser = names.add_parser(
        "aims",
        help="all that was aimed at, in one table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", metavar="KINDS", help=f"of {','.join(_kinds(''))} (all)"
    )
    parser.add_argument("--kept", metavar="FILE", help="keep measurements here (JSON)")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    pages.add_option(parser)
    parser.add_argument("--picture", metavar="FILE", help="the table as an SVG picture")
    add_t5x(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure all and print, or write, what came out."""
    from xtl_jax.bench import aims

    kinds = _kinds(args.t5x_python)
    chosen = args.only.split(",") if args.only else list(kinds)
    for kind in chosen:
        if kind not in kinds:
            raise UserError(f"--only={kind}: no such kind; near: {near(kind, kinds)}")
    page = pages.Page(args.markdown_into, mark=_MARK)
    kept = pathlib.Path(args.kept) if args.kept else None
    documents: dict[str, Any] = {}
    if kept is not None and kept.is_file():
        documents = json.loads(kept.read_text(encoding="utf-8"))
    for kind in chosen:
        tell(f"xtl bench {kind}")
        documents |= {kind: kinds[kind](), "machine": _machine()}
        if kept is not None:
            kept.write_text(json.dumps(documents, indent=1), encoding="utf-8")
    rows = aims.rows(documents)
    table = _markdown(rows, documents)
    if args.json:
        listed = [dataclasses.asdict(row) | {"state": row.state} for row in rows]
        print(json.dumps({"aims": listed, **documents}, indent=2))
    else:
        print(table)
    page.write(table)
    if args.picture:
        pathlib.Path(args.picture).write_text(_picture(rows), encoding="utf-8")
    return 0


def _kinds(t5x_python: str) -> dict[str, Callable[[], Any]]:
    """What measures each kind, the short ones first."""
    from xtl_jax.cli import bench, bench_infer, bench_plan, bench_start, bench_train

    def train() -> dict[str, Any]:
        return {
            name: bench_train.measure(name, t5x_python=t5x_python)
            for name in ("tiny", "mt5_small")
        }

    def infer() -> dict[str, Any]:
        return {
            "generate": bench_infer.generate("mt5_small"),
            "rank": bench_infer.rank("mt5_small", t5x_python=t5x_python),
        }

    return {
        "data": bench.feed,
        "start": bench_start.measure,
        "train": train,
        "infer": infer,
        "plan": bench_plan.measure,
    }


def _machine() -> str:
    """Machine and versions that the figures are of."""
    from xtl_jax.cli import bench

    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{bench.machine()}; {', '.join(found)}"


def _markdown(rows: Sequence[Row], documents: Mapping[str, Any]) -> str:
    """The table of aims, the steps that are in it, and what they were measured on."""
    from xtl_jax.bench import aims

    parts = [aims.markdown(list(rows))]
    if "train" in documents:
        parts.append(_steps(documents["train"]))
    if "machine" in documents:
        parts.append(f"Measured on {documents['machine']}.")
    return "\n\n".join(parts)


def _steps(documents: Mapping[str, Any]) -> str:
    """Each contestant's training step."""
    lines = [
        "| training step | of | s | CPU s | useful GFLOP/s | MFU | peak GiB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    notes = []
    for name, document in documents.items():
        useful = document["useful_flops"]
        notes.append(
            f"{name}: {useful / 1e9:,.0f} GFLOP of a step are useful, "
            f"{document['executed_flops'] / 1e9:,.0f} are in the products of our "
            f"compiled step; the best product made "
            f"{document['ceiling_flops'] / 1e9:,.0f} GFLOP/s."
        )
        for each in document["figures"]:
            if each["missing"]:
                continue
            peak = each["peak_bytes"]
            cells = (
                *(name, each["name"], f"{each['seconds']:.2f}"),
                f"{each['cpu_seconds']:.2f}",
                f"{useful / each['seconds'] / 1e9:.0f}",
                f"{each['mfu_percent']:.0f} %",
                "–" if peak is None else f"{peak / 2**30:.2f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", " ".join(notes)])


def _picture(rows: Sequence[Row]) -> str:
    """How much of each aim was reached: a bar each, a line where it is met."""
    from xtl_jax.report.drawing import Drawing

    measured = [row for row in rows if row.share is not None]
    left, scale, height, most = 470, 110, 22, 3.0
    box = Drawing(
        width=left + scale * most + 60,
        height=height * len(measured) + 40,
        title="What was reached of each aim",
    )
    for number, row in enumerate(measured):
        share = row.share or 0.0
        top = 8 + number * height
        box.text(left - 8, top + 12, row.what, anchor="end", size=11)
        length = scale * min(share, most)
        colour = "good" if share >= 1 else "bad"
        box.rect(left, top, length, 15, colour=colour)
        box.text(left + length + 5, top + 12, f"{share:.2f}", size=11)
    bottom = 8 + height * len(measured)
    box.line(left + scale, 2, left + scale, bottom, colour="ink", dashed=True)
    box.text(
        left + scale, bottom + 16, "1: the aim is met", anchor="middle", colour="muted"
    )
    return box.svg()
