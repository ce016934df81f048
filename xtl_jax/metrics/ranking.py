"""Multiple choice by log-likelihood: which option is the most likely target.

Each option of an input is scored by the log-likelihood of its text, and the best one is
the prediction:

    >>> choose([-7.0, -4.5, -4.6])
    1
    >>> choose([-7.0, -4.5, -4.6], target_lengths=[7, 1, 2])  # nats for each token
    0

The quirks of T5's `rank_classification` are kept:

- Scores are compared in float32, in which close ones are equal, and of equal ones the
  first wins. Where inputs have different numbers of options they are compared in
  float64, and only the accuracy is given.
- A score is divided by its target's length, if at all, before it is rounded to float32.
- The weight of an input is that of its first option; where numbers of options differ,
  that of the option that was chosen.
- Where an input has several right options, any is right, and only the accuracy of the
  whole set is given.
- With more than two options F1 is the mean over positions of the options, first option
  against the rest, second and so on, though positions mean nothing in most tasks.

Accuracy over the texts of the options, as the tasks report it, is
`xtl_jax.metrics.accuracy`; this module chooses the text, and scores as T5 does.

Reference: rank_classification in T5's evaluation/metrics.py, which takes its measures
from scikit-learn.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from xtl_jax.errors import UserError
from xtl_jax.metrics.metric import percent

if TYPE_CHECKING:
    import numpy as np

Precision = Literal["float32", "float64"]
Normalisation = Literal["none", "target_length"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """One option of one input, scored."""

    input: int  # which input it belongs to
    choice: int  # its place among the input's options, from 0
    right: bool
    score: float  # log-likelihood of the target, in nats, summed over its tokens
    target_length: int = 1  # tokens
    weight: float = 1.0  # of the input


def choose(
    scores: Sequence[float],
    *,
    target_lengths: Sequence[int] | None = None,
    precision: Precision = "float32",
) -> int:
    """The place of the option with the highest score; of equal ones the first.

    Args:
        scores: log-likelihoods in nats, one an option.
        target_lengths: tokens of each option's target; if given, scores are divided
            by them.
        precision: in which scores are compared.

    Raises:
        UserError: no option, another number of lengths than of scores, a length that is
            not positive, or a score that is not a number.
    """
    return int(
        _comparable(scores, target_lengths=target_lengths, precision=precision).argmax()
    )


def _comparable(
    scores: Sequence[float],
    *,
    target_lengths: Sequence[int] | None,
    precision: Precision,
) -> np.ndarray:
    """Scores as they are compared, [option]."""
    import numpy as np

    if not len(scores):
        raise UserError("there is no option to choose from")
    if any(math.isnan(score) for score in scores):
        raise UserError(
            f"the scores {list(scores)} hold NaN, which is neither more nor less than "
            "any other; is the checkpoint damaged?"
        )
    values = np.asarray(scores, np.float64)
    if target_lengths is not None:
        if len(target_lengths) != len(scores) or min(target_lengths) < 1:
            raise UserError(
                f"{len(scores)} options need as many target lengths of at least 1, got "
                f"{list(target_lengths)}"
            )
        values = values / np.asarray(target_lengths, np.float64)
    with np.errstate(over="ignore"):  # -1e300 is as unlikely as -inf
        return values.astype(precision)


def rank_classification(
    options: Iterable[Option],
    *,
    classes: int | None,
    normalisation: Normalisation = "none",
) -> dict[str, float]:
    """T5's values of a corpus in percent, under its names.

    Args:
        options: all options of all inputs, in any order.
        classes: how many options each input has; `None` if that differs.
        normalisation: whether scores are divided by the length of the target.

    Returns:
        `accuracy`; with more than two classes `mean_{classes}class_f1`; with two `f1`,
        `auc-roc` and `auc-pr` of the second option. Only the accuracy where an input
        has several right options or `classes` is `None`. `auc-roc` is NaN where all
        inputs are of one class.

    Raises:
        UserError: no input, an input whose options are not numbered from 0 to the
            last or are not as many as `classes`, or a score that cannot be ranked.
        ValueError: fewer than 2 classes.

    Example:
        >>> rank_classification(
        ...     [
        ...         Option(input=0, choice=0, right=True, score=-1.0),
        ...         Option(input=0, choice=1, right=False, score=-2.0),
        ...         Option(input=0, choice=2, right=False, score=-3.0),
        ...     ],
        ...     classes=None,
        ... )
        {'accuracy': 100.0}
    """
    if classes is not None and classes < 2:
        raise ValueError(f"classes must be at least 2, or None, got {classes}")
    inputs = _inputs(options, classes=classes)
    precision: Precision = "float64" if classes is None else "float32"
    compared = []
    for number, found in inputs.items():
        lengths = [option.target_length for option in found]
        try:
            compared.append(
                _comparable(
                    [option.score for option in found],
                    target_lengths=None if normalisation == "none" else lengths,
                    precision=precision,
                )
            )
        except UserError as error:
            raise UserError(f"input {number}: {error}") from None
    chosen = [int(scores.argmax()) for scores in compared]
    rows = list(inputs.values())
    weights = [
        found[place if classes is None else 0].weight
        for found, place in zip(rows, chosen, strict=True)
    ]
    hits = sum(
        weight * found[place].right
        for found, place, weight in zip(rows, chosen, weights, strict=True)
    )
    values = {"accuracy": percent(hits, total=sum(weights))}
    several = any(sum(option.right for option in found) > 1 for found in rows)
    if classes is None or several:
        return values
    f1s = [
        _f1(
            [found[choice].right for found in rows],
            [place == choice for place in chosen],
            weights=weights,
        )
        for choice in range(classes)
    ]
    if classes != 2:
        return values | {f"mean_{classes}class_f1": 100 * sum(f1s) / classes}
    roc, precision_recall = _areas(
        compared, right=[found[1].right for found in rows], weights=weights
    )
    return values | {
        "f1": 100 * f1s[1],
        "auc-roc": 100 * roc,
        "auc-pr": 100 * precision_recall,
    }


def _inputs(
    options: Iterable[Option], *, classes: int | None
) -> dict[int, list[Option]]:
    """The options of each input, in the order of both."""
    inputs: dict[int, list[Option]] = {}
    for option in sorted(options, key=lambda option: (option.input, option.choice)):
        inputs.setdefault(option.input, []).append(option)
    if not inputs:
        raise UserError("there is no option to rank")
    for number, found in inputs.items():
        choices = [option.choice for option in found]
        if choices != list(range(classes or len(found))):
            raise UserError(
                f"input {number}: its options are numbered {choices}; they must be "
                f"numbered from 0 to {(classes or len(found)) - 1}, each once"
            )
    return inputs


def _f1(
    right: Sequence[bool], said: Sequence[bool], *, weights: Sequence[float]
) -> float:
    """F1 of one class, 0 to 1; 0 if it neither occurs nor is said."""
    both = sum(w for r, s, w in zip(right, said, weights, strict=True) if r and s)
    each = sum(w * (r + s) for r, s, w in zip(right, said, weights, strict=True))
    return 2 * both / each if each else 0.0


def _areas(
    compared: Sequence[np.ndarray], *, right: Sequence[bool], weights: Sequence[float]
) -> tuple[float, float]:
    """Areas under two curves of the second option's probability.

    Args:
        compared: the scores of both options of each input.
        right: whether the second option is right.
        weights: of the inputs.

    Returns:
        Under the ROC curve, NaN if all inputs are of one class; under the curve of
        precision over recall, as steps, 0 if no second option is right.
    """
    import numpy as np

    scores = np.stack(compared)
    with np.errstate(invalid="ignore"):  # of two options of -inf, each is as likely
        powers = np.exp(np.nan_to_num(scores - scores.max(-1, keepdims=True), nan=0.0))
    probabilities = powers[:, 1] / powers.sum(-1)
    order = np.argsort(-probabilities, kind="stable")
    # Inputs of equal probability cannot be told apart: a curve has one point for all.
    ends = np.append(np.flatnonzero(np.diff(probabilities[order])), len(order) - 1)
    is_right, weight = np.array(right)[order], np.array(weights, np.float64)[order]
    hits = np.cumsum(weight * is_right)[ends]
    alarms = np.cumsum(weight * ~is_right)[ends]
    if not hits[-1]:
        return math.nan, 0.0
    recall = hits / hits[-1]
    precision_recall = np.sum(np.diff(recall, prepend=0.0) * (hits / (hits + alarms)))
    if not alarms[-1]:
        return math.nan, float(precision_recall)
    roc = np.trapezoid(np.append(0.0, recall), np.append(0.0, alarms / alarms[-1]))
    return float(roc), float(precision_recall)
