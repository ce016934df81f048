"""Accuracy over label strings, and beside it the F1 of one class.

A prediction is right if it is the reference, character for character. Whatever is no
label at all ("<extra_id_0>", "Entailment", "") is simply wrong:

    >>> counts("<extra_id_0>", references=("entailment",), language="en")
    {'total': 1.0, 'correct': 0.0}

`with_f1` adds the F1 of one of two classes as T5 measures QQP. Its quirk: a prediction
that is neither class counts as the *other* class than the right one, so that it can
never be right and is charged to precision or to recall.

Reference: accuracy and f1_score_with_invalid in T5's evaluation/metrics.py; XTREME's
evaluate.py has the same accuracy.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from xtl_jax.errors import UserError
from xtl_jax.metrics.metric import Counts, Metric, percent


def _label(references: Sequence[str]) -> str:
    if len(references) != 1:
        raise UserError(
            f"classification needs exactly one reference label, got {list(references)}"
        )
    return references[0]


def counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    """Counts of one example: right or not. `language` changes nothing.

    Raises:
        UserError: not exactly one reference.
    """
    return {"total": 1.0, "correct": float(prediction == _label(references))}


def combine(sums: Counts) -> dict[str, float]:
    """Accuracy in percent of all examples, missing ones included."""
    return {"accuracy": percent(sums["correct"], total=sums["total"])}


METRIC = Metric(
    name="accuracy",
    primary="accuracy",
    keys=("accuracy",),
    counts=counts,
    combine=combine,
    missing={"total": 1.0, "correct": 0.0},
)


def _class_counts(
    prediction: str | None,
    *,
    references: Sequence[str],
    language: str,
    positive: str,
    negative: str,
) -> Counts:
    label = _label(references)
    if label not in (positive, negative):
        raise UserError(f"label {label!r} is neither {positive!r} nor {negative!r}")
    other = negative if label == positive else positive
    said = prediction if prediction in (positive, negative) else other
    return {
        **counts(prediction, references=references, language=language),
        "true_positives": float(said == positive and label == positive),
        "false_positives": float(said == positive and label == negative),
        "false_negatives": float(said == negative and label == positive),
    }


def _combine_with_f1(sums: Counts) -> dict[str, float]:
    hits = 2.0 * sums["true_positives"]
    divisor = hits + sums["false_positives"] + sums["false_negatives"]
    return {**combine(sums), "f1": percent(hits, total=divisor) if divisor else 0.0}


def with_f1(*, positive: str, negative: str) -> Metric:
    """Accuracy, and the F1 of `positive` against `negative`, as T5 scores QQP.

    Example:
        >>> metric = with_f1(positive="duplicate", negative="not_duplicate")
        >>> metric.keys
        ('accuracy', 'f1')
    """
    return Metric(
        name="accuracy_f1",
        primary="accuracy",
        keys=("accuracy", "f1"),
        counts=functools.partial(_class_counts, positive=positive, negative=negative),
        combine=_combine_with_f1,
    )
