"""Batches: stores and a seed in, arrays for one step out.

Training asks a `Feed` for the batch of a step. The batch of step s is rows
[s*B, (s+1)*B) of an endless list of rows (`window` says how it comes about): a pure
function of (seed, s), whatever happened before and however many hosts there are. Host i
of k holds rows [i*B/k, (i+1)*B/k) of it.

To find row s*B one must know how many rows each earlier window has. A `Position` says
in which window, at which row, a step begins; checkpoints keep it so that a resumed run
need not plan a million steps again. It is a memo: without it the same place is found by
counting. Where rates change while training (`varying`) it holds the turns that each
task had before the window too.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from xtl_jax.data import mixing, order, packing, varying, window
from xtl_jax.data.features import TASK_FEATURES, Lengths
from xtl_jax.data.packing import Batch
from xtl_jax.data.prefetch import Prefetched
from xtl_jax.data.store import Store
from xtl_jax.data.varying import Begin, Varying, Windows
from xtl_jax.errors import UserError

_KEPT_WINDOWS = 4
_SUBSET = 0x737562  # "sub": keeps these keys apart from others


class Position(NamedTuple):
    """Where the batch of `step` begins: plain whole numbers, a list in JSON."""

    step: int
    window: int
    row: int  # in the window
    # Where rates change: turns of each task before the window.
    turns: tuple[int, ...] = ()


class Fed(NamedTuple):
    """The batch of one step, and where the next one begins."""

    batch: Batch
    next_position: Position


class Feed:
    """Training batches of a mixture.

    Args:
        stores: task name to its token store; the order numbers the tasks.
        rates: task name to a positive number, which need not sum to 1; or rates that
            change while training.
        lengths: of a row, tokens.
        batch_size: rows, over all hosts.
        seed: of order, mixing and span corruption.
        pack: whether examples share rows.
        shard: (number of this host, number of hosts).
        slots_per_window: examples packed together; None takes what suits the rates.
        budgets: task name to the number of its examples that are used, chosen by the
            seed; a smaller budget's examples are among a larger one's.

    Raises:
        UserError: rates and stores name different tasks, the hosts do not divide the
            batch, a rate is too small, a store has an unknown transform or fewer
            examples than its budget.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        *,
        rates: mixing.Weights | Varying,
        lengths: Lengths,
        batch_size: int,
        seed: int,
        pack: bool,
        shard: tuple[int, int] = (0, 1),
        slots_per_window: int | None = None,
        budgets: Mapping[str, int] | None = None,
    ) -> None:
        rates = checked_rates(rates, tasks=tuple(stores))
        check_shard(shard, batch_size=batch_size)
        for store in stores.values():
            window.check_transform(store)
        self.tasks = tuple(stores)
        self.rates = rates
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.pack = pack
        self.shard = shard
        self._stores = tuple(stores.values())
        usual = varying.WINDOW if isinstance(rates, Varying) else window.WINDOW
        self._size = slots_per_window or usual
        self._subsets = tuple(
            subset(task, store, budget=(budgets or {}).get(task), seed=seed)
            for task, store in stores.items()
        )
        self._varying = None
        self._schedule: Callable[[int], window.Schedule]
        if isinstance(rates, Varying):
            self._varying = Windows(
                rates,
                seed=seed,
                size=self._size,
                batch_size=batch_size,
                rows=lambda number: self.window(number).rows if pack else self._size,
            )
            self._schedule = self._varying.schedule
        else:
            fixed = mixing.Schedule.of(rates, seed=seed)
            self._schedule = lambda number: fixed
        self._eos = {
            name: tuple(
                s.card["eos_id"] if s.card["eos"][name] else None for s in self._stores
            )
            for name in TASK_FEATURES
        }
        self._windows: dict[int, window.Window] = {}
        self._last = Position(step=0, window=0, row=0)
        self._lock = threading.Lock()

    def window(self, number: int) -> window.Window:
        """The plan of one window; the last few are kept."""
        with self._lock:
            found = self._windows.get(number)
        if found is None:
            found = window.plan(
                number,
                stores=self._stores,
                schedule=self._schedule(number),
                lengths=self.lengths,
                pack=self.pack,
                size=self._size,
                subsets=self._subsets,
            )
            with self._lock:
                self._windows[number] = found
                while len(self._windows) > _KEPT_WINDOWS:
                    del self._windows[next(iter(self._windows))]
        return found

    def position(self, step: int) -> Position:
        """Where the batch of `step` begins, counted from the last place asked for."""
        if step < 0:
            raise ValueError(f"a step is at least 0, got {step}")
        if not self.pack:
            number, row = divmod(step * self.batch_size, self._size)
            return self._at(step, window=number, row=row)
        with self._lock:
            last = self._last
        if last.step > step:
            last = Position(step=0, window=0, row=0)
        ahead = last.row + (step - last.step) * self.batch_size
        number = last.window
        while ahead >= (rows := self.window(number).rows):
            ahead -= rows
            number += 1
        found = self._at(step, window=number, row=ahead)
        with self._lock:
            self._last = found
        return found

    def _at(self, step: int, *, window: int, row: int) -> Position:
        """A position, with the turns before its window where these must be known."""
        turns = () if self._varying is None else self._varying.begin(window).turns
        return Position(step=step, window=window, row=row, turns=turns)

    def batch(self, step: int) -> Batch:
        """This host's rows of the batch of `step`, wherever that begins."""
        return self.make(step).batch

    def make(
        self,
        step: int,
        position: Position | Sequence[Any] | Mapping[str, Any] | None = None,
    ) -> Fed:
        """This host's rows of the batch of `step`, and where the next one begins.

        Args:
            step: optimiser updates before.
            position: where the step begins, if known: from a checkpoint or `Fed`.

        Raises:
            UserError: the position is that of another step, or lies in no window.
        """
        return self._make(self._checked(step, position))

    def batches(
        self,
        *,
        step: int = 0,
        position: Position | Sequence[Any] | Mapping[str, Any] | None = None,
        ahead: int = 2,
    ) -> Prefetched[Fed]:
        """All batches from `step` on, made in a background thread. Close it after use.

        Args:
            step: the first.
            position: where it begins, if known.
            ahead: how many batches are kept ready.
        """
        first = self._checked(step, position)

        def generate() -> Iterator[Fed]:
            here = first
            while True:
                fed = self._make(here)
                here = fed.next_position
                yield fed

        return Prefetched(generate(), ahead=ahead)

    def _checked(
        self, step: int, position: Position | Sequence[Any] | Mapping[str, Any] | None
    ) -> Position:
        if position is None:
            return self.position(step)
        fields: Any = position._asdict() if isinstance(position, Position) else position
        if not isinstance(fields, Mapping):
            fields = dict(zip(Position._fields, fields, strict=False))
        position = Position(**fields)
        position = position._replace(turns=tuple(position.turns))  # JSON has lists
        rows = self.window(position.window).rows if self._remember(position) else 0
        if position.step != step or not 0 <= position.row < rows:
            raise UserError(
                f"the stored data position {tuple(position)} does not belong to step "
                f"{step} of this run (its window has {rows} rows): the checkpoint was "
                "written with other data, lengths, batch size or seed"
            )
        return position

    def _remember(self, position: Position) -> bool:
        """Take what a position says of its window; whether that can be true."""
        number, turns = position.window, position.turns
        if self._varying is None:
            return number >= 0 and not turns
        row = position.step * self.batch_size - position.row  # rows before the window
        if number < 0 or row < 0 or len(turns) != len(self.tasks):
            return False
        if min(turns) < 0 or sum(turns) != number * self._size:
            return False
        self._varying.remember(number, Begin(row=row, turns=turns))
        return True

    def _make(self, here: Position) -> Fed:
        """The batch that begins at `here`."""
        number, hosts = self.shard
        mine = self.batch_size // hosts
        begin, end = number * mine, (number + 1) * mine  # of the batch's rows
        spans: dict[str, list[packing.Span]] = {name: [] for name in TASK_FEATURES}
        at, done = here, 0
        while done < self.batch_size:
            plan = self.window(at.window)
            take = min(plan.rows - at.row, self.batch_size - done)
            low, high = max(begin, done), min(end, done + take)
            if low < high:
                for name in TASK_FEATURES:
                    span = window.read(
                        plan,
                        name,
                        begin=at.row + low - done,
                        end=at.row + high - done,
                        eos=self._eos[name],
                    )
                    spans[name].append(span._replace(row=span.row + low - begin))
            done += take
            if at.row + take == plan.rows:
                at = self._at(here.step, window=at.window + 1, row=0)
            else:
                at = at._replace(row=at.row + take)
        batch = packing.batch(
            _joined(spans["inputs"]),
            _joined(spans["targets"]),
            rows=mine,
            lengths=self.lengths,
            layout="packed" if self.pack else "single",
        )
        return Fed(batch=batch, next_position=at._replace(step=here.step + 1))

    def describe(self) -> dict[str, Any]:
        """Everything that decides the batches, as JSON values: for the run's record."""
        tasks: dict[str, dict[str, Any]] = {}
        for task, store, subset in zip(
            self.tasks, self._stores, self._subsets, strict=True
        ):
            tasks[task] = {
                "rate": first_rates(self.rates)[task],
                "examples": subset.examples if subset else store.num_examples,
                "cache": f"{store.folder.parent.name}/{store.folder.name}",
            }
        rates = (
            {"rates": self.rates.to_json()} if isinstance(self.rates, Varying) else {}
        )
        return {
            "tasks": tasks,
            **rates,
            "lengths": dict(self.lengths.items()),
            "batch_size": self.batch_size,
            "seed": self.seed,
            "pack": self.pack,
            "slots_per_window": self._size,
        }


