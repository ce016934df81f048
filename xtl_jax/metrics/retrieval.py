"""Retrieval: what was found, against what was to be found.

A prediction is the ids that were found, best first, one space between them; nothing
found is the empty text. The references are the right ids:

    >>> LAREQA.counts("b x a", references=("a", "b"), language="en")
    {'total': 1.0, 'average_precision': 0.8333333333333333}

Four tasks, four measures, each with the quirks of the script it comes from:

- *Tatoeba*: accuracy of the first id found. A sentence that stands in the file twice is
  right in one place only.
- *BUCC*: precision, recall and F1 over the set of pairs. Counts belong to a source
  sentence: how many partners were found for it, how many it has, how many are right.
  The same partner found twice counts once. Where nothing is right, all three are 0.
- *LAReQA*: mean average precision of the first 20. At each right id among them, the
  share of right ids so far; added up and divided by the number of right ids or by 20,
  whichever is smaller. The mean is over the questions of all languages together: it is
  no mean over languages. (The LAReQA paper has no cut-off at 20.)
- *Mewsli-X*: XTREME-R calls it mAP@20 and computes the mean reciprocal rank of the one
  right entity among the first 20; with one right id the two are the same number.

A question without a prediction scores 0 and stays in the total.

Reference: XTREME's evaluate.py, third_party/utils_lareqa.py and utils_mewslix.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from xtl_jax.errors import UserError
from xtl_jax.metrics.metric import Counts, Metric, percent

CUT_OFF = 20


def ids(prediction: str | None) -> list[str]:
    """The ids of a prediction, best first; none where it is missing.

    Example:
        >>> ids("en-3 en-7"), ids(""), ids(None)
        (['en-3', 'en-7'], [], [])
    """
    return prediction.split(" ") if prediction else []


def average_precision(
    ranked: Sequence[str], right: Collection[str], *, cut_off: int | None = CUT_OFF
) -> float:
    """Average precision of a ranking, 0 to 1.

    Args:
        ranked: ids, best first; one that comes again counts the first time only.
        right: the right ids.
        cut_off: how many of the ranking count; `None` for all.

    Raises:
        UserError: there is no right id, so nothing can be found.
    """
    if not right:
        raise UserError(
            "a question has no right answer, so its average precision is not defined: "
            "leave it out of the gold data"
        )
    wanted = set(right)
    best = len(wanted) if cut_off is None else min(len(wanted), cut_off)
    score = 0.0
    hits = 0.0
    for rank, found in enumerate(ranked[:cut_off], start=1):
        if found in wanted:
            wanted.remove(found)
            hits += 1.0
            score += hits / rank
    return score / best


def reciprocal_rank(
    ranked: Sequence[str], right: str, *, cut_off: int = CUT_OFF
) -> float:
    """1 / rank of the right id, 0 if it is not among the first `cut_off`.

    Example:
        >>> reciprocal_rank(["a", "b", "c"], "b")
        0.5
    """
    for rank, found in enumerate(ranked[:cut_off], start=1):
        if found == right:
            return 1.0 / rank
    return 0.0


def _only(references: Sequence[str]) -> str:
    if len(references) != 1:
        raise UserError(f"one id is right here, got {list(references)} as references")
    return references[0]


def _first_counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    right = _only(references)
    return {"total": 1.0, "correct": float(ids(prediction)[:1] == [right])}


def _pair_counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    found = set(ids(prediction))
    return {
        "total": 1.0,
        "right": float(len(found & set(references))),
        "found": float(len(found)),
        "wanted": float(len(set(references))),
    }


def _average_precision_counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    score = average_precision(ids(prediction), references)
    return {"total": 1.0, "average_precision": score}


def _reciprocal_rank_counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    score = reciprocal_rank(ids(prediction), _only(references))
    return {"total": 1.0, "reciprocal_rank": score}


def _combine_first(sums: Counts) -> dict[str, float]:
    return {"accuracy": percent(sums["correct"], total=sums["total"])}


def combine_pairs(sums: Counts) -> dict[str, float]:
    """F1, precision and recall in percent from sums of `right`, `found`, `wanted`.

    Example:
        >>> combine_pairs({"right": 1.0, "found": 4.0, "wanted": 2.0})
        {'f1': 33.333333333333336, 'precision': 25.0, 'recall': 50.0}
    """
    if not sums["right"]:
        return {"f1": 0.0, "precision": 0.0, "recall": 0.0}
    precision = percent(sums["right"], total=sums["found"])
    recall = percent(sums["right"], total=sums["wanted"])
    f1 = 2 * precision * recall / (precision + recall)
    return {"f1": f1, "precision": precision, "recall": recall}


def _combine_average_precision(sums: Counts) -> dict[str, float]:
    return {"map@20": percent(sums["average_precision"], total=sums["total"])}


def _combine_reciprocal_rank(sums: Counts) -> dict[str, float]:
    return {"map@20": percent(sums["reciprocal_rank"], total=sums["total"])}


TATOEBA = Metric(
    name="first_found",
    primary="accuracy",
    keys=("accuracy",),
    counts=_first_counts,
    combine=_combine_first,
    missing={"total": 1.0, "correct": 0.0},
)
BUCC = Metric(
    name="pairs_f1",
    primary="f1",
    keys=("f1", "precision", "recall"),
    counts=_pair_counts,
    combine=combine_pairs,
    aggregation="micro",
)
LAREQA = Metric(
    name="average_precision@20",
    primary="map@20",
    keys=("map@20",),
    counts=_average_precision_counts,
    combine=_combine_average_precision,
    missing={"total": 1.0, "average_precision": 0.0},
)
MEWSLIX = Metric(
    name="reciprocal_rank@20",
    primary="map@20",  # the name that evaluate.py prints it under
    keys=("map@20",),
    counts=_reciprocal_rank_counts,
    combine=_combine_reciprocal_rank,
    missing={"total": 1.0, "reciprocal_rank": 0.0},
)
