"""Nearest neighbours of vectors, exactly, in blocks that fit in memory.

Every query meets every candidate: no index, no approximation, nothing but NumPy. Blocks
of queries are multiplied with all candidates, so that memory stays at some 128 MB
whatever there is to search. Scores are float32, as FAISS has them; of candidates with
the same score the first one wins.

    >>> queries = np.array([[2.0, 0.0]], dtype=np.float32)
    >>> candidates = np.array([[0.0, 1.0], [0.5, 0.0], [3.0, 9.0]], dtype=np.float32)
    >>> nearest(queries, candidates, count=2).rows.tolist()  # by dot product
    [[2, 1]]
    >>> nearest(normalize(queries), normalize(candidates), count=2).rows.tolist()
    [[1, 2]]

A dot product of normalised vectors is their cosine, so cosine needs no name of its own.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from xtl_jax.errors import UserError
from xtl_jax.typing import Float, Int

Measure = Literal["dot", "l2"]
_BLOCK = 2**25  # scores held at once: 128 MB
_FEW = 32  # below this, as many passes over the scores beat sorting them


class Neighbours(NamedTuple):
    """The candidates nearest to each query, best first."""

    scores: Float[np.ndarray, "queries count"]  # larger is nearer
    rows: Int[np.ndarray, "queries count"]  # of the candidates


def normalize(vectors: Float[np.ndarray, "rows embed"]) -> np.ndarray:
    """Vectors of length 1, as a new float32 array; a zero vector stays zero.

    Raises:
        UserError: a number is not finite.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        row = int(np.flatnonzero(~np.isfinite(lengths[:, 0]))[0])
        raise UserError(
            f"row {row} of the sentence vectors is not finite, so it has no "
            "neighbours; the model that made it may have overflowed: embed in float32"
        )
    return vectors / np.where(lengths == 0.0, np.float32(1.0), lengths)


def nearest(
    queries: Float[np.ndarray, "queries embed"],
    candidates: Float[np.ndarray, "candidates embed"],
    *,
    count: int,
    measure: Measure = "dot",
) -> Neighbours:
    """The `count` nearest candidates of each query; all of them if there are fewer.

    Args:
        queries: vectors to search for.
        candidates: vectors to search among.
        count: how many neighbours.
        measure: `dot` scores by dot product, `l2` by minus the squared distance.

    Raises:
        UserError: there is no candidate, or the vectors differ in length.
    """
    queries = np.asarray(queries, dtype=np.float32)
    candidates = np.asarray(candidates, dtype=np.float32)
    if not len(candidates) or count < 1:
        raise UserError(
            f"{count} neighbours among {len(candidates)} candidates: both must be 1 or "
            "more"
        )
    if queries.shape[1] != candidates.shape[1]:
        raise UserError(
            f"vectors of queries have {queries.shape[1]} numbers, those of candidates "
            f"{candidates.shape[1]}: embed both with the same model"
        )
    count = min(count, len(candidates))
    scores = np.empty((len(queries), count), dtype=np.float32)
    rows = np.empty((len(queries), count), dtype=np.int64)
    squares = np.square(candidates).sum(axis=1) if measure == "l2" else np.zeros(0)
    block = max(1, _BLOCK // len(candidates))
    for start in range(0, len(queries), block):
        here = slice(start, start + block)
        found = queries[here] @ candidates.T
        if measure == "l2":
            found *= 2.0
            found -= squares
            found -= np.square(queries[here]).sum(axis=1, keepdims=True)
        scores[here], rows[here] = _best(found, count=count)
    return Neighbours(scores, rows)


def _best(
    scores: Float[np.ndarray, "queries candidates"], *, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The largest scores of each row and where they stand; `scores` is spoilt."""
    if count > _FEW:
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(scores, order, axis=1), order
    each = np.arange(len(scores))
    found = np.empty((len(scores), count), dtype=scores.dtype)
    rows = np.empty((len(scores), count), dtype=np.int64)
    for place in range(count):
        rows[:, place] = scores.argmax(axis=1)
        found[:, place] = scores[each, rows[:, place]]
        scores[each, rows[:, place]] = -np.inf
    return found, rows
