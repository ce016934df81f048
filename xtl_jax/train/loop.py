"""The training loop, readable from top to bottom.

At each step: take a batch, update, and at three periods log, evaluate, save. Whatever
needs a clock, a screen or a file is done by the `Observer` that the command line gives.
Nothing on the device is waited for except where something is logged or saved, so the
host prepares the next batch while the device computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Protocol

import jax
from jax.sharding import Mesh

from xtl_jax.checkpoint.store import Store
from xtl_jax.errors import UserError
from xtl_jax.train import sharding
from xtl_jax.train.config import RunConfig
from xtl_jax.train.state import TrainState
from xtl_jax.train.step import StepOutput, parameter_path

Outcome = Literal["finished", "stopped"]


class Observer(Protocol):
    """Who is told what happens."""

    def stepped(self, step: int) -> None:
        """A step was handed to the device."""

    def logged(self, step: int, values: Mapping[str, float]) -> None:
        """Values of the steps since the last log."""

    def evaluated(self, step: int, values: Mapping[str, float]) -> None:
        """Scores on the English dev set."""

    def saved(self, step: int) -> None:
        """A checkpoint is being written."""


class Work(NamedTuple):
    """One step's input: the batch on the device and where the feed stands after it."""

    batch: Any
    real_tokens: int  # inputs and targets, no padding; as if all parts were like this
    next_position: Any  # JSON values


def to_device(
    fed: Iterable[tuple[Any, Any]],
    mesh: Mesh,
    *,
    count: Callable[[Any], int],
    shard: tuple[int, int] = (0, 1),
) -> Iterator[Work]:
    """Batches on the mesh, the next one under way while the last is computed on.

    Args:
        fed: batches, each with where the feed stands after it.
        mesh: to lay them out on.
        count: tokens of a batch that are no padding.
        shard: which part of each batch these are, and how many parts there are.
    """
    put = sharding.put_batch(mesh, shard)
    waiting: Work | None = None
    for batch, position in fed:
        work = Work(put(batch), count(batch) * shard[1], position)
        if waiting is not None:
            yield waiting
        waiting = work
    if waiting is not None:
        yield waiting


def train(
    state: TrainState,
    *,
    run: RunConfig,
    update: Callable[[TrainState, Any], tuple[TrainState, StepOutput]],
    work: Iterator[Work],
    position: Any,
    store: Store,
    observer: Observer,
    evaluate: Callable[[TrainState], Mapping[str, float]] | None,
    stopping: Callable[[int], bool],
) -> tuple[TrainState, Outcome]:
    """Train up to `run.steps`, from wherever `state` is.

    Args:
        state: to start from; its step says how many updates are behind it.
        run: periods and number of steps.
        update: the compiled step.
        work: batches from `state.step` on.
        position: of the feed at `state.step`.
        store: where checkpoints go.
        observer: is told.
        evaluate: dev scores of a state, `score` among them (higher is better), or None.
        stopping: of a step that was made, whether to save and leave (SIGTERM).

    Raises:
        UserError: the loss is not finite, and the first bad tensor is named; or a
            dev score is not.
    """
    pending: list[StepOutput] = []
    tokens, scores = 0, None
    step = int(state.step)
    saved = step
    while step < run.steps:
        item = next(work)
        state, output = update(state, item.batch)
        step, position = step + 1, item.next_position
        tokens += item.real_tokens
        pending.append(output)
        observer.stepped(step)
        last, stop = step == run.steps, stopping(step)
        scores = None

        if step % run.log_period == 0 or last or stop:
            observer.logged(step, _summary(pending, step, tokens, state))
            pending, tokens = [], 0
        if evaluate is not None and (step % run.eval_period == 0 or last) and not stop:
            _check(pending, step, state)
            scores = evaluate(state)
            _check_scores(scores, step)
            observer.evaluated(step, scores)
        if step % run.save_period == 0 or last or stop:
            _check(pending, step, state)
            score = None if scores is None else scores["score"]
            store.save(step, state, position, score=score)
            observer.saved(step)
            saved = step
        if stop and not last:
            store.wait()
            return state, "stopped"
    if saved < step or not store.steps():
        store.save(step, state, position)
        observer.saved(step)
    store.wait()
    return state, "finished"


def _summary(
    outputs: list[StepOutput], step: int, tokens: int, state: TrainState
) -> dict[str, float]:
    """Means over the steps since the last log: sums are added, then divided once."""
    _check(outputs, step, state)
    outputs = jax.device_get(outputs)
    total = {
        field: float(sum(float(getattr(o.sums, field)) for o in outputs))
        for field in ("loss", "z_loss", "tokens", "correct")
    }
    per_token = max(total["tokens"], 1.0)
    return {
        "loss": total["loss"] / per_token,
        "z_loss": total["z_loss"] / per_token,
        "accuracy_percent": 100.0 * total["correct"] / per_token,
        "gradient_norm": float(outputs[-1].gradient_norm),
        "target_tokens": total["tokens"],
        "real_tokens": float(tokens),
        "steps": float(len(outputs)),
    }


def _check_scores(scores: Mapping[str, float], step: int) -> None:
    """No checkpoint can be chosen by what is no number."""
    for name, score in scores.items():
        if not math.isfinite(score):
            raise UserError(
                f"step {step}: English dev {name} is {score}, so the model has numbers "
                "that are none. The run keeps its last checkpoint and can go on from "
                "it with a lower learning_rate or with gradient_clip"
            )


def _check(outputs: list[StepOutput], step: int, state: TrainState) -> None:
    """Stop at the first of the last steps whose loss or gradient is not finite."""
    for number, output in enumerate(outputs, start=step - len(outputs) + 1):
        loss, bad = float(output.sums.loss), int(output.first_bad)
        if bad < 0 and math.isfinite(loss):
            continue
        name = parameter_path(state.params, bad) if bad >= 0 else "none, the loss alone"
        raise UserError(
            f"step {number}: the loss is {loss}; first parameter whose gradient is not "
            f"finite: {name}. The run keeps its last checkpoint and can go on from "
            "it with a lower learning_rate or with gradient_clip"
        )
