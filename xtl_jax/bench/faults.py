"""What random kills cost: work is broken off, gone on with, and compared.

One *trial*: a command begins, and at a random moment of the time that it takes it gets
SIGKILL or SIGTERM; sometimes what goes on with it gets one too. Then the same command
is given until it ends by itself. A command leaves *results*, each with a name and a
checksum of its bytes: a step's losses, a checkpoint, a file, a prediction. Those of an
undisturbed command are the truth, with which a trial's are compared:

    lost          a result is not there
    duplicated    it is there twice
    different     its bytes are others, or the truth does not know it

While the command is down whatever counts as complete must be true already; at the end
all of it must be there.

Each command is a process of its own, forked from this one, which has imported whatever
the undisturbed one imported: so moments fall into work, not into the seconds that
Python takes to start. This process starts no thread and uses no device.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import importlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

Program = Callable[[Sequence[str]], int]
Result = tuple[str, str]  # name and checksum

SIGNALS = (signal.SIGKILL, signal.SIGTERM)
_SECOND = 0.3  # share of trials in which what goes on is broken off too
_PATIENCE = 600.0  # seconds until a command that goes on counts as hanging
_LOOK = 0.002  # seconds between two looks at a process


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of work.

    Attributes:
        name: for the table.
        words: the command that works in a folder, of `xtl`.
        results: what counts as complete in that folder, at any moment.
        is_over: whether the command has nothing to do there and would be refused.
    """

    name: str
    words: Callable[[pathlib.Path], list[str]]
    results: Callable[[pathlib.Path], Iterable[Result]]
    is_over: Callable[[pathlib.Path], bool] = lambda folder: False


class Truth(NamedTuple):
    """What an undisturbed command leaves, and the seconds that it takes."""

    results: collections.Counter[Result]
    seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial, seen from its end.

    Attributes:
        kind: of the work.
        number: of the trial, from 0; with the seed it decides the moments' shares.
        killed: "SIGKILL at 1.2 s", … in their order.
        lost: names of results, likewise.
        duplicated: likewise.
        different: likewise.
        failed: what a command said that did not go on; "" if all did.
        seconds: of the whole trial.
    """

    kind: str
    number: int
    killed: tuple[str, ...]
    lost: tuple[str, ...] = ()
    duplicated: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    failed: str = ""
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether nothing came of the kills."""
        return not (self.lost or self.duplicated or self.different or self.failed)


class Child:
    """A function in a process of its own.

    Args:
        work: gives the exit code.
        said: file of what it prints; None: it prints where this one does.
    """

    def __init__(
        self, work: Callable[[], int], *, said: pathlib.Path | None = None
    ) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(_worked(work, said))

    def poll(self) -> int | None:
        """Its exit code, negative of the signal that ended it; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, seconds: float) -> int | None:
        """Its exit code, or None if it runs longer."""
        end = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < end:
            time.sleep(_LOOK)
        return self._code

    def send(self, number: signal.Signals) -> None:
        """A signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        """It does not outlive what waits for it."""
        self.send(signal.SIGKILL)
        self.wait(_PATIENCE)


def _worked(work: Callable[[], int], said: pathlib.Path | None) -> int:
    """In the child: no way leads from here back into the parent's work."""
    code = 1
    try:
        if said is not None:
            file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(file, 1)
            os.dup2(file, 2)
        code = work()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def side_by_side(works: Mapping[str, Callable[[], int]], *, most: int) -> None:
    """Each work in a process of its own, so many at one time.

    Raises:
        RuntimeError: one of them fails; the others are ended.
    """
    waiting, running = dict(works), dict[str, Child]()
    try:
        while waiting or running:
            while waiting and len(running) < most:
                name = next(iter(waiting))
                running[name] = Child(waiting.pop(name))
            for name in [*running]:
                code = running[name].poll()
                if code is not None:
                    del running[name]
                if code:
                    raise RuntimeError(f"{name} ended with {code}")
            time.sleep(_LOOK)
    finally:
        for child in running.values():
            child.send(signal.SIGTERM)
            child.wait(_PATIENCE)


