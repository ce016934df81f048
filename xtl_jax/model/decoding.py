"""Hidden states to text ids, one position at a time, nothing computed twice.

Keys and values of the encoder's output are computed once per input, those of earlier
target positions once per position; both lie in a cache.
Decoding ends when every row has written its end-of-sequence id. `beam.py` searches with
the same steps.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from xtl_jax.errors import UserError
from xtl_jax.model.layers import RelativeBias, RMSNorm, mask_bias
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.model.t5 import T5, DecoderLayer, Embedding, Head
from xtl_jax.typing import Array, Float, Int

EOS = 1
PAD = 0
_APART = 2**30  # bytes of layers that may be in memory twice


class Decoded(NamedTuple):
    """One text for each row of a batch."""

    tokens: Int[Array, "batch length"]  # ids, the end id included, then 0
    log_probability: Float[Array, " batch"]  # nats, summed up to the end id
    steps: Int[Array, ""]  # positions computed
    # Nats, 0 of a prefix and after the end id. Of drawing, too, they are the model's,
    # before temperature, top_k and top_p.
    token_log_probabilities: Float[Array, "batch length"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next id is drawn; temperature 0 takes the most probable one.

    Attributes:
        temperature: logits are divided by it.
        top_k: only so many of the most probable ids are drawn from; 0: all.
        top_p: only the most probable ids that together have this probability are.
        seed: of the draws. A row draws by (seed, its number, position) alone.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise UserError(
                f"temperature={self.temperature} and top_k={self.top_k} must be at "
                f"least 0, top_p={self.top_p} must be in (0, 1]"
            )


GREEDY = Sampling()


class Prefix(NamedTuple):
    """Ids that decoding is made to begin with; 0 where a row has no more of them."""

    ids: Int[Array, "batch forced"]
    lengths: Int[Array, " batch"]

    @classmethod
    def of(cls, ids: Array) -> Prefix:
        """A prefix for each row."""
        return cls(ids=ids, lengths=jnp.sum(ids > 0, axis=1))

    def apply(self, log_probs: Array, index: Array) -> Array:
        """Logits or log-probabilities [batch, ..., vocab]; a forced id is certain."""
        place = jnp.minimum(index, self.ids.shape[1] - 1)
        certain = jax.nn.one_hot(
            jnp.take(self.ids, place, axis=1), log_probs.shape[-1], dtype=bool
        )
        forced = index < self.lengths
        between = range(1, log_probs.ndim - 1)  # axes that the prefix does not know
        certain = jnp.expand_dims(certain, between)
        forced = jnp.expand_dims(forced, (*between, log_probs.ndim - 1))
        shape = log_probs.shape
        return jnp.where(
            jnp.broadcast_to(forced, shape),
            jnp.broadcast_to(jnp.where(certain, 0.0, -jnp.inf), shape),
            log_probs,
        )


def encode(
    config: ModelConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    addition: Float[Array, "batch length embed"] | None = None,
) -> tuple[Array, Float[Array, "batch 1 1 length"]]:
    """Encoded inputs, and the mask that decoding sees them through."""
    encoded: Any = T5(config).apply(
        {"params": params}, inputs, addition=addition, method="encode"
    )
    return encoded, mask_bias(inputs > 0)[:, None, None, :]


def with_layers_apart(params: Any) -> Any:
    """The decoder's layers as a list of arrays of their own, unless they are large.

    A loop over stacked layers takes each out of the stack again at every position; on a
    CPU that costs as much as computing with it. Taken out before the first position,
    they are in memory twice: more than 1 GiB of them stay stacked.
    """
    layers = params["decoder"]["layers"]
    leaves = jax.tree.leaves(layers)
    if sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) > _APART:
        return params
    apart = [
        jax.tree.map(lambda stack, layer=layer: stack[layer], layers)
        for layer in range(len(leaves[0]))
    ]
    return {**params, "decoder": {**params["decoder"], "layers": apart}}


def start(
    config: ModelConfig, params: Any, encoded: Array, *, max_length: int, beams: int = 1
) -> Any:
    """The cache before the first position: pairs of keys and values.

    Those of earlier positions (`self`) have a row for each beam, those of the encoder
    (`cross`) one for all beams of an input. The leaves are [layers, rows, ...]; where
    the layers are a list, there is a list with a pair for each instead.
    """

    def cross(layer: Any) -> Any:
        return DecoderLayer(config, "eval").apply(
            {"params": layer}, encoded, method="cross_keys_values"
        )

    layers = params["decoder"]["layers"]
    rows, width = (encoded.shape[0] * beams, config.heads), config.head_dim

    def empty(*stack: int) -> tuple[Array, Array]:
        return (
            jnp.zeros((*stack, *rows, width, max_length), encoded.dtype),
            jnp.zeros((*stack, *rows, max_length, width), encoded.dtype),
        )

    if isinstance(layers, list):
        return {"self": [empty() for _ in layers], "cross": [*map(cross, layers)]}
    return {
        "self": empty(config.decoder_layers),
        "cross": jax.lax.map(cross, layers),
    }


def next_logits(
    config: ModelConfig,
    params: Any,
    cache: Any,
    ids: Int[Array, " rows"],
    index: Int[Array, ""],
    cross_bias: Float[Array, "batch 1 1 length"],
) -> tuple[Float[Array, "rows vocab"], Any]:
    """Logits after `ids` at position `index`, and the cache with that position in.

    There are as many rows as inputs, or a whole number of beams for each.
    """
    decoder = params["decoder"]
    max_length = jax.tree.leaves(cache["self"])[0].shape[-1]  # of the keys
    table: Any = RelativeBias(config, bidirectional=False).apply(
        {"params": decoder["relpos_bias"]}, max_length, max_length
    )
    row = jax.lax.dynamic_slice_in_dim(table, index, 1, axis=2)
    reached = jnp.arange(max_length) <= index
    row = row + jnp.broadcast_to(mask_bias(reached)[None, None, None], row.shape)
    x: Any = Embedding(config).apply({"params": params["token_embedder"]}, ids[:, None])

    def layer(x: Array, scanned: tuple[Any, Any, Any]) -> Any:
        weights, written, cross = scanned
        return DecoderLayer(config, "eval").apply(
            *({"params": weights}, x, index, written, cross, row, cross_bias),
            method="step",
        )

    stacks = (decoder["layers"], cache["self"], cache["cross"])
    if isinstance(decoder["layers"], list):
        written = []
        for each in zip(*stacks, strict=True):
            x, pair = layer(x, each)
            written.append(pair)
    else:
        x, written = jax.lax.scan(layer, x, stacks)
    # What never changes is no result of the scan, which would copy it each time.
    cache = {"self": written, "cross": cache["cross"]}
    x = RMSNorm(config).apply({"params": decoder["decoder_norm"]}, x)
    logits: Any = Head(config).apply({"params": params["logits_dense"]}, x)
    return logits[:, 0], cache


def only_real(
    logits: Float[Array, "rows vocab"], vocabulary_size: int
) -> Float[Array, "rows vocab"]:
    """Logits with the padding rows of the vocabulary out of reach."""
    real = jnp.arange(logits.shape[-1])[None] < vocabulary_size
    return jnp.where(jnp.broadcast_to(real, logits.shape), logits, -jnp.inf)


def decode(
    config: ModelConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    *,
    max_length: int,
    vocabulary_size: int,
    sampling: Sampling = GREEDY,
    prefix: Int[Array, "batch forced"] | None = None,
    numbers: Int[Array, " batch"] | None = None,
    addition: Float[Array, "batch length embed"] | None = None,
) -> Decoded:
    """One text a row: the most probable next id again and again, or drawn ones.

    Args:
        config: the model's shape.
        params: its parameters.
        inputs: token ids, 0 is padding.
        max_length: positions at most, the end id and a prefix included.
        vocabulary_size: ids that exist; rows of the head beyond them are padding and
            are never chosen.
        sampling: how ids are drawn; by default the most probable is taken.
        prefix: ids that the text begins with; they have log-probability 0.
        numbers: of the rows, by which they draw; by default their places.
        addition: to the vectors of the inputs.
    """
    encoded, cross_bias = encode(config, params, inputs, addition)
    params = with_layers_apart(params)
    batch = inputs.shape[0]

    def unfinished(state: Any) -> Array:
        index, _, _, _, done, _ = state
        return (index < max_length) & ~jnp.all(done)

    def advance(state: Any) -> Any:
        index, ids, tokens, gains, done, cache = state
        logits, cache = next_logits(config, params, cache, ids, index, cross_bias)
        logits = only_real(logits, vocabulary_size)
        if prefix is not None:
            logits = Prefix.of(prefix).apply(logits, index)
        if sampling.temperature == 0.0:
            # XLA's argmax takes three times as long on a CPU.
            chosen = jax.lax.top_k(logits, 1)[1][:, 0]
        else:
            chosen = _draw(logits, sampling, index, numbers)
        # Log-probabilities of a whole vocabulary are never needed.
        gain = jnp.take_along_axis(logits, chosen[:, None], axis=-1)[:, 0]
        gain = gain - jax.nn.logsumexp(logits, axis=-1)
        chosen = jnp.where(done, PAD, chosen)
        write = jax.lax.dynamic_update_slice_in_dim
        tokens = write(tokens, chosen[:, None], index, axis=1)
        gains = write(gains, jnp.where(done, 0.0, gain)[:, None], index, axis=1)
        return index + 1, chosen, tokens, gains, done | (chosen == EOS), cache

    # A row of nothing but padding is a filler of the last batch: finished at once.
    state = (
        jnp.int32(0),
        jnp.full((batch,), PAD, jnp.int32),
        jnp.full((batch, max_length), PAD, jnp.int32),
        jnp.zeros((batch, max_length), jnp.float32),
        ~jnp.any(inputs > 0, axis=1),
        start(config, params, encoded, max_length=max_length),
    )
    index, _, tokens, gains, _, _ = jax.lax.while_loop(unfinished, advance, state)
    return Decoded(
        tokens=tokens,
        log_probability=jnp.sum(gains, axis=1),
        token_log_probabilities=gains,
        steps=index,
    )


def _draw(
    logits: Float[Array, "batch vocab"],
    sampling: Sampling,
    index: Array,
    numbers: Int[Array, " batch"] | None,
) -> Int[Array, " batch"]:
    """One id a row."""
    key = jax.random.fold_in(jax.random.key(sampling.seed), index)
    numbers = jnp.arange(logits.shape[0]) if numbers is None else numbers
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)
    allowed = within(logits / sampling.temperature, sampling)
    return jax.vmap(jax.random.categorical)(keys, allowed).astype(jnp.int32)


def within(
    logits: Float[Array, "batch vocab"], sampling: Sampling
) -> Float[Array, "batch vocab"]:
    """Logits with what `top_k` and then `top_p` leave out at minus infinity.

    `top_p` keeps the fewest ids, the most probable first, that reach it together.
    """
    shape = logits.shape
    if 0 < sampling.top_k < shape[-1]:
        least = jax.lax.top_k(logits, sampling.top_k)[0][:, -1:]
        logits = jnp.where(logits < jnp.broadcast_to(least, shape), -jnp.inf, logits)
    if sampling.top_p < 1.0:
        ordered = jnp.sort(logits, axis=-1, descending=True)
        shares = jax.nn.softmax(ordered, axis=-1)
        before = jnp.cumsum(shares, axis=-1) - shares
        kept = jnp.sum(before < sampling.top_p, axis=-1, keepdims=True)
        least = jnp.take_along_axis(ordered, kept - 1, axis=-1)
        logits = jnp.where(logits < jnp.broadcast_to(least, shape), -jnp.inf, logits)
    return logits
