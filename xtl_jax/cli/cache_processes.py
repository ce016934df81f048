"""Token stores made side by side, each of them by one of several processes.

TensorFlow tokenises on all cores, but one process reads and prompts rows one after the
other. A process takes seconds to start, so there are more than one only where there is
much to read.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtl_tasks.loading import TaskSettings

Job = tuple[str, str]  # task and split
Row = dict[str, Any]
Make = Callable[[str, str], Row]
WORTH = 16 << 20  # bytes of release files that are worth a process
_made_by: list[Make] = []  # of this process


def count(jobs: Sequence[Job], *, settings: TaskSettings, cache_dir: str) -> int:
    """How many processes there should be; 1: none but this one."""
    sizes = [
        _bytes(*job, settings=settings)
        for job in jobs
        if not any(pathlib.Path(cache_dir, job[0]).glob(f"{job[1]}-*"))
    ]
    return max(1, min(os.cpu_count() or 1, len(sizes), sum(sizes) // WORTH))


def _bytes(name: str, split: str, *, settings: TaskSettings) -> int:
    """Size of a split's files on this disk; compressed ones count as they lie there."""
    from xtl_tasks import catalog

    from xtl_jax.cli import caching

    family, language = catalog.find(name)
    source = caching.source_of(family, language, split=split, settings=settings)
    files = map(pathlib.Path, source.files() if source else ())
    return sum(file.stat().st_size for file in files if file.is_file())


def rows(
    begin: Callable[[argparse.Namespace], Make],
    args: argparse.Namespace,
    jobs: Sequence[Job],
    *,
    processes: int,
) -> Iterator[Row]:
    """What is made of each job, in their order.

    Args:
        begin: gives a process the function that makes a store; found by its name.
        args: of the command.
        jobs: what to make.
        processes: at one time.
    """
    from xtl_jax.cli import progress

    with concurrent.futures.ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),  # TensorFlow cannot be forked
        initializer=_start,
        initargs=(begin, args),
    ) as pool:
        waited = [pool.submit(_one, *job) for job in jobs]
        progress.tell(f"{len(jobs)} stores by {processes} processes")
        try:
            for number, each in enumerate(waited, start=1):
                row = each.result()
                progress.tell(f"{number} of {len(jobs)}: {row['task']} {row['split']}")
                yield row
        finally:
            pool.shutdown(cancel_futures=True)


def _start(begin: Callable[[argparse.Namespace], Make], args: Any) -> None:
    from xtl_jax.cli import progress

    progress.hide_bars()  # those of several processes would tear each other
    _made_by.append(begin(args))


def _one(name: str, split: str) -> Row:
    return _made_by[0](name, split)
