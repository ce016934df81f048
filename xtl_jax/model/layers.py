"""The layers of mT5, with T5X's numerics.

A parameter carries the names of its axes (`embed`, `joined_kv`, `mlp`, `heads`,
`vocab`); `train/sharding.py` says on which mesh axis each lies. `joined_kv` is all
heads side by side, head-major, kept as one axis because T5X stores attention kernels so
and its Adafactor factors them so.

Quirks kept on purpose, all from T5X (google-research/t5x, examples/t5):

* attention logits are not divided by sqrt(head_dim); the initialiser of the query does
  that once;
* dropout masks are shared along the length axis of an activation, and along the query
  axis of attention probabilities;
* one table of relative biases serves all layers of a stack; cross attention has none.
"""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from xtl_jax.model import flash
from xtl_jax.model.pieces import in_pieces, query_pieces
from xtl_jax.model.sizes import ModelConfig, Remat
from xtl_jax.typing import Array, Bool, Float, Int

# Added to the logits of a masked pair, as T5X does: exp underflows to zero in float32.
MASKED = -1e10
_HEADS = ("batch", "length", "heads", "head_dim")
# Of each pair of positions, or of each distance (`flash.attention`).
Bias = Float[Array, "1 heads queries length"] | Float[Array, "heads distances"]


