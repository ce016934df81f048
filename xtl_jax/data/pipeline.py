"""Batches: stores and a seed in, arrays for one step out.

Training asks a `Feed` for the batch of a step. The batch of step s is rows
[s*B, (s+1)*B) of an endless list of rows (`window` says how it comes about): a pure
function of (seed, s), whatever happened before and however many hosts there are. Host i
of k holds rows [i*B/k, (i+1)*B/k) of it.

To find row s*B one must know how many rows each earlier window has. A `Position` says
in which window, at which row, a step begins; checkpoints keep it so that a resumed run
need not plan a million steps again. It is a memo: without it the same place is found by
counting.

Evaluation reads a store once, sorted into batches of few lengths, each example with its
number, so that predictions can be put back into the order of the split.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from xtl_jax.data import mixing, packing, window
from xtl_jax.data.features import TASK_FEATURES, Lengths
from xtl_jax.data.packing import Batch
from xtl_jax.data.prefetch import Prefetched
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError

_KEPT_WINDOWS = 4


class Position(NamedTuple):
    """Where the batch of `step` begins: plain whole numbers, a list in JSON."""

    step: int
    window: int
    row: int  # in the window


class Fed(NamedTuple):
    """The batch of one step, and where the next one begins."""

    batch: Batch
    next_position: Position


class Feed:
    """Training batches of a mixture.

    Args:
        stores: task name to its token store; the order numbers the tasks.
        rates: task name to a positive number; need not sum to 1.
        lengths: of a row, tokens.
        batch_size: rows, over all hosts.
        seed: of order, mixing and span corruption.
        pack: whether examples share rows.
        shard: (number of this host, number of hosts).
        slots_per_window: examples packed together.

    Raises:
        UserError: rates and stores name different tasks, the hosts do not divide the
            batch, a rate is too small, a store has an unknown transform.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        *,
        rates: mixing.Weights,
        lengths: Lengths,
        batch_size: int,
        seed: int,
        pack: bool,
        shard: tuple[int, int] = (0, 1),
        slots_per_window: int = window.WINDOW,
    ) -> None:
        rates = mixing.explicit(rates, tasks=tuple(stores))
        number, hosts = shard
        if not 0 <= number < hosts:
            raise UserError(
                f"shard {number} of {hosts}: the first must be below the second"
            )
        if batch_size < 1 or batch_size % hosts:
            raise UserError(
                f"a batch of {batch_size} rows cannot be split evenly over {hosts} "
                f"hosts; choose a multiple of {hosts}"
            )
        for store in stores.values():
            window.check_transform(store)
        self.tasks = tuple(stores)
        self.rates = {task: rates[task] for task in self.tasks}
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.pack = pack
        self.shard = shard
        self._stores = tuple(stores.values())
        self._schedule = mixing.Schedule.of(self.rates, seed=seed)
        self._size = slots_per_window
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
                schedule=self._schedule,
                lengths=self.lengths,
                pack=self.pack,
                size=self._size,
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
            return Position(step=step, window=number, row=row)
        with self._lock:
            last = self._last
        if last.step > step:
            last = Position(step=0, window=0, row=0)
        ahead = last.row + (step - last.step) * self.batch_size
        number = last.window
        while ahead >= (rows := self.window(number).rows):
            ahead -= rows
            number += 1
        found = Position(step=step, window=number, row=ahead)
        with self._lock:
            self._last = found
        return found

    def batch(self, step: int) -> Batch:
        """This host's rows of the batch of `step`, wherever that begins."""
        return self.make(step).batch

    def make(
        self,
        step: int,
        position: Position | Sequence[int] | Mapping[str, int] | None = None,
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
        position: Position | Sequence[int] | Mapping[str, int] | None = None,
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
        self, step: int, position: Position | Sequence[int] | Mapping[str, int] | None
    ) -> Position:
        if position is None:
            return self.position(step)
        if isinstance(position, Mapping):
            position = Position(**position)
        else:
            position = Position(*position)
        rows = self.window(position.window).rows if position.window >= 0 else 0
        if position.step != step or not 0 <= position.row < rows:
            raise UserError(
                f"the stored data position {tuple(position)} does not belong to step "
                f"{step} of this run (its window has {rows} rows): the checkpoint was "
                "written with other data, lengths, batch size or seed"
            )
        return position

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
                at = Position(step=here.step, window=at.window + 1, row=0)
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
        return {
            "tasks": {
                task: {
                    "rate": self.rates[task],
                    "examples": store.num_examples,
                    "cache": f"{store.folder.parent.name}/{store.folder.name}",
                }
                for task, store in zip(self.tasks, self._stores, strict=True)
            },
            "lengths": dict(self.lengths.items()),
            "batch_size": self.batch_size,
            "seed": self.seed,
            "pack": self.pack,
            "slots_per_window": self._size,
        }


