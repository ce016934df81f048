"""mT5: an encoder-decoder that turns token ids into hidden states and logits.

Padding is id 0. Several short examples may share a row: their segment ids tell them
apart, and attention stays inside a segment ("block-diagonal"):

    tokens    [7, 8, 1, 5, 1, 0]
    segments  [1, 1, 1, 2, 2, 0]

Without segment ids a row is one segment, and its padding none. All layers of a stack
are one scanned layer whose parameters have a leading `layers` axis.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from xtl_jax.model.layers import (
    Attention,
    GatedMLP,
    RelativeBias,
    RMSNorm,
    length_dropout,
    scanned,
)
from xtl_jax.model.look_up import look_up
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.typing import Array, Float, Int

# Between the sublayers a device holds part of the positions, inside them all positions
# of part of the heads or of the feed-forward layer.
_RESIDUAL = ("batch", "sequence", "embed")
_ACTIVATION = ("batch", "length", "embed")


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each after a norm and added to its input."""

    config: ModelConfig
    mode: str

    @nn.compact
    def __call__(self, x: Array, bias: Array, segments: Array) -> tuple[Array, Array]:
        """The next hidden states, twice: carried on, and given out to be looked at."""
        x = nn.with_logical_constraint(x, _RESIDUAL)
        y = RMSNorm(self.config, name="pre_attention_layer_norm")(x)
        y = nn.with_logical_constraint(y, _ACTIVATION)
        own = (segments, segments)
        y = Attention(self.config, self.mode, name="attention")(y, y, bias, own)
        y = nn.with_logical_constraint(y, _RESIDUAL)
        x = x + length_dropout(self.config, self.mode)(y)
        y = RMSNorm(self.config, name="pre_mlp_layer_norm")(x)
        y = nn.with_logical_constraint(y, _ACTIVATION)
        y = GatedMLP(self.config, self.mode, name="mlp")(y)
        y = nn.with_logical_constraint(y, _RESIDUAL)
        x = x + length_dropout(self.config, self.mode)(y)
        return x, x


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the encoder, feed-forward."""

    config: ModelConfig
    mode: str

    def setup(self) -> None:
        """Under T5X's names."""
        config, mode = self.config, self.mode
        self.pre_self_attention_layer_norm = RMSNorm(config)
        self.self_attention = Attention(config, mode, causal=True)
        self.pre_cross_attention_layer_norm = RMSNorm(config)
        self.encoder_decoder_attention = Attention(config, mode)
        self.pre_mlp_layer_norm = RMSNorm(config)
        self.mlp = GatedMLP(config, mode)
        self.dropout = length_dropout(config, mode)

    def __call__(
        self,
        x: Array,
        encoded: Array,
        bias: Array,
        segments: Array,
        input_segments: Array,
    ) -> tuple[Array, None]:
        """All target positions at once."""

        def inside(y: Array) -> Array:
            return nn.with_logical_constraint(y, _ACTIVATION)

        def added(x: Array, y: Array) -> Array:
            return x + self.dropout(nn.with_logical_constraint(y, _RESIDUAL))

        x = nn.with_logical_constraint(x, _RESIDUAL)
        y = inside(self.pre_self_attention_layer_norm(x))
        x = added(x, self.self_attention(y, y, bias, (segments, segments)))
        y = inside(self.pre_cross_attention_layer_norm(x))
        both = (segments, input_segments)
        x = added(x, self.encoder_decoder_attention(y, encoded, None, both))
        x = added(x, self.mlp(inside(self.pre_mlp_layer_norm(x))))
        return x, None

    def cross_keys_values(self, encoded: Array) -> tuple[Array, Array]:
        """Keys and values of the encoder's output: computed once per input."""
        return self.encoder_decoder_attention.cached(encoded)

    def step(
        self,
        x: Float[Array, "rows 1 embed"],
        index: Int[Array, ""],
        written: tuple[Array, Array],
        cross: tuple[Array, Array],
        self_bias: Array,
        cross_bias: Array,
    ) -> tuple[Array, tuple[Array, Array]]:
        """Position `index` alone; `written` are keys and values of earlier positions.

        Rows are the beams of the inputs, those of one input side by side: they ask its
        encoder keys together, as if they were positions.
        """
        y = self.pre_self_attention_layer_norm(x)
        key, value = self.self_attention.cached(y)
        update = jax.lax.dynamic_update_slice_in_dim
        keys = update(written[0], key, index, axis=3)
        values = update(written[1], value, index, axis=2)
        x = x + self.self_attention.recall(y, keys, values, self_bias)
        y = self.pre_cross_attention_layer_norm(x)
        y = self.encoder_decoder_attention.recall(
            y.reshape(cross[0].shape[0], -1, y.shape[-1]), *cross, cross_bias
        )
        x = x + y.reshape(x.shape)
        x = x + self.mlp(self.pre_mlp_layer_norm(x))
        return x, (keys, values)


