"""What every command that computes does first: mesh, axis rules, device placement."""

from __future__ import annotations

import contextlib
import os
import pathlib
import platform
from collections.abc import Iterator
from typing import Any

import jax
from flax import linen as nn
from jax.sharding import Mesh

from xtl_jax import storage
from xtl_jax.cli.task_settings import default_cache_dir
from xtl_jax.hosts import arrays, group
from xtl_jax.infer.encoder import LoadedEncoder
from xtl_jax.infer.model import LoadedModel
from xtl_jax.train import sharding
from xtl_jax.train.config import MeshConfig


@contextlib.contextmanager
def on_mesh(config: MeshConfig) -> Iterator[Mesh]:
    """Inside, logical axis constraints mean something (`with mesh:` would not do)."""
    keep_compiled(storage.at(default_cache_dir()) / "compiled")
    mesh = sharding.mesh(config)
    group.current().exchange("the mesh")
    arrays.connect(mesh)
    with jax.set_mesh(mesh), nn.logical_axis_rules(sharding.RULES):
        yield mesh


def keep_compiled(folder: str | os.PathLike[str]) -> None:
    """Let this machine compile each program once, unless somebody decided.

    Programs are of one machine: another's processor may lack an instruction of theirs.

    Args:
        folder: where a folder of this machine is made; in a bucket nothing is kept.
    """
    if storage.is_remote(folder) or jax.config.values["jax_compilation_cache_dir"]:
        return
    from jax.experimental.compilation_cache import compilation_cache

    own = pathlib.Path(folder) / platform.node()
    jax.config.update("jax_compilation_cache_dir", str(own))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    compilation_cache.reset_cache()  # whatever compiled first found that there was none


def place_params(model: LoadedModel | LoadedEncoder, mesh: Mesh) -> Any:
    """A loaded model's parameters, each where the axis rules put it."""
    return arrays.lay_out(model.params, sharding.params_sharding(mesh, model.config))
