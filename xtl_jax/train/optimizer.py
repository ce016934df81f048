"""Optimisers: optax's, put together as T5X's Adafactor where that is asked for.

T5X clips an update, and scales it by the size of its parameter, *per layer*. Our layers
are stacked along a leading axis, so both root mean squares are taken per slice of that
axis; optax's own `clip_by_block_rms` would mix the layers. Factoring needs no care: it
uses the two largest axes, and no model has as many layers as the 128 rows that
factoring starts from.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from xtl_jax.train.config import RunConfig
from xtl_jax.typing import Array


def schedule(config: RunConfig) -> optax.Schedule:
    """Learning rate of each step, counted from 0."""
    rate, warmup = config.learning_rate, config.warmup_steps
    after: optax.Schedule
    if config.schedule == "linear":
        after = optax.linear_schedule(rate, 0.0, max(config.steps - warmup, 1))
    elif config.schedule == "rsqrt":

        def falling(step: Any) -> Array:
            later = jnp.asarray(step, jnp.float32) + jnp.float32(max(warmup, 1))
            return jnp.float32(rate) * jax.lax.rsqrt(later / max(warmup, 1))

        after = falling
    else:
        after = optax.constant_schedule(rate)
    if not warmup:
        return after
    return optax.join_schedules(
        [optax.linear_schedule(rate / warmup, rate, warmup - 1 or 1), after], [warmup]
    )


def build(config: RunConfig) -> optax.GradientTransformation:
    """The optimiser of a run."""
    clip = (
        [optax.clip_by_global_norm(config.gradient_clip)]
        if config.gradient_clip
        else []
    )
    if config.optimizer == "adamw":
        return optax.chain(
            *clip,
            optax.adamw(schedule(config), weight_decay=config.weight_decay),
        )
    return optax.chain(*clip, adafactor(schedule(config)))


def adafactor(learning_rate: optax.Schedule) -> optax.GradientTransformation:
    """Adafactor as T5X fine-tunes mT5 (Shazeer and Stern 2018; t5x/adafactor.py).

    Second moments are factored for arrays with two axes of at least 128, their decay at
    step t is 1 - (t + 1)^-0.8, an update's root mean square is clipped to 1, and the
    step size is the learning rate times the root mean square of the parameter (at least
    0.001). No momentum, no weight decay.
    """
    return optax.chain(
        optax.scale_by_factored_rms(decay_rate=0.8, min_dim_size_to_factor=128),
        _clip_by_layer_rms(1.0),
        optax.scale_by_learning_rate(learning_rate),
        _scale_by_layer_rms(1e-3),
    )


def _layer_rms(path: tuple[Any, ...], x: Array) -> Array:
    """Root mean square of an array, or of each layer of a stacked one, axes kept."""
    stacked = any(getattr(key, "key", None) == "layers" for key in path)
    axes = tuple(range(1 if stacked else 0, x.ndim))
    return jnp.sqrt(jnp.mean(jnp.square(x), axis=axes, keepdims=True))


def _clip_by_layer_rms(threshold: float) -> optax.GradientTransformation:
    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        def clip(path: tuple[Any, ...], u: Array) -> Array:
            return u / jnp.maximum(1.0, _layer_rms(path, u) / threshold)

        return jax.tree_util.tree_map_with_path(clip, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _scale_by_layer_rms(least: float) -> optax.GradientTransformation:
    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        def scale(path: tuple[Any, ...], u: Array, p: Array) -> Array:
            return u * jnp.maximum(_layer_rms(path, p), least)

        return jax.tree_util.tree_map_with_path(scale, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
