"""One contestant of a measurement, in a process of its own.

A line of JSON comes in: what to make, such as `step_t5x:train`, and its setting. A line
goes out: facts about what was made, or why it cannot be. Then each line is a word:

* `turn`: the work is done once; the answer has its seconds and CPU seconds;
* `matmul`: the answer has the most FLOP/s that this library's own matrix product gets;
* `memory`: the answer has the most bytes that were in use since the first turn ended.

A peer's process may be of another Python, which has nothing of what xtl_jax needs. So
this file imports the standard library only; what is made imports the peer.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

_SIZES = (1024, 2048)  # of square matrices: smaller ones are slower, larger no faster
_PRODUCTS = 8  # of each size, of which the fastest counts
_STATUS = pathlib.Path("/proc/self/status")
_PEAK = "VmHWM:"  # in kB


class Contestant(NamedTuple):
    """What takes part.

    Attributes:
        facts: JSON values that are told once; `units` is how many units (examples) one
            turn works on, 1 where it is not there.
        work: does it once, to its end.
        product: of a size, what multiplies two square float32 matrices, to its end.
    """

    facts: dict[str, Any]
    work: Callable[[], object]
    product: Callable[[int], Callable[[], object]]


def serve() -> None:
    """Make what is asked for, and take turns until there are no more lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    request = json.loads(sys.stdin.readline())
    module, _, function = request["make"].partition(":")
    try:
        make = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        made: Contestant = make(request["setting"])
    except ImportError as error:
        answer(missing=str(error))
        return
    answer(facts=made.facts)
    turns = 0
    for line in sys.stdin:
        word = line.strip()
        if word == "turn":
            seconds, cpu_seconds = _timed(made.work)
            answer(seconds=seconds, cpu_seconds=cpu_seconds)
            turns += 1
            if turns == 1:  # it compiled
                _forget_peak()
        elif word == "matmul":
            answer(flops=_matmul(made.product))
        elif word == "memory":
            answer(peak_bytes=_peak())


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - began_cpu


def _matmul(product: Callable[[int], Callable[[], object]]) -> float:
    """FLOP/s of the fastest product."""
    best = 0.0
    for size in _SIZES:
        multiply = product(size)
        multiply()
        seconds = min(_timed(multiply)[0] for _ in range(_PRODUCTS))
        best = max(best, 2.0 * size**3 / seconds)
    return best


def _forget_peak() -> None:
    """Let the kernel count the peak of this process's memory anew."""
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # no Linux: the peak is that of the whole life
        return


def _peak() -> int | None:
    """Most bytes of memory in use; None where the system does not say."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    (line,) = (line for line in lines if line.startswith(_PEAK))
    return int(line.split()[1]) * 1024
