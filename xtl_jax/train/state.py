"""What changes while training, and nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax.sharding import Mesh

from xtl_jax.model import t5
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train import sharding
from xtl_jax.typing import Array, Int


class TrainState(NamedTuple):
    """A pytree: it is passed to a step and a new one comes back."""

    step: Int[Array, ""]  # optimiser updates made
    params: Any
    opt_state: Any


def shapes(model: ModelConfig, optimizer: optax.GradientTransformation) -> TrainState:
    """Shape and dtype of each leaf, with nothing computed."""
    boxed = jax.eval_shape(lambda: t5.init_params(model, jax.random.key(0)))
    params = jax.tree.map(
        lambda leaf: leaf.value if isinstance(leaf, nn.Partitioned) else leaf,
        boxed,
        is_leaf=lambda leaf: isinstance(leaf, nn.Partitioned),
    )
    return jax.eval_shape(lambda p: at_zero(optimizer, p), params)


def create(
    model: ModelConfig,
    optimizer: optax.GradientTransformation,
    *,
    mesh: Mesh,
    seed: int,
    params: Any | None = None,
) -> tuple[TrainState, Any]:
    """A state at step 0, laid out on the mesh, and the sharding of each leaf.

    Args:
        model: shape.
        optimizer: whose state is made.
        mesh: where to lay it out.
        seed: of fresh parameters.
        params: start from these (host arrays) instead of fresh ones.
    """

    def fresh(key: Array) -> TrainState:
        return at_zero(optimizer, nn.unbox(t5.init_params(model, key)))

    key = jax.random.key(seed)
    abstract = shapes(model, optimizer)
    shardings = sharding.state_sharding(
        mesh, sharding.params_sharding(mesh, model), abstract
    )
    if params is None:
        return jax.jit(fresh, out_shardings=shardings)(key), shardings
    placed = jax.tree.map(
        lambda array, place: jax.device_put(array, place), params, shardings.params
    )
    init = jax.jit(lambda p: at_zero(optimizer, p), out_shardings=shardings)
    return init(placed), shardings


def at_zero(optimizer: optax.GradientTransformation, params: Any) -> TrainState:
    """A state that has made no update."""
    return TrainState(jnp.int32(0), params, optimizer.init(params))
