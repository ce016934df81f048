"""An evaluation split in, one prediction for each of its examples out.

Examples are decoded in batches of few lengths, the longest first, and put back into the
order of the split. Whatever is needed from outside (where parameters lie, how a batch
gets there) is given by the caller.

Inputs that are the same are decoded once. Two questions about one context are not: the
text of an input begins with the question, and every token of it sees every other, so
the encoder's states of the context are another for each question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from xtl_jax.data import evaluation
from xtl_jax.data.features import Lengths
from xtl_jax.data.store import Store
from xtl_jax.data.vocabulary import Vocabulary
from xtl_jax.errors import UserError
from xtl_jax.hosts.arrays import fetch
from xtl_jax.infer import model as models
from xtl_jax.model import decoding
from xtl_jax.model.sizes import ModelConfig


class Prediction(NamedTuple):
    """What a model says to one example."""

    text: str  # as decoded
    log_probability: float  # nats, summed over the generated ids


def predict(
    config: ModelConfig,
    params: Any,
    store: Store,
    *,
    vocabulary: Vocabulary,
    lengths: Lengths,
    decode_length: int,
    batch_size: int,
    first: int | None = None,
    method: models.Method = models.GREEDY,
    put: Callable[[np.ndarray], Any] = lambda rows: rows,
    move: Callable[[np.ndarray, Any], Any] | None = None,
    progress: Callable[[int], None] = lambda examples: None,
) -> list[Prediction]:
    """Predictions for a split, in its order.

    Args:
        config: the model's shape.
        params: its parameters, wherever they shall be computed with.
        store: cached examples of the split.
        vocabulary: to decode with.
        lengths: longer inputs are cut.
        decode_length: ids at most.
        batch_size: rows decoded together.
        first: only so many examples.
        method: how texts are decoded.
        put: lays a batch out on devices.
        move: of a batch's numbers and inputs what is added to the inputs' vectors.
        progress: told how many examples are done.
    """
    wanted = store.num_examples if first is None else min(first, store.num_examples)
    if not wanted:
        raise UserError(f"{store.folder} has no example to predict")
    # A draw is another one each time, also for the same input; so may be a move.
    source = (
        np.arange(wanted)
        if move or (isinstance(method, decoding.Sampling) and method.temperature)
        else evaluation.alike(store, length=lengths.inputs, first=first)
    )
    copies = np.bincount(source)
    found: dict[int, Prediction] = {}
    batches = evaluation.evaluation_batches(
        store,
        lengths=lengths,
        batch_size=batch_size,
        buckets=evaluation.buckets(lengths.inputs),
        only=np.flatnonzero(copies),
    )
    done = 0
    for batch in batches:
        inputs = put(batch.encoder_input_tokens)
        decoded = models.generate(
            config,
            params,
            inputs,
            max_length=decode_length,
            method=method,
            vocabulary_size=vocabulary.size,
            numbers=put(np.maximum(batch.indices, 0).astype(np.int32)),
            addition=move and move(batch.indices, inputs),
        )
        tokens = fetch(decoded.tokens)
        log_probability = fetch(decoded.log_probability)
        for row, index in enumerate(batch.indices.tolist()):
            if index >= 0:
                text = vocabulary.decode(tokens[row].tolist())
                found[index] = Prediction(text, float(log_probability[row]))
                done += int(copies[index])
        progress(done)
    return [found[index] for index in source.tolist()]
