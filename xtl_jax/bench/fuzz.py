"""Readers of files, given what no file should hold.

A *reader* has valid files and reads a folder of them. One *execution* spoils one of the
files (`damage.py`), once or a few times over, and reads the folder. There are three
outcomes:

    read      it says nothing is wrong
    refused   a `UserError` that names the folder
    failure   anything else: another exception, a message without a place, a read that
              does not come back

Where an error was raised tells how far a reader got. Files that were refused at a place
where none was refused before, and files that were read, are kept and spoilt further: so
the search goes deeper without watching each line of code, which would cost ten times
the time. Nothing depends on anything but the seed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from xtl_jax.bench.damage import DAMAGE
from xtl_jax.errors import UserError

SECONDS = 20  # that one execution may take
_KEPT = 200  # spoilt files that are spoilt further
_WHERE = 1 << 16
_DAMAGES = sorted(DAMAGE)

Files = Mapping[str, bytes]  # path below the folder to content


class Reader(NamedTuple):
    """What is tried.

    Attributes:
        name: for the table.
        files: valid ones.
        read: reads the folder that they are in, all of it; returns, or raises a
            `UserError` that names the folder.
    """

    name: str
    files: Files
    read: Callable[[pathlib.Path], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """A way in which a reader failed, the first time that it did."""

    what: str  # kind and message
    place: str  # the last line of ours
    damages: tuple[str, ...]  # that led to it
    folder: str  # a copy of the files
    times: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """What came of a reader."""

    reader: str
    executions: int = 0
    refused: int = 0
    places: int = 0  # different ones that it was refused at
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    failures: tuple[Failure, ...] = ()


class _Spoilt(NamedTuple):
    files: Files
    damages: tuple[str, ...]


def run(
    reader: Reader,
    *,
    folder: pathlib.Path,
    seed: int,
    seconds: float = float("inf"),
    executions: int | None = None,
) -> Found:
    """Try a reader until the time is over or enough was tried.

    Args:
        reader: which.
        folder: new; files are put there, those that failed stay.
        seed: of what is spoilt and how.
        seconds: after which no execution begins.
        executions: how many there may be; None: any number.
    """
    rng = random.Random(f"{seed} {reader.name}")
    case = folder / "files"
    disk = _Disk(case)
    kept = [_Spoilt(reader.files, ())]
    places: set[str] = set()
    failures: dict[str, Failure] = {}
    tried = refused = 0
    slowest = 0.0
    began = time.monotonic()
    while tried != executions and time.monotonic() - began < seconds:
        # The first one is whole: what a reader refuses there is a failure.
        spoilt = _spoil(rng.choice(kept), rng) if tried else kept[0]
        disk.hold(spoilt.files)
        at = time.monotonic()
        place, what = _execute(reader, case, whole=not tried)
        slowest = max(slowest, time.monotonic() - at)
        tried += 1
        if what:
            known = failures.get(key := f"{place} {what[:40]}")
            if known is None:
                copy = folder / f"failure-{len(failures) + 1}"
                shutil.copytree(case, copy)
                failures[key] = Failure(
                    what=what, place=place, damages=spoilt.damages, folder=str(copy)
                )
            else:
                failures[key] = dataclasses.replace(known, times=known.times + 1)
            continue
        refused += bool(place)
        if len(kept) < _KEPT and (not place or place not in places):
            kept.append(spoilt)
        places |= {place} - {""}
    return Found(
        reader=reader.name,
        executions=tried,
        refused=refused,
        places=len(places),
        seconds=time.monotonic() - began,
        slowest_seconds=slowest,
        failures=tuple(failures.values()),
    )


def _spoil(base: _Spoilt, rng: random.Random) -> _Spoilt:
    files, damages = dict(base.files), base.damages
    # A long file among short ones is no more likely to be chosen.
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name = rng.choice(sorted(files))
        if rng.random() < 0.02 and len(files) > 1:
            damages = (*damages, f"{name}: gone")
            del files[name]
            continue
        kind, where = rng.choice(_DAMAGES), rng.randrange(_WHERE)
        files[name] = DAMAGE[kind](files[name], where)
        damages = (*damages, f"{name}: {kind} ({where})")
    return _Spoilt(files, damages)


class _Disk:
    """A folder that holds some files and no others; what is there stays."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder, self._holds = folder, {}
        folder.mkdir(parents=True)

    def hold(self, files: Files) -> None:
        for name in self._holds.keys() - files.keys():
            (self._folder / name).unlink(missing_ok=True)
        for name, content in files.items():
            path = self._folder / name
            if self._holds.get(name) != content or not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        self._holds = dict(files)


def _execute(reader: Reader, case: pathlib.Path, *, whole: bool) -> tuple[str, str]:
    """Where it was refused ("": it was read), and what is wrong with that ("")."""
    try:
        with _limited():
            reader.read(case)
    except UserError as error:
        return _place(error), _wrong(str(error), case) or (
            f"valid files are refused: {error}" if whole else ""
        )
    except Exception as error:  # a failure has any kind
        return _place(error), f"{type(error).__name__}: {str(error)[:200]}"
    return "", ""


def _wrong(message: str, case: pathlib.Path) -> str:
    if str(case) not in message:
        return f"names no file: {message[:300]}"
    return ""


def _place(error: BaseException) -> str:
    """The last line of ours that an error passed."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = pathlib.PurePath(frame.filename)
        if {"xtl_jax", "xtl_tasks"} & set(path.parts):
            return f"{'/'.join(path.parts[-2:])}:{frame.lineno}"
    return "elsewhere"


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Interrupts what takes too long; C++ that never comes back is not interrupted."""

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"it took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
