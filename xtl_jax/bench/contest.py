"""Contestants in processes of their own, taking turns.

Ours and every peer do the same work. Each has a process, so that none finds another's
memory, caches of compiled code or threads; while one works, the others wait for a line.
After a first turn that is not timed, a round gives each two turns, of which the second
is timed. What else the machine does meets all alike, so ratios are taken in each round;
medians are reported with the least and the most.

Peers run as their own users run them: the setting of the C library with which `xtl`
starts itself (large pages) is not handed on to them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

OURS = "xtl_jax"
_ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# The root comes last: what the other Python has itself, it keeps.
_BOOT = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from xtl_jax.bench import contestant; contestant.serve()"
)
_NOT_FOR_PEERS = "GLIBC_TUNABLES"
Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entrant:
    """Who takes part.

    Attributes:
        name: as it is reported; `OURS` is what others are compared with.
        make: what its process makes, such as "step_t5x:train".
        setting: of it, JSON values.
        package: without which it cannot take part.
        python: interpreter; "" is this one.
    """

    name: str
    make: str
    setting: Mapping[str, Any]
    package: str = OURS
    python: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """What came out of one contestant. Of a ratio more is better for us.

    Attributes:
        name: of the contestant.
        missing: why there are no figures; "" if there are.
        facts: that it told of itself.
        seconds: of one unit, median.
        cpu_seconds: likewise, of all threads.
        ratio: its seconds over ours.
        ratio_spread: least and most of the rounds.
        cpu_ratio: its CPU seconds over ours.
        peak_bytes: most memory of its process at work, None where nobody says.
        matmul_flops: FLOP/s of its library's own matrix product.
    """

    name: str
    missing: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    ratio: float = 0.0
    ratio_spread: tuple[float, float] = (0.0, 0.0)
    cpu_ratio: float = 0.0
    peak_bytes: int | None = None
    matmul_flops: float = 0.0


class Ended(Exception):
    """A contestant's process ended before its time."""


def measure(
    entrants: Sequence[Entrant], *, rounds: int, tell: Tell = lambda line: None
) -> list[Figures]:
    """Figures of all entrants, in their order; the first one is ours.

    Args:
        entrants: who takes part; all but the first may be missing.
        rounds: how often each is timed.
        tell: is told what is done.

    Raises:
        Ended: of ours.
    """
    with contextlib.ExitStack() as stack:
        here: dict[str, Process] = {}
        missing: dict[str, str] = {}
        for entrant in entrants:
            tell(f"{entrant.name} is made")
            process = stack.enter_context(running(entrant))
            try:
                process.make()
                process.ask("turn")  # compiles whatever is left to compile
                here[entrant.name] = process
            except (Ended, ImportError) as error:
                if entrant is entrants[0]:
                    raise
                missing[entrant.name] = str(error)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in here}
        for number in range(rounds):
            tell(f"round {number + 1} of {rounds}: {', '.join(here)}")
            for name, process in list(here.items()):
                try:
                    process.ask("turn")
                    found = process.ask("turn")
                except Ended as error:
                    if name == entrants[0].name:
                        raise
                    missing[name] = str(error)
                    del here[name]
                    continue
                units = process.facts.get("units", 1)
                times[name].append(
                    (found["seconds"] / units, found["cpu_seconds"] / units)
                )
        ours = times[entrants[0].name]
        return [
            Figures(name=each.name, missing=missing[each.name])
            if each.name in missing
            else figures(here[each.name], times[each.name], ours)
            for each in entrants
        ]


def figures(
    process: Process,
    times: Sequence[tuple[float, float]],
    ours: Sequence[tuple[float, float]],
) -> Figures:
    """Of one contestant: medians, and ratios to ours of the same rounds."""
    wall, cpu = (
        [theirs[kind] / own[kind] for theirs, own in zip(times, ours, strict=True)]
        for kind in (0, 1)
    )
    return Figures(
        name=process.entrant.name,
        facts=process.facts,
        seconds=statistics.median(seconds for seconds, _ in times),
        cpu_seconds=statistics.median(seconds for _, seconds in times),
        ratio=statistics.median(wall),
        ratio_spread=(min(wall), max(wall)),
        cpu_ratio=statistics.median(cpu),
        peak_bytes=process.ask("memory")["peak_bytes"],
        matmul_flops=process.ask("matmul")["flops"],
    )


class Process:
    """A contestant at work.

    Attributes:
        entrant: whose.
        facts: that it told when it was made.
    """

    def __init__(
        self, entrant: Entrant, process: subprocess.Popen[str], errors: TextIO
    ) -> None:
        self.entrant = entrant
        self.facts: dict[str, Any] = {}
        self._process = process
        self._errors = errors

    def make(self) -> None:
        """Make what it works with.

        Raises:
            ImportError: the peer is not there.
            Ended: the process ended.
        """
        entrant = self.entrant
        request = {"make": entrant.make, "setting": dict(entrant.setting)}
        found = self.ask(json.dumps(request))
        if "missing" in found:
            raise ImportError(f"{entrant.package} is not importable")
        self.facts = found["facts"]

    def ask(self, line: str) -> dict[str, Any]:
        """A line to it, and its answer.

        Raises:
            Ended: there is none.
        """
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            print(line, file=asked, flush=True)
            answer = answers.readline()
        if answer:
            return json.loads(answer)
        code = self._process.wait()
        self._errors.seek(0)
        last = self._errors.read().strip().rpartition("\n")[2]
        raise Ended(f"{self.entrant.name} ended with {code}: {last[:300]}")


@contextlib.contextmanager
def running(entrant: Entrant) -> Iterator[Process]:
    """A process of an entrant, which ends with this context."""
    environment = dict(os.environ)
    if entrant.package != OURS:
        environment.pop(_NOT_FOR_PEERS, None)
    if entrant.python:
        environment.pop("PYTHONPATH", None)  # of this interpreter
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [entrant.python or sys.executable, "-c", _BOOT, str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            text=True,
        )
        try:
            yield Process(entrant, process, errors)
        finally:
            process.kill()
            process.communicate()
