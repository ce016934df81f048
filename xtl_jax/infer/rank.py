"""How likely a model finds given targets, several for each input.

Multiple choice, or a classification, can be answered without decoding: each option's
text is a target, and the one with the highest log-likelihood is the answer. An input is
encoded once, however many options it has; the decoder reads one option of every input
of a batch at a time, and the logits of a few target positions. So the memory needed is
that of one target, whatever the size of the vocabulary. Examples that ask the same are
scored once.

The score of a target is what `LoadedModel.score` gives for it alone: nats, summed over
its ids, the end id included. A longer text is less likely for its length alone; what
that means is the caller's to decide, so the number of ids comes with the score.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from xtl_jax.data import evaluation
from xtl_jax.data.features import Lengths
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError
from xtl_jax.hosts.arrays import fetch
from xtl_jax.model.loss import token_losses
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.model.t5 import T5
from xtl_jax.typing import Array, Float, Int

_SHORTEST = 8  # ids: targets are padded to this times a power of two
_LOGITS = 2**26  # held at once, over all devices: 256 MB


class Likelihood(NamedTuple):
    """How likely one target is."""

    log_probability: float  # nats, summed over its ids
    tokens: int  # ids, the end id included


def rank(
    config: ModelConfig,
    params: Any,
    store: Store,
    *,
    targets: Sequence[Sequence[Sequence[int]]],
    lengths: Lengths,
    batch_size: int,
    put: Callable[[Any], Any] = lambda rows: rows,
    move: Callable[[np.ndarray, Any], Any] | None = None,
    progress: Callable[[int], None] = lambda examples: None,
) -> list[list[Likelihood]]:
    """Likelihoods of the targets of the first examples of a split, in its order.

    Args:
        config: the model's shape.
        params: its parameters, wherever they shall be computed with.
        store: cached examples of the split.
        targets: for each of the first examples, the ids of its targets, each with its
            end id. They are never cut.
        lengths: longer inputs are cut.
        batch_size: rows scored together.
        put: lays a batch out on devices.
        move: of a batch's numbers and inputs what is added to the inputs' vectors.
        progress: told how many examples are done.

    Raises:
        UserError: more targets than examples, none, or an example or target that is
            empty.
    """
    _check(targets, store=store)
    options = max(map(len, targets))
    length = padded(max(len(target) for each in targets for target in each))
    chunk = positions_at_once(length, rows=batch_size, vocab=config.vocab)
    source = evaluation.alike(
        store,
        length=lengths.inputs,
        first=len(targets),
        beside=[tuple(map(tuple, each)) for each in targets],
    )
    if move is not None:  # who knows what it does to two that are alike
        source = np.arange(len(targets))
    copies = np.bincount(source)
    found: dict[int, list[Likelihood]] = {}
    done = 0
    for batch in evaluation.evaluation_batches(
        store,
        lengths=lengths,
        batch_size=batch_size,
        buckets=evaluation.buckets(lengths.inputs),
        only=np.flatnonzero(copies),
    ):
        rows = batch.indices.tolist()
        ids = np.zeros((len(rows), options, length), np.int32)
        for row, index in enumerate(rows):
            for option, target in enumerate(targets[index] if index >= 0 else ()):
                ids[row, option, : len(target)] = target
        inputs = put(batch.encoder_input_tokens)
        scores = fetch(
            log_probabilities(
                *(config, params, inputs, put(ids)),
                chunk=chunk,
                addition=move and move(batch.indices, inputs),
            )
        ).tolist()
        for row, index in enumerate(rows):
            if index >= 0:
                found[index] = [
                    Likelihood(score, len(target))
                    for score, target in zip(scores[row], targets[index], strict=False)
                ]
                done += int(copies[index])
        progress(done)
    return [found[index] for index in source.tolist()]


@functools.partial(jax.jit, static_argnums=0, static_argnames="chunk")
def log_probabilities(
    config: ModelConfig,
    params: Any,
    inputs: Int[Array, "batch length"],
    targets: Int[Array, "batch options targets"],
    *,
    chunk: int,
    addition: Float[Array, "batch length embed"] | None = None,
) -> Float[Array, "batch options"]:
    """Log-likelihood of every target in nats; 0 for one that is padding only.

    Args:
        config: the model's shape.
        params: its parameters.
        inputs: ids; 0 is padding.
        targets: ids of each option's text, its end id included; 0 is padding.
        chunk: target positions whose logits exist at one time; divides their number.
        addition: to the vectors of the inputs.
    """
    model = T5(config)
    encoded: Any = model.apply(
        {"params": params}, inputs, addition=addition, method="encode"
    )

    def nats(hidden_and_ids: tuple[Array, Array]) -> Array:
        """Of some positions, [batch]: their logits are gone when it returns."""
        hidden, ids = hidden_and_ids
        logits: Any = model.apply({"params": params}, hidden, method="head")
        losses, _ = token_losses(logits, ids)
        return -jnp.sum(jnp.where(ids > 0, losses, 0.0), axis=1)

    def score(ids: Int[Array, "batch targets"]) -> Float[Array, " batch"]:
        """Of one option of every input."""
        batch = {
            "encoder_input_tokens": inputs,
            "decoder_input_tokens": jnp.pad(ids[:, :-1], ((0, 0), (1, 0))),
            "decoder_target_tokens": ids,
        }
        hidden: Any = model.apply(
            {"params": params}, encoded, batch, method="hidden_after"
        )
        pieces = (_pieces(hidden, chunk), _pieces(ids, chunk))
        return jnp.sum(jax.lax.map(nats, pieces), axis=0)

    return jnp.moveaxis(jax.lax.map(score, jnp.moveaxis(targets, 1, 0)), 0, 1)


def _pieces(x: Array, chunk: int) -> Array:
    """[batch, length, ...] to [pieces, batch, chunk, ...]."""
    x = x.reshape(x.shape[0], x.shape[1] // chunk, chunk, *x.shape[2:])
    return jnp.moveaxis(x, 1, 0)


def padded(longest: int) -> int:
    """A length that few batches differ in: a power of two times the shortest.

    Example:
        >>> padded(3), padded(8), padded(9)
        (8, 8, 16)
    """
    length = _SHORTEST
    while length < longest:
        length *= 2
    return length


def positions_at_once(length: int, *, rows: int, vocab: int) -> int:
    """The most target positions whose logits are few enough, a power of two."""
    chunk = length
    while chunk > 1 and chunk * rows * vocab > _LOGITS:
        chunk //= 2
    return chunk


def _check(targets: Sequence[Sequence[Sequence[int]]], *, store: Store) -> None:
    if not 0 < len(targets) <= store.num_examples:
        raise UserError(
            f"targets are given for {len(targets)} examples, {store.folder} has "
            f"{store.num_examples}"
        )
    for index, each in enumerate(targets):
        if not each or not all(len(target) for target in each):
            raise UserError(
                f"{store.folder}: example {index} has {len(each)} targets to score and "
                "needs one or more, none of them empty"
            )
