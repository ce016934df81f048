"""Attention for some query positions after others, so that it takes less memory."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from xtl_jax.typing import Array, Bool, Float


def query_pieces(length: int, *, most: int) -> int:
    """In how many equal pieces queries are attended with: the fewest that fit.

    Example:
        >>> query_pieces(1024, most=256), query_pieces(96, most=64)
        (4, 2)
        >>> query_pieces(1, most=256), query_pieces(1024, most=0)
        (1, 1)
    """
    pieces = -(-length // most) if most else 1
    while length % pieces:
        pieces += 1
    return pieces


def in_pieces(
    attend: Callable[[Array, Array | None, Array], Array],
    pieces: int,
    queries: Float[Array, "batch queries heads head_dim"],
    bias: Float[Array, "#batch #heads #queries length"] | None,
    allowed: Bool[Array, "#batch 1 #queries length"],
) -> Float[Array, "batch queries heads head_dim"]:
    """`attend` for one piece of the queries after another.

    Its weights are the largest array of a layer: of one piece alone they are in memory,
    and the backward pass computes them again.
    """
    if pieces == 1:
        return attend(queries, bias, allowed)

    def cut(x: Array | None, axis: int) -> Array | None:
        if x is None:
            return None
        if x.shape[axis] == 1:
            return jnp.broadcast_to(x[None], (pieces, *x.shape))
        shape = (*x.shape[:axis], pieces, -1, *x.shape[axis + 1 :])
        return jnp.moveaxis(x.reshape(shape), axis, 0)

    cuts = (cut(queries, 1), cut(bias, 2), cut(allowed, 2))
    found = jax.lax.map(lambda piece: jax.checkpoint(attend)(*piece), cuts)
    return jnp.moveaxis(found, 0, 1).reshape(queries.shape)
