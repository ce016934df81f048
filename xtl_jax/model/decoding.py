"""Hidden states to text ids, one position at a time, nothing computed twice.

Keys and values of the encoder's output are computed once per input, those of earlier
target positions once per position; both lie in a cache with a leading `layers` axis.
Decoding ends when every row has written its end-of-sequence id.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from xtl_jax.model.layers import RelativeBias, RMSNorm, mask_bias
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.model.t5 import T5, DecoderLayer, Embedding, Head
from xtl_jax.typing import Array, Float, Int

EOS = 1
PAD = 0


class Decoded(NamedTuple):
    """Greedy output of a batch."""

    tokens: Int[Array, "batch length"]  # ids, the end id included, then 0
    log_probability: Float[Array, " batch"]  # nats, summed up to the end id
    steps: Int[Array, ""]  # positions computed


def start(config: ModelConfig, params: Any, encoded: Array, max_length: int) -> Any:
    """The cache before the first position, every leaf [layers, batch, ...]."""

    def cross(layer: Any) -> Any:
        return DecoderLayer(config, "eval").apply(
            {"params": layer}, encoded, method="cross_keys_values"
        )

    keys, values = jax.lax.map(cross, params["decoder"]["layers"])
    batch = encoded.shape[0]
    shape = (config.decoder_layers, batch, max_length, config.heads, config.head_dim)
    empty = jnp.zeros(shape, encoded.dtype)
    return {
        "self_keys": empty,
        "self_values": empty,
        "cross_keys": keys,
        "cross_values": values,
    }


def next_logits(
    config: ModelConfig,
    params: Any,
    cache: Any,
    ids: Int[Array, " batch"],
    index: Int[Array, ""],
    cross_bias: Float[Array, "batch 1 1 length"],
) -> tuple[Float[Array, "batch vocab"], Any]:
    """Logits after `ids` at position `index`, and the cache with that position in."""
    decoder = params["decoder"]
    max_length = cache["self_keys"].shape[2]
    table: Any = RelativeBias(config, bidirectional=False).apply(
        {"params": decoder["relpos_bias"]}, max_length, max_length
    )
    row = jax.lax.dynamic_slice_in_dim(table, index, 1, axis=2)
    reached = jnp.arange(max_length) <= index
    row = row + jnp.broadcast_to(mask_bias(reached)[None, None, None], row.shape)
    x: Any = Embedding(config).apply({"params": params["token_embedder"]}, ids[:, None])

    def layer(x: Array, scanned: tuple[Any, Any]) -> Any:
        weights, layer_cache = scanned
        return DecoderLayer(config, "eval").apply(
            {"params": weights}, x, index, layer_cache, row, cross_bias, method="step"
        )

    x, cache = jax.lax.scan(layer, x, (decoder["layers"], cache))
    x = RMSNorm(config).apply({"params": decoder["decoder_norm"]}, x)
    logits: Any = Head(config).apply({"params": params["logits_dense"]}, x)
    return logits[:, 0], cache


def greedy(
    config: ModelConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    *,
    max_length: int,
    vocabulary_size: int,
) -> Decoded:
    """The most probable next id, again and again.

    Args:
        config: the model's shape.
        params: its parameters.
        inputs: token ids, 0 is padding.
        max_length: positions at most, the end id included.
        vocabulary_size: ids that exist; rows of the head beyond them are padding and
            are never chosen.
    """
    encoded: Any = T5(config).apply({"params": params}, inputs, method="encode")
    cross_bias = mask_bias(inputs > 0)[:, None, None, :]
    batch = inputs.shape[0]
    real = jnp.arange(config.vocab)[None] < vocabulary_size

    def unfinished(state: Any) -> Array:
        index, _, _, _, done, _ = state
        return (index < max_length) & ~jnp.all(done)

    def advance(state: Any) -> Any:
        index, ids, tokens, total, done, cache = state
        logits, cache = next_logits(config, params, cache, ids, index, cross_bias)
        logits = jnp.where(jnp.broadcast_to(real, logits.shape), logits, -jnp.inf)
        best = jnp.argmax(logits, axis=-1).astype(jnp.int32)
        log_probs = jax.nn.log_softmax(logits, axis=-1)
        gain = jnp.take_along_axis(log_probs, best[:, None], axis=-1)[:, 0]
        best = jnp.where(done, PAD, best)
        total = total + jnp.where(done, 0.0, gain)
        tokens = jax.lax.dynamic_update_slice_in_dim(
            tokens, best[:, None], index, axis=1
        )
        return index + 1, best, tokens, total, done | (best == EOS), cache

    # A row of nothing but padding is a filler of the last batch: finished at once.
    state = (
        jnp.int32(0),
        jnp.full((batch,), PAD, jnp.int32),
        jnp.full((batch, max_length), PAD, jnp.int32),
        jnp.zeros((batch,), jnp.float32),
        ~jnp.any(inputs > 0, axis=1),
        start(config, params, encoded, max_length),
    )
    index, _, tokens, total, _, _ = jax.lax.while_loop(unfinished, advance, state)
    return Decoded(tokens=tokens, log_probability=total, steps=index)
