"""`xtl bench fuzz`: every reader of files, given what no file should hold.

xtl bench fuzz --minutes 1                          each reader for a minute
xtl bench fuzz --minutes 60 --only gin,safetensors  two of them, for an hour
xtl bench fuzz --minutes 1 --markdown_into PAGE.md
xtl bench fuzz --list

A reader must read a file or refuse it in words that name it. What an execution is is in
`bench/fuzz.py`. Each reader has a process of its own, so one that dies is told like the
others. It ends with 1 if anything failed; the files that did it are kept and named.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
import pathlib
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import pages
from xtl_jax.errors import UserError, near

if TYPE_CHECKING:
    from xtl_jax.bench.fuzz import Found

HEAD = (
    *("reader", "executions", "refused", "at different places", "slowest, s"),
    *("minutes", "failures"),
)


def add_parser(names: Any) -> None:
    """Add `xtl bench fuzz` to the measurements."""
    parser: argparse.ArgumentParser = names.add_parser(
        "fuzz",
        help="every reader of files, given what no file should hold",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="of each reader")
    parser.add_argument("--only", metavar="READER,…", help="default: all; see --list")
    parser.add_argument("--seed", type=int, default=0, help="of what is spoilt and how")
    parser.add_argument("--list", action="store_true", help="the readers' names")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    pages.add_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Spoil, read, count; 0 if nothing failed."""
    from xtl_jax.cli import fuzz_readers
    from xtl_jax.cli.progress import tell

    known = fuzz_readers.names()
    if args.list:
        print("\n".join(known))
        return 0
    if not args.minutes > 0:
        raise UserError(f"--minutes must be more than 0, got {args.minutes:g}")
    wanted = args.only.split(",") if args.only else known
    for name in wanted:
        if name not in known:
            raise UserError(
                f"--only: no reader {name!r}; near: {near(name, known)}; `xtl bench "
                "fuzz --list` has all"
            )
    page = pages.Page(args.markdown_into, mark="fuzz")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="xtl-fuzz-"))
    rows = []
    for name in wanted:
        place = folder / name.replace(" ", "-")
        rows.append(_apart(name, place, seconds=60 * args.minutes, seed=args.seed))
        tell(_told(rows[-1]))
        if not rows[-1].failures:
            shutil.rmtree(place)
    table = markdown(rows)
    if args.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
    else:
        print(table)
    page.write(table)
    if any(row.failures for row in rows):
        return 1
    shutil.rmtree(folder)
    return 0


def _apart(name: str, folder: pathlib.Path, *, seconds: float, seed: int) -> Found:
    """One reader, in a process of its own."""
    from xtl_jax.bench import fuzz

    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_run, name, folder, seconds, seed).result()
        except BrokenProcessPool:
            died = fuzz.Failure(
                what="the process died",
                place="elsewhere",
                damages=(),
                folder=str(folder / "tried" / "files"),
            )
            return fuzz.Found(reader=name, failures=(died,))


def _run(name: str, folder: pathlib.Path, seconds: float, seed: int) -> Found:
    from xtl_jax.bench import fuzz
    from xtl_jax.cli import caching, fuzz_readers

    made = folder / "made"
    made.mkdir(parents=True)
    with caching.quiet_import():  # orbax tells much of what it cannot read
        reader = fuzz_readers.make(name, made)
        return fuzz.run(reader, folder=folder / "tried", seconds=seconds, seed=seed)


def _told(found: Found) -> str:
    """A reader in one line, and one for each failure."""
    lines = [
        f"{found.reader}: {found.executions:,} executions, refused at {found.places} "
        "places"
    ]
    lines += [
        f"  {each.times} times at {each.place}: {each.what}; {each.folder}"
        for each in found.failures
    ]
    return "\n".join(lines)


def markdown(rows: Sequence[Found]) -> str:
    """The table: a line for each reader, and their sum."""
    lines = ["| " + " | ".join(HEAD) + " |", "| --- " * len(HEAD) + "|"]
    for row in rows:
        cells = (
            *(row.reader, f"{row.executions:,}", f"{row.refused:,}", str(row.places)),
            *(f"{row.slowest_seconds:.2f}", f"{row.seconds / 60:.1f}"),
            str(len(row.failures)),
        )
        lines.append("| " + " | ".join(cells) + " |")
    total = (
        *("all", f"{sum(row.executions for row in rows):,}"),
        *(f"{sum(row.refused for row in rows):,}", ""),
        f"{max(row.slowest_seconds for row in rows):.2f}",
        f"{sum(row.seconds for row in rows) / 60:.1f}",
        str(sum(len(row.failures) for row in rows)),
    )
    return "\n".join([*lines, "| " + " | ".join(total) + " |"])
