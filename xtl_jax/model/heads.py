"""What stands on an encoder: one small module for each kind of head.

Shapes and places of dropout are those of Hugging Face's classes:

    classification   dense and tanh over the first token, then a row of labels
    choice           the same over each option, then one number
    span, tagging    a linear layer over every token
    masked LM        dense, gelu and norm over every token, then the embedding again

XLM-R's classification drops what goes into the dense layer and what comes out of it;
all other heads over the first token drop what comes out. A span head drops nothing.
"""

from __future__ import annotations

from typing import Any

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
    ) -> Array:
        """Float32 logits of one head.

        Args:
            x: the encoder's last states.
            name: of the head.
            words: the embedding, which a masked LM answers with.
        """
        config, head = self.config, self.config.head(name)
        if head.kind == "masked_lm":
            return MaskedLM(config, name=name)(x, words)
        if head.kind in ("classification", "choice"):
            return OverFirstToken(config, head, self.mode, name=name)(x)
        return OverTokens(config, head, self.mode, name=name)(x)


class OverFirstToken(nn.Module):
    """Classification, and the number that an option of a choice gets."""

    config: EncoderConfig
    head: Head
    mode: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length embed"]
    ) -> Float[Array, "batch outputs"]:
        """Logits of each row."""
        config, drop = self.config, _dropout(self.config, self.mode)
        first = x[:, :1]
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
        self, x: Float[Array, "batch length embed"]
    ) -> Float[Array, "batch length outputs"]:
        """Logits of each token."""
        if self.head.kind == "tagging":
            x = _dropout(self.config, self.mode)(x)
        return _outputs(self.head)(x)


class MaskedLM(nn.Module):
    """Which word stands at a place; the last product is with the embedding."""

    config: EncoderConfig

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length embed"],
        words: Float[Array, "vocab embed"],
    ) -> Float[Array, "batch length vocab"]:
        """Logits of every row of the vocabulary."""
        config = self.config
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
