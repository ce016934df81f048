"""Vectors of ids from a table that lies on many devices."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from xtl_jax.typing import Array, Float, Int


def look_up(
    table: Float[Array, "rows columns"], ids: Int[Array, "batch length"], dtype: str
) -> Float[Array, "batch length columns"]:
    """Rows of a table, cast to `dtype`; no device ever sees the whole table.

    Where a mesh is set, the table lies in columns (`table_columns`). A device looks up
    its columns for the ids of all rows that share a copy of the table, and they trade
    columns of all rows for all columns of their own rows. Written out, because the
    partitioner would add up arrays of all rows and columns instead.
    """
    rules = nn.get_logical_axis_rules()
    mesh = jax.sharding.get_abstract_mesh()
    if not rules or mesh.empty:
        return jnp.take(table, ids, axis=0).astype(dtype)
    rows = _mesh_axes("batch", rules)
    columns = _mesh_axes("table_columns", rules)
    parts, cuts = (
        math.prod(mesh.shape[name] for name in names) for names in (rows, columns)
    )
    if ids.shape[0] % parts or table.shape[1] % cuts:
        return jnp.take(table, ids, axis=0).astype(dtype)
    shared = tuple(name for name in columns if name in rows)
    others = tuple(name for name in columns if name not in rows)
    spread = math.prod(mesh.shape[name] for name in others)
    by_position = ids.shape[1] % spread == 0

    def inside(table: Array, ids: Array) -> Array:
        # Names are unique in a mesh; `columns` has those that rows share last.
        if shared:
            ids = jax.lax.all_gather(ids, shared, axis=0, tiled=True)
        x = jnp.take(table, ids, axis=0).astype(dtype)
        if shared:
            x = jax.lax.all_to_all(x, shared, 0, 2, tiled=True)
        if others and by_position:
            x = jax.lax.all_to_all(x, others, 1, 2, tiled=True)
        elif others:
            x = jax.lax.all_gather(x, others, axis=2, tiled=True)
        return x

    spec = jax.sharding.PartitionSpec
    return jax.shard_map(
        inside,
        in_specs=(spec(None, columns), spec(rows, None)),
        out_specs=spec(rows, others if by_position and others else None, None),
        check_vma=by_position,  # what all of them gathered is the same, unseen by jax
    )(table, ids)


def _mesh_axes(name: str, rules: Any) -> tuple[str, ...]:
    """Mesh axes on which an axis alone would lie."""
    (axes,) = nn.logical_to_mesh_axes((name,), rules) or (None,)
    if axes is None:
        return ()
    return (axes,) if isinstance(axes, str) else tuple(axes)
