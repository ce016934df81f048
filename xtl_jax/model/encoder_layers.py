"""The layers of XLM-R and BERT, with Hugging Face's numerics.

Parameters carry the names of their axes as in `model/layers.py`. Matrix products are in
the computation dtype, norms and softmax in float32.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name

from xtl_jax.model.dropout import Dropout
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.gelu import gelu
from xtl_jax.model.look_up import look_up
from xtl_jax.typing import Array, Float, Int

ACTIVATION = ("batch", "length", "embed")
_WEIGHTS = "attention_weights"


class LayerNorm(nn.Module):
    """Mean 0 and variance 1, then a scale and a bias."""

    config: EncoderConfig

    @nn.compact
    def __call__(self, x: Float[Array, "*batch embed"]) -> Float[Array, "*batch embed"]:
        """Normalised in float32: bfloat16 has 8 significant bits, too few for a sum."""

        def vector(name: str, initial: Any) -> Array:
            made: Any = self.param(
                name,
                nn.with_logical_partitioning(initial, ("embed",)),
                (x.shape[-1],),
                jnp.float32,
            )
            return jnp.broadcast_to(made, x.shape)

        scale = vector("scale", nn.initializers.ones_init())
        bias = vector("bias", nn.initializers.zeros_init())
        wide = x.astype(jnp.float32)
        centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
        variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
        normal = centred * jax.lax.rsqrt(variance + self.config.norm_epsilon)
        return (normal * scale + bias).astype(self.config.dtype)


class Linear(nn.Module):
    """A matrix product with a float32 kernel [in, out], and a bias."""

    features: int
    axes: tuple[str, str]
    dtype: str  # of the product and of what comes out

    @nn.compact
    def __call__(self, x: Float[Array, "*batch inner"]) -> Float[Array, "*batch outer"]:
        """The kernel starts from a normal distribution of deviation 0.02, as BERT's."""
        kernel: Any = self.param(
            "kernel",
            nn.with_logical_partitioning(nn.initializers.normal(0.02), self.axes),
            (x.shape[-1], self.features),
            jnp.float32,
        )
        bias: Any = self.param(
            "bias",
            nn.with_logical_partitioning(nn.initializers.zeros_init(), (self.axes[1],)),
            (self.features,),
            jnp.float32,
        )
        dtype = jnp.dtype(self.dtype)
        product = x.astype(dtype) @ kernel.astype(dtype)
        return product + jnp.broadcast_to(bias.astype(dtype), product.shape)


class Embeddings(nn.Module):
    """Word, position and segment vectors, added, normalised, dropped."""

    config: EncoderConfig
    mode: str

    def setup(self) -> None:
        """The three tables; heads of a masked LM use the words' again."""
        config = self.config

        def table(name: str, axes: tuple[str, str], rows: int) -> Any:
            return self.param(
                name,
                nn.with_logical_partitioning(nn.initializers.normal(0.02), axes),
                (rows, config.embed),
                jnp.float32,
            )

        columns = ("table_rows", "table_columns")  # no vocabulary divides so well
        self.word = table("word", columns, config.vocab)
        self.position = table("position", ("positions", "embed"), config.positions)
        self.segment = table("segment", ("segments", "embed"), config.segment_types)
        self.norm = LayerNorm(config)
        self.dropout = dropout(config, self.mode)

    def __call__(
        self,
        tokens: Int[Array, "batch length"],
        segments: Int[Array, "batch length"],
        positions: Int[Array, "batch length"],
        addition: Float[Array, "batch length embed"] | None = None,
    ) -> Float[Array, "batch length embed"]:
        """In the computation dtype; all is added in float32."""
        x = look_up(self.word, tokens, "float32")
        if addition is not None:
            x = x + addition
        x = x + jnp.take(self.segment, segments, axis=0)
        x = x + jnp.take(self.position, positions, axis=0)
        x = self.dropout(self.norm(x))
        return nn.with_logical_constraint(x, ACTIVATION)


class SelfAttention(nn.Module):
    """Every token looks at every real token."""

    config: EncoderConfig
    mode: str

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length embed"],
        bias: Float[Array, "batch 1 1 length"],
    ) -> Float[Array, "batch length embed"]:
        """Scaled by 1/sqrt(head_dim); `bias` masks padding."""
        config = self.config

        def heads(name: str) -> Array:
            wide = Linear(
                config.joined_kv, ("embed", "joined_kv"), config.dtype, name=name
            )(x)
            return wide.reshape(*x.shape[:2], config.heads, config.head_dim)

        query, key, value = heads("query"), heads("key"), heads("value")
        drop = dropout(config, self.mode)
        shape = (x.shape[0], config.heads, x.shape[1], x.shape[1])

        def attend(
            query: Array, key: Array, value: Array, bias: Array, dropped: Array | None
        ) -> Array:
            # Softmax in float32: differences of large logits vanish in bfloat16.
            logits = jnp.einsum(
                "bqhd,bkhd->bhqk", query, key, preferred_element_type=jnp.float32
            )
            logits = logits * config.head_dim**-0.5
            logits = logits + jnp.broadcast_to(bias, logits.shape)
            weights = jax.nn.softmax(logits, axis=-1).astype(x.dtype)
            weights = drop.without(checkpoint_name(weights, _WEIGHTS), dropped)
            return jnp.einsum("bhqk,bkhd->bqhd", weights, value)

        # The weights are the largest array of a layer: they are kept once, and what
        # dropout makes of them is computed again.
        attend = jax.checkpoint(
            attend,
            policy=jax.checkpoint_policies.save_only_these_names(_WEIGHTS),
            prevent_cse=False,
        )
        mixed = attend(query, key, value, bias, drop.places(shape))
        return Linear(config.embed, ("joined_kv", "embed"), config.dtype, name="out")(
            mixed.reshape(*x.shape[:2], config.joined_kv)
        )


class FeedForward(nn.Module):
    """`wo(gelu(wi x))`, gelu in its exact form."""

    config: EncoderConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length embed"]
    ) -> Float[Array, "batch length embed"]:
        """Feed-forward of each position."""
        config = self.config
        hidden = Linear(config.mlp, ("embed", "mlp"), config.dtype, name="wi")(x)
        hidden = gelu(hidden)
        hidden = nn.with_logical_constraint(hidden, ("batch", "length", "mlp"))
        return Linear(config.embed, ("mlp", "embed"), config.dtype, name="wo")(hidden)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each added to its input and normalised."""

    config: EncoderConfig
    mode: str

    @nn.compact
    def __call__(self, x: Array, bias: Array) -> tuple[Array, Array]:
        """The next hidden states, twice: carried on, and given out to be looked at."""
        config, mode = self.config, self.mode
        y = SelfAttention(config, mode, name="attention")(x, bias)
        x = LayerNorm(config, name="attention_norm")(x + dropout(config, mode)(y))
        y = FeedForward(config, name="mlp")(x)
        x = LayerNorm(config, name="mlp_norm")(x + dropout(config, mode)(y))
        x = nn.with_logical_constraint(x, ACTIVATION)
        return x, x


class FirstToken(nn.Module):
    """A dense layer and tanh over the first token: `<s>` or `[CLS]`."""

    config: EncoderConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length embed"]
    ) -> Float[Array, "batch embed"]:
        """One vector for each row."""
        config = self.config
        dense = Linear(config.embed, ("embed", "pooled"), config.dtype)
        nn.share_scope(self, dense)
        return jnp.tanh(dense(x[:, 0]))


def dropout(config: EncoderConfig, mode: str) -> Dropout:
    """Dropout that is drawn for each number."""
    return Dropout(config.dropout_rate, deterministic=mode != "train")
