"""Where each axis lies: one table from logical axes to mesh axes.

A mesh has three axes. `data` holds copies of the model, `fsdp` parts of each parameter,
`model` parts of heads, feed-forward and vocabulary. The batch is split over `data` and
`fsdp` together. Several slices of a TPU, joined by a slower network, are the outer part
of `data`: nothing but the sum of gradients passes between them.

The first rule that fits an axis wins, and a mesh axis is used once per array: so
`embed` of a parameter lies on `fsdp`, and `embed` of an activation, whose batch has
taken `fsdp`, on nothing.

Two tables of 250,112 rows are most of a small model. Neither is ever gathered: the
embedding is split by columns and the head by rows of the vocabulary, over `fsdp` and
`model` together, and the states of the rows of one copy (`copies`) come to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from jax.experimental import mesh_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from xtl_jax.errors import UserError
from xtl_jax.hosts import arrays
from xtl_jax.model import network
from xtl_jax.model.network import AnyConfig
from xtl_jax.train.config import MeshConfig

RULES: tuple[tuple[str, str | tuple[str, ...] | None], ...] = (
    ("batch", ("data", "fsdp")),
    ("copies", "data"),  # rows, where `fsdp` is taken by something else
    ("table_columns", ("model", "fsdp")),  # in this order: see `model/look_up.py`
    ("table_rows", None),
    ("vocab", ("model", "fsdp")),
    ("vocab", "model"),  # where the batch has taken `fsdp`
    ("mlp", "model"),
    ("joined_kv", "model"),
    ("heads", "model"),
    ("head_dim", None),
    ("embed", "fsdp"),
    ("sequence", "model"),  # positions between sublayers
    ("length", None),  # positions inside them
    ("buckets", None),
    ("positions", None),
    ("segments", None),
    ("pooled", None),
    ("outputs", None),
    ("layers", None),
)


def mesh(config: MeshConfig, devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh over these devices; by default over all devices of all hosts.

    On TPUs, neighbours in the mesh are wired neighbours as far as the shapes allow.

    Raises:
        UserError: the sizes do not fit the devices.
    """
    if config.auto:
        raise ValueError("MeshConfig.auto stands for a mesh: choose it first")
    everything = devices is None
    devices = jax.devices() if devices is None else list(devices)
    fixed = config.slices * config.fsdp * config.model
    data = config.data or len(devices) // fixed
    many = jax.process_count() > 1 or not everything
    if data * fixed != len(devices) and (config.data == 0 or many):
        raise UserError(
            f"{_sizes(config)} does not fit {len(devices)} devices; slices * fsdp * "
            "model must divide them, and with data make them all"
        )
    if data * fixed > len(devices):
        raise UserError(
            f"MeshConfig asks for {data * fixed} devices, there are {len(devices)}; "
            "data=0 takes what fsdp and model leave"
        )
    found = len({getattr(device, "slice_index", None) or 0 for device in devices})
    if found > 1 and found != config.slices:
        raise UserError(
            f"{_sizes(config)}, but the devices are on {found} slices: set "
            f"MeshConfig.slices={found}"
        )
    shape = (data, config.fsdp, config.model)
    if devices[0].platform != "tpu":
        grid = np.asarray(devices[: data * fixed])
        grid = grid.reshape(config.slices * data, config.fsdp, config.model)
    elif found > 1:
        grid = mesh_utils.create_hybrid_device_mesh(
            *(shape, (config.slices, 1, 1), devices), allow_split_physical_axes=True
        )
    else:
        grid = mesh_utils.create_device_mesh(
            (config.slices * data, config.fsdp, config.model),
            devices[: data * fixed],
            allow_split_physical_axes=True,
        )
    return Mesh(grid, ("data", "fsdp", "model"))


def _sizes(config: MeshConfig) -> str:
    slices = f"slices={config.slices} " if config.slices > 1 else ""
    return (
        f"MeshConfig {slices}data={config.data} fsdp={config.fsdp} model={config.model}"
    )


def check(mesh: Mesh, model: AnyConfig, *, batch_size: int, microbatches: int) -> None:
    """Refuse what does not divide, naming what would.

    Raises:
        UserError: batch, heads, feed-forward or width do not divide.
    """
    copies = mesh.shape["data"] * mesh.shape["fsdp"]
    if batch_size % (copies * microbatches):
        raise UserError(
            f"batch_size={batch_size} does not divide over {copies} batch shards in "
            f"{microbatches} microbatches; the nearest that do are "
            f"{_nearest(batch_size, copies * microbatches)}"
        )
    refused = misfits(model, fsdp=mesh.shape["fsdp"], model_axis=mesh.shape["model"])
    if refused:
        raise UserError(refused)


def misfits(model: AnyConfig, *, fsdp: int, model_axis: int) -> str:
    """Which size of a model does not divide over such a mesh and what would; or ""."""
    owner = type(model).__name__
    for field in ("heads", "mlp"):
        size = getattr(model, field)
        if size % model_axis:
            both = math.gcd(model.heads, model.mlp)
            return (
                f"{owner}.{field}={size} does not divide over "
                f"MeshConfig.model={model_axis}; model may be {_divisors(both)}"
            )
    # The embedding lies in columns, over both axes.
    if model.embed % (fsdp * model_axis):
        return (
            f"{owner}.embed={model.embed} does not divide over MeshConfig.fsdp={fsdp} "
            f"times model={model_axis}; their product may be {_divisors(model.embed)}"
        )
    return ""


