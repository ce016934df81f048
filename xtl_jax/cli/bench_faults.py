"""`xtl bench faults`: work that is killed at random moments, gone on with and compared.

xtl bench faults --trials 60                     each kind of work 60 times
xtl bench faults --trials 5 --kinds train,study  two of them
xtl bench faults --trials 60 --markdown_into PAGE.md

What a trial is, and what the columns count, is in `bench/faults.py`; the kinds of work
are in `bench/fault_kinds.py`. It ends with 1 if any trial lost, doubled or changed a
result; what those trials left is kept and named. A trial takes seconds; each core has a
kind of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import json
import os
import pathlib
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import pages
from xtl_jax.errors import UserError, near

if TYPE_CHECKING:
    from xtl_jax.bench.faults import Kind, Trial

HEAD = (
    *("work", "trials", "SIGKILL", "SIGTERM", "results of each", "lost", "duplicated"),
    *("different", "not gone on with", "bitwise equal"),
)


_FOUND = "trials.json"


def add_parser(names: Any) -> None:
    """Add `xtl bench faults` to the measurements."""
    parser: argparse.ArgumentParser = names.add_parser(
        "faults",
        help="work killed at random moments, gone on with and compared",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--trials", type=int, default=60, help="of each kind")
    parser.add_argument(
        "--kinds",
        metavar="KIND,…",
        help="default: train, checkpoint, cache, convert, study",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    pages.add_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Kill, go on, compare; 0 if nothing came of it."""
    from xtl_jax.bench import fault_kinds

    if args.trials < 1:
        raise UserError(f"--trials must be at least 1, got {args.trials}")
    wanted = args.kinds.split(",") if args.kinds else [*fault_kinds.NAMES]
    for name in wanted:
        if name not in fault_kinds.NAMES:
            raise UserError(
                f"--kinds: no kind {name!r}; near: {near(name, fault_kinds.NAMES)}; "
                f"there are {', '.join(fault_kinds.NAMES)}"
            )
    page = pages.Page(args.markdown_into, mark="faults")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="xtl-faults-"))
    rows = _trials(wanted, folder=folder, trials=args.trials, seed=args.seed)
    table = markdown(rows)
    if args.json:
        print(json.dumps([_document(*row) for row in rows], indent=2))
    else:
        print(table)
    page.write(table)
    if all(trial.is_equal for _, trials in rows for trial in trials):
        shutil.rmtree(folder)
        return 0
    return 1


def _trials(
    wanted: Sequence[str], *, folder: pathlib.Path, trials: int, seed: int
) -> list[tuple[int, list[Trial]]]:
    """Of each kind the number of its results, and its trials."""
    _settle(folder)
    from xtl_jax.bench import fault_kinds, faults
    from xtl_jax.cli import caching, main
    from xtl_jax.cli.progress import tell

    made = faults.Child(lambda: _prepare(folder), said=folder / "said.txt")
    if made.wait(600.0) != 0:
        raise RuntimeError((folder / "said.txt").read_text())
    importlib.import_module("jax")  # the settings above are read

    def tried(kind: Kind) -> int:
        own = _place(folder, kind.name)
        own.mkdir()
        campaign = faults.Campaign(
            main.main, folder=own, seed=seed, quiet=caching.quiet_import
        )
        truth = campaign.truth(kind)
        tell(f"{kind.name}: undisturbed in {truth.seconds:.1f} s")
        rows = []
        for number in range(trials):
            rows.append(campaign.trial(kind, number, truth=truth))
            said = _told(rows[-1], own)
            tell(f"{kind.name} {number + 1} of {trials}: {said}")
        found = [truth.results.total(), [dataclasses.asdict(row) for row in rows]]
        (own / _FOUND).write_text(json.dumps(found), encoding="utf-8")
        return 0

    kinds = {n: k for n, k in fault_kinds.kinds(folder).items() if n in wanted}
    faults.side_by_side(
        {name: functools.partial(tried, kind) for name, kind in kinds.items()},
        most=os.cpu_count() or 1,
    )
    found = []
    for name in kinds:
        text = (_place(folder, name) / _FOUND).read_text(encoding="utf-8")
        results, rows = json.loads(text)
        found.append((results, [faults.Trial(**row) for row in rows]))
    return found


def _place(folder: pathlib.Path, kind: str) -> pathlib.Path:
    """Of a kind's trials; `folder` has others of its own, such as that of caches."""
    return folder / f"of-{kind}"


def _settle(folder: pathlib.Path) -> None:
    """Environment of all processes: one device of the CPU, each program compiled once.

    A toy's program compiles in half the time without most optimisations.
    """
    os.environ |= {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XTL_CACHE_DIR": str(folder / "cache"),
        "TMPDIR": str(folder / "temporary"),  # the killed leave theirs behind
    }
    tempfile.tempdir = os.environ["TMPDIR"]
    os.mkdir(tempfile.tempdir)


def _prepare(folder: pathlib.Path) -> int:
    from xtl_jax.bench import fault_kinds

    fault_kinds.prepare(folder)
    return 0


def _told(trial: Trial, folder: pathlib.Path) -> str:
    """A trial in one line."""
    if trial.is_equal:
        return f"{', '.join(trial.killed)}; equal ({trial.seconds:.1f} s)"
    wrong = {
        "lost": trial.lost,
        "duplicated": trial.duplicated,
        "different": trial.different,
    }
    said = [f"{how}: {', '.join(names[:3])}" for how, names in wrong.items() if names]
    said += [trial.failed] * bool(trial.failed)
    place = folder / f"{trial.kind}-{trial.number}"
    return f"{', '.join(trial.killed)}; {'; '.join(said)}; see {place}"


def _document(results: int, trials: Sequence[Trial]) -> dict[str, Any]:
    """Of one kind, as JSON values."""
    return {
        "kind": trials[0].kind,
        "results": results,
        "equal": sum(trial.is_equal for trial in trials),
        "median_seconds": statistics.median(trial.seconds for trial in trials),
        "trials": [dataclasses.asdict(trial) for trial in trials],
    }


def markdown(rows: Sequence[tuple[int, Sequence[Trial]]]) -> str:
    """The table: a line for each kind of work, and their sum."""
    lines = ["| " + " | ".join(HEAD) + " |", "| --- " * len(HEAD) + "|"]
    total = [0] * (len(HEAD) - 2)
    for results, trials in rows:
        counts = _counts(trials)
        total = [before + now for before, now in zip(total, counts, strict=True)]
        lines.append(_line(trials[0].kind, counts, results=str(results)))
    lines.append(_line("all", total, results=""))
    return "\n".join(lines)


def _counts(trials: Sequence[Trial]) -> list[int]:
    killed = [each for trial in trials for each in trial.killed]
    return [
        len(trials),
        *(sum(each.startswith(name) for each in killed) for name in HEAD[2:4]),
        sum(len(trial.lost) for trial in trials),
        sum(len(trial.duplicated) for trial in trials),
        sum(len(trial.different) for trial in trials),
        sum(bool(trial.failed) for trial in trials),
        sum(trial.is_equal for trial in trials),
    ]


def _line(kind: str, counts: Sequence[int], *, results: str) -> str:
    trials, kills, rest = counts[:1], counts[1:3], counts[3:]
    cells = [kind, *map(str, (*trials, *kills)), results, *map(str, rest)]
    return "| " + " | ".join(cells) + " |"
