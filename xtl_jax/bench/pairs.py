"""Two programs timed in turns, so that what else the machine does meets both alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
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
    """Time both, as `in_turns` does.

    Args:
        ours: does the work once.
        theirs: the peer's, None where it is not installed.
        rounds: how often each is timed.
        clock: seconds.
    """

    works = {"ours": ours} if theirs is None else {"ours": ours, "theirs": theirs}
    times = in_turns(works, rounds=rounds, clock=clock)
    mine, others = times["ours"], times.get("theirs")
    if others is None:
        return Timing(statistics.median(mine), None, None, None)
    ratios = [other / own for own, other in zip(mine, others, strict=True)]
    return Timing(
        seconds=statistics.median(mine),
        peer_seconds=statistics.median(others),
        ratio=statistics.median(ratios),
        ratio_spread=(min(ratios), max(ratios)),
    )


def in_turns(
    works: Mapping[str, Work], *, rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each in each round, each for the second time it works in its turn.

    The first is not timed: it finds caches and memory as the others left them, and a
    run, which does nothing but its own work, never meets that. It compiles, too.

    Example:
        >>> ticks = iter([0.0, 1.0, 1.0, 3.0])
        >>> works = {"a": lambda: None, "b": lambda: None}
        >>> in_turns(works, rounds=1, clock=lambda: next(ticks))
        {'a': [1.0], 'b': [2.0]}
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            work()
            began = clock()
            work()
            times[name].append(clock() - began)
    return times
