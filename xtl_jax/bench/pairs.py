"""Two programs timed in turns, so that what else the machine does meets both alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import NamedTuple

Work = Callable[[], object]


class Timing(NamedTuple):
    """Medians of the rounds. `ratio` is the peer's time over ours: more is better."""

    seconds: float
    peer_seconds: float | None  # None where the peer is not installed
    ratio: float | None
    ratio_spread: tuple[float, float] | None  # of the rounds


def timed(
    ours: Work, theirs: Work | None, *, rounds: int, clock: Callable[[], float]
) -> Timing:
    """Time both in turns, each for the second time it works in its turn.

    The first is not timed: it finds caches and memory as the other left them, and a
    run, which does nothing but its own work, never meets that. It compiles, too.

    Args:
        ours: does the work once.
        theirs: the peer's, None where it is not installed.
        rounds: how often each is timed.
        clock: seconds.
    """

    def seconds(work: Work) -> float:
        work()
        began = clock()
        work()
        return clock() - began

    times = [
        (seconds(ours), None if theirs is None else seconds(theirs))
        for _ in range(rounds)
    ]
    ratios = sorted(other / mine for mine, other in times if other is not None)
    return Timing(
        seconds=statistics.median(mine for mine, _ in times),
        peer_seconds=statistics.median(t for _, t in times if t is not None)
        if ratios
        else None,
        ratio=statistics.median(ratios) if ratios else None,
        ratio_spread=(ratios[0], ratios[-1]) if ratios else None,
    )
