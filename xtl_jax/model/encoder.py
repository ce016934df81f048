"""XLM-R and BERT: token ids to hidden states, and heads on them.

Both are post-norm: what a sublayer adds is normalised together with its input. Layers
are one scanned layer, as in `model/t5.py`. What is padding is told by a mask, or by the
padding id where there is none:

    tokens  [0, 587, 1398, 2, 1, 1]      <s> Hello World </s> and padding
    mask    [1,   1,    1, 1, 0, 0]

XLM-R counts the position of a token over what is not the padding id, whatever the mask
says; BERT counts all tokens.

Quirks kept on purpose, all from Hugging Face's models:

* embeddings are normalised before anything is dropped from them;
* dropout masks are drawn for each number, not shared along the length as in T5X;
* padding is masked as a key only: states at padding are computed, and mean nothing.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from xtl_jax.errors import UserError
from xtl_jax.model import heads
from xtl_jax.model.encoder_layers import Embeddings, EncoderLayer, FirstToken
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.layers import mask_bias, scanned
from xtl_jax.typing import Array, Float, Int


class Stack(nn.Module):
    """Embeddings, layers, and a pooler where the checkpoint has one."""

    config: EncoderConfig
    mode: str  # "train" drops, "eval" does not

    def setup(self) -> None:
        """The parts, under the names of their parameters."""
        config = self.config
        self.embeddings = Embeddings(config, self.mode)
        layers = scanned(
            EncoderLayer,
            remat=config.remat,
            length=config.layers,
            sides=1,
            unroll=config.unroll if self.mode == "train" else 1,
        )
        self.layers = layers(config, self.mode)
        if config.pooler:
            self.pooler = FirstToken(config)

    def __call__(
        self,
        tokens: Array,
        mask: Array,
        segments: Array,
        positions: Array,
        addition: Array | None = None,
    ) -> tuple[Array, Array]:
        """The last states, and all of them [layers + 1, batch, length, embed]."""
        x = self.embeddings(tokens, segments, positions, addition)
        bias = mask_bias(mask[:, None, None, :] > 0)
        last, states = self.layers(x, bias)
        return last, jnp.concatenate([x[None], states], axis=0)


class Encoder(nn.Module):
    """The whole network; `mode` is "train" (dropout) or "eval"."""

    config: EncoderConfig
    mode: str = "eval"

    def setup(self) -> None:
        """The encoder and the heads on it."""
        self.encoder = Stack(self.config, self.mode)
        if self.config.task_heads:
            self.heads = heads.Heads(self.config, self.mode)

    def states(
        self,
        tokens: Int[Array, "batch length"],
        mask: Int[Array, "batch length"] | None = None,
        segments: Int[Array, "batch length"] | None = None,
        positions: Int[Array, "batch length"] | None = None,
        addition: Float[Array, "batch length embed"] | None = None,
    ) -> tuple[
        Float[Array, "batch length embed"], Float[Array, "states batch length embed"]
    ]:
        """Hidden states after the last layer, and after the embedding and every layer.

        Args:
            tokens: ids.
            mask: 1 for real tokens; None: what is not `config.pad_id`.
            segments: segment ids; None: all 0.
            positions: rows of the position table; None: as the architecture counts.
            addition: to the word vectors, such as noise.

        Raises:
            UserError: longer than the position table.
        """
        config = self.config
        if tokens.shape[1] > config.longest:
            raise UserError(
                f"inputs of {tokens.shape[1]} tokens are too long: this encoder has "
                f"positions for {config.longest} (EncoderConfig.positions)"
            )
        if mask is None:
            mask = (tokens != config.pad_id).astype(jnp.int32)
        if segments is None:
            segments = jnp.zeros_like(tokens)
        if positions is None:
            positions = token_positions(config, tokens)
        return self.encoder(tokens, mask, segments, positions, addition)

    def pooled(
        self,
        tokens: Int[Array, "batch length"],
        mask: Int[Array, "batch length"] | None = None,
        segments: Int[Array, "batch length"] | None = None,
    ) -> Float[Array, "batch embed"]:
        """What the checkpoint's pooler makes of the first token."""
        return self.encoder.pooler(self.states(tokens, mask, segments)[0])

    def logits(
        self,
        tokens: Int[Array, "batch *choices length"],
        *,
        head: str,
        mask: Int[Array, "batch *choices length"] | None = None,
        segments: Int[Array, "batch *choices length"] | None = None,
        places: Int[Array, "batch places"] | None = None,
        addition: Float[Array, "batch *choices length embed"] | None = None,
    ) -> Array:
        """What a head says, float32.

        Args:
            tokens: ids [batch, length]; of a choice [batch, choices, length].
            head: its name.
            mask: as `states` has it, shaped as `tokens`.
            segments: likewise.
            places: of a masked LM: only the logits at these places of each row, because
                those of all would be the largest array of a step.

            addition: to the word vectors, as `states` has it.

        Returns:
            classification [batch, outputs], choice [batch, choices], span [batch,
            length, 2] (first and last token), tagging [batch, length, outputs], masked
            LM [batch, length or places, vocab].
        """
        shape = tokens.shape
        others = (
            None if x is None else x.reshape(-1, shape[-1]) for x in (mask, segments)
        )
        if addition is not None:
            addition = addition.reshape(-1, *addition.shape[-2:])
        x, states = self.states(
            tokens.reshape(-1, shape[-1]), *others, addition=addition
        )
        states = states[1:]  # what is before the first layer is no layer's
        if places is not None:
            x = jnp.take_along_axis(x, places[..., None], axis=1)
            states = jnp.take_along_axis(states, places[None, ..., None], axis=2)
        logits = self.heads(x, head, self.encoder.embeddings.word, states)
        if self.config.head(head).kind == "choice":
            return logits.reshape(shape[:-1])
        return logits

    def everything(self, tokens: Array) -> None:
        """Calls each part once, so that each makes its parameters."""
        x, states = self.states(tokens)
        if self.config.pooler:
            self.encoder.pooler(x)
        for head in self.config.task_heads:
            self.heads(x, head.name, self.encoder.embeddings.word, states[1:])