def _divisors(number: int) -> str:
    found = [str(each) for each in range(1, number + 1) if number % each == 0]
    return ", ".join(found)


def check_rows(mesh: Mesh, rows: int, *, name: str) -> None:
    """Refuse a batch that does not divide over the batch axes.

    Raises:
        UserError: it does not; names the nearest that do.
    """
    copies = mesh.shape["data"] * mesh.shape["fsdp"]
    if rows % copies:
        raise UserError(
            f"{name}={rows} does not divide over {copies} batch shards; the nearest "
            f"that do are {_nearest(rows, copies)}"
        )


def _nearest(number: int, step: int) -> str:
    """Multiples of a step around a number, in words."""
    above = -(-number // step) * step
    return f"{above - step} and {above}" if above > step else f"{above} and more"


def params_sharding(mesh: Mesh, model: AnyConfig) -> Any:
    """A sharding for each parameter.

    The rows of a vocabulary divide as far as they do: 250,112 over 256 parts, the
    250,100 of some checkpoints over 4.
    """
    boxed = network.param_shapes(model)
    specs = nn.logical_to_mesh(nn.get_partition_spec(boxed), RULES)
    leaves = jax.tree.map(
        lambda leaf: leaf.value if isinstance(leaf, nn.Partitioned) else leaf,
        boxed,
        is_leaf=lambda leaf: isinstance(leaf, nn.Partitioned),
    )

    def place(spec: PartitionSpec, leaf: Any) -> NamedSharding:
        fitting = (
            _dividing(mesh, *each) for each in zip(spec, leaf.shape, strict=False)
        )
        return NamedSharding(mesh, PartitionSpec(*fitting))

    return jax.tree.map(
        place, specs, leaves, is_leaf=lambda x: isinstance(x, PartitionSpec)
    )


def _dividing(mesh: Mesh, axes: Any, size: int) -> Any:
    """The first of the mesh axes of a dimension that divide it together."""
    names = [axes] if isinstance(axes, str) else list(axes or ())
    while names and size % math.prod(mesh.shape[name] for name in names):
        names.pop()
    return tuple(names) if len(names) > 1 else (names[0] if names else None)


def state_sharding(mesh: Mesh, params: Any, state: Any) -> Any:
    """Shardings for a whole state: what belongs to a parameter lies like it.

    A factored second moment is its parameter without one axis, and lies as the other
    axes do. What is left (counters, placeholders) is on every device.
    """
    by_path = {
        _names(path): sharding
        for path, sharding in jax.tree_util.tree_leaves_with_path(params)
    }
    shapes = {
        _names(path): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(state.params)
    }

    def place(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        names = _names(path)
        for start in range(len(names)):
            own = names[start:]
            if own not in by_path:
                continue
            shape, spec = shapes[own], tuple(by_path[own].spec)
            spec += (None,) * (len(shape) - len(spec))
            kept = _kept_axes(shape, leaf.shape, names[start - 1] if start else "")
            return NamedSharding(mesh, PartitionSpec(*(spec[axis] for axis in kept)))
        return NamedSharding(mesh, PartitionSpec())

    return jax.tree_util.tree_map_with_path(place, state)


def _kept_axes(
    whole: tuple[int, ...], part: tuple[int, ...], name: str
) -> Iterable[int]:
    """Axes of a parameter that a leaf of the optimiser's state for it has.

    Adafactor's `v_row` is without the largest axis and `v_col` without the second
    largest, as optax orders them.

    Example:
        >>> _kept_axes((24, 512, 1024), (24, 512), "v_row")
        [0, 1]
        >>> _kept_axes((24, 512, 1024), (24, 1024), "v_col")
        [0, 2]
        >>> _kept_axes((24, 512, 1024), (1,), "v")
        []
    """
    axes = list(range(len(whole)))
    if part == whole:
        return axes
    if name not in ("v_row", "v_col") or len(whole) < 2:
        return []
    left_out = int(np.argsort(whole)[-1 if name == "v_row" else -2])
    kept = [axis for axis in axes if axis != left_out]
    return kept if part == tuple(whole[axis] for axis in kept) else []


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Rows split over data and fsdp."""
    return NamedSharding(mesh, PartitionSpec(("data", "fsdp")))


def put_batch(mesh: Mesh, shard: tuple[int, int] = (0, 1)) -> Callable[[Any], Any]:
    """A function that lays rows, of an array or a tree, over the mesh.

    Args:
        mesh: to lay them on.
        shard: which part of a batch this host's rows are, and how many parts there are;
            by default every host has all rows, and its devices take theirs.
    """
    place = batch_sharding(mesh)

    def put(rows: Any) -> Any:
        return jax.tree.map(lambda array: arrays.part(array, place, shard=shard), rows)

    return put


def host_shard(mesh: Mesh) -> tuple[int, int]:
    """The part of each batch that this host's devices take: `arrays.shard_of`."""
    copies = mesh.shape["data"] * mesh.shape["fsdp"]
    return arrays.shard_of(batch_sharding(mesh), copies=copies)


def _names(path: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(
        str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key))))
        for key in path
    )
