"""Which task comes next, when several are trained together.

A mixture has a rate for each task; rates are shares that sum to 1. Training draws
*slots* 0, 1, 2, ...; each slot belongs to one task and is that task's `count`-th turn:

    slot    0    1    2    3    4    5
    task    qa   nli  qa   qa   nli  qa
    count   0    0    1    2    1    3

Slots come in blocks of 65,536. In a block each task has its rounded share of slots
(largest remainder, so that they sum to the block), at places set by a keyed
permutation. So rates are kept in every block and not only on average, and (task, count)
of any slot follows from the seed and the slot's number alone.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from xtl_jax.data import order
from xtl_jax.errors import UserError, near
from xtl_jax.typing import Int, Shaped

# Whole numbers too: the checker of the tests does not take an int for a float.
Weights = Mapping[str, float | int]
BLOCK = 1 << 16
_PURPOSE = 0x6D6978  # "mix": keeps these keys apart from those of example order


class Slots(NamedTuple):
    """Whose turn it is, and how often that task had its turn before."""

    task: Shaped[np.ndarray, " slots"]
    count: Shaped[np.ndarray, " slots"]


def _normalised(weights: Weights) -> dict[str, float]:
    if not weights:
        raise UserError("a mixture has no task; name at least one")
    for task, weight in weights.items():
        if not (weight > 0 and np.isfinite(weight)):
            raise UserError(
                f"task {task!r} has the rate {weight!r}; a rate is a positive number"
            )
    total = float(sum(weights.values()))
    return {task: weight / total for task, weight in weights.items()}


def proportional(
    sizes: Mapping[str, int], *, cap: int | None = None
) -> dict[str, float]:
    """Rates proportional to the number of examples, none counted above `cap`.

    Example:
        >>> proportional({"mnli": 300, "copa": 100})
        {'mnli': 0.75, 'copa': 0.25}
        >>> proportional({"mnli": 300, "copa": 100}, cap=100)
        {'mnli': 0.5, 'copa': 0.5}
    """
    if cap is not None and cap < 1:
        raise UserError(f"the cap on examples is {cap}; it must be at least 1")
    return _normalised({t: n if cap is None else min(n, cap) for t, n in sizes.items()})


def temperature(
    sizes: Mapping[str, int], *, temperature: float, cap: int | None = None
) -> dict[str, float]:
    """Proportional rates to the power 1/temperature: 1 changes nothing, inf is equal.

    Example:
        >>> temperature({"en": 81, "sw": 1}, temperature=2.0)
        {'en': 0.9, 'sw': 0.1}
    """
    if not temperature > 0:
        raise UserError(
            f"the temperature is {temperature}; it must be positive, 1 changes nothing"
        )
    shares = proportional(sizes, cap=cap)
    return _normalised({task: p ** (1.0 / temperature) for task, p in shares.items()})


def equal(tasks: Mapping[str, object] | tuple[str, ...]) -> dict[str, float]:
    """The same rate for every task.

    Example:
        >>> equal(("qa", "nli"))
        {'qa': 0.5, 'nli': 0.5}
    """
    return _normalised(dict.fromkeys(tasks, 1.0))


def explicit(
    rates: Weights, *, tasks: tuple[str, ...] | None = None
) -> dict[str, float]:
    """The rates as given, scaled to sum to 1.

    Args:
        rates: task name to a positive number.
        tasks: where given, the names that must each have a rate, and no others.

    Example:
        >>> explicit({"qa": 3, "text": 1})
        {'qa': 0.75, 'text': 0.25}
    """
    if tasks is not None:
        for name in rates:
            if name not in tasks:
                raise UserError(
                    f"a rate is given for {name!r}, which is not in the mixture; "
                    f"near: {near(name, tasks)}"
                )
        missing = [name for name in tasks if name not in rates]
        if missing:
            raise UserError(f"no rate is given for {', '.join(missing)}")
    return _normalised(rates)


def shares(rates: Weights, *, block: int = BLOCK) -> dict[str, int]:
    """Slots of each task in one block, by largest remainder; they sum to the block.

    Raises:
        UserError: a task would get no slot at all.

    Example:
        >>> shares({"qa": 1, "nli": 1, "copa": 1}, block=10)
        {'qa': 4, 'nli': 3, 'copa': 3}
    """
    rates = _normalised(rates)
    exact = {task: rate * block for task, rate in rates.items()}
    floors = {task: int(value) for task, value in exact.items()}
    left = block - sum(floors.values())
    # sorted() is stable: of equal remainders the task named first gets the slot.
    by_remainder = sorted(rates, key=lambda task: floors[task] - exact[task])
    for task in by_remainder[:left]:
        floors[task] += 1
    for task, slots in floors.items():
        if slots == 0:
            raise UserError(
                f"task {task!r} has the rate {rates[task]:.3g}, less than one in "
                f"{block:,} slots: it would never be seen; raise its rate to at least "
                f"{1 / block:.3g} or leave it out"
            )
    return floors


@functools.lru_cache(maxsize=8)
def slots_of_block(
    bounds: tuple[int, ...], seed: int, number: int, purpose: int = _PURPOSE
) -> Slots:
    """Task and turn within the block, for each slot of one block.

    Args:
        bounds: for each task, its slots and those of the tasks before it.
        seed: of the run.
        number: of the block.
        purpose: keeps the places apart from those of other blocks of this number.
    """
    size = bounds[-1]
    places = order.permute(
        np.arange(size), size=size, keys=order.key(seed, purpose, number)
    )
    task = np.searchsorted(np.asarray(bounds), places, side="right")
    count = np.empty(size, np.int64)
    by_task = np.argsort(task, kind="stable")
    firsts = np.concatenate([[0], bounds[:-1]])
    count[by_task] = np.arange(size) - firsts[task[by_task]]
    return Slots(task=task, count=count)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """Slots to tasks, for ever: a pure function of the seed and the slot's number.

    Example:
        >>> schedule = Schedule.of({"qa": 3, "nli": 1}, seed=0)
        >>> slots = schedule.at(np.arange(BLOCK, 2 * BLOCK))  # the second block
        >>> int(np.sum(slots.task == 1)), int(slots.count[slots.task == 1][0])
        (16384, 16384)
    """

    per_block: tuple[int, ...]  # slots of each task in one block
    seed: int

    @classmethod
    def of(cls, rates: Weights, *, seed: int) -> Schedule:
        """A schedule whose task numbers are the places of the names in `rates`."""
        return cls(per_block=tuple(shares(rates).values()), seed=seed)

    def at(self, slots: Int[np.ndarray, " slots"]) -> Slots:
        """Task number and turn of each slot."""
        slots = np.asarray(slots, np.int64)
        if len(self.per_block) == 1:
            return Slots(task=np.zeros(slots.shape, np.int64), count=slots)
        bounds = tuple(int(b) for b in np.cumsum(self.per_block))
        blocks, places = np.divmod(slots, bounds[-1])
        task, count = np.empty_like(slots), np.empty_like(slots)
        per_block = np.asarray(self.per_block, np.int64)
        for number in np.unique(blocks):
            table = slots_of_block(bounds, self.seed, int(number))
            here = blocks == number
            task[here] = table.task[places[here]]
            count[here] = table.count[places[here]] + number * per_block[task[here]]
        return Slots(task=task, count=count)
