"""Attention as TPU kernels: where they are used, and how a mesh shares them.

On a TPU, weights of queries times keys that go to memory and back take longer than the
products that make and use them. The kernels of `flash_kernel.py` never write them. They
are used by themselves wherever they can run; everywhere else the plain products of
`layers.py` stay, and give the same numbers.
"""

from __future__ import annotations

import math
from typing import Any

import jax
from flax import linen as nn

from xtl_jax.model.sizes import ModelConfig
from xtl_jax.typing import Array, Float, Int

LANES = 128  # of a register; heads lie side by side in so many
LONGEST = 1024  # positions that fit into the fast memory of every generation at once
_OLD = ("TPU v2", "TPU v3")  # their compiler knows no such product of bfloat16


def fits(config: ModelConfig, *, batch: int, queries: int, keys: int) -> bool:
    """Whether attention of such a shape runs as a kernel on the devices in use.

    They are those of the mesh that is set, which need not exist; without one, the
    only one that there is.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        device = jax.devices()[0] if jax.device_count() == 1 else None
    else:
        device = mesh.abstract_device
    if device is None or device.platform != "tpu" or device.device_kind in _OLD:
        return False
    rows, _, heads = (_parts(mesh, axes) for axes in _places())
    known = takes(config, queries=queries, keys=keys, parts=heads)
    return known and batch % rows == 0


def takes(config: ModelConfig, *, queries: int, keys: int, parts: int) -> bool:
    """Whether the kernels are written for such a shape, heads cut in so many parts.

    Example:
        >>> small = ModelConfig(
        ...     vocab=8, embed=512, heads=6, head_dim=64, mlp=1024,
        ...     encoder_layers=8, decoder_layers=8, dtype="bfloat16",
        ... )
        >>> [takes(small, queries=128, keys=512, parts=n) for n in (1, 2)]
        [True, False]
    """
    return (
        config.dtype == "bfloat16"
        and LANES % config.head_dim == 0
        and config.joined_kv % (LANES * parts) == 0
        and all(size % LANES == 0 and size <= LONGEST for size in (queries, keys))
    )


def attention(
    queries: Float[Array, "batch queries heads head_dim"],
    keys: Float[Array, "batch length heads head_dim"],
    values: Float[Array, "batch length heads head_dim"],
    line: Float[Array, "heads distances"] | None,
    segments: tuple[Int[Array, "batch queries"], Int[Array, "batch length"]],
    *,
    causal: bool,
) -> Float[Array, "batch queries joined_kv"]:
    """Mixed values, heads side by side; each device has its rows and heads.

    Args:
        queries: what asks, projected.
        keys: what is asked, projected.
        values: what is mixed, projected.
        line: bias of each distance `key - query`, from -queries to length - 1.
        segments: of queries and of keys; 0 is padding.
        causal: whether later keys are hidden.
    """
    # Here, as to import it costs a third of a second that only TPUs need.
    from xtl_jax.model import flash_kernel

    head_dim = queries.shape[-1]

    def inside(*arrays: Any) -> Array:
        return flash_kernel.attention(*arrays, head_dim, causal)

    joined = (x.reshape(*x.shape[:2], -1) for x in (queries, keys, values))
    given = (*joined, *segments, line)
    if jax.sharding.get_abstract_mesh().empty:
        return inside(*given)
    rows, _, heads = _places()
    spec = jax.sharding.PartitionSpec
    wide, ids, table = spec(rows, None, heads), spec(rows, None), spec(heads, None)
    return jax.shard_map(
        inside,
        in_specs=(wide, wide, wide, ids, ids, table),
        out_specs=wide,
        check_vma=False,  # a kernel does not say over which axes its results differ
    )(*given)


def _places() -> Any:
    """Mesh axes of rows, positions and heads."""
    axes = ("batch", "length", "heads")
    return nn.logical_to_mesh_axes(axes, nn.get_logical_axis_rules())


def _parts(mesh: Any, axes: str | tuple[str, ...] | None) -> int:
    names = (axes,) if isinstance(axes, str) else axes or ()
    return math.prod(mesh.shape[name] for name in names)
