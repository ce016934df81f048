"""Cross entropy as T5X computes it, in sums.

A loss is a *sum* over target tokens; whoever needs a mean divides once, at the end.
Label smoothing subtracts the entropy of the smoothed target, so that a perfect
prediction costs nothing, and z-loss adds `z_loss * log(Z)**2`, which keeps the softmax
normaliser near one.

The logits of a 250,112-row vocabulary are the largest array of a training step: with
`chunks` > 1 only one chunk of the target length has its logits in memory at a time, and
the backward pass computes them again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from xtl_jax.typing import Array, Float, Int


class LossSums(NamedTuple):
    """Sums over a batch: add across microbatches and steps, divide once."""

    loss: Float[Array, ""]  # nats, z-loss included
    z_loss: Float[Array, ""]  # nats
    tokens: Float[Array, ""]  # target tokens with weight
    correct: Float[Array, ""]  # target tokens predicted by the largest logit


def token_losses(
    logits: Float[Array, "batch length vocab"],
    targets: Int[Array, "batch length"],
    *,
    z_loss: float = 0.0,
    label_smoothing: float = 0.0,
) -> tuple[Float[Array, "batch length"], Float[Array, "batch length"]]:
    """Loss of each position, z-loss included, and the z-loss alone, in nats."""
    vocab = logits.shape[-1]
    log_z = jax.nn.logsumexp(logits, axis=-1)
    # A sum over the vocabulary and not a look-up: where devices hold parts of it, each
    # adds its own, and logits stay where they are.
    wanted = _ids(logits) == jnp.broadcast_to(targets[..., None], logits.shape)
    picked = jnp.sum(jnp.where(wanted, logits, 0.0), axis=-1) - log_z
    confidence = 1.0 - label_smoothing
    low = label_smoothing / (vocab - 1)
    loss = -confidence * picked
    if label_smoothing > 0.0:
        others = jnp.sum(logits, axis=-1) - vocab * log_z - picked
        entropy = -(
            confidence * jnp.log(confidence)
            + (vocab - 1) * low * jnp.log(low + 1e-20)  # T5X guards the logarithm so
        )
        loss = loss - low * others - entropy
    penalty = z_loss * jnp.square(log_z)
    return loss + penalty, penalty


def first_largest(
    logits: Float[Array, "batch length vocab"],
) -> Int[Array, "batch length"]:
    """`argmax`, as reductions that devices with parts of the vocabulary can share.

    Example:
        >>> first_largest(jnp.asarray([[[0.0, 2.0, 2.0]]])).tolist()
        [[1]]
    """
    largest = jnp.max(logits, axis=-1, keepdims=True)
    ids = _ids(logits)
    at = logits == jnp.broadcast_to(largest, logits.shape)
    return jnp.min(jnp.where(at, ids, logits.shape[-1] - 1), axis=-1)


def _ids(logits: Array) -> Array:
    return jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1)


def loss_sums(
    head: Callable[[Array], Array],
    hidden: Float[Array, "batch length embed"],
    targets: Int[Array, "batch length"],
    weights: Float[Array, "batch length"],
    *,
    z_loss: float = 0.0,
    label_smoothing: float = 0.0,
    chunks: int = 1,
) -> LossSums:
    """Sums of a batch; `head` turns hidden states into logits."""

    def sums(hidden: Array, targets: Array, weights: Array) -> LossSums:
        logits = head(hidden)
        loss, penalty = token_losses(
            logits, targets, z_loss=z_loss, label_smoothing=label_smoothing
        )
        hits = (first_largest(logits) == targets).astype(jnp.float32)
        return LossSums(
            loss=jnp.sum(loss * weights),
            z_loss=jnp.sum(penalty * weights),
            tokens=jnp.sum(weights),
            correct=jnp.sum(hits * weights),
        )

    if chunks == 1:
        return sums(hidden, targets, weights)
    length = targets.shape[1]
    if length % chunks:
        raise ValueError(
            f"ModelConfig.loss_chunks={chunks} does not divide the target length "
            f"{length}; choose a divisor of it"
        )

    def split(x: Array) -> Array:
        x = x.reshape(x.shape[0], chunks, length // chunks, *x.shape[2:])
        return jnp.moveaxis(x, 1, 0)

    def add(total: LossSums, piece: tuple[Array, Array, Array]):
        return jax.tree.map(jnp.add, total, jax.checkpoint(sums)(*piece)), None

    zero = LossSums(*(jnp.float32(0.0) for _ in LossSums._fields))
    pieces = (split(hidden), split(targets), split(weights))
    return jax.lax.scan(add, zero, pieces)[0]
