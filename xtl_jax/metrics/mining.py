"""BUCC: pairs of translations mined from two heaps of sentences.

What XTREME does, which is what LASER does, step by step:

1. A text that stands in a file several times becomes one sentence. Its vector is that
   of its *last* occurrence. Vectors get length 1.
2. Each sentence meets its 4 nearest neighbours on the other side. A pair's score is the
   *margin*: their cosine divided by the mean of the two sentences' mean cosines with
   their neighbours. So a sentence that is close to everything scores low.
3. The best pair of each sentence, of both sides, is taken in order of scores: a pair
   is kept if neither of its sentences is in a pair already.
4. When texts become ids, a text that occurs twice is nobody: its pairs are dropped.
5. Pairs from a threshold up (`>=`) are the prediction. The threshold is tuned on dev:
   halfway between the candidate at which F1 against dev's gold is best and the next
   one. It is then *applied* to test. (XTREME's own function tunes it again on whatever
   gold it is given: test numbers made so are too high.)

    >>> scores = {("de-1", "en-1"): 1.4, ("de-2", "en-7"): 1.2, ("de-3", "en-3"): 0.9}
    >>> threshold = best_threshold(scores, gold={("de-1", "en-1"), ("de-9", "en-9")})
    >>> round(threshold, 6), extract(scores, threshold=threshold)
    (1.3, [('de-1', 'en-1')])

Other margins, measures and ways to merge are XTREME's too. With `l2`, its mean of
neighbours is of 1 / (1 + squared distance), but the pair itself is scored by its dot
product: kept as it is. Its modes `fwd` and `bwd` crash there, so they are none here.

Reference: XTREME's third_party/utils_retrieve.py, after LASER's mine_bitexts.py and
bucc.py; Artetxe and Schwenk, Margin-based parallel corpus mining (2019).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from xtl_jax.errors import UserError
from xtl_jax.metrics import neighbours
from xtl_jax.typing import Float, Int

Margin = Literal["ratio", "distance", "absolute"]
Merge = Literal["max", "intersect"]
Distance = Literal["cosine", "l2"]
IdPair = tuple[str, str]  # source id, English id


@dataclasses.dataclass(frozen=True, kw_only=True)
class MiningOptions:
    """Choices of XTREME's mining; the defaults are the ones of its BUCC script."""

    neighbours: int = 4
    margin: Margin = "ratio"
    merge: Merge = "max"  # intersect: only pairs that are best for both sides
    distance: Distance = "cosine"
    shift: bool = False  # move each side's mean onto the other's before searching
    threshold: float = 0.0  # of `max`: pairs must score more than this

    def __post_init__(self) -> None:
        for name, allowed in (
            ("margin", ("ratio", "distance", "absolute")),
            ("merge", ("max", "intersect")),
            ("distance", ("cosine", "l2")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"MiningOptions.{name} is one of {', '.join(allowed)}, got "
                    f"{getattr(self, name)!r}"
                )
        if self.neighbours < 1:
            raise ValueError(
                f"MiningOptions.neighbours must be 1 or more, got {self.neighbours}"
            )


class Candidate(NamedTuple):
    """A mined pair of texts."""

    score: float
    source: str
    target: str


def mine(
    source: Float[np.ndarray, "sources embed"],
    target: Float[np.ndarray, "targets embed"],
    *,
    source_texts: Sequence[str],
    target_texts: Sequence[str],
    options: MiningOptions | None = None,
) -> list[Candidate]:
    """Candidate pairs of texts, best first (`intersect`: in the order of the sources).

    Args:
        source: a vector for each source text.
        target: a vector for each target text.
        source_texts: sentences as they stand in their file.
        target_texts: likewise.
        options: `None` for XTREME's BUCC.

    Raises:
        UserError: there are not as many vectors as texts, or none.
    """
    options = options or MiningOptions()
    source, source_texts = _unify(source, source_texts, side="source")
    target, target_texts = _unify(target, target_texts, side="target")
    if options.distance == "cosine":
        source = neighbours.normalize(source)
        target = neighbours.normalize(target)
    forward, backward = _search(source, target, options=options)
    best_target = forward.best
    best_source = backward.best
    if options.merge == "intersect":
        return [
            Candidate(score, source_texts[i], target_texts[j])
            for i, (j, score) in enumerate(
                zip(best_target.tolist(), forward.scores.tolist(), strict=True)
            )
            if best_source[j] == i
        ]
    pairs = np.concatenate(
        [
            np.stack([np.arange(len(source)), best_target], axis=1),
            np.stack([best_source, np.arange(len(target))], axis=1),
        ]
    )
    scores = np.concatenate([forward.scores, backward.scores])
    found = []
    seen_source: set[int] = set()
    seen_target: set[int] = set()
    for place in np.argsort(-scores, kind="stable").tolist():
        i, j = pairs[place].tolist()
        if i in seen_source or j in seen_target:
            continue
        seen_source.add(i)
        seen_target.add(j)
        if scores[place] > options.threshold:
            found.append(
                Candidate(float(scores[place]), source_texts[i], target_texts[j])
            )
    return found


def score_ids(
    candidates: Iterable[Candidate],
    *,
    source_texts: Sequence[str],
    source_ids: Sequence[str],
    target_texts: Sequence[str],
    target_ids: Sequence[str],
) -> dict[IdPair, float]:
    """Scores of the candidates by their ids, in their order.

    Texts are compared without white space at their ends; one that occurs twice has no
    id, so its pairs are left out.
    """
    source_of = _ids_by_text(source_texts, source_ids)
    target_of = _ids_by_text(target_texts, target_ids)
    scores: dict[IdPair, float] = {}
    for candidate in candidates:
        source_id = source_of.get(candidate.source.strip())
        target_id = target_of.get(candidate.target.strip())
        if source_id is not None and target_id is not None:
            pair = (source_id, target_id)
            scores[pair] = max(candidate.score, scores.get(pair, candidate.score))
    return scores


def best_threshold(
    scores: Mapping[IdPair, float],
    *,
    gold: Collection[IdPair],
    at_end: Literal["raise", "score"] = "raise",
) -> float:
    """The threshold that gives the best F1 on `gold`; 0 if no candidate is right.

    Args:
        scores: of the candidates.
        gold: the right pairs, of dev.
        at_end: what to do where all candidates together give the best F1, so that there
            is no next one to be halfway to. XTREME's script crashes then: `raise`.
            `score` takes the last candidate's own score, which keeps them all.

    Raises:
        UserError: no gold pair, or the best F1 is at the last candidate.
    """
    if not gold:
        raise UserError("there is no gold pair to tune BUCC's threshold on")
    gold = set(gold)
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    right = 0
    best_f1 = 0.0
    best = None
    for extracted, (pair, _) in enumerate(ranked, start=1):
        right += pair in gold
        if right:
            precision, recall = right / extracted, right / len(gold)
            f1 = 2 * precision * recall / (precision + recall)
            if f1 > best_f1:
                best_f1, best = f1, extracted
    if best is None:
        return 0.0
    if best < len(ranked):
        return (ranked[best - 1][1] + ranked[best][1]) / 2
    if at_end == "score":
        return ranked[-1][1]
    raise UserError(
        f"BUCC's threshold: the best F1 on dev is that of all {best} candidates, so "
        "there is no next one to put the threshold before (XTREME's script ends with "
        "an IndexError here); mine more candidates, from all sentences of dev"
    )


def extract(scores: Mapping[IdPair, float], *, threshold: float) -> list[IdPair]:
    """The pairs that score `threshold` or more, in their order."""
    return [pair for pair, score in scores.items() if score >= threshold]


class _Direction(NamedTuple):
    """The best partner of each sentence of one side."""

    best: Int[np.ndarray, " rows"]
    scores: Float[np.ndarray, " rows"]


def _search(
    source: np.ndarray, target: np.ndarray, *, options: MiningOptions
) -> tuple[_Direction, _Direction]:
    """Best partners from source to target, and from target to source."""
    moved_source, moved_target = source, target
    if options.shift:
        delta = source.mean(axis=0) - target.mean(axis=0)
        moved_source, moved_target = source - delta, target + delta
    forward = _neighbours(moved_source, target, options=options)
    backward = _neighbours(moved_target, source, options=options)
    forward_mean = forward.scores.mean(axis=1)
    backward_mean = backward.scores.mean(axis=1)

    def direction(
        found: neighbours.Neighbours,
        queries: np.ndarray,
        candidates: np.ndarray,
        *,
        means: tuple[np.ndarray, np.ndarray],
    ) -> _Direction:
        of_queries, of_candidates = means
        if options.distance == "cosine":
            similar = found.scores
        else:
            similar = np.stack(
                [
                    np.einsum("qe,qe->q", queries, candidates[found.rows[:, k]])
                    for k in range(found.rows.shape[1])
                ],
                axis=1,
            )
        mean = (of_queries[:, None] + of_candidates[found.rows]) / 2
        scores = _margin(similar, mean, margin=options.margin)
        place = scores.argmax(axis=1)[:, None]
        return _Direction(
            np.take_along_axis(found.rows, place, axis=1)[:, 0],
            np.take_along_axis(scores, place, axis=1)[:, 0],
        )

    return (
        direction(forward, moved_source, target, means=(forward_mean, backward_mean)),
        direction(backward, moved_target, source, means=(backward_mean, forward_mean)),
    )


def _neighbours(
    queries: np.ndarray, candidates: np.ndarray, *, options: MiningOptions
) -> neighbours.Neighbours:
    """Neighbours with the similarities that XTREME takes the mean of."""
    if options.distance == "cosine":
        return neighbours.nearest(queries, candidates, count=options.neighbours)
    found = neighbours.nearest(
        queries, candidates, count=options.neighbours, measure="l2"
    )
    return neighbours.Neighbours(1.0 / (1.0 - found.scores), found.rows)


def _margin(similar: np.ndarray, mean: np.ndarray, *, margin: Margin) -> np.ndarray:
    if margin == "absolute":
        return similar
    if margin == "distance":
        return similar - mean
    # The neighbours of a zero vector are all at 0: its margin is 0, not 0 / 0.
    return np.divide(similar, mean, out=np.zeros_like(similar), where=mean != 0.0)


def _unify(
    vectors: np.ndarray, texts: Sequence[str], *, side: str
) -> tuple[np.ndarray, list[str]]:
    """Each text once, in order of first occurrence, with its last vector."""
    if len(vectors) != len(texts) or not len(texts):
        raise UserError(
            f"BUCC: {len(vectors)} vectors for {len(texts)} {side} sentences; each "
            "sentence needs one vector, and there must be one or more"
        )
    last = {text: row for row, text in enumerate(texts)}
    return np.asarray(vectors, dtype=np.float32)[list(last.values())], list(last)


def _ids_by_text(texts: Sequence[str], ids: Sequence[str]) -> dict[str, str]:
    if len(texts) != len(ids):
        raise UserError(f"BUCC: {len(ids)} ids for {len(texts)} sentences")
    found: dict[str, str | None] = {}
    for text, id_ in zip(texts, ids, strict=True):
        text = text.strip()
        found[text] = None if text in found else id_
    return {text: id_ for text, id_ in found.items() if id_ is not None}
