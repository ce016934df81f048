"""From sentence vectors to what each query finds.

A *side* is a set of texts with their ids and vectors: the queries, or the candidates
that they search among. What a query finds are ids, best first, each with the number it
was ranked by: a cosine, or the margin of a mined pair.

    queries  en-0 "It rains."   en-1 "She sings."
    sought   0 "Elle chante."   1 "Il pleut."        found: en-0 -> 1, en-1 -> 0

The arithmetic is that of the official scripts, in `metrics/neighbours.py` and
`metrics/mining.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from xtl_jax.errors import UserError
from xtl_jax.metrics import mining, neighbours
from xtl_jax.typing import Float

_ROWS = 2**16  # vectors that are normalised at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """Texts of one side, in their order.

    Attributes:
        ids: of the texts; none is there twice.
        texts: as they were encoded.
        vectors: one for each text.
        right: of queries: ids of the right candidates of each.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    vectors: Float[np.ndarray, "texts embed"]
    right: Sequence[Collection[str]] = ()

    def first(self, count: int) -> Side:
        """Its first texts."""
        return Side(
            ids=self.ids[:count],
            texts=self.texts[:count],
            vectors=self.vectors[:count],
            right=self.right[:count],
        )


class Found(NamedTuple):
    """What one query found."""

    ids: tuple[str, ...]  # best first
    similarities: tuple[float, ...]  # cosines, or the margin of a mined pair


def normalize(vectors: Float[np.ndarray, "texts embed"]) -> None:
    """Give vectors length 1 where they lie, so that a mapped file needs no copy.

    Raises:
        UserError: a number is not finite.
    """
    for start in range(0, len(vectors), _ROWS):
        here = slice(start, start + _ROWS)
        vectors[here] = neighbours.normalize(vectors[here])


def nearest(queries: Side, candidates: Side, *, top: int) -> list[Found]:
    """The `top` candidates of highest cosine for each query; vectors have length 1.

    Raises:
        UserError: a right candidate of a query is not among the candidates, which no
            search could find.
    """
    known = set(candidates.ids)
    for id, right in zip(queries.ids, queries.right, strict=True):
        lacking = [each for each in right if each not in known]
        if lacking:
            raise UserError(
                f"query {id!r}: its right candidate {lacking[0]!r} is not among the "
                f"{len(known):,} candidates; are both of the same release?"
            )
    found = neighbours.nearest(queries.vectors, candidates.vectors, count=top)
    return [
        Found(tuple(candidates.ids[int(row)] for row in rows), tuple(scores))
        for rows, scores in zip(found.rows.tolist(), found.scores.tolist(), strict=True)
    ]


def pairs(queries: Side, candidates: Side) -> dict[mining.IdPair, float]:
    """Pairs of translations with their margins, as XTREME mines BUCC."""
    return mining.score_ids(
        mining.mine(
            queries.vectors,
            candidates.vectors,
            source_texts=queries.texts,
            target_texts=candidates.texts,
        ),
        source_texts=queries.texts,
        source_ids=queries.ids,
        target_texts=candidates.texts,
        target_ids=candidates.ids,
    )


def threshold(queries: Side, candidates: Side) -> float:
    """The margin above which pairs of a labelled split give the best F1.

    Raises:
        UserError: no query has a right candidate.
    """
    gold = [
        (id, each)
        for id, right in zip(queries.ids, queries.right, strict=True)
        for each in right
    ]
    return mining.best_threshold(pairs(queries, candidates), gold=gold, at_end="score")


def mine(queries: Side, candidates: Side, *, threshold: float) -> list[Found]:
    """For each query the candidate it is paired with, if their margin is enough."""
    scores = pairs(queries, candidates)
    found = {
        query: Found((candidate,), (scores[query, candidate],))
        for query, candidate in mining.extract(scores, threshold=threshold)
    }
    nothing = Found((), ())
    return [found.get(id, nothing) for id in queries.ids]
