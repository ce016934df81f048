"""What every command that computes does first: mesh, axis rules, device placement."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
from flax import linen as nn
from jax.sharding import Mesh

from xtl_jax.hosts import arrays, group
from xtl_jax.infer.encoder import LoadedEncoder
from xtl_jax.infer.model import LoadedModel
from xtl_jax.train import sharding
from xtl_jax.train.config import MeshConfig


@contextlib.contextmanager
def on_mesh(config: MeshConfig) -> Iterator[Mesh]:
    """Inside, logical axis constraints mean something (`with mesh:` would not do)."""
    mesh = sharding.mesh(config)
    group.current().exchange("the mesh")
    arrays.connect(mesh)
    with jax.set_mesh(mesh), nn.logical_axis_rules(sharding.RULES):
        yield mesh


def place_params(model: LoadedModel | LoadedEncoder, mesh: Mesh) -> Any:
    """A loaded model's parameters, each where the axis rules put it."""
    return arrays.lay_out(model.params, sharding.params_sharding(mesh, model.config))