class Encoder(nn.Module):
    """Embedded inputs to encoded inputs."""

    config: ModelConfig
    mode: str

    @nn.compact
    def __call__(self, x: Array, segments: Array) -> tuple[Array, Array]:
        """Returns the normalised output and all layers' raw outputs [layers, ...]."""
        config = self.config
        positions = RelativeBias(config, bidirectional=True, name="relpos_bias")
        bias = positions.for_layers(*x.shape[:2])
        x = length_dropout(config, self.mode)(x)
        layers = scanned(
            EncoderLayer, remat=config.remat, length=config.encoder_layers, sides=2
        )
        x, states = layers(config, self.mode, name="layers")(x, bias, segments)
        x = RMSNorm(config, name="encoder_norm")(x)
        # This one mask alone is not shared along the length (T5X's network.py).
        drop = nn.Dropout(config.dropout_rate, deterministic=self.mode != "train")
        return drop(x), states


class Decoder(nn.Module):
    """Embedded decoder inputs to the states that the head turns into logits."""

    config: ModelConfig
    mode: str

    @nn.compact
    def __call__(
        self, x: Array, encoded: Array, segments: Array, input_segments: Array
    ) -> Array:
        """Normalised hidden states of every target position."""
        config = self.config
        positions = RelativeBias(config, bidirectional=False, name="relpos_bias")
        bias = positions.for_layers(*x.shape[:2])
        x = length_dropout(config, self.mode)(x)
        layers = scanned(
            DecoderLayer, remat=config.remat, length=config.decoder_layers, sides=4
        )
        x, _ = layers(config, self.mode, name="layers")(
            x, encoded, bias, segments, input_segments
        )
        x = RMSNorm(config, name="decoder_norm")(x)
        x = length_dropout(config, self.mode)(x)
        return nn.with_logical_constraint(x, _ACTIVATION)


class Embedding(nn.Module):
    """Token ids to vectors: a gather, not scaled."""

    config: ModelConfig

    @nn.compact
    def __call__(self, ids: Int[Array, "batch length"]) -> Array:
        """Vectors of `ids` in the compute dtype."""
        table: Any = self.param(
            "embedding",
            nn.with_logical_partitioning(
                nn.initializers.normal(1.0), ("table_rows", "table_columns")
            ),
            (self.config.vocab, self.config.embed),
            jnp.float32,
        )
        return look_up(table, ids, self.config.dtype)


class Head(nn.Module):
    """Hidden states to logits in float32: not tied to the embedding, not scaled."""

    config: ModelConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length embed"]
    ) -> Float[Array, "batch length vocab"]:
        """Logits of every row of the vocabulary, padding rows too."""
        init = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        kernel: Any = self.param(
            "kernel",
            nn.with_logical_partitioning(init, ("embed", "vocab")),
            (self.config.embed, self.config.vocab),
            jnp.float32,
        )
        # The kernel stays where it lies, in parts of the vocabulary: the states of all
        # rows that share a copy of the model come to each part.
        x = nn.with_logical_constraint(x, ("copies", "length", None))
        logits = jnp.einsum(
            "ble,ev->blv",
            x,
            kernel.astype(x.dtype),
            preferred_element_type=jnp.float32,
        )
        return nn.with_logical_constraint(logits, ("copies", "length", "vocab"))


