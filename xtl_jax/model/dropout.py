"""Dropout that costs half the random numbers.

flax draws 32 random bits for each number and compares floats. Sixteen bits tell a rate
to 1 in 65,536, so each word that is drawn decides about two neighbours of the last
axis; on a CPU, where they are computed by ordinary instructions, random numbers are a
large part of a step. What is kept is divided by the probability that it had.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

from xtl_jax.typing import Array, Bool, Float

_BITS = 16


class Dropout(nn.Module):
    """Each number is dropped by itself, with probability `rate`."""

    rate: float
    deterministic: bool  # drops nothing

    @nn.compact
    def __call__(self, x: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
        """What is kept, scaled so that the expected value stays."""
        return self.without(x, self.places(x.shape))

    @nn.nowrap
    def places(self, shape: tuple[int, ...]) -> Bool[Array, "*axes"] | None:
        """Where something is to be dropped from an array; None: nowhere."""
        threshold = self._threshold()
        if self.deterministic or not threshold:
            return None
        key = self.make_rng("dropout")
        return dropped_places(key, shape=shape, threshold=threshold)

    @nn.nowrap
    def without(
        self, x: Float[Array, "*axes"], dropped: Bool[Array, "*axes"] | None
    ) -> Float[Array, "*axes"]:
        """`x` without what lies at the places that `places` gave."""
        if dropped is None:
            return x
        scale = jnp.asarray(2**_BITS / (2**_BITS - self._threshold()), x.dtype)
        return jnp.where(dropped, jnp.zeros_like(x), x * scale)

    def _threshold(self) -> int:
        return round(self.rate * 2**_BITS)


def dropped_places(
    key: Array, *, shape: tuple[int, ...], threshold: int
) -> Bool[Array, "*axes"]:
    """Where to drop: each place with probability `threshold` / 65,536.

    Drawn along the leading axes, so that it lies on a mesh as the array does.
    """
    last = shape[-1]
    words = jax.random.bits(key, (*shape[:-1], -(-last // 2)), jnp.uint32)
    halves = jax.lax.bitcast_convert_type(words, jnp.uint16)  # [..., words, 2]
    drawn = halves.reshape(*shape[:-1], -1)[..., :last]
    return drawn < jnp.uint16(threshold)