def checked_rates(
    rates: mixing.Weights | Varying, *, tasks: tuple[str, ...]
) -> dict[str, float] | Varying:
    """Rates of exactly these tasks, in their order; fixed ones sum to 1."""
    if not isinstance(rates, Varying):
        found = mixing.explicit(rates, tasks=tasks)
        return {task: found[task] for task in tasks}
    if rates.tasks != tasks:
        raise UserError(
            f"the rates are of {', '.join(rates.tasks)}, the data is of "
            f"{', '.join(tasks)}: give rates of these tasks in this order"
        )
    return rates


def first_rates(rates: Mapping[str, float] | Varying) -> Mapping[str, float]:
    """The rate of each task at the first step."""
    return rates.at(0) if isinstance(rates, Varying) else rates


def check_shard(shard: tuple[int, int], *, batch_size: int) -> None:
    """Refuses hosts that cannot share a batch evenly."""
    number, hosts = shard
    if not 0 <= number < hosts:
        raise UserError(
            f"shard {number} of {hosts}: hosts are numbered from 0, so the first must "
            "be below the second"
        )
    if batch_size < 1 or batch_size % hosts:
        raise UserError(
            f"a batch of {batch_size} rows cannot be split evenly over {hosts} "
            f"hosts; choose a multiple of {hosts}"
        )


def subset(
    task: str, store: Store, *, budget: int | None, seed: int
) -> window.Subset | None:
    """The part of a task's examples that its budget allows; None is all of them."""
    if budget is None or budget == store.num_examples:
        return None
    if not 1 <= budget <= store.num_examples:
        raise UserError(
            f"task {task!r} has {store.num_examples:,} examples, its budget is "
            f"{budget:,}; give at least 1 and at most what there is"
        )
    # By name: the same examples whatever the other tasks of the mixture are.
    name = zlib.crc32(task.encode())
    return window.Subset(examples=budget, key=order.key(seed, _SUBSET, name))


def _joined(spans: list[packing.Span]) -> packing.Span:
    if len(spans) == 1:
        return spans[0]
    return packing.Span(*(np.concatenate(field) for field in zip(*spans, strict=True)))
