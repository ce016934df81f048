"""SQuAD v2.0 exact match and F1: questions that may have no answer.

A question without references is *unanswerable*; the prediction "" says so:

    >>> counts("", references=(), language="en")["exact_match"]
    1.0
    >>> counts("Paris", references=(), language="en")["f1"]
    0.0

Texts are normalised as `xtl_jax.metrics.qa` does. What differs from SQuAD v1.1, and the
quirks of the official script, kept because published numbers have them:

- References that are empty after normalisation ("The .") are dropped; if none is left,
  the only right answer is the empty one. Such a question is still *answerable*, in
  HasAns, because the gold file lists an answer.
- The F1 of two empty texts is 1 (in v1.1 it is 0), of one empty text 0.
- `evaluate` can be given the model's probability that a question has no answer. Above
  the threshold (1.0 unless told: never) the prediction counts as "".
- The *best* threshold is searched from "nothing is answered", where every unanswerable
  question is right, over the questions by rising probability. Between questions of the
  same probability their order decides, and a best value may lie in the middle of them,
  where no threshold can cut. Unanswerable questions lose a point there if the text
  predicted for them is not empty *before* normalisation, so "the" loses one.

One thing is ours. A question without a prediction makes the script stop with a KeyError
(in its main number it would be left out). Here it scores 0 in every number, the best
ones too, and stays in the total.

Reference: evaluate-v2.0.py of SQuAD.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from xtl_jax.errors import UserError
from xtl_jax.metrics import qa
from xtl_jax.metrics.metric import Counts, Metric, add, percent
from xtl_jax.metrics.scoring import Row

_PARTS = ("HasAns", "NoAns")


def f1(prediction: str, *, reference: str) -> float:
    """Harmonic mean of token precision and recall, 0 to 1; 1 if both are empty.

    Example:
        >>> f1("the", reference=""), f1("", reference="Ada")
        (1.0, 0.0)
    """
    predicted, wanted = qa.normalize(prediction), qa.normalize(reference)
    if not predicted or not wanted:
        return float(predicted == wanted)
    return qa.f1(predicted, reference=wanted, normalize=str)


def counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    """Counts of one question, in all and among those with or without an answer.

    Args:
        prediction: the answer, "" for none; `None` if it is missing, which scores 0.
        references: the gold answers; none if the question is unanswerable.
        language: changes nothing, as in `xtl_jax.metrics.qa`.
    """
    exact, overlap = 0.0, 0.0
    if prediction is not None:
        golds = [text for text in references if qa.normalize(text)] or [""]
        exact = max(qa.exact_match(prediction, reference=gold) for gold in golds)
        overlap = max(f1(prediction, reference=gold) for gold in golds)
    return _counted(exact, overlap, answerable=bool(references))


def _counted(exact: float, overlap: float, *, answerable: bool) -> dict[str, float]:
    found = {"total": 1.0, "exact_match": exact, "f1": overlap}
    for name, member in zip(_PARTS, (answerable, not answerable), strict=True):
        found[f"{name}_total"] = float(member)
        found[f"{name}_exact"] = exact if member else 0.0
        found[f"{name}_f1"] = overlap if member else 0.0
    return found


def parts(sums: Counts) -> dict[str, float]:
    """HasAns and NoAns of a sum of counts: values in percent, totals as numbers.

    As in the official script, a part without questions is left out.

    Example:
        >>> parts(counts("", references=(), language="en"))
        {'NoAns_exact': 100.0, 'NoAns_f1': 100.0, 'NoAns_total': 1.0}
    """
    found = {}
    for name in _PARTS:
        total = sums[f"{name}_total"]
        if total:
            for key in (f"{name}_exact", f"{name}_f1"):
                found[key] = percent(sums[key], total=total)
            found[f"{name}_total"] = total
    return found


METRIC = Metric(
    name="squad_v2",
    primary="f1",
    keys=("exact_match", "f1"),
    counts=counts,
    combine=qa.combine,
    normaliser="squad1",
    # In no part, because whether it has an answer is not known.
    missing={
        **dict.fromkeys(_counted(0.0, 0.0, answerable=True), 0.0),
        "total": 1.0,
    },
)


def evaluate(
    rows: Sequence[Row],
    *,
    no_answer: Mapping[str, float] | None = None,
    threshold: float = 1.0,
) -> dict[str, float]:
    """The official script's whole output, under its names.

    Args:
        rows: the questions; `references` of an unanswerable one are empty.
        no_answer: how sure the model is that a question has no answer, by id, in the
            order of the file (it breaks ties); higher is surer. Ids of no question are
            ignored.
        threshold: where `no_answer` is above it, the prediction counts as "".

    Returns:
        `exact` and `f1` in percent and `total`; the same for `HasAns_` and `NoAns_`
        where there are such questions; with `no_answer` also `best_exact` and `best_f1`
        in percent, and the thresholds that reach them.

    Raises:
        UserError: no question, an id that occurs twice, or a predicted question whose
            `no_answer` is missing or not a finite number.

    Example:
        >>> rows = [
        ...     Row(id="1", references=("Ada",), prediction="Ada"),
        ...     Row(id="2", references=(), prediction="Paris"),
        ... ]
        >>> found = evaluate(rows, no_answer={"1": 0.1, "2": 0.9})
        >>> found["f1"], found["best_f1"], found["best_f1_thresh"]
        (50.0, 100.0, 0.1)
    """
    _check(rows, no_answer=no_answer)
    raw = {
        row.id: counts(row.prediction, references=row.references or (), language="en")
        for row in rows
    }
    cut = dict(raw)
    if no_answer is not None:
        for row in rows:
            if row.prediction is not None and no_answer[row.id] > threshold:
                right = float(not row.references)
                cut[row.id] = _counted(right, right, answerable=bool(row.references))
    sums = add(cut.values())
    values = qa.combine(sums)
    found = {
        "exact": values["exact_match"],
        "f1": values["f1"],
        "total": sums["total"],
        **parts(sums),
    }
    if no_answer is not None:
        for key, name in (("exact_match", "exact"), ("f1", "f1")):
            found[f"best_{name}"], found[f"best_{name}_thresh"] = _best(
                rows,
                scores={id_: row_counts[key] for id_, row_counts in raw.items()},
                no_answer=no_answer,
            )
    return found


def _check(rows: Sequence[Row], *, no_answer: Mapping[str, float] | None) -> None:
    if not rows:
        raise UserError("there is no question to score")
    seen = set()
    for row in rows:
        if row.id in seen:
            raise UserError(
                f"the id {row.id!r} occurs twice; each question is scored once: remove "
                "one of the two"
            )
        seen.add(row.id)
        if no_answer is None or row.prediction is None:
            continue
        if row.id not in no_answer:
            raise UserError(
                f"question {row.id!r}: has a prediction and no no-answer probability; "
                "give one for every question, or none at all"
            )
        if not abs(no_answer[row.id]) < math.inf:  # NaN is neither
            raise UserError(
                f"question {row.id!r}: its no-answer probability is "
                f"{no_answer[row.id]}; it must be a finite number"
            )


def _best(
    rows: Sequence[Row], *, scores: Mapping[str, float], no_answer: Mapping[str, float]
) -> tuple[float, float]:
    """The best value in percent and its threshold."""
    predicted = {row.id: row for row in rows if row.prediction is not None}
    current = float(sum(not row.references for row in predicted.values()))
    best, threshold = current, 0.0
    asked = (id_ for id_ in no_answer if id_ in predicted)
    for id_ in sorted(asked, key=no_answer.__getitem__):  # stable, as the script's
        row = predicted[id_]
        if row.references:
            current += scores[id_]
        elif row.prediction:
            current -= 1.0
        if current > best:
            best, threshold = current, no_answer[id_]
    return percent(best, total=len(rows)), threshold
