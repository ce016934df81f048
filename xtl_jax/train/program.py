"""The step of a run as it is compiled: on a mesh, its state updated in place.

`xtl train` runs it and `xtl plan` compiles it for chips that are not there; both take
it from here, so that what is planned is what is run.
"""

from __future__ import annotations

from typing import Any

import jax
from jax.sharding import Mesh

from xtl_jax.model import lora as loras
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.network import AnyConfig
from xtl_jax.train import labels, sharding, state
from xtl_jax.train import optimizer as optimizers
from xtl_jax.train.config import RunConfig
from xtl_jax.train.state import TrainState
from xtl_jax.train.step import make_train_step


def step(model: AnyConfig, run: RunConfig, *, mesh: Mesh, shapes: TrainState) -> Any:
    """The step, compiled for each shape of a batch that it meets.

    Its arguments are the state, which is updated in place, a batch, and what LoRA keeps
    frozen, None without LoRA.

    Args:
        model: shape, an encoder's with its heads.
        run: what decides the update.
        mesh: to compute on.
        shapes: of the state.
    """
    settings: dict[str, Any] = {}
    if isinstance(model, EncoderConfig):
        settings = {
            "objective": labels.objective(model, run),
            "kept": labels.other_heads,
            "inputs": labels.inputs_of(model),
        }
    places = state.shardings(mesh, model, shapes)
    frozen = None
    if run.lora is not None:
        frozen = loras.frozen(sharding.params_sharding(mesh, model))
    return jax.jit(
        make_train_step(model, run, optimizers.build(run), **settings),
        donate_argnums=0,
        in_shardings=(places, sharding.batch_sharding(mesh), frozen),
        out_shardings=(places, None),
    )
