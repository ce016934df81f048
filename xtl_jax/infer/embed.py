"""Texts to vectors: the mean of the encoder's states over a text's tokens.

Which layer the states are taken from matters more than how they are averaged. mT5 is a
pre-norm model: what its middle layers put out is not normalised, and the means of such
states nearly all point in one direction. The default is the normalised output of the
last layer (-1), which is what was trained to be read; 0 is the embedding, i the raw
output of layer i. No published figure says which layer of mT5 retrieves best: several
can be had from one pass over the texts, to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from xtl_jax.data import evaluation
from xtl_jax.data.features import Lengths
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError
from xtl_jax.hosts.arrays import fetch
from xtl_jax.infer import model as models
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.typing import Float

LAST = -1  # the encoder's output, normalised


def embed(
    config: ModelConfig,
    params: Any,
    store: Store,
    *,
    lengths: Lengths,
    batch_size: int,
    layers: Sequence[int] = (LAST,),
    first: int | None = None,
    out: Float[np.ndarray, "layers examples embed"] | None = None,
    put: Callable[[np.ndarray], Any] = lambda rows: rows,
    progress: Callable[[int], None] = lambda examples: None,
) -> Float[np.ndarray, "layers examples embed"]:
    """Vectors of each example of a store, in its order, float32, of any length.

    Args:
        config: the model's shape.
        params: its parameters, wherever they shall be computed with.
        store: cached examples; their targets are not looked at.
        lengths: longer inputs are cut.
        batch_size: rows encoded together.
        layers: whose states are averaged, see above; a vector from each.
        first: only so many examples.
        out: array to write to, such as a memory-mapped one where memory has no room.
        put: lays a batch out on devices.
        progress: told how many examples are done.

    Raises:
        UserError: no such layer, no example, or an array of another shape.
    """
    for layer in layers:
        models.check_layer(config, layer)
    vectors = room(store, layers=layers, width=config.embed, first=first, out=out)

    def means() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for batch in evaluation.evaluation_batches(
            store,
            lengths=lengths,
            batch_size=batch_size,
            buckets=evaluation.buckets(lengths.inputs),
            first=vectors.shape[1],
        ):
            ids = put(batch.encoder_input_tokens)
            found = models.mean_states(config, params, ids, tuple(layers))
            yield batch.indices, fetch(found)

    return filled(vectors, means(), progress=progress)


def room(
    store: Store,
    *,
    layers: Sequence[int],
    width: int,
    first: int | None,
    out: Float[np.ndarray, "layers examples embed"] | None,
) -> Float[np.ndarray, "layers examples embed"]:
    """Where the vectors of the first examples of a store go: `out`, or a new array.

    Raises:
        UserError: no example, or an array of another shape.
    """
    wanted = store.num_examples if first is None else min(first, store.num_examples)
    if not wanted:
        raise UserError(f"{store.folder} has no example to embed")
    shape = (len(layers), wanted, width)
    vectors = np.empty(shape, np.float32) if out is None else out
    if vectors.shape != shape or vectors.dtype != np.float32:
        raise UserError(
            f"the array for vectors must be float32 of shape {shape}, got "
            f"{vectors.dtype} of shape {vectors.shape}"
        )
    return vectors


def filled(
    vectors: Float[np.ndarray, "layers examples embed"],
    means: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    progress: Callable[[int], None],
) -> Float[np.ndarray, "layers examples embed"]:
    """The array with each batch's vectors in their examples' places.

    Args:
        vectors: of `room`.
        means: of each batch the examples' numbers, -1 in an empty row, and the vectors
            of its rows.
        progress: told how many examples are done.
    """
    done = 0
    for indices, found in means:
        rows = np.flatnonzero(indices >= 0)
        vectors[:, indices[rows]] = found[:, rows]
        done += len(rows)
        progress(done)
    return vectors
