"""Where each axis lies: one table from logical axes to mesh axes.

A mesh has three axes. `data` holds copies of the model, `fsdp` parts of each parameter,
`model` parts of heads, feed-forward and vocabulary. The batch is split over `data` and
`fsdp` together. The first rule that fits an axis wins, and a mesh axis is used once per
array: so `embed` of a parameter lies on `fsdp`, and `embed` of an activation, whose
batch has taken `fsdp`, on nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from xtl_jax.errors import UserError
from xtl_jax.model import t5
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train.config import MeshConfig

RULES: tuple[tuple[str, str | tuple[str, ...] | None], ...] = (
    ("batch", ("data", "fsdp")),
    ("vocab", "model"),
    ("mlp", "model"),
    ("joined_kv", "model"),
    ("heads", "model"),
    ("embed", "fsdp"),
    ("length", None),
    ("buckets", None),
    ("layers", None),
)


def mesh(config: MeshConfig) -> Mesh:
    """A mesh over all devices of all hosts."""
    devices = jax.devices()
    fixed = config.fsdp * config.model
    data = config.data or len(devices) // fixed
    if data * fixed != len(devices) and (config.data == 0 or jax.process_count() > 1):
        raise UserError(
            f"MeshConfig data={config.data} fsdp={config.fsdp} model={config.model} "
            f"does not fit {len(devices)} devices; fsdp * model must divide them"
        )
    if data * fixed > len(devices):
        raise UserError(
            f"MeshConfig asks for {data * fixed} devices, there are {len(devices)}"
        )
    grid = np.asarray(devices[: data * fixed]).reshape(data, config.fsdp, config.model)
    return Mesh(grid, ("data", "fsdp", "model"))


def check(
    mesh: Mesh, model: ModelConfig, *, batch_size: int, microbatches: int
) -> None:
    """Refuse what does not divide, naming what would.

    Raises:
        UserError: batch, heads, feed-forward or vocabulary do not divide.
    """
    copies = mesh.shape["data"] * mesh.shape["fsdp"]
    if batch_size % (copies * microbatches):
        step = copies * microbatches
        above = -(-batch_size // step) * step
        near = f"{above - step} and {above}" if above > step else f"{above} and more"
        raise UserError(
            f"batch_size={batch_size} does not divide over {copies} batch shards in "
            f"{microbatches} microbatches; the nearest that do are {near}"
        )
    parts = mesh.shape["model"]
    for field in ("heads", "mlp", "vocab"):
        if getattr(model, field) % parts:
            raise UserError(
                f"ModelConfig.{field}={getattr(model, field)} does not divide over "
                f"MeshConfig.model={parts}"
            )
    if model.embed % mesh.shape["fsdp"]:
        raise UserError(
            f"ModelConfig.embed={model.embed} does not divide over "
            f"MeshConfig.fsdp={mesh.shape['fsdp']}"
        )


def check_rows(mesh: Mesh, rows: int, *, name: str) -> None:
    """Refuse a batch that does not divide over the batch axes.

    Raises:
        UserError: it does not; names the nearest that do.
    """
    copies = mesh.shape["data"] * mesh.shape["fsdp"]
    if rows % copies:
        less, more = max(rows // copies, 1) * copies, (rows // copies + 1) * copies
        raise UserError(
            f"{name}={rows} does not divide over {copies} batch shards; the nearest "
            f"that do are {less} and {more}"
        )


def params_sharding(mesh: Mesh, model: ModelConfig) -> Any:
    """A sharding for each parameter."""
    boxed = jax.eval_shape(lambda: t5.init_params(model, jax.random.key(0)))
    specs = nn.logical_to_mesh(nn.get_partition_spec(boxed), RULES)
    return jax.tree.map(
        lambda spec: NamedSharding(mesh, spec),
        specs,
        is_leaf=lambda x: isinstance(x, PartitionSpec),
    )


def state_sharding(mesh: Mesh, params: Any, state: Any) -> Any:
    """Shardings for a whole state: a leaf shaped like its parameter lies like it.

    What is smaller (factored second moments, counters) is on every device.
    """
    by_path = {
        _names(path): sharding
        for path, sharding in jax.tree_util.tree_leaves_with_path(params)
    }
    shapes = {
        _names(path): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(state.params)
    }
    everywhere = NamedSharding(mesh, PartitionSpec())

    def place(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        names = _names(path)
        for start in range(len(names)):
            if names[start:] in by_path and leaf.shape == shapes[names[start:]]:
                return by_path[names[start:]]
        return everywhere

    return jax.tree_util.tree_map_with_path(place, state)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Rows split over data and fsdp."""
    return NamedSharding(mesh, PartitionSpec(("data", "fsdp")))


def put_batch(mesh: Mesh) -> Callable[[Any], Any]:
    """A function that lays this host's rows, of an array or a tree, over the mesh."""
    place = batch_sharding(mesh)

    def put(rows: Any) -> Any:
        return jax.tree.map(
            lambda array: jax.make_array_from_process_local_data(place, array), rows
        )

    return put


def _names(path: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(
        str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key))))
        for key in path
    )
