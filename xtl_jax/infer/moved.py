"""PGD: inputs whose vectors are moved, within a ball, to where a model is least sure.

With s(d) how sure the model is of what is right (`sure.py`) when d is added to the
vectors of the input's tokens:

    d <- project(d - step * direction(grad s(d)))        `steps` times

From a random d in the ball; of all d on the way and of d = 0, the one with the least s
is kept for each example, so that it never helps a model. The direction of `l2` is the
gradient over its length, of `linf` its sign. A ball is around each token's vector
(`over="token"`) or around all of an example's together. Its radius is a share of the
mean length of the example's own token vectors; of `linf`, of that length divided by the
square root of its numbers, which is what one number of a vector is like.

Only tokens of text are moved, neither padding nor the marks around it. No text is made,
and the worst that is found need not be the worst there is.

Source: Madry et al. 2018; on embeddings, Miyato et al. 2017.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from xtl_jax.infer import sure
from xtl_jax.model import decoding
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.typing import Array, Float, Int

_LAST_MARK = 2  # `<s>`, `<pad>` and `</s>` come before all that texts are made of
_TINY = 1e-12  # a gradient of 0 has no direction, and gives none
_STEP = 2.5  # steps reach so many radii together, as Madry et al. have it


class Ball(NamedTuple):
    """What the ball is like that additions stay in, and how they are looked for."""

    norm: Literal["l2", "linf"]
    over: Literal["token", "example"]
    steps: int


def keys_of(ids: Sequence[str], *, seed: int) -> np.ndarray:
    """[rows] seeds of examples: by id and not by place, so that batches do not matter.

    Example:
        >>> keys_of(["a", "b"], seed=0).tolist() == keys_of(["b", "a"], seed=0).tolist()
        False
    """
    return np.array([zlib.crc32(f"{seed}/{id_}".encode()) for id_ in ids], np.uint32)


def worst(
    sureness: Callable[[Array], Float[Array, " batch"]],
    *,
    real: Float[Array, "batch *choices length"],
    vectors: Float[Array, "batch *choices length embed"],
    seeds: Array,
    radius: float | Array,
    ball: Ball,
) -> Float[Array, "batch *choices length embed"]:
    """The addition that PGD finds for each example.

    Args:
        sureness: of an addition, one number for each example, none of which depends on
            the addition to another.
        real: 1 for tokens that may be moved.
        vectors: of the tokens, whose lengths the radius counts in.
        seeds: of each example, where it begins.
        radius: in mean lengths of the example's token vectors.
        ball: in what norm, around what, in how many steps.
    """
    axes = tuple(range(1, real.ndim))
    within = radius * mean_lengths(vectors, real)
    if ball.norm == "linf":
        within = within / math.sqrt(vectors.shape[-1])
    mask = jnp.broadcast_to(real[..., None], vectors.shape)
    wide = functools.partial(_wide, shape=vectors.shape)
    norm = functools.partial(_norm, axes=axes, ball=ball)

    def direction(slope: Array) -> Array:
        slope = slope * mask
        return jnp.sign(slope) if ball.norm == "linf" else slope / norm(slope)

    def project(addition: Array) -> Array:
        if ball.norm == "linf":
            return jnp.clip(addition, -wide(within), wide(within))
        return addition * jnp.minimum(1.0, wide(within) / norm(addition))

    def scored(addition: Array) -> tuple[Array, Array]:
        said = sureness(addition)
        return jnp.sum(said), said

    def better(old: tuple[Array, Array], new: tuple[Array, Array]) -> Any:
        wins = new[1] < old[1]
        where = jnp.broadcast_to(wide(wins), vectors.shape)
        return jnp.where(where, new[0], old[0]), jnp.minimum(new[1], old[1])

    step = _STEP / max(ball.steps, 1) * within

    def ascend(carry: Any, _: None) -> tuple[Any, None]:
        addition, kept = carry
        (_total, said), slope = jax.value_and_grad(scored, has_aux=True)(addition)
        kept = better(kept, (addition, said))
        addition = project(addition - wide(step) * direction(slope))
        return (addition, kept), None

    drawn = jax.vmap(
        lambda seed: jax.random.normal(jax.random.key(seed), mask.shape[1:])
    )(seeds)
    start = 0.5 * wide(within) * direction(drawn)
    nothing = jnp.zeros_like(vectors)
    kept = (nothing, sureness(nothing))
    (addition, kept), _ = jax.lax.scan(ascend, (start, kept), None, length=ball.steps)
    return better(kept, (addition, sureness(addition)))[0]


def mean_lengths(
    vectors: Float[Array, "batch *choices length embed"],
    real: Float[Array, "batch *choices length"],
) -> Float[Array, " batch"]:
    """The length that radii count in: the mean over the tokens of an example's text.

    Example:
        >>> vectors = jnp.asarray([[[9.0, 0.0], [3.0, 4.0], [0.0, 1.0]]])
        >>> mean_lengths(vectors, jnp.asarray([[0.0, 1.0, 1.0]]))
        Array([3.], dtype=float32)
    """
    axes = tuple(range(1, real.ndim))
    lengths = jnp.sqrt(jnp.sum(jnp.square(vectors), axis=-1))
    return jnp.sum(lengths * real, axis=axes) / jnp.maximum(jnp.sum(real, axis=axes), 1)


def text_of(tokens: Int[Array, "batch *choices length"]) -> Array:
    """1 for the tokens of an encoder's texts, 0 for marks and padding."""
    return (tokens > _LAST_MARK).astype(jnp.float32)


