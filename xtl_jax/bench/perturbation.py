"""What training against moved vectors costs: its step beside the plain one.

One encoder with a classification head, the same random rows, AdamW: a plain step and a
step of each method of `train/perturbation.py`, one after another in each round. A
method's ratio is its time over that of the plain step of the same round, so that what
else the machine does meets both; the median over the rounds is given with the least and
the most. Each is timed for the second time it works in its turn, as `pairs.py` does.

All share one state, which every step updates in place: the shapes are the same.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xtl_jax.bench import train
from xtl_jax.checkpoint import names
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.train import optimizer as optimizers
from xtl_jax.train import state as states
from xtl_jax.train.config import RunConfig
from xtl_jax.train.labels import LabelBatch, inputs_of, objective, other_heads
from xtl_jax.train.step import make_train_step

PLAIN = "none"
_RADIUS = 0.1  # the time does not depend on it
_HEAD = Head(name="bench", kind="classification", labels=("0", "1", "2"))
_RATE = 1e-5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured.

    Attributes:
        model: its shape; heads in it are not used.
        batch_size: rows.
        length: tokens of each, none of them padding.
        steps: of ascent, of the methods that ascend.
        rounds: how often each is timed.
    """

    model: EncoderConfig
    batch_size: int = 8
    length: int = 128
    steps: int = 2
    rounds: int = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one method."""

    method: str
    passes: int  # forward and backward computations of a step
    seconds: float  # median, of a step
    ratio: float  # to the plain step of the same round, median
    ratio_spread: tuple[float, float]


def passes(method: str, *, steps: int) -> int:
    """Forward and backward computations of a step.

    Example:
        >>> [passes(each, steps=2) for each in ("none", "gaussian", "pgd", "freelb")]
        [1, 1, 3, 2]
    """
    return {"pgd": steps + 1, "freelb": steps}.get(method, 1)


def measure(setting: Setting, *, clock: Callable[[], float]) -> list[Cost]:
    """Time all methods on one model, the plain step first.

    Args:
        setting: what is measured.
        clock: seconds.
    """
    times = in_turns(_steps(setting), rounds=setting.rounds, clock=clock)
    plain = times[PLAIN]
    found = []
    for method, own in times.items():
        ratios = [mine / base for mine, base in zip(own, plain, strict=True)]
        found.append(
            Cost(
                method=method,
                passes=passes(method, steps=setting.steps),
                seconds=statistics.median(own),
                ratio=statistics.median(ratios),
                ratio_spread=(min(ratios), max(ratios)),
            )
        )
    return found


def in_turns(
    works: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    clock: Callable[[], float],
) -> dict[str, list[float]]:
    """Seconds of each in each round.

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


def _steps(setting: Setting) -> dict[str, Callable[[], None]]:
    """A step of each method, on one state."""
    config = setting.model.with_heads((_HEAD,))
    rng = np.random.default_rng(0)
    shape = (setting.batch_size, setting.length)
    batch = LabelBatch(
        tokens=jnp.asarray(rng.integers(5, config.vocab, shape), jnp.int32),
        labels=jnp.asarray(rng.integers(0, 3, setting.batch_size), jnp.int32),
        head=_HEAD.name,
    )
    made = jax.tree.map(jnp.asarray, names.tree(train.source(config)))
    current: Any = None

    def of_method(method: str) -> Callable[[], None]:
        nonlocal current
        run = _run(setting, method)
        optimizer = optimizers.build(run)
        if current is None:
            current = states.at_zero(optimizer, made)
        update = jax.jit(
            make_train_step(
                *(config, run, optimizer),
                objective=objective(config, run),
                inputs=inputs_of(config),
                kept=other_heads,
            ),
            donate_argnums=0,
        )

        def step() -> None:
            nonlocal current
            current, _ = update(current, batch)
            jax.block_until_ready(current)

        return step

    methods = (PLAIN, "gaussian", "uniform", "freelb", "pgd")
    return {method: of_method(method) for method in methods}


def _run(setting: Setting, method: str) -> RunConfig:
    fields: dict[str, Any] = {}
    if method != PLAIN:
        fields = {"perturbation": method, "perturbation_radius": _RADIUS}
    if method in ("pgd", "freelb"):
        fields |= {
            "perturbation_steps": setting.steps,
            "perturbation_step_size": _RADIUS / setting.steps,
        }
    return RunConfig(
        task="bench",
        steps=1,
        lengths={"inputs": setting.length, "targets": 2},
        vocabulary="bytes",
        run_dir="",
        batch_size=setting.batch_size,
        optimizer="adamw",
        learning_rate=_RATE,
        gradient_clip=1.0,
        loss_normalizing_factor="tokens",
        **fields,
    )