def token_positions(
    config: EncoderConfig, tokens: Int[Array, "batch length"]
) -> Int[Array, "batch length"]:
    """Rows of the position table, as the architecture counts them.

    Example:
        >>> xlmr = EncoderConfig(architecture="xlm-roberta", vocab=9, embed=4, heads=1,
        ...                      mlp=4, layers=1, positions=10)
        >>> token_positions(xlmr, jnp.asarray([[0, 7, 8, 2, 1]])).tolist()
        [[2, 3, 4, 5, 1]]
    """
    if config.architecture == "bert":
        rows = jnp.arange(tokens.shape[1], dtype=jnp.int32)
        return jnp.broadcast_to(rows, tokens.shape)
    real = (tokens != config.pad_id).astype(jnp.int32)
    return jnp.cumsum(real, axis=1) * real + config.pad_id


def init_params(config: EncoderConfig, key: Array) -> Any:
    """Fresh parameters, boxed with their logical axis names."""
    tokens = jnp.full((1, 1), config.pad_id, jnp.int32)
    return Encoder(config).init(key, tokens, method="everything")["params"]


def fresh_heads(
    config: EncoderConfig, key: Array, encoder_params: Any
) -> dict[str, Any]:
    """Parameters for all heads of `config`, to stand on an encoder that is trained.

    All start as Hugging Face's do, from a normal distribution with biases of zero, but
    for the dense layer that a choice, or a classification of BERT, has over the first
    token: it starts from the checkpoint's pooler, of which it takes the place there.

    Args:
        config: with the heads.
        key: of the random ones.
        encoder_params: the tree under `encoder`; a `pooler` in it is used.

    Returns:
        What belongs under `heads`.
    """
    if not config.task_heads:
        return {}
    fresh = jax.jit(lambda key: nn.unbox(init_params(config, key))["heads"])(key)
    pooler = encoder_params.get("pooler")
    for head in config.task_heads:
        if pooler is not None and starts_from_pooler(config, head):
            fresh[head.name]["dense"] = dict(pooler)
    return fresh


def starts_from_pooler(config: EncoderConfig, head: Head) -> bool:
    """Whether a head's dense layer is what Hugging Face calls the encoder's pooler."""
    bert = config.architecture == "bert"
    return head.kind == "choice" or (head.kind == "classification" and bert)
