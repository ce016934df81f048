"""Texts to vectors by XLM-R or BERT: the mean of a layer's states over a text's tokens.

`embed.py` for the other family of models. All tokens of a text count, `<s>` and `</s>`
too, and whatever is put before each text:

    prefix "query: "     <s> ▁query : ▁It ▁rains . </s>

Multilingual-e5 wants that prefix; XLM-R as it is wants none. These models are
post-norm: every layer's output is normalised, and the last one (-1) is that of layer
`config.layers`. 0 is the embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from xtl_jax.data import labelled_batches
from xtl_jax.data.store import Store
from xtl_jax.hosts.arrays import fetch
from xtl_jax.infer import encoder
from xtl_jax.infer.embed import LAST, filled, room
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.typing import Float, Int


def embed(
    config: EncoderConfig,
    params: Any,
    store: Store,
    *,
    pad_id: int,
    batch_size: int,
    prefix: Sequence[int] = (),
    layers: Sequence[int] = (LAST,),
    first: int | None = None,
    out: Float[np.ndarray, "layers examples embed"] | None = None,
    put: Callable[[np.ndarray], Any] = lambda rows: rows,
    progress: Callable[[int], None] = lambda examples: None,
) -> Float[np.ndarray, "layers examples embed"]:
    """Vectors of each example of a store, in its order, float32, of any length.

    Args:
        config: the encoder's shape.
        params: its parameters, wherever they shall be computed with.
        store: cached texts, `<s>` before and `</s>` behind each.
        pad_id: with which batches are padded.
        batch_size: rows encoded together.
        prefix: ids between `<s>` and the text. White space must part it from the text,
            so that its ids are the same whatever comes after.
        layers: whose states are averaged, see above; a vector from each.
        first: only so many examples.
        out: array to write to, such as a memory-mapped one where memory has no room.
        put: lays a batch out on devices.
        progress: told how many examples are done.

    Raises:
        UserError: no such layer, no example, or an array of another shape.
    """
    for layer in layers:
        encoder.check_layer(config, layer)
    vectors = room(store, layers=layers, width=config.embed, first=first, out=out)

    def means() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for batch in labelled_batches.evaluation_batches(
            store, batch_size=batch_size, first=vectors.shape[1]
        ):
            tokens = with_prefix(
                batch.tokens, prefix=prefix, pad_id=pad_id, longest=config.longest
            )
            mask = (tokens != pad_id).astype(np.int32)
            found = encoder.mean_states(
                *(config, params, put(tokens), put(mask), None, tuple(layers))
            )
            yield batch.indices, fetch(found)

    return filled(vectors, means(), progress=progress)


def with_prefix(
    tokens: Int[np.ndarray, "batch length"],
    *,
    prefix: Sequence[int],
    pad_id: int,
    longest: int,
) -> Int[np.ndarray, "batch longer"]:
    """Ids behind the first one of each row; a row that gets too long keeps its end id.

    Example:
        >>> rows = np.array([[0, 7, 8, 2], [0, 9, 2, 1]])
        >>> with_prefix(rows, prefix=[5, 6], pad_id=1, longest=6).tolist()
        [[0, 5, 6, 7, 8, 2], [0, 5, 6, 9, 2, 1]]
        >>> with_prefix(rows, prefix=[5, 6], pad_id=1, longest=5).tolist()
        [[0, 5, 6, 7, 2], [0, 5, 6, 9, 2]]
    """
    if not prefix:
        return tokens
    between = np.broadcast_to(
        np.asarray(prefix, tokens.dtype), (len(tokens), len(prefix))
    )
    longer = np.concatenate([tokens[:, :1], between, tokens[:, 1:]], axis=1)
    # An empty row of a batch that is not full has no first id, and stays empty.
    longer[tokens[:, 0] == pad_id] = pad_id
    if longer.shape[1] > longest:
        real = (longer != pad_id).sum(axis=1)
        ends = longer[np.arange(len(longer)), real - 1]
        longer = longer[:, :longest]
        cut = real > longest
        longer[cut, -1] = ends[cut]
    return longer
