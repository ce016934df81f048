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
        return _at_zero(optimizer, nn.unbox(t5.init_params(model, key)))

    key = jax.random.key(seed)
    shapes = jax.eval_shape(fresh, key)
    shardings = sharding.state_sharding(
        mesh, sharding.params_sharding(mesh, model), shapes
    )
    if params is None:
        return jax.jit(fresh, out_shardings=shardings)(key), shardings
    placed = jax.tree.map(
        lambda array, place: jax.device_put(array, place), params, shardings.params
    )
    init = jax.jit(lambda p: _at_zero(optimizer, p), out_shardings=shardings)
    return init(placed), shardings


def _at_zero(optimizer: optax.GradientTransformation, params: Any) -> TrainState:
    return TrainState(jnp.int32(0), params, optimizer.init(params))