class T5(nn.Module):
    """The whole network; `mode` is "train" (dropout) or "eval"."""

    config: ModelConfig
    mode: str = "eval"

    def setup(self) -> None:
        """The two stacks with the embedding they share, and the head."""
        self.token_embedder = Embedding(self.config)
        self.encoder = Encoder(self.config, self.mode)
        self.decoder = Decoder(self.config, self.mode)
        self.logits_dense = Head(self.config)

    def encode(
        self,
        tokens: Array,
        segments: Array | None = None,
        addition: Array | None = None,
    ) -> Array:
        """[batch, length] ids to [batch, length, embed] encoded inputs.

        `addition` is added to the tokens' vectors.
        """
        x = self.token_embedder(tokens)
        if addition is not None:
            x = x + addition.astype(x.dtype)
        return self.encoder(x, _segments(tokens, segments))[0]

    def encoder_states(self, tokens: Array) -> tuple[Array, Array]:
        """Encoded inputs, and [layers + 1, batch, length, embed] before the last norm.

        Entry 0 is the embedding, entry i the output of layer i.
        """
        x = self.token_embedder(tokens)
        encoded, states = self.encoder(x, _segments(tokens, None))
        return encoded, jnp.concatenate([x[None], states], axis=0)

    def hidden(self, batch: dict[str, Array], addition: Array | None = None) -> Array:
        """States before the head for a batch of model features (`data/features.py`).

        What is padding in the decoder is told by the *targets*: its inputs begin with
        id 0 without being padding. `addition` is added to the vectors of the inputs.
        """
        inputs = batch["encoder_input_tokens"]
        segments = _segments(inputs, batch.get("encoder_segment_ids"))
        return self.hidden_after(self.encode(inputs, segments, addition), batch)

    def hidden_after(self, encoded: Array, batch: dict[str, Array]) -> Array:
        """As `hidden`, from inputs that are encoded already."""
        targets = batch["decoder_target_tokens"]
        input_segments = _segments(
            batch["encoder_input_tokens"], batch.get("encoder_segment_ids")
        )
        target_segments = _segments(targets, batch.get("decoder_segment_ids"))
        x = self.token_embedder(batch["decoder_input_tokens"])
        return self.decoder(x, encoded, target_segments, input_segments)

    def head(self, hidden: Array) -> Array:
        """Logits of hidden states."""
        return self.logits_dense(hidden)

    def __call__(self, batch: dict[str, Array]) -> Array:
        """Logits [batch, length, vocab] float32 for a batch of model features."""
        return self.logits_dense(self.hidden(batch))

    def logits(self, inputs: Array, decoder_inputs: Array) -> Array:
        """Logits where only the decoder's inputs are known: causality is the mask."""
        encoded = self.encode(inputs)
        # No position of the decoder is padding: all are one segment.
        hidden = self.decoder(
            self.token_embedder(decoder_inputs),
            encoded,
            jnp.ones_like(decoder_inputs),
            _segments(inputs, None),
        )
        return self.logits_dense(hidden)


def _segments(tokens: Array, segments: Array | None) -> Array:
    return (tokens > 0).astype(jnp.int32) if segments is None else segments


def init_params(config: ModelConfig, key: Array) -> Any:
    """Fresh parameters, boxed with their logical axis names."""
    ids = jnp.ones((1, 2), jnp.int32)
    batch = {
        "encoder_input_tokens": ids,
        "decoder_input_tokens": ids,
        "decoder_target_tokens": ids,
    }
    return T5(config).init(key, batch)["params"]
