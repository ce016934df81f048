"""Optimisers: optax's, put together as T5X's Adafactor where that is asked for.

T5X clips an update, and scales it by the size of its parameter, *per layer*. Our layers
are stacked along a leading axis, so both root mean squares are taken per slice of that
axis; optax's own `clip_by_block_rms` would mix the layers. Factoring needs no care: it
uses the two largest axes, and no model has as many layers as the 128 rows that
factoring starts from.

The factors of LoRA are no part of that: B begins at zero, so a step in proportion to it
would be next to nothing. Their step size is the learning rate alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from xtl_jax.checkpoint import names, t5x
from xtl_jax.errors import UserError
from xtl_jax.hosts import arrays
from xtl_jax.model import lora
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train.config import RunConfig
from xtl_jax.typing import Array


def schedule(config: RunConfig) -> optax.Schedule:
    """Learning rate of each step, counted from 0."""
    rate = config.learning_rate
    warmup = config.warmup_steps or round(config.warmup_share * config.steps)
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
        rule = optax.adamw(
            schedule(config), weight_decay=config.weight_decay, mask=_decays
        )
    else:
        rule = adafactor(schedule(config))
    slowed = [_slow_by_depth(config.layer_decay)] if config.layer_decay != 1.0 else []
    return optax.chain(*clip, rule, *slowed)


def _decays(params: Any) -> Any:
    """Whether AdamW's weight decay applies: to matrices, not to biases and norms."""

    def decays(path: tuple[Any, ...], _: Any) -> bool:
        return getattr(path[-1], "key", None) not in ("bias", "scale")

    return jax.tree_util.tree_map_with_path(decays, params)


def _slow_by_depth(decay: float) -> optax.GradientTransformation:
    """Updates times `decay` to the power of the distance from the head.

    A head has distance 0, the last of n layers 1, the first n, an embedding n + 1
    (Clark et al. 2020, ELECTRA). Layers are stacked along the first axis.
    """

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        flat = jax.tree_util.tree_leaves_with_path(updates)
        layers = max(u.shape[0] for path, u in flat if "layers" in _keys(path))

        def slow(path: tuple[Any, ...], u: Array) -> Array:
            keys = _keys(path)
            if "layers" in keys:
                powers = decay ** np.arange(u.shape[0], 0, -1, dtype=np.float32)
                return u * jnp.asarray(powers).reshape(-1, *(1,) * (u.ndim - 1))
            return u if keys[0] == "heads" else u * decay ** (layers + 1)

        return jax.tree_util.tree_map_with_path(slow, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _keys(path: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(str(getattr(key, "key", key)) for key in path)


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


def with_moments(
    state: Any, config: ModelConfig, *, moments: Mapping[str, np.ndarray], step: int
) -> Any:
    """An optimiser state with the second moments of a T5X checkpoint.

    The decay goes on from the checkpoint's step: after a long pre-training the moments
    hardly move. The learning rate's schedule begins at 0.

    Args:
        state: of `build`, with Adafactor in it.
        config: the model's shape.
        moments: T5X's arrays by name, such as `encoder/encoder_norm/scale/v`.
        step: that their decay counts from.

    Raises:
        UserError: an array is missing or has another shape; it is named.
    """

    def is_factored(node: Any) -> bool:
        return isinstance(node, optax.FactoredState)

    def replaced(node: Any) -> Any:
        if not is_factored(node):
            return node
        parts = {
            part: _moment_tree(getattr(node, part), part, config, moments)
            for part in ("v_row", "v_col", "v")
        }
        return node._replace(count=jnp.full_like(node.count, step), **parts)

    return jax.tree.map(replaced, state, is_leaf=is_factored)


def _moment_tree(
    like: Any, part: str, config: ModelConfig, moments: Mapping[str, np.ndarray]
) -> Any:
    """One kind of moment for all parameters, laid out as `like` is."""

    def moment(entry: names.Entry) -> Array:
        old = like
        for key in entry.path.split("/"):
            old = old[key]
        if old.shape == (1,):  # optax's way to say "none"
            return old
        found = []
        for layer in names.layers(entry):
            name = f"{t5x.foreign(entry.path, layer)}/{part}"
            shape = old.shape if layer is None else old.shape[1:]
            if name not in moments or moments[name].shape != shape:
                had = moments[name].shape if name in moments else "nothing"
                raise UserError(
                    f"the checkpoint's optimiser state has {had} for {name}, "
                    f"{shape} is needed: was it trained with Adafactor as T5X "
                    "configures it?"
                )
            found.append(moments[name])
        array = found[0] if entry.layers is None else np.stack(found)
        return arrays.lay_out(array.astype(old.dtype), old.sharding)

    return names.nested((entry.path, moment(entry)) for entry in names.entries(config))


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
            if lora.is_factor(getattr(path[-1], "key", "")):
                return u
            return u * jnp.maximum(_layer_rms(path, p), least)

        return jax.tree_util.tree_map_with_path(scale, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
