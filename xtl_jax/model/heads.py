"""What stands on an encoder: one small module for each kind of head.

Shapes and places of dropout are those of Hugging Face's classes:

    classification   dense and tanh over the first token, then a row of labels
    choice           the same over each option, then one number
    span, tagging    a linear layer over every token
    masked LM        dense, gelu and norm over every token, then the embedding again

XLM-R's classification drops what goes into the dense layer and what comes out of it;
all other heads over the first token drop what comes out. A span head drops nothing.

What a head reads is the last layer's states, or what `OverLayers` makes of all layers'.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from xtl_jax.model.dropout import Dropout
from xtl_jax.model.encoder_layers import FirstToken, LayerNorm, Linear
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.gelu import gelu
from xtl_jax.typing import Array, Float


class Heads(nn.Module):
    """All heads of an encoder, by name."""

    config: EncoderConfig
    mode: str

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length embed"],
        name: str,
        words: Float[Array, "vocab embed"],
        states: Float[Array, "layers batch length embed"],
    ) -> Array:
        """Float32 logits of one head.

        Args:
            x: the encoder's last states.
            name: of the head.
            words: the embedding, which a masked LM answers with.
            states: those after each layer; of use to heads that read them all.
        """
        config, head = self.config, self.config.head(name)
        if head.kind == "masked_lm":
            return MaskedLM(config, head, name=name)(x, states, words)
        if head.kind in ("classification", "choice"):
            return OverFirstToken(config, head, self.mode, name=name)(
                x[:, :1], states[:, :, :1]
            )
        return OverTokens(config, head, self.mode, name=name)(x, states)


class OverLayers(nn.Module):
    """What a head reads of the states after every layer.

    "mixture" has one learned weight for each layer, the same for all tokens (Peters et
    al. 2018, without their factor). "attention" asks the layers at each token: the last
    state makes the query, each state a key, and the states themselves are mixed:

        softmax over l of (W h_last + a) . (V h_l + b) / sqrt(embed)

    It stands for the attention over layers of Chen et al. 2022 (2205.08497), whose
    abstract alone was at hand: the form of their attention may differ. Both begin at,
    or near, the plain mean of all layers. Softmax is in float32.
    """

    config: EncoderConfig
    how: str

    @nn.compact
    def __call__(
        self, states: Float[Array, "layers batch length embed"]
    ) -> Float[Array, "batch length embed"]:
        """One state for each token."""
        config = self.config
        if self.how == "mixture":
            scores: Any = self.param(
                "weights",
                nn.with_logical_partitioning(nn.initializers.zeros_init(), ("layers",)),
                (config.layers,),
                jnp.float32,
            )
            weights = jax.nn.softmax(scores).astype(states.dtype)
            return jnp.einsum("n,nble->ble", weights, states)

        def made(name: str, x: Array) -> Array:
            axes = ("embed", "pooled")
            return Linear(config.embed, axes, config.dtype, name=name)(x)

        scores = jnp.einsum(
            "ble,nble->nbl",
            made("query", states[-1]),
            made("key", states),
            preferred_element_type=jnp.float32,
        )
        weights = jax.nn.softmax(scores * config.embed**-0.5, axis=0)
        return jnp.einsum("nbl,nble->ble", weights.astype(states.dtype), states)


def _read(config: EncoderConfig, head: Head, x: Array, states: Array) -> Array:
    """The states that a head works on; called inside of its module."""
    if head.layers == "last":
        return x
    return OverLayers(config, head.layers, name="over_layers")(states)


class OverFirstToken(nn.Module):
    """Classification, and the number that an option of a choice gets."""

    config: EncoderConfig
    head: Head
    mode: str

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch 1 embed"],
        states: Float[Array, "layers batch 1 embed"],
    ) -> Float[Array, "batch outputs"]:
        """Logits of each row, from its first token."""
        config, drop = self.config, _dropout(self.config, self.mode)
        first = _read(config, self.head, x, states)
        if self.head.kind == "classification" and config.architecture != "bert":
            first = drop(first)
        pooled = drop(FirstToken(config, name="dense")(first))
        return _outputs(self.head)(pooled)


class OverTokens(nn.Module):
    """Tags of each token, or whether an answer begins or ends there."""

    config: EncoderConfig
    head: Head
    mode: str

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length embed"],
        states: Float[Array, "layers batch length embed"],
    ) -> Float[Array, "batch length outputs"]:
        """Logits of each token."""
        x = _read(self.config, self.head, x, states)
        if self.head.kind == "tagging":
            x = _dropout(self.config, self.mode)(x)
        return _outputs(self.head)(x)


class MaskedLM(nn.Module):
    """Which word stands at a place; the last product is with the embedding."""

    config: EncoderConfig
    head: Head

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length embed"],
        states: Float[Array, "layers batch length embed"],
        words: Float[Array, "vocab embed"],
    ) -> Float[Array, "batch length vocab"]:
        """Logits of every row of the vocabulary."""
        config = self.config
        x = _read(config, self.head, x, states)
        x = Linear(config.embed, ("embed", "pooled"), config.dtype, name="dense")(x)
        x = LayerNorm(config, name="norm")(gelu(x))
        bias: Any = self.param(
            "bias",
            nn.with_logical_partitioning(nn.initializers.zeros_init(), ("table_rows",)),
            (config.vocab,),
            jnp.float32,
        )
        logits = jnp.einsum(
            "ble,ve->blv",
            x,
            words.astype(x.dtype),
            preferred_element_type=jnp.float32,
        )
        logits = logits + jnp.broadcast_to(bias, logits.shape)
        return nn.with_logical_constraint(logits, ("batch", "length", "vocab"))


def _outputs(head: Head) -> Linear:
    # In float32: a few columns cost nothing, and logits are compared with each other.
    return Linear(head.outputs, ("embed", "outputs"), "float32", name="out")


def _dropout(config: EncoderConfig, mode: str) -> Dropout:
    rate = config.head_dropout_rate
    return Dropout(
        config.dropout_rate if rate is None else rate, deterministic=mode != "train"
    )