class RMSNorm(nn.Module):
    """Scale by the root mean square; no mean is subtracted, no bias added."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: Float[Array, "*batch embed"]) -> Float[Array, "*batch embed"]:
        """Normalised in float32: bfloat16 has 8 significant bits, too few for a sum."""
        scale: Any = self.param(
            "scale",
            nn.with_logical_partitioning(nn.initializers.ones_init(), ("embed",)),
            (x.shape[-1],),
            jnp.float32,
        )
        wide = x.astype(jnp.float32)
        mean_square = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
        dtype = jnp.dtype(self.config.dtype)
        normal = wide * jax.lax.rsqrt(mean_square + self.config.norm_epsilon)
        return normal.astype(dtype) * jnp.broadcast_to(scale.astype(dtype), x.shape)


class Dense(nn.Module):
    """A matrix product with a float32 kernel [in, out] and no bias."""

    features: int
    axes: tuple[str, str]
    dtype: str
    scale: float = 1.0  # multiplies the initial values only
    distribution: Literal["normal", "truncated_normal"] = "normal"

    @nn.compact
    def __call__(self, x: Float[Array, "*batch inner"]) -> Float[Array, "*batch outer"]:
        """In `dtype`, accumulated by the hardware's own rule."""
        base = nn.initializers.variance_scaling(1.0, "fan_in", self.distribution)

        def init(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
            return base(key, shape, dtype) * jnp.asarray(self.scale, dtype)

        kernel: Any = self.param(
            "kernel",
            nn.with_logical_partitioning(init, self.axes),
            (x.shape[-1], self.features),
            jnp.float32,
        )
        dtype = jnp.dtype(self.dtype)
        # Parts of the width come together here, cast already: half of the bytes. Left
        # to itself, the partitioner makes a loop of each product, hard to compile.
        used = tuple(None if axis == "embed" else axis for axis in self.axes)
        kernel = nn.with_logical_constraint(kernel.astype(dtype), used)
        return x.astype(dtype) @ kernel


class Attention(nn.Module):
    """Multi-head attention, usable whole (training) or in parts (decoding)."""

    config: ModelConfig
    mode: str  # "train" drops, "eval" does not
    causal: bool = False  # later keys are hidden

    def setup(self) -> None:
        """The four projections."""
        config = self.config

        def project(scale: float = 1.0) -> Dense:
            return Dense(
                config.joined_kv, ("embed", "joined_kv"), config.dtype, scale=scale
            )

        # T5 folds 1/sqrt(head_dim) into the query initialiser; rescaling in the forward
        # pass would break published checkpoints.
        self.query = project(config.head_dim**-0.5)
        self.key = project()
        self.value = project()
        self.out = Dense(config.embed, ("joined_kv", "embed"), config.dtype)
        # Shared along the query axis, as T5X does.
        self.dropout = nn.Dropout(
            config.dropout_rate,
            broadcast_dims=(-2,),
            deterministic=self.mode != "train",
        )

    def keys_values(
        self, x: Float[Array, "batch length embed"]
    ) -> tuple[
        Float[Array, "batch length heads head_dim"],
        Float[Array, "batch length heads head_dim"],
    ]:
        """Keys and values of `x`."""
        return self._heads(self.key(x)), self._heads(self.value(x))

    def attend(
        self,
        x: Float[Array, "batch queries embed"],
        keys: Float[Array, "batch length heads head_dim"],
        values: Float[Array, "batch length heads head_dim"],
        bias: Bias | None,
        segments: tuple[Int[Array, "batch queries"], Int[Array, "batch length"]],
    ) -> Float[Array, "batch queries embed"]:
        """Attention of `x` to `keys`.

        Args:
            x: what asks.
            keys: what is asked.
            values: what is mixed.
            bias: added to the logits, as `RelativeBias.for_layers` gives it.
            segments: of `x` and of `keys`, see `same_segment`.
        """
        queries = self._heads(self.query(x))
        batch, length, heads, _ = queries.shape
        # One mask for all queries, so that it stays small and can be cut with them.
        kept = self.dropout(jnp.ones((batch, heads, 1, keys.shape[1]), x.dtype))
        if flash.fits(self.config, batch=batch, queries=length, keys=keys.shape[1]):
            if self.mode == "train":
                values = values * jnp.transpose(kept, (0, 3, 1, 2))
            return self.out(
                flash.attention(
                    *(queries, keys, values, bias, segments), causal=self.causal
                )
            )
        allowed = same_segment(*segments)
        if self.causal:
            earlier = jnp.tril(jnp.ones((1, 1, *allowed.shape[2:]), bool))
            allowed &= jnp.broadcast_to(earlier, allowed.shape)

        def mixed(queries: Array, bias: Array | None, allowed: Array) -> Array:
            queries = nn.with_logical_constraint(queries, _HEADS)
            # Softmax in float32: differences of large logits vanish in bfloat16.
            logits = jnp.einsum(
                "bqhd,bkhd->bhqk", queries, keys, preferred_element_type=jnp.float32
            )
            if bias is not None:
                logits = logits + jnp.broadcast_to(bias, logits.shape)
            mask = mask_bias(allowed)
            logits = logits + jnp.broadcast_to(mask, logits.shape)
            weights = jax.nn.softmax(logits, axis=-1).astype(x.dtype)
            if self.mode == "train":
                weights = weights * jnp.broadcast_to(kept, weights.shape)
            found = jnp.einsum("bhqk,bkhd->bqhd", weights, values)
            return nn.with_logical_constraint(found, _HEADS)

        pieces = query_pieces(length, most=self.config.attention_queries)
        y = in_pieces(mixed, pieces, queries, bias, allowed)
        return self.out(y.reshape(batch, length, self.config.joined_kv))

    def __call__(
        self,
        x: Float[Array, "batch queries embed"],
        source: Float[Array, "batch length embed"],
        bias: Bias | None,
        segments: tuple[Int[Array, "batch queries"], Int[Array, "batch length"]],
    ) -> Float[Array, "batch queries embed"]:
        """Attention of `x` to `source`; bias and segments as `attend` has them."""
        keys, values = self.keys_values(source)
        return self.attend(x, keys, values, bias, segments)

    def cached(
        self, x: Float[Array, "batch length embed"]
    ) -> tuple[
        Float[Array, "batch heads head_dim length"],
        Float[Array, "batch heads length head_dim"],
    ]:
        """Keys and values of `x` in the order in which `recall` reads them."""
        keys, values = self.keys_values(x)
        return jnp.transpose(keys, (0, 2, 3, 1)), jnp.transpose(values, (0, 2, 1, 3))

    def recall(
        self,
        x: Float[Array, "batch queries embed"],
        keys: Float[Array, "batch heads head_dim length"],
        values: Float[Array, "batch heads length head_dim"],
        bias: Float[Array, "#batch #heads #queries length"],
    ) -> Float[Array, "batch queries embed"]:
        """As `attend`, without dropout, of a few queries to keys of a cache.

        The products read the cache as it lies; another order would be copied into this
        one at every position.
        """
        queries = jnp.transpose(self._heads(self.query(x)), (0, 2, 1, 3))
        # Softmax in float32: differences of large logits vanish in bfloat16.
        logits = jnp.einsum(
            "bhqd,bhdk->bhqk", queries, keys, preferred_element_type=jnp.float32
        )
        logits = logits + jnp.broadcast_to(bias, logits.shape)
        weights = jax.nn.softmax(logits, axis=-1).astype(x.dtype)
        mixed = jnp.einsum("bhqk,bhkd->bhqd", weights, values)
        mixed = jnp.transpose(mixed, (0, 2, 1, 3))
        return self.out(mixed.reshape(*mixed.shape[:2], self.config.joined_kv))

    def _heads(self, x: Array) -> Array:
        x = x.reshape(*x.shape[:2], self.config.heads, self.config.head_dim)
        return nn.with_logical_constraint(x, _HEADS)


class GatedMLP(nn.Module):
    """`wo(gelu(wi_0 x) * wi_1 x)`, gelu in its tanh form."""

    config: ModelConfig
    mode: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length embed"]
    ) -> Float[Array, "batch length embed"]:
        """Feed-forward of each position."""
        config = self.config

        def wide(name: str) -> Dense:
            return Dense(
                *(config.mlp, ("embed", "mlp"), config.dtype),
                distribution="truncated_normal",
                name=name,
            )

        hidden = nn.gelu(wide("wi_0")(x), approximate=True) * wide("wi_1")(x)
        hidden = length_dropout(config, self.mode)(hidden)
        hidden = nn.with_logical_constraint(hidden, ("batch", "length", "mlp"))
        return Dense(
            *(config.embed, ("mlp", "embed"), config.dtype),
            distribution="truncated_normal",
            name="wo",
        )(hidden)


