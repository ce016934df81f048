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
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xtl_jax.bench import pairs, train
from xtl_jax.checkpoint import names
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.train import optimizer as optimizers
from xtl_jax.train import state as states

PLAIN = "none"
_RADIUS = 0.1  # the time does not depend on it


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
    times = pairs.in_turns(_steps(setting), rounds=setting.rounds, clock=clock)
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


def _steps(setting: Setting) -> dict[str, Callable[[], None]]:
    """A step of each method, on one state."""
    config = setting.model.with_heads((train.HEAD,))
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, config.vocab, (setting.batch_size, setting.length))
    labels = rng.integers(0, len(train.HEAD.labels), setting.batch_size)
    batch = train.labelled(tokens, labels)
    current: Any = states.at_zero(
        optimizers.build(train.settings(tokens)),
        jax.tree.map(jnp.asarray, names.tree(train.source(config))),
    )

    def of_method(method: str) -> Callable[[], None]:
        fields = _fields(method, steps=setting.steps)
        update = train.updating(config, train.settings(tokens, **fields))

        def step() -> None:
            nonlocal current
            current, _ = update(current, batch)
            jax.block_until_ready(current)

        return step

    methods = (PLAIN, "gaussian", "uniform", "freelb", "pgd")
    return {method: of_method(method) for method in methods}


def _fields(method: str, *, steps: int) -> dict[str, Any]:
    """Settings of a run that perturbs so."""
    if method == PLAIN:
        return {}
    found: dict[str, Any] = {"perturbation": method, "perturbation_radius": _RADIUS}
    if method in ("pgd", "freelb"):
        found["perturbation_steps"] = steps
        found["perturbation_step_size"] = _RADIUS / steps
    return found
