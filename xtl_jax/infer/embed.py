"""Texts to vectors: the mean of the encoder's states over a text's tokens.

Which layer the states are taken from matters more than how they are averaged. mT5 is a
pre-norm model: what its middle layers put out is not normalised, and the means of such
states nearly all point in one direction. The default is the normalised output of the
last layer (-1), which is what was trained to be read; 0 is the embedding, i the raw
output of layer i. No published figure says which layer of mT5 retrieves best: several
can be had from one pass over the texts, to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xtl_jax.data import evaluation
from xtl_jax.data.features import Lengths
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError
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
    wanted = store.num_examples if first is None else min(first, store.num_examples)
    if not wanted:
        raise UserError(f"{store.folder} has no example to embed")
    shape = (len(layers), wanted, config.embed)
    vectors = np.empty(shape, np.float32) if out is None else out
    if vectors.shape != shape or vectors.dtype != np.float32:
        raise UserError(
            f"the array for vectors must be float32 of shape {shape}, got "
            f"{vectors.dtype} of shape {vectors.shape}"
        )
    done = 0
    for batch in evaluation.evaluation_batches(
        store,
        lengths=lengths,
        batch_size=batch_size,
        buckets=evaluation.buckets(lengths.inputs),
        first=wanted,
    ):
        ids = put(batch.encoder_input_tokens)
        means = np.asarray(models.mean_states(config, params, ids, tuple(layers)))
        rows = np.flatnonzero(batch.indices >= 0)
        vectors[:, batch.indices[rows]] = means[:, rows]
        done += len(rows)
        progress(done)
    return vectors