def _wide(values: Array, *, shape: tuple[int, ...]) -> Array:
    """[batch] to a shape that goes with vectors."""
    narrow = values.reshape(values.shape[0], *(1 for _ in shape[1:]))
    return jnp.broadcast_to(narrow, shape)


def _norm(x: Array, *, axes: tuple[int, ...], ball: Ball) -> Array:
    """Euclidean length of each token's vector or of the example's; never 0."""
    squares = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    if ball.over == "example":
        squares = jnp.sum(squares, axis=axes, keepdims=True)
    return jnp.broadcast_to(jnp.sqrt(jnp.maximum(squares, _TINY**2)), x.shape)


@functools.partial(
    jax.jit, static_argnums=0, static_argnames=("head", "pad_id", "ball")
)
def of_encoder(
    config: EncoderConfig,
    params: Any,
    tokens: Int[Array, "batch *choices length"],
    labels: Int[Array, "batch ..."],
    seeds: Array,
    radius: Array,
    *,
    head: Head,
    pad_id: int,
    ball: Ball,
) -> Float[Array, "batch *choices length embed"]:
    """The worst addition to each row's word vectors; `sure.labels_of` gives labels."""

    def sureness(addition: Array) -> Array:
        parts = sure.encoder_parts(
            *(config, params, tokens, labels, addition), head=head, pad_id=pad_id
        )
        return sure.encoder_sureness(parts, kind=head.kind)

    table = params["encoder"]["embeddings"]["word"]
    return worst(
        sureness,
        real=text_of(tokens),
        vectors=jnp.take(table, tokens, axis=0).astype(jnp.float32),
        seeds=seeds,
        radius=radius,
        ball=ball,
    )


@functools.partial(jax.jit, static_argnums=0, static_argnames=("ball",))
def of_text(
    config: ModelConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    targets: Int[Array, "batch options targets"],
    right: Int[Array, " batch"],
    seeds: Array,
    radius: Array,
    *,
    ball: Ball,
) -> Float[Array, "batch length embed"]:
    """The worst addition to an mT5's input vectors; `sure.targets_of` gives targets."""

    def sureness(addition: Array) -> Array:
        return sure.text_sureness(config, params, inputs, targets, right, addition)

    table = params["token_embedder"]["embedding"]
    return worst(
        sureness,
        real=(inputs > decoding.EOS).astype(jnp.float32),
        vectors=jnp.take(table, inputs, axis=0).astype(jnp.float32),
        seeds=seeds,
        radius=radius,
        ball=ball,
    )