def _joined(spans: list[packing.Span]) -> packing.Span:
    if len(spans) == 1:
        return spans[0]
    return packing.Span(*(np.concatenate(field) for field in zip(*spans, strict=True)))


class EvaluationBatch(NamedTuple):
    """Some examples of a split, padded to a common length."""

    indices: np.ndarray  # [batch] number of the example in the split; -1: empty row
    encoder_input_tokens: np.ndarray  # [batch, bucket]
    decoder_target_tokens: np.ndarray  # [batch, targets]


def buckets(longest: int, *, least: int = 32) -> tuple[int, ...]:
    """Lengths to which batches are padded: doubling from `least` to `longest`.

    Example:
        >>> buckets(384)
        (32, 64, 128, 256, 384)
    """
    found = []
    size = min(least, longest)
    while size < longest:
        found.append(size)
        size *= 2
    return (*found, longest)


def evaluation_batches(
    store: Store,
    *,
    lengths: Lengths,
    batch_size: int,
    buckets: tuple[int, ...],
    first: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[EvaluationBatch]:
    """Every example of a store once, the longest ones at the start.

    Examples are sorted by input length and cut into batches; a batch is padded to the
    smallest bucket that holds its longest. The last one is filled with empty rows.

    Args:
        store: of an evaluation split.
        lengths: longer examples are cut to them.
        batch_size: rows, over all hosts.
        buckets: ascending lengths, the last at least `lengths.inputs`.
        first: only so many examples from the beginning of the store.
        shard: (number of this host, number of hosts).

    Raises:
        UserError: the buckets do not reach the length, the hosts do not divide the
            batch, or the store holds texts for span corruption.
    """
    number, hosts = shard
    if not buckets or buckets[-1] < lengths.inputs or list(buckets) != sorted(buckets):
        raise UserError(
            f"buckets {buckets} must be ascending and end at the input length "
            f"{lengths.inputs} or above"
        )
    if batch_size < 1 or batch_size % hosts:
        raise UserError(
            f"a batch of {batch_size} rows cannot be split over {hosts} hosts"
        )
    if store.card.get("transform"):
        raise UserError(
            f"{store.folder} holds texts for span corruption, which has no answers to "
            "evaluate"
        )
    size = np.minimum(store.lengths["inputs"][:first], lengths.inputs)
    by_length = np.argsort(-size, kind="stable")
    mine = batch_size // hosts
    for begin in range(0, len(by_length), batch_size):
        members = by_length[begin : begin + batch_size]
        bucket = next(b for b in buckets if b >= size[members[0]])
        indices = np.full(batch_size, -1, np.int64)
        indices[: len(members)] = members
        indices = indices[number * mine : (number + 1) * mine]
        rows = {
            name: _rows(store, name, indices=indices, limit=limit, width=width)
            for (name, limit), width in zip(
                lengths.items(), (bucket, lengths.targets), strict=True
            )
        }
        yield EvaluationBatch(
            indices=indices,
            encoder_input_tokens=rows["inputs"],
            decoder_target_tokens=rows["targets"],
        )


def _rows(
    store: Store, feature: str, *, indices: np.ndarray, limit: int, width: int
) -> np.ndarray:
    """One feature of some examples, one a row; index -1 is an empty row."""
    out = np.zeros((len(indices), width), np.int32)
    for row, index in enumerate(indices.tolist()):
        if index < 0:
            continue
        tokens = store.tokens(feature, index)
        out[row, : min(len(tokens), limit)] = tokens[:limit]
        if len(tokens) > limit and store.card["eos"][feature]:
            out[row, limit - 1] = store.card["eos_id"]
    return out
