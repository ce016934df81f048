"""Training batches of labelled examples: stores and a seed in, arrays of a step out.

A batch belongs to one task, as each task has a head of its own. Which task a step
trains follows from the rates, slot by slot as in `mixing`: step s is slot s, and the
task's c-th turn takes its examples c*B ... (c+1)*B - 1 in the order that `order` gives.
So the batch of a step is a pure function of (seed, step), whatever happened before and
however many hosts there are; host i of k holds rows [i*B/k, (i+1)*B/k) of it.

Windows of a question count as examples of their own, here and in budgets.

Where rates change while training, eight steps at a time have the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from xtl_jax.data import labelled_batches, mixing, order, pipeline, varying
from xtl_jax.data.pipeline import Position
from xtl_jax.data.prefetch import Prefetched
from xtl_jax.data.store import Store
from xtl_jax.data.varying import Varying, Windows
from xtl_jax.errors import UserError

_STEPS = 8  # that have the same rates, where these change
_HIDING = 0x686964  # "hid": keeps these keys apart from those of example order


class Fed(NamedTuple):
    """The batch of one step, and where the next one begins."""

    task: str
    batch: dict[str, np.ndarray]  # tokens and labels: see `labelled_batches`
    next_position: Position


class LabelledFeed:
    """Training batches of a mixture, each of one of its tasks.

    Args:
        stores: task name to its store of labelled examples; the order numbers the
            tasks.
        rates: task name to a positive number, which need not sum to 1; or rates that
            change while training.
        batch_size: rows, over all hosts.
        seed: of order, mixing and hidden words.
        shard: (number of this host, number of hosts).
        budgets: task name to the number of its examples that are used, chosen by the
            seed; a smaller budget's examples are among a larger one's.

    Raises:
        UserError: rates and stores name different tasks, the hosts do not divide the
            batch, a rate is too small, a store holds no labels or fewer examples than
            its budget.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        *,
        rates: mixing.Weights | Varying,
        batch_size: int,
        seed: int,
        shard: tuple[int, int] = (0, 1),
        budgets: Mapping[str, int] | None = None,
    ) -> None:
        self.tasks = tuple(stores)
        self.rates = pipeline.checked_rates(rates, tasks=self.tasks)
        pipeline.check_shard(shard, batch_size=batch_size)
        for task, store in stores.items():
            labelled_batches.check(store)
            if store.card["kind"] is None:
                raise UserError(
                    f"{task} is retrieval: it has no labels and trains nothing; leave "
                    "it out of the mixture"
                )
        self.batch_size = batch_size
        self.seed = seed
        self.shard = shard
        self._stores = tuple(stores.values())
        self._subsets = tuple(
            pipeline.subset(task, store, budget=(budgets or {}).get(task), seed=seed)
            for task, store in stores.items()
        )
        self._sizes = tuple(map(labelled_batches.input_lengths, self._stores))
        self._schedule = _schedule(self.rates, seed=seed)

    def position(self, step: int) -> Position:
        """Where the batch of `step` begins: the step says it all."""
        if step < 0:
            raise ValueError(f"a step is at least 0, got {step}")
        return Position(step=step, window=0, row=0)

    def task(self, step: int) -> str:
        """The task that a step trains."""
        return self.tasks[self._turn(step)[0]]

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """This host's rows of the batch of `step`."""
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
            UserError: the position is that of another step or of another kind of feed.
        """
        self._check(step, position)
        task, turn = self._turn(step)
        store = self._stores[task]
        rows = np.arange(self.batch_size)
        indices = self._examples(task, turn * self.batch_size + rows)
        longest = int(self._sizes[task][indices].max())
        number, hosts = self.shard
        mine = self.batch_size // hosts
        here = slice(number * mine, (number + 1) * mine)
        made = labelled_batches.arrays(
            store,
            indices[here],
            width=labelled_batches.padded_length(longest, length=store.card["length"]),
            keys=order.keys(self.seed, _HIDING, step, counts=rows[here]),
        )
        return Fed(
            task=self.tasks[task],
            batch=made._asdict(),
            next_position=self.position(step + 1),
        )

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
        self._check(step, position)

        def generate() -> Iterator[Fed]:
            here = step
            while True:
                yield self.make(here)
                here += 1

        return Prefetched(generate(), ahead=ahead)

    def describe(self) -> dict[str, Any]:
        """Everything that decides the batches, as JSON values: for the run's record."""
        tasks: dict[str, dict[str, Any]] = {}
        for task, store, subset in zip(
            self.tasks, self._stores, self._subsets, strict=True
        ):
            tasks[task] = {
                "rate": pipeline.first_rates(self.rates)[task],
                "examples": subset.examples if subset else store.num_examples,
                "cache": f"{store.folder.parent.name}/{store.folder.name}",
                "kind": store.card["kind"],
                "length": store.card["length"],
            }
            if store.card["kind"] == "contrastive":
                tasks[task]["supervision"] = "parallel text, no labels"
        rates = (
            {"rates": self.rates.to_json()} if isinstance(self.rates, Varying) else {}
        )
        return {
            "tasks": tasks,
            **rates,
            "batch_size": self.batch_size,
            "seed": self.seed,
        }

    def _turn(self, step: int) -> tuple[int, int]:
        """Number of the task of a step, and how many turns it had before."""
        slots = self._schedule(step).at(np.array([step]))
        return int(slots.task[0]), int(slots.count[0])

    def _examples(self, task: int, counts: np.ndarray) -> np.ndarray:
        """Numbers of the examples that a task gives at some turns."""
        store, subset = self._stores[task], self._subsets[task]
        index = order.visits(
            counts,
            size=subset.examples if subset else store.num_examples,
            seed=self.seed,
            task=task,
        ).index
        if subset is None:
            return index
        return order.permute(index, size=store.num_examples, keys=subset.key)

    def _check(
        self, step: int, position: Position | Sequence[Any] | Mapping[str, Any] | None
    ) -> None:
        if position is None:
            return
        fields = Position._fields[:3]
        if isinstance(position, Mapping):
            found = [position.get(name) for name in fields]
        else:
            found = list(position[:3])
        if found != [step, 0, 0]:
            raise UserError(
                f"the stored data position {found} ({', '.join(fields)}) does not "
                f"belong to step {step} of this run: the checkpoint was written with "
                "other data, batch size or model family"
            )


def _schedule(
    rates: dict[str, float] | Varying, *, seed: int
) -> Callable[[int], mixing.Schedule | varying.Stretch]:
    """Whose turn a step is: the schedule that covers it."""
    if not isinstance(rates, Varying):
        fixed = mixing.Schedule.of(rates, seed=seed)
        return lambda step: fixed
    windows = Windows(
        rates, seed=seed, size=_STEPS, batch_size=1, rows=lambda number: _STEPS
    )
    return lambda step: windows.schedule(step // _STEPS)
