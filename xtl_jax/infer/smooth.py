"""Classes by vote over noise, and how far an input may be moved without another class.

The smoothed classifier g answers with the class that a classifier f gives most often to
an input with noise on the vectors of its tokens:

    g(x) = argmax over c of P(f(x + e) = c),   e ~ N(0, sigma^2) in each number

With a lower bound p > 1/2 of the probability of its class, g answers the same for every
addition to the vectors whose Euclidean length, over all tokens together, is less than

    radius = sigma * Phi^-1(p)

`certify` finds the class with some draws and bounds its probability with others, as
Cohen et al. 2019 do: by Clopper and Pearson, so that a certificate is wrong in at most
1 - confidence of all cases, whatever f is. Where p <= 1/2 nothing is said: it abstains.

The certificate is of vectors and not of words: an attack that exchanges words moves
their vectors by far more, as a rule, and other words make another input. It speaks of
an input's own tokens, `<s>` and `</s>` included; nothing is added to padding. Sigma and
radii are in the unit of the vectors, since the theorem wants one sigma for all inputs;
over the mean `length` of an input's own vectors, a radius is a share, as `pgd` and
training have it (`over="example"`). Smoothed prediction for zero-shot transfer: Huang
et al. 2021 (2104.08645).
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from xtl_jax.data import labelled_batches
from xtl_jax.data.store import Store
from xtl_jax.hosts.arrays import fetch
from xtl_jax.infer import encoder, moved
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.typing import Array, Float, Int

SELECTION = 100  # draws that choose the class; those that bound it are others
ABSTAINED = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Smoothing:
    """How classes are voted for.

    Attributes:
        sigma: deviation of each number that is added to the tokens' vectors.
        samples: draws of noise that bound a class's probability.
        confidence: of that bound.
        seed: of the noise.
    """

    sigma: float
    samples: int
    confidence: float
    seed: int


class Certified(NamedTuple):
    """What is known of one example."""

    chosen: int  # class, or ABSTAINED
    radius: float  # 0 where it abstained
    lower: float  # bound of the probability of the class that was found first
    votes: np.ndarray  # [classes] of the draws that bound it
    length: float = 0.0  # mean length of the vectors of its text


def certify(selection: np.ndarray, votes: np.ndarray, *, how: Smoothing) -> Certified:
    """Class and radius from the votes of two independent samples.

    Args:
        selection: [classes] votes that choose the class.
        votes: [classes] votes that bound its probability.
        how: sigma and confidence.

    Example:
        >>> how = Smoothing(sigma=0.5, samples=1000, confidence=0.999, seed=0)
        >>> found = certify(np.array([0, 100]), np.array([10, 990]), how=how)
        >>> found.chosen, round(found.lower, 4), round(found.radius, 3)
        (1, 0.976, 0.989)
        >>> certify(np.array([40, 60]), np.array([480, 520]), how=how).chosen
        -1
    """
    from scipy import stats

    best = int(selection.argmax())
    hits, draws = int(votes[best]), int(votes.sum())
    lower = 0.0
    if hits:
        lower = float(stats.beta.ppf(1 - how.confidence, hits, draws - hits + 1))
    if lower <= 0.5:
        return Certified(ABSTAINED, 0.0, lower, votes)
    return Certified(best, how.sigma * float(stats.norm.ppf(lower)), lower, votes)


def label(
    config: EncoderConfig,
    params: Any,
    store: Store,
    *,
    head: Head,
    pad_id: int,
    batch_size: int,
    how: Smoothing,
    first: int | None = None,
    put: Callable[[np.ndarray], Any] = lambda rows: rows,
    progress: Callable[[int], None] = lambda examples: None,
) -> list[Certified]:
    """What the smoothed head says of the rows of a store, in its order.

    Noise depends on the seed and an example's id, not on its batch.

    Args:
        config: the encoder's shape.
        params: its parameters, wherever they shall be computed with.
        store: cached examples of a classification.
        head: one of the model's, of that kind.
        pad_id: with which batches are padded.
        batch_size: rows computed together.
        how: the noise, and how often it is drawn.
        first: only so many rows.
        put: lays a batch out on devices.
        progress: told how many rows are done.
    """
    found: dict[int, Certified] = {}
    for indices, tokens, _ in labelled_batches.evaluation_batches(
        store, batch_size=batch_size, first=first
    ):
        ids = [store.meta(i)["id"] if i >= 0 else "" for i in indices.tolist()]
        seeds = np.array([zlib.crc32(f"{how.seed}/{id_}".encode()) for id_ in ids])
        count = functools.partial(
            votes,
            *(config, params, put(tokens), put(seeds.astype(np.uint32))),
            head=head.name,
            pad_id=pad_id,
            sigma=how.sigma,
        )
        lengths = fetch(_lengths(params, put(tokens)))
        selection = fetch(count(begin=0, draws=SELECTION))
        bounding = fetch(count(begin=SELECTION, draws=how.samples))
        for row, index in enumerate(indices.tolist()):
            if index >= 0:
                one = certify(selection[row], bounding[row], how=how)
                found[index] = one._replace(length=float(lengths[row]))
        progress(len(found))
    return [found[index] for index in range(len(found))]


@jax.jit
def _lengths(params: Any, tokens: Int[Array, "batch length"]) -> Array:
    table = params["encoder"]["embeddings"]["word"]
    vectors = jnp.take(table, tokens, axis=0).astype(jnp.float32)
    return moved.mean_lengths(vectors, moved.text_of(tokens))


@functools.partial(
    jax.jit, static_argnums=0, static_argnames=("head", "pad_id", "draws")
)
def votes(
    config: EncoderConfig,
    params: Any,
    tokens: Int[Array, "batch length"],
    seeds: Array,
    *,
    head: str,
    pad_id: int,
    sigma: float,
    begin: int,
    draws: int,
    centre: Float[Array, "batch length embed"] | None = None,
) -> Int[Array, "batch classes"]:
    """How often each class is the answer under noise.

    Args:
        config: the encoder's shape.
        params: its parameters.
        tokens: ids.
        seeds: [batch] of each row's noise.
        head: name of a classification's.
        pad_id: of tokens that are none.
        sigma: deviation of each number.
        begin: number of the first draw.
        draws: how many.
        centre: what is added to the vectors besides.
    """
    real = (tokens != pad_id).astype(jnp.float32)

    def noise(draw: Array) -> Array:
        def of_token(seed: Array, place: Array) -> Array:
            key = jax.random.fold_in(jax.random.key(seed), draw)
            return jax.random.normal(jax.random.fold_in(key, place), (config.embed,))

        places = jnp.arange(tokens.shape[1])
        each = jax.vmap(jax.vmap(of_token, (None, 0)), (0, None))(seeds, places)
        return sigma * each * jnp.broadcast_to(real[..., None], each.shape)

    def add(total: Array, draw: Array) -> tuple[Array, None]:
        addition = noise(draw) if centre is None else noise(draw) + centre
        logits = encoder.head_logits(
            config, params, tokens, real.astype(jnp.int32), None, head, addition
        )
        chosen = jnp.argmax(logits, axis=-1)
        return total + jax.nn.one_hot(chosen, logits.shape[-1], dtype=jnp.int32), None

    classes = config.head(head).outputs
    zero = jnp.zeros((len(tokens), classes), jnp.int32)
    return jax.lax.scan(add, zero, begin + jnp.arange(draws))[0]