class Campaign:
    """Trials of any kind in one folder.

    Args:
        program: `xtl` as a function.
        folder: of everything; trials that are not equal stay in it.
        seed: of the moments.
        quiet: while modules are imported, of which some talk.
    """

    def __init__(
        self,
        program: Program,
        *,
        folder: pathlib.Path,
        seed: int,
        quiet: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> None:
        self._program, self._folder, self._seed = program, folder, seed
        self._quiet = quiet

    def truth(self, kind: Kind) -> Truth:
        """Undisturbed, twice: the second one finds everything imported and compiled.

        Raises:
            RuntimeError: it fails, or the two do not give the same bytes.
        """
        found: list[collections.Counter[Result]] = []
        seconds = 0.0
        for number in range(2):
            folder = self._folder / f"{kind.name}-truth-{number}"
            folder.mkdir()
            began = time.monotonic()
            with self._start(kind, folder, note=not number) as child:
                code = child.wait(6 * _PATIENCE)
            seconds = time.monotonic() - began
            if code != 0:
                raise RuntimeError(f"{kind.name} ended with {code}: {_said(folder)}")
            found.append(self._results(kind, folder))
            with self._quiet():
                _import(folder / _MODULES)
            shutil.rmtree(folder)
        if found[0] != found[1] or not found[0]:
            differing = sorted({n for n, _ in (found[0] - found[1])})
            raise RuntimeError(f"{kind.name} is not the same twice: {differing}")
        return Truth(found[0], seconds)

    def trial(self, kind: Kind, number: int, *, truth: Truth) -> Trial:
        """Break off, go on, compare."""
        began = time.monotonic()
        rng = random.Random(f"{self._seed}/{kind.name}/{number}")
        folder = self._folder / f"{kind.name}-{number}"
        folder.mkdir()
        kills = 1 + (rng.random() < _SECOND)
        span, killed, failed = truth.seconds, [], ""
        lost: list[str] = []
        wrong: dict[str, list[str]] = {"duplicated": [], "different": []}
        while not failed and not (killed and kind.is_over(folder)):
            begun, moment, asked = time.monotonic(), 0.0, None
            with self._start(kind, folder) as child:
                if len(killed) < kills:
                    child.wait(span * rng.random())
                    asked = rng.choice(SIGNALS)
                    moment = time.monotonic() - begun
                    child.send(asked)
                code = child.wait(_PATIENCE + 20 * truth.seconds)
            if code is None:
                failed = f"hangs: {_said(folder)}"
            elif code == 0 and not killed:  # it ended before its time: once more
                span = 0.9 * (time.monotonic() - begun)
                shutil.rmtree(folder)
                folder.mkdir()
            elif code == 0:
                break
            elif asked is not None and code in (-asked, 128 + asked):
                killed.append(f"{asked.name} at {moment:.2f} s")
                _add(wrong, self._results(kind, folder), truth.results)
            else:
                failed = f"ended with {code}: {_said(folder)}"
        if not failed:
            found = self._results(kind, folder)
            _add(wrong, found, truth.results)
            lost = sorted({name for name, _ in truth.results - found})
        trial = Trial(
            kind=kind.name,
            number=number,
            killed=tuple(killed),
            lost=tuple(each for each in lost if each not in wrong["different"]),
            **{how: tuple(dict.fromkeys(names)) for how, names in wrong.items()},
            failed=failed,
            seconds=round(time.monotonic() - began, 2),
        )
        if trial.is_equal:
            shutil.rmtree(folder)
        return trial

    def _start(self, kind: Kind, folder: pathlib.Path, *, note: bool = False) -> Child:
        def work() -> int:
            code = self._program(kind.words(folder))
            if note:
                (folder / _MODULES).write_text(json.dumps([*sys.modules]))
            return code

        return Child(work, said=folder / _SAID)

    def _results(self, kind: Kind, folder: pathlib.Path) -> collections.Counter[Result]:
        """By a process of its own: whatever reads checkpoints starts threads."""
        path = self._folder / "results.json"

        def work() -> int:
            path.write_text(json.dumps([*kind.results(folder)]))
            return 0

        with Child(work, said=folder / _SAID) as child:
            code = child.wait(_PATIENCE)
        if code != 0:
            raise RuntimeError(f"{folder} cannot be looked at: {_said(folder)}")
        found = json.loads(path.read_text())
        return collections.Counter((name, sum_) for name, sum_ in found)


_SAID, _MODULES = "said.txt", "modules.json"


def _said(folder: pathlib.Path) -> str:
    """The end of what the commands in a folder have printed."""
    path = folder / _SAID
    text = path.read_text(errors="replace") if path.is_file() else ""
    return " | ".join(text.strip().splitlines()[-3:])


def _import(path: pathlib.Path) -> None:
    """Import what a child has imported."""
    if not path.is_file():
        return
    for name in json.loads(path.read_text()):
        if name not in sys.modules:
            with contextlib.suppress(Exception):  # some are made, not found
                importlib.import_module(name)


def _add(
    wrong: dict[str, list[str]],
    found: collections.Counter[Result],
    truth: collections.Counter[Result],
) -> None:
    """Names of what is there and not true."""
    names = collections.Counter(name for name, _ in found.elements())
    allowed = collections.Counter(name for name, _ in truth.elements())
    wrong["duplicated"] += [name for name in names - allowed if name in allowed]
    wrong["different"] += sorted({n for n, sum_ in found if (n, sum_) not in truth})
