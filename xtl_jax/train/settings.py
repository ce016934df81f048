"""Settings of a run that only mean something together, checked together.

`RunConfig` holds them as plain fields, so that gin fills them one by one; what uses
them takes one of these values, or None where nothing of the kind is asked for.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from xtl_jax import fields
from xtl_jax.errors import UserError, near

Method = Literal["none", "freelb", "pgd", "gaussian", "uniform"]
Norm = Literal["l2", "linf"]
Over = Literal["token", "example"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Perturbation:
    """What is added to the vectors of the input tokens while training.

    Attributes:
        method: "pgd" trains on the worst addition that ascent has found, "freelb" on
            all that it meets on its way, "gaussian" and "uniform" on a random one.
        radius: how long an addition may be, in mean lengths of the vectors of the
            example's text (`train/perturbation.py`); of "gaussian" how long the noise
            of a token is on average, nearly.
        norm: what "long" means.
        over: whose length it is: of each token's addition, or of all of an example's
            taken together. Of `linf` both are the same.
        steps: of ascent.
        step_size: length of a step of ascent, in the same unit.
        start: radius, likewise, of the ball that ascent begins at a random place of; 0
            begins at the clean input.
    """

    method: Method
    radius: float
    norm: Norm = "l2"
    over: Over = "example"
    steps: int = 3
    step_size: float = 0.0
    start: float = 0.0

    @property
    def ascends(self) -> bool:
        """Whether it follows the gradient."""
        return self.method in ("pgd", "freelb")


def perturbation(run: Any) -> Perturbation | None:
    """Of a `RunConfig`; None: inputs are left as they are.

    Raises:
        UserError: a field is out of range, or is set and would change nothing.
    """
    choice(run, "perturbation", get_args(Method))
    choice(run, "perturbation_norm", get_args(Norm))
    choice(run, "perturbation_over", get_args(Over))
    least(run, "perturbation_radius", "perturbation_step_size", "perturbation_start")
    whole(run, perturbation_steps=0)
    steps = run.perturbation_steps
    found = Perturbation(
        method=run.perturbation,
        radius=run.perturbation_radius,
        norm=run.perturbation_norm,
        over=run.perturbation_over,
        steps=steps,
        step_size=run.perturbation_step_size,
        start=run.perturbation_start,
    )
    if found.method == "none":
        if found.radius or found.step_size or found.start:
            raise UserError(
                f"RunConfig.perturbation_radius={found.radius}, step_size="
                f"{found.step_size} and start={found.start} change nothing with "
                "perturbation='none': give a method, one of "
                f"{', '.join(get_args(Method)[1:])}"
            )
        return None
    if found.method == "freelb" and not steps:
        raise UserError(
            "RunConfig.perturbation='freelb' averages over its steps, and "
            "perturbation_steps is 0: give at least 1"
        )
    if found.ascends and steps and found.radius and not found.step_size:
        raise UserError(
            f"RunConfig.perturbation={found.method!r} needs a perturbation_step_size "
            f"beside its radius {found.radius}: radius / steps just reaches the edge, "
            f"which is {found.radius / steps:g}"
        )
    if found.start > found.radius or (found.start and not found.ascends):
        raise UserError(
            f"RunConfig.perturbation_start={found.start} is where 'pgd' and 'freelb' "
            f"begin, within perturbation_radius={found.radius}; got "
            f"{found.method!r}"
        )
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contrast:
    """How sentences and their translations are brought together.

    Attributes:
        layer: whose states are averaged: -1 the last, 0 the embedding, i layer i.
        temperature: similarities are divided by it.
        weight: factor of the loss.
    """

    layer: int
    temperature: float
    weight: float


def contrast(run: Any) -> Contrast:
    """Of a `RunConfig`; only batches of parallel text look at it.

    Raises:
        UserError: a field is out of range.
    """
    layer = run.contrastive_layer
    if not isinstance(layer, int) or isinstance(layer, bool) or layer < -1:
        raise UserError(
            "RunConfig.contrastive_layer must be -1 (the last), 0 (the embedding) or "
            f"the number of a layer, got {layer!r}"
        )
    least(run, "contrastive_temperature", "contrastive_weight")
    if not run.contrastive_temperature:
        raise UserError("RunConfig.contrastive_temperature must be above 0, got 0")
    return Contrast(
        layer=layer,
        temperature=run.contrastive_temperature,
        weight=run.contrastive_weight,
    )


def check_smoothing(run: Any) -> None:
    """Refuse a vote under noise (`infer/smooth.py`) that cannot be meant.

    Raises:
        UserError: a field is out of range.
    """
    least(run, "smoothing_sigma")
    whole(run, smoothing_samples=1, smoothing_seed=0)
    confidence = run.smoothing_confidence
    if not isinstance(confidence, float) or not 0.5 <= confidence < 1.0:
        raise UserError(
            "RunConfig.smoothing_confidence must be in [0.5, 1), such as 0.999, got "
            f"{confidence!r}"
        )


def choice(config: Any, field: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is none of those allowed."""
    value = getattr(config, field)
    if value not in allowed:
        raise UserError(
            f"{type(config).__name__}.{field} must be one of {', '.join(allowed)}, "
            f"got {value!r}; near: {near(str(value), allowed)}"
        )


def whole(config: Any, **bounds: int) -> None:
    """Refuse what is no whole number, or below the bound of its field."""
    for field, bound in bounds.items():
        value = getattr(config, field)
        if not fields.is_whole(value, least=bound):
            raise UserError(
                f"{type(config).__name__}.{field} must be a whole number of at least "
                f"{bound}, got {value!r}"
            )


def least(config: Any, *names: str, bound: float = 0.0) -> None:
    """Refuse what is no finite number, or below a bound."""
    for field in names:
        value = getattr(config, field)
        if not fields.is_number(value) or value < bound:
            raise UserError(
                f"{type(config).__name__}.{field} must be a number of at least "
                f"{bound:g}, got {value!r}"
            )
