"""What the queries of a retrieval set find: texts to vectors, vectors to ids."""

from __future__ import annotations

import pathlib
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from xtl_jax.cli.predict_answers import Predictor
from xtl_jax.cli.predict_sets import Wanted, queries
from xtl_jax.cli.progress import counting

if TYPE_CHECKING:
    from xtl_jax.data.store import Store
    from xtl_jax.infer.search import Found, Side

_IN_MEMORY = 2**30  # bytes of vectors; more of them lie in a file


class Searcher:
    """Searches sets one after another; what they share is encoded once."""

    def __init__(self, by: Predictor) -> None:
        self._by = by
        self._pools: dict[pathlib.Path, Side] = {}

    def find(self, wanted: Wanted) -> tuple[list[Found], dict[str, Any]]:
        """What each query of a set finds, and how, for their records.

        Raises:
            UserError: a right candidate is not among the candidates, or a threshold
                cannot be tuned.
        """
        from xtl_jax.infer import search

        settings = wanted.family.search
        assert settings is not None
        how: dict[str, Any] = {
            "method": settings.method,
            "layer": self._by.run.embed_layer,
            "pooling": "mean",
            "input_length": self._by.run.lengths["inputs"],
            "dtype": self._by.model.dtype,
        }
        asked, candidates = self._sides(wanted)
        how["candidates"] = len(candidates.ids)
        if settings.method == "nearest":
            how |= {"similarity": "cosine", "top": settings.top}
            return search.nearest(asked, candidates, top=settings.top), how
        tuning = (asked, candidates)
        if wanted.tuning is not None:
            tuning = self._both(wanted.tuning, name=f"{wanted.name} validation")
        how |= {"similarity": "margin", "threshold": search.threshold(*tuning)}
        return search.mine(asked, candidates, threshold=how["threshold"]), how

    def _sides(self, wanted: Wanted) -> tuple[Side, Side]:
        """The queries that are wanted, and what they search in."""
        name = f"{wanted.name} {wanted.split}"
        if wanted.pool is None:
            asked, candidates = self._both(wanted.store, name=name)
            return asked.first(wanted.examples), candidates
        folder = wanted.pool.folder
        if folder not in self._pools:
            pool = f"{wanted.family.name} {wanted.split}, candidates"
            self._pools[folder] = self._encode(
                wanted.pool, name=pool, rows=range(wanted.pool.num_examples)
            )
        asked = self._encode(wanted.store, name=name, rows=range(wanted.examples))
        return asked, self._pools[folder]

    def _both(self, store: Store, *, name: str) -> tuple[Side, Side]:
        """Queries and candidates of a store that holds both."""
        from xtl_jax.infer.search import Side

        whole = self._encode(store, name=name, rows=range(store.num_examples))
        count = queries(store)
        rest = Side(
            ids=whole.ids[count:],
            texts=whole.texts[count:],
            vectors=whole.vectors[count:],
        )
        return whole.first(count), rest

    def _encode(self, store: Store, *, name: str, rows: range) -> Side:
        """The first rows of a store with their vectors, of length 1."""
        from xtl_jax.data.features import Lengths
        from xtl_jax.infer import embed, search

        run = self._by.run
        with counting(f"encoding {name}", total=len(rows)) as progress:
            vectors = embed.embed(
                *(self._by.model, self._by.params, store),
                lengths=Lengths(**run.lengths),
                batch_size=run.predict_batch_size,
                layer=run.embed_layer,
                first=len(rows),
                out=_room((len(rows), self._by.model.embed), run.cache_dir),
                put=self._by.put,
                progress=progress,
            )
        search.normalize(vectors)
        metas = [store.meta(index) for index in rows]
        return search.Side(
            ids=[meta["id"] for meta in metas],
            texts=[meta["inputs"] for meta in metas],
            vectors=vectors,
            right=[meta["references"] for meta in metas],
        )


def _room(shape: tuple[int, int], folder: str) -> np.ndarray:
    """An array for vectors: in memory, or in a file that is gone with the array."""
    if 4 * shape[0] * shape[1] <= _IN_MEMORY:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.float32, "w+", shape=shape)
