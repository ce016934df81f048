"""Whether attention kernels compute on these devices what plain products do.

The kernels are tested in an interpreter and compiled for each generation of TPU; what a
chip makes of them is seen on the chip alone (`xtl doctor`).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xtl_jax.model import flash
from xtl_jax.model.layers import MASKED, same_segment
from xtl_jax.model.sizes import ModelConfig

MOST = 0.03  # of the largest number: weights and results are rounded to bfloat16
_ROWS, _LENGTH = 4, 256
_CONFIG = ModelConfig(
    vocab=8,
    embed=128,
    heads=2,
    head_dim=64,
    mlp=128,
    encoder_layers=1,
    decoder_layers=1,
    dtype="bfloat16",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """How far kernels are from plain products.

    Attributes:
        causal: which of the two kinds of self-attention.
        of: values, or the gradient of what.
        relative: largest difference over the largest plain number.
    """

    causal: bool
    of: str
    relative: float


def differences() -> list[Difference]:
    """All of a small attention with packed rows; none where no kernel is used."""
    shape = {"batch": _ROWS, "queries": _LENGTH, "keys": _LENGTH}
    if not flash.fits(_CONFIG, **shape):
        return []
    rng = np.random.default_rng(0)
    heads = (_ROWS, _LENGTH, _CONFIG.heads, _CONFIG.head_dim)
    scale = _CONFIG.head_dim**-0.5
    queries, keys, values = (
        jnp.asarray(rng.normal(size=heads) * size, jnp.bfloat16)
        for size in (scale, 1.0, 1.0)
    )
    wanted = rng.normal(size=(_ROWS, _LENGTH, _CONFIG.joined_kv))
    line = jnp.asarray(rng.normal(size=(_CONFIG.heads, 2 * _LENGTH)), jnp.float32)
    texts = np.sort(rng.integers(0, 4, (_ROWS, _LENGTH)))[:, ::-1]
    segments = jnp.asarray(texts, jnp.int32)
    wanted = jnp.asarray(wanted * (texts > 0)[..., None], jnp.bfloat16)
    given = (queries, keys, values, line)
    kinds = {
        causal: [
            _both(functools.partial(each, segments, causal), given, wanted)
            for each in (_kernel, _plain)
        ]
        for causal in (False, True)
    }
    names = ("values", "queries", "keys", "mixed values", "bias")
    return [
        Difference(causal=causal, of=of, relative=_relative(one, other))
        for causal, both in kinds.items()
        for of, one, other in zip(names, *both, strict=True)
    ]


def _both(attention: Any, given: Any, wanted: jax.Array) -> list[np.ndarray]:
    """Values where they are wanted, which padding's are not, and all gradients."""

    def compute(given: Any, wanted: jax.Array) -> Any:
        values, back = jax.vjp(attention, *given)
        return jnp.where(wanted == 0, 0, values), *back(wanted)

    found = jax.jit(compute)(given, wanted)
    return [np.asarray(each, np.float32) for each in found]


def _kernel(
    segments: jax.Array,
    causal: bool,
    queries: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    line: jax.Array,
) -> jax.Array:
    both = (segments, segments)
    return flash.attention(queries, keys, values, line, both, causal=causal)


def _plain(
    segments: jax.Array,
    causal: bool,
    queries: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    line: jax.Array,
) -> jax.Array:
    length = queries.shape[1]
    places = np.arange(length)[None, :] - np.arange(length)[:, None]
    mask = jnp.where(same_segment(segments, segments), 0.0, MASKED)
    if causal:
        mask += jnp.where(jnp.asarray(places > 0), MASKED, 0.0)[None, None]
    logits = jnp.einsum(
        "bqhd,bkhd->bhqk", queries, keys, preferred_element_type=jnp.float32
    )
    logits += line[None, :, places + length] + mask
    weights = jax.nn.softmax(logits, axis=-1).astype(values.dtype)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, values)
    return mixed.reshape(*mixed.shape[:2], -1)


def _relative(one: np.ndarray, other: np.ndarray) -> float:
    difference = float(np.max(np.abs(one - other)) / np.max(np.abs(other)))
    return difference if np.isfinite(difference) else float("inf")
