"""A sentence's vector near that of its translation, and far from those of others.

A batch has pairs. A vector is the mean of a chosen layer's states over a sentence's
tokens, `<s>` and `</s>` included, as `infer/encoder_vectors.py` takes it; with s(i, j)
the cosine of the i-th first and the j-th second sentence of a batch, t the temperature:

    loss = weight * mean over i of ( -log softmax_j(s(i, j) / t)[i]
                                     -log softmax_j(s(j, i) / t)[i] ) / 2

So the other pairs of the batch are the wrong answers (InfoNCE in both directions). A
sentence that stands in a batch twice is no wrong answer to its own translation: equal
ids are left out. With microbatches each part has its own wrong answers.

After Ngugi 2025 (2506.15415), which pulls the vectors of *words* together at layer 2,
with LoRA: pairs of words are a file like any other, and layer and LoRA are settings.
Layers above the chosen one are computed and get no gradient.

No parameter belongs to this loss: it has no head, and nothing of it stays in a model.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from xtl_jax.model.encoder import Encoder
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.loss import LossSums
from xtl_jax.train.settings import Contrast
from xtl_jax.typing import Array, Float, Int

HEAD = "contrastive"  # what batches of pairs say in place of a head's name
_NEVER = -1e10  # added to the logit of what is no answer
_TINY = 1e-6  # a vector of 0 has no direction


def sums(
    config: EncoderConfig,
    params: Any,
    tokens: Int[Array, "batch 2 length"],
    *,
    key: Array | None,
    how: Contrast,
    addition: Float[Array, "batch 2 length embed"] | None = None,
) -> LossSums:
    """Loss sums of pairs; each counts one, and is right as far as it is found.

    Args:
        config: shape.
        params: `encoder`, and whatever else.
        tokens: ids of both sentences of each pair.
        key: of dropout; None drops nothing.
        how: layer, temperature and weight.
        addition: to the vectors of the tokens (`train/perturbation.py`).
    """
    network = Encoder(config, "eval" if key is None else "train")
    flat = tokens.reshape(-1, tokens.shape[-1])
    if addition is not None:
        addition = addition.reshape(-1, *addition.shape[-2:])
    found: Any = network.apply(
        {"params": params},
        flat,
        addition=addition,
        method="states",
        rngs=None if key is None else {"dropout": key},
    )
    last, every = found
    states = last if how.layer == -1 else every[how.layer]
    vectors = unit_means(states, flat != config.pad_id)
    first, second = jnp.moveaxis(vectors.reshape(*tokens.shape[:2], -1), 1, 0)
    logits = jnp.einsum("ie,je->ij", first, second) / how.temperature
    right = jnp.arange(len(logits))
    loss = hits = jnp.zeros(len(logits), jnp.float32)
    # Towards the second sentences, then towards the first.
    for scores, answers in ((logits, tokens[:, 1]), (logits.T, tokens[:, 0])):
        scores = scores + _NEVER * _twins(answers)
        chances = jax.nn.log_softmax(scores, axis=-1)
        loss = loss - jnp.diagonal(chances) / 2
        found = jnp.argmax(scores, axis=-1) == right
        hits = hits + found.astype(jnp.float32) / 2
    return LossSums(
        loss=how.weight * jnp.sum(loss),
        z_loss=jnp.float32(0.0),
        tokens=jnp.float32(len(logits)),
        correct=jnp.sum(hits),
    )


def unit_means(
    states: Float[Array, "rows length embed"], real: Array
) -> Float[Array, "rows embed"]:
    """Means of states over what is no padding, each of length 1, float32."""
    weights = real.astype(jnp.float32)[..., None]
    wide = states.astype(jnp.float32)
    total = jnp.sum(wide * jnp.broadcast_to(weights, wide.shape), axis=1)
    square = jnp.sum(jnp.square(total), axis=-1, keepdims=True)
    return total * jnp.broadcast_to(
        jax.lax.rsqrt(jnp.maximum(square, _TINY**2)), total.shape
    )


def _twins(tokens: Int[Array, "batch length"]) -> Float[Array, "batch batch"]:
    """1 where two rows are the same sentence, and not one and the same row."""
    same = jnp.all(tokens[:, None, :] == tokens[None, :, :], axis=-1)
    return (same & ~jnp.eye(len(tokens), dtype=bool)).astype(jnp.float32)
