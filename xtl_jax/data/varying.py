"""Rates that change while training: at stated steps, at once or along a line.

    step      0          1000        3000
    qa        1          0.5         0
    nli       0          0.5         1

With `between="hold"` the rates of step 0 hold until step 999 and those of step 1000
until 2999; with `between="linear"` they lie on the line between. After the last stated
step nothing changes any more.

Examples are packed, so a step takes as many as fit its rows, and the step at which an
example is drawn follows from all examples before it. Rates are therefore set window by
window (`window`: examples that are packed together, here 256): a window has the rates
of the step at which its first row is trained on, or on a line of that of its middle, if
it has as many rows as those before it had. To know the step at which window n begins,
the rows of the windows before it are counted, one after the other; a `Begin` is what
must be remembered of them.

In a window each task has its exact share of slots, rounded up or down so that it is
right on average over windows: the same random number, drawn from the seed and the
window's number, is added to all borders between tasks before they are rounded down.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from xtl_jax.data import mixing, order
from xtl_jax.data.mixture import Between
from xtl_jax.errors import UserError, near
from xtl_jax.typing import Int

# Examples with the same rates. Few, so that rates change at their step even where
# batches are small; packed rows are about 1 percent less full than of 4,096 examples.
WINDOW = 256
_PURPOSE = 0x766172  # "var": keeps these keys apart from others
_KEPT = 64  # begins of windows that are remembered


@dataclasses.dataclass(frozen=True, kw_only=True)
class Varying:
    """Rates of tasks at stated steps.

    Example:
        >>> rates = Varying.of(
        ...     {0: {"qa": 1}, 100: {"nli": 3, "qa": 1}},
        ...     tasks=("qa", "nli"), between="linear")
        >>> rates.at(0), rates.at(50)
        ({'qa': 1.0, 'nli': 0.0}, {'qa': 0.625, 'nli': 0.375})
    """

    tasks: tuple[str, ...]
    steps: tuple[int, ...]  # ascending, from 0
    shares: tuple[tuple[float, ...], ...]  # for each step and task; they sum to 1
    between: Between

    @classmethod
    def of(
        cls,
        schedule: Mapping[int, mixing.Weights],
        *,
        tasks: Iterable[str],
        between: Between,
    ) -> Varying:
        """Rates from weights at steps; a task that is not named has none there.

        Raises:
            UserError: no step 0, a weight that is no number of at least 0 or is of a
                task that is not in the mixture, or a task that is never drawn.
        """
        tasks = tuple(tasks)
        steps = tuple(sorted(schedule))
        if not steps or steps[0] != 0:
            raise UserError(
                f"rates that change must be stated for step 0 and later ones, got "
                f"steps {', '.join(map(str, steps)) or 'none'}"
            )
        shares = []
        for step in steps:
            weights = schedule[step]
            for task, weight in weights.items():
                if task not in tasks:
                    raise UserError(
                        f"the rates from step {step:,} on name {task!r}, which is not "
                        f"in the mixture; near: {near(task, tasks)}"
                    )
                if not (weight >= 0 and np.isfinite(weight)):
                    raise UserError(
                        f"task {task!r} has the rate {weight!r} from step {step:,} on; "
                        "a rate is a number of at least 0"
                    )
            total = float(sum(weights.values()))
            if not total:
                raise UserError(f"from step {step:,} on no task has a rate")
            shares.append(tuple(weights.get(task, 0) / total for task in tasks))
        for number, task in enumerate(tasks):
            if not any(each[number] for each in shares):
                raise UserError(
                    f"task {task!r} is in the mixture and has no rate at any step; "
                    "give it one or leave it out"
                )
        return cls(tasks=tasks, steps=steps, shares=tuple(shares), between=between)

    @property
    def last(self) -> int:
        """The step from which on nothing changes."""
        return self.steps[-1]

    def at(self, step: float) -> dict[str, float]:
        """The share of each task at a step; a part of a step is a place between two."""
        after = int(np.searchsorted(self.steps, step, side="right"))
        before = after - 1
        here = np.asarray(self.shares[before])
        if self.between == "linear" and after < len(self.steps):
            begin, end = self.steps[before], self.steps[after]
            part = (step - begin) / (end - begin)
            here = (1 - part) * here + part * np.asarray(self.shares[after])
        return dict(zip(self.tasks, here.tolist(), strict=True))

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return {
            "between": self.between,
            "steps": {
                str(step): dict(zip(self.tasks, shares, strict=True))
                for step, shares in zip(self.steps, self.shares, strict=True)
            },
        }

    def mean(self, steps: int) -> dict[str, float]:
        """The share of each task over so many steps from the first, each counting once.

        Example:
            >>> rates = Varying.of({0: {"a": 1}, 100: {"b": 1}}, tasks=("a", "b"),
            ...                    between="linear")
            >>> rates.mean(200)
            {'a': 0.25, 'b': 0.75}
        """
        borders = sorted({*(each for each in self.steps if each < steps), steps})
        total = np.zeros(len(self.tasks))
        for begin, end in itertools.pairwise(borders):
            middle = self.at((begin + end) / 2)  # the mean, of a line too
            total += (end - begin) * np.asarray([*middle.values()])
        if not steps:
            return self.at(0)
        return dict(zip(self.tasks, (total / steps).tolist(), strict=True))


class Begin(NamedTuple):
    """What is known of a window before it is planned."""

    row: int  # rows of all windows before; once nothing changes, at least so many
    turns: tuple[int, ...]  # of each task before


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """The slots of one window and whose they are."""

    number: int  # of the window
    per_window: tuple[int, ...]  # slots of each task
    turns: tuple[int, ...]  # of each task before
    seed: int

    def at(self, slots: Int[np.ndarray, " slots"]) -> mixing.Slots:
        """Task number and turn of slots of this window."""
        bounds = tuple(np.cumsum(self.per_window).tolist())
        size = bounds[-1]
        table = mixing.slots_of_block(bounds, self.seed, self.number, _PURPOSE)
        places = np.asarray(slots, np.int64) - self.number * size
        if places.size and not (places.min() >= 0 and places.max() < size):
            raise ValueError(f"slots {slots} are not in window {self.number}")
        task = table.task[places]
        before = np.asarray(self.turns, np.int64)
        return mixing.Slots(task=task, count=table.count[places] + before[task])


class Windows:
    """The rates of every window, found from those of the windows before it.

    Args:
        varying: the rates.
        seed: of the run.
        size: slots in a window.
        batch_size: rows in a step.
        rows: number of rows of a window whose begin is known.
    """

    def __init__(
        self,
        varying: Varying,
        *,
        seed: int,
        size: int,
        batch_size: int,
        rows: Callable[[int], int],
    ) -> None:
        self._varying = varying
        self._seed = seed
        self._size = size
        self._batch_size = batch_size
        self._rows = rows
        self._first = Begin(row=0, turns=(0,) * len(varying.tasks))
        self._known = {0: self._first}
        self._lock = threading.RLock()

    def begin(self, number: int) -> Begin:
        """What lies before a window."""
        with self._lock:
            at = max(each for each in self._known if each <= number)
            while at < number:
                here = self._known[at]
                if here.row >= self._varying.last * self._batch_size:
                    # The rest is alike.
                    turns = self._slots(self._varying.last, np.arange(at, number))
                    begin = Begin(here.row, _sum(here.turns, turns.sum(axis=0)))
                    at = number
                else:
                    (turns,) = self._slots(self._step(at, here), np.array([at]))
                    begin = Begin(here.row + self._rows(at), _sum(here.turns, turns))
                    at += 1
                self.remember(at, begin)
            return self._known[number]

    def remember(self, number: int, begin: Begin) -> None:
        """Take what lies before a window as known."""
        with self._lock:
            self._known[number] = begin
            while len(self._known) > _KEPT:
                del self._known[next(each for each in self._known if each)]

    def schedule(self, number: int) -> Stretch:
        """Whose the slots of a window are."""
        begin = self.begin(number)
        (slots,) = self._slots(self._step(number, begin), np.array([number]))
        return Stretch(
            number=number,
            per_window=tuple(slots.tolist()),
            turns=begin.turns,
            seed=self._seed,
        )

    def _step(self, number: int, begin: Begin) -> float:
        """The step whose rates a window has."""
        step = begin.row // self._batch_size
        if self._varying.between == "hold" or not number or step >= self._varying.last:
            return step
        return begin.row * (1 + 0.5 / number) / self._batch_size

    def _slots(self, step: float, numbers: np.ndarray) -> np.ndarray:
        """[windows, tasks]: slots of each task in windows with the rates of a step."""
        shares = np.asarray([*self._varying.at(step).values()])
        (drawn,) = np.nonzero(shares)
        keys = order.keys(self._seed, _PURPOSE, counts=numbers)
        shift = (keys >> np.uint64(11)).astype(np.float64) / 2.0**53  # in [0, 1)
        borders = np.cumsum(shares[drawn]) * self._size
        borders[-1] = self._size
        ends = np.floor(borders + shift[:, None]).astype(np.int64)
        out = np.zeros((len(numbers), len(shares)), np.int64)
        out[:, drawn] = np.diff(ends, axis=1, prepend=0)
        return out


def _sum(before: tuple[int, ...], turns: np.ndarray) -> tuple[int, ...]:
    return tuple((np.asarray(before, np.int64) + turns).tolist())
