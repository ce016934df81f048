"""What changes while training, and nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax.sharding import Mesh

from xtl_jax.hosts import arrays
from xtl_jax.model import lora as loras
from xtl_jax.model import network
from xtl_jax.model.network import AnyConfig
from xtl_jax.model.sizes import Lora
from xtl_jax.train import sharding
from xtl_jax.typing import Array, Int


class TrainState(NamedTuple):
    """A pytree: it is passed to a step and a new one comes back."""

    step: Int[Array, ""]  # optimiser updates made
    params: Any  # what is trained: the whole model, or its factors (`model/lora.py`)
    opt_state: Any


def params_shapes(model: AnyConfig) -> Any:
    """Shape and dtype of each parameter, with nothing computed."""
    boxed = network.param_shapes(model)
    return jax.tree.map(
        lambda leaf: leaf.value if isinstance(leaf, nn.Partitioned) else leaf,
        boxed,
        is_leaf=lambda leaf: isinstance(leaf, nn.Partitioned),
    )


def shapes(
    model: AnyConfig,
    optimizer: optax.GradientTransformation,
    *,
    lora: Lora | None = None,
) -> TrainState:
    """Shape and dtype of each leaf, with nothing computed."""

    def trained(params: Any) -> TrainState:
        if lora is not None:
            params = loras.start(params, lora, jax.random.key(0))
        return at_zero(optimizer, params)

    return jax.eval_shape(trained, params_shapes(model))


def shardings(mesh: Mesh, model: AnyConfig, shapes: TrainState) -> TrainState:
    """The sharding of each leaf of a state of these shapes."""
    places = sharding.params_sharding(mesh, model)
    return sharding.state_sharding(mesh, loras.shardings(places, shapes.params), shapes)


def create(
    model: AnyConfig,
    optimizer: optax.GradientTransformation,
    *,
    mesh: Mesh,
    seed: int,
    params: Any | None = None,
    lora: Lora | None = None,
) -> tuple[TrainState, Any]:
    """A state at step 0, laid out on the mesh, and the sharding of each leaf.

    Args:
        model: shape.
        optimizer: whose state is made.
        mesh: where to lay it out.
        seed: of fresh parameters.
        params: start from these instead of fresh ones: the whole model, on the host or
            placed already.
        lora: train factors of these and not the parameters themselves.
    """

    def fresh(key: Array) -> TrainState:
        return begun(nn.unbox(network.init_params(model, key)), key)

    def begun(params: Any, key: Array) -> TrainState:
        if lora is not None:
            params = loras.start(params, lora, key)
        return at_zero(optimizer, params)

    key = jax.random.key(seed)
    places = shardings(mesh, model, shapes(model, optimizer, lora=lora))
    if params is None:
        return jax.jit(fresh, out_shardings=places)(key), places
    placed = arrays.lay_out(params, sharding.params_sharding(mesh, model))
    return jax.jit(begun, out_shardings=places)(placed, key), places


def at_zero(optimizer: optax.GradientTransformation, params: Any) -> TrainState:
    """A state that has made no update."""
    return TrainState(jnp.int32(0), params, optimizer.init(params))
