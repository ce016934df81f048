"""What the queries of a retrieval set find: texts to vectors, vectors to ids."""

from __future__ import annotations

import math
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xtl_jax.cli.predict_answers import Predictor, Progress
from xtl_jax.cli.predict_labelled import Labeller
from xtl_jax.cli.predict_sets import Wanted, queries
from xtl_jax.cli.progress import counting
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.data.store import Store
    from xtl_jax.infer.search import Found, Side
    from xtl_jax.model.network import AnyConfig

    _Sides = list[Side]  # by layer

_IN_MEMORY = 2**30  # bytes of vectors; more of them lie in a file


def checked_layers(model: AnyConfig, layers: Sequence[int] | None) -> tuple[int, ...]:
    """Layers that a model has; None is all of them.

    Raises:
        UserError: one that it has not.
    """
    from xtl_jax.infer import encoder
    from xtl_jax.infer import model as models
    from xtl_jax.model.encoder_sizes import EncoderConfig

    if isinstance(model, EncoderConfig):
        for layer in layers or ():
            encoder.check_layer(model, layer)
        return tuple(range(model.layers + 1) if layers is None else layers)
    for layer in layers or ():
        models.check_layer(model, layer)
    return (-1, *range(model.encoder_layers + 1)) if layers is None else tuple(layers)


class Searcher:
    """Searches sets one after another; what they share is encoded once.

    Args:
        by: the model and its settings.
        layers: whose vectors are searched by, each on its own; None takes the one of
            `RunConfig.embed_layer`. A text is encoded once for all of them.
    """

    def __init__(
        self, by: Predictor | Labeller, *, layers: Sequence[int] | None = None
    ) -> None:
        self._by = by
        self._layers = (by.run.embed_layer,) if layers is None else tuple(layers)
        self._pools: dict[pathlib.Path, _Sides] = {}

    def find(self, wanted: Wanted) -> tuple[list[Found], dict[str, Any]]:
        """What each query of a set finds by the first layer (`find_by_layer`)."""
        return next(self.find_by_layer(wanted))

    def find_by_layer(
        self, wanted: Wanted
    ) -> Iterator[tuple[list[Found], dict[str, Any]]]:
        """For each layer what each query of a set finds, and how, for their records.

        Raises:
            UserError: a right candidate is not among the candidates, or a threshold
                cannot be tuned.
        """
        from xtl_jax.infer import search

        settings = wanted.family.search
        assert settings is not None
        asked, candidates = self._sides(wanted)
        tuning = (asked, candidates)
        if wanted.tuning is not None and settings.method == "mining":
            tuning = self._both(wanted.tuning, name=f"{wanted.name} validation")
        for number, layer in enumerate(self._layers):
            sides = (asked[number], candidates[number])
            how: dict[str, Any] = {
                "method": settings.method,
                "layer": layer,
                "pooling": "mean",
                "input_length": self._by.run.lengths["inputs"],
                "dtype": self._by.model.dtype,
                "candidates": len(candidates[number].ids),
            }
            if self._by.run.embed_prefix:
                how["prefix"] = self._by.run.embed_prefix
            if settings.method == "nearest":
                how |= {"similarity": "cosine", "top": settings.top}
                yield search.nearest(*sides, top=settings.top), how
                continue
            threshold = search.threshold(*(side[number] for side in tuning))
            how |= {"similarity": "margin", "threshold": threshold}
            yield search.mine(*sides, threshold=threshold), how

    def _sides(self, wanted: Wanted) -> tuple[_Sides, _Sides]:
        """The queries that are wanted, and what they search in."""
        name = f"{wanted.name} {wanted.split}"
        if wanted.pool is None:
            asked, candidates = self._both(wanted.store, name=name)
            return [side.first(wanted.examples) for side in asked], candidates
        folder = wanted.pool.folder
        if folder not in self._pools:
            pool = f"{wanted.family.name} {wanted.split}, candidates"
            self._pools[folder] = self._encode(
                wanted.pool, name=pool, rows=range(wanted.pool.num_examples)
            )
        asked = self._encode(wanted.store, name=name, rows=range(wanted.examples))
        return asked, self._pools[folder]

    def _both(self, store: Store, *, name: str) -> tuple[_Sides, _Sides]:
        """Queries and candidates of a store that holds both."""
        from xtl_jax.infer.search import Side

        sides = self._encode(store, name=name, rows=range(store.num_examples))
        count = queries(store)
        rest = [
            Side(
                ids=whole.ids[count:],
                texts=whole.texts[count:],
                vectors=whole.vectors[count:],
            )
            for whole in sides
        ]
        return [whole.first(count) for whole in sides], rest

    def _encode(self, store: Store, *, name: str, rows: range) -> _Sides:
        """The first rows of a store with their vectors, of length 1, by layer."""
        from xtl_jax.infer import search

        with counting(f"encoding {name}", total=len(rows)) as progress:
            vectors = self._vectors(store, rows, progress)
        metas = [store.meta(index) for index in rows]
        ids = [meta["id"] for meta in metas]
        texts = [meta["inputs"] for meta in metas]
        right = [meta["references"] for meta in metas]
        sides = []
        for of_layer in vectors:
            search.normalize(of_layer)
            sides.append(
                search.Side(ids=ids, texts=texts, vectors=of_layer, right=right)
            )
        return sides

    def _vectors(self, store: Store, rows: range, progress: Progress) -> np.ndarray:
        """[layers, rows, embed] of the first rows of a store."""
        from xtl_jax.data.features import Lengths
        from xtl_jax.infer import embed, encoder_vectors

        by, run = self._by, self._by.run
        shared: dict[str, Any] = {
            "batch_size": run.predict_batch_size,
            "layers": self._layers,
            "first": len(rows),
            "out": room((len(self._layers), len(rows), by.model.embed), run.cache_dir),
            "put": by.put,
            "progress": progress,
        }
        if isinstance(by, Labeller):
            return encoder_vectors.embed(
                *(by.model, by.params, store),
                pad_id=by.vocabulary.pad_id,
                prefix=by.vocabulary.encode(run.embed_prefix),
                **shared,
            )
        if run.embed_prefix:
            raise UserError(
                f"RunConfig.embed_prefix={run.embed_prefix!r} is of encoders such as "
                "multilingual-e5, and this model is mT5: leave it empty"
            )
        return embed.embed(
            *(by.model, by.params, store), lengths=Lengths(**run.lengths), **shared
        )


def room(shape: tuple[int, ...], folder: str) -> np.ndarray:
    """An array for vectors: in memory, or in a file that is gone with the array.

    Raises:
        UserError: the disk has no room for the file.
    """
    size = 4 * math.prod(shape)
    if size <= _IN_MEMORY:
        return np.empty(shape, np.float32)
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UserError(
            f"{folder} has {free / 1e9:.1f} GB free, and the vectors of "
            f"{shape[1]:,} texts take {size / 1e9:.1f} GB: free some space, give "
            "another --cache_dir, or fewer layers at a time"
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.float32, "w+", shape=shape)