class RelativeBias(nn.Module):
    """One learned number per head and bucket of distance."""

    config: ModelConfig
    bidirectional: bool

    def setup(self) -> None:
        """The table."""
        self.rel_embedding: Any = self.param(
            "rel_embedding",
            nn.with_logical_partitioning(
                nn.initializers.variance_scaling(1.0, "fan_avg", "uniform"),
                ("heads", "buckets"),
            ),
            (self.config.heads, self.config.buckets),
            jnp.float32,
        )

    def __call__(
        self, queries: int, keys: int
    ) -> Float[Array, "1 heads queries length"]:
        """Biases between `queries` and `keys` positions, both from 0, float32."""
        return self._of(np.arange(keys)[None, :] - np.arange(queries)[:, None])[None]

    def for_layers(self, batch: int, length: int) -> Bias:
        """Biases of self-attention, in the form that `Attention` takes for a batch."""
        if flash.fits(self.config, batch=batch, queries=length, keys=length):
            return self._of(np.arange(-length, length))
        return self(length, length)

    def _of(self, positions: np.ndarray) -> Array:
        buckets = relative_buckets(
            positions,
            bidirectional=self.bidirectional,
            buckets=self.config.buckets,
            max_distance=self.config.max_distance,
        )
        return self.rel_embedding[:, buckets]


def relative_buckets(
    positions: np.ndarray, *, bidirectional: bool, buckets: int, max_distance: int
) -> np.ndarray:
    """Bucket of each relative position (key minus query), T5's rule.

    Half of the buckets are exact distances, the other half grow logarithmically up to
    `max_distance`; seen from both sides, half of all buckets belong to later keys.

    Example:
        >>> relative_buckets(np.array([-200, -8, -1, 0, 1, 8]), bidirectional=True,
        ...                  buckets=32, max_distance=128).tolist()
        [15, 8, 1, 0, 17, 24]
    """
    bucket = np.zeros_like(positions)
    distance = -positions
    if bidirectional:
        buckets //= 2
        bucket = bucket + (distance < 0) * buckets
        distance = np.abs(distance)
    else:
        distance = np.maximum(distance, 0)
    exact = buckets // 2
    # T5 adds the float32 epsilon so that the logarithm of the border is not below it.
    ratio = distance.astype(np.float32) / exact + np.finfo(np.float32).eps
    growth = np.log(ratio) / np.log(max_distance / exact) * (buckets - exact)
    far = np.minimum(exact + growth.astype(np.int32), buckets - 1)
    return bucket + np.where(distance < exact, distance, far)


def length_dropout(config: ModelConfig, mode: str) -> nn.Dropout:
    """Dropout whose mask is shared along the length axis, as T5X has it."""
    return nn.Dropout(
        config.dropout_rate, broadcast_dims=(-2,), deterministic=mode != "train"
    )


def mask_bias(allowed: Bool[Array, "*batch"]) -> Float[Array, "*batch"]:
    """0 where a query may look, a large negative number where it may not."""
    return jnp.where(allowed, jnp.float32(0.0), jnp.float32(MASKED))


def same_segment(
    queries: Int[Array, "batch queries"], keys: Int[Array, "batch length"]
) -> Bool[Array, "batch 1 queries length"]:
    """Pairs of the same segment; segment 0 is padding and pairs with nothing."""
    queries, keys = queries[:, None, :, None], keys[:, None, None, :]
    shape = (queries.shape[0], 1, queries.shape[2], keys.shape[3])
    queries, keys = jnp.broadcast_to(queries, shape), jnp.broadcast_to(keys, shape)
    return (queries == keys) & (queries > 0)


def scanned(
    layer: type[nn.Module], *, remat: Remat, length: int, sides: int, unroll: int = 1
) -> Any:
    """`length` layers as one, their parameters stacked along a leading `layers` axis.

    Args:
        layer: called with the hidden states and what is the same for all layers;
            returns the next states and what is to be kept of each layer.
        remat: what the backward pass recomputes.
        length: number of layers.
        sides: how many arguments are the same for all layers.
        unroll: layers in one turn of the loop.
    """
    if remat != "none":
        policy = {
            "minimal": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
            "full": jax.checkpoint_policies.nothing_saveable,
        }[remat]
        layer = nn.remat(layer, policy=policy, prevent_cse=False)
    return nn.scan(
        layer,
        variable_axes={"params": 0},
        split_rngs={"params": True, "dropout": True},
        # flax's annotation says int; its documentation and code take a tuple.
        in_axes=(nn.broadcast,) * sides,  # pyright: ignore[reportArgumentType]
        length=length,
        unroll=unroll,
        metadata_params={nn.PARTITION_NAME: "layers"},
    )
