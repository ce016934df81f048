"""mT5's way to score questions: gold answers with spaces around punctuation.

mT5 pads punctuation in question, context and the gold answers, and its evaluation keeps
the padded answers. The gold answer "3,5" is then scored as "3 , 5", whose tokens are
"3" and "5", not "35". So its paper's numbers are not those of the official scripts:

    >>> from xtl_jax.metrics import qa
    >>> metric = padded_gold(qa.METRIC, pad=lambda text: text.replace(",", " , "))
    >>> qa.METRIC.counts("3,5", references=("3,5",), language="en")["f1"]
    1.0
    >>> metric.counts("3,5", references=("3,5",), language="en")["f1"]
    0.0
    >>> metric.counts("3 , 5", references=("3,5",), language="en")["f1"]
    1.0

Predictions are scored as they are given; mT5 scores what was decoded, with its padding
(`prediction_raw` of a record), and so must whoever wants its numbers. In signatures the
choice is `gold:mt5_padded`. The headline is the plain metric, on de-padded predictions.

Reference: the xquad preprocessor of multilingual_t5/preprocessors.py, and mlqa in its
evaluation/metrics.py and squad in T5's, which differ from the official scripts in their
golds alone.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

from xtl_jax.metrics.metric import Counts, Metric


def padded_gold(metric: Metric, *, pad: Callable[[str], str]) -> Metric:
    """A metric of questions, with its gold answers padded before they are scored.

    Args:
        metric: SQuAD's or MLQA's.
        pad: puts spaces around punctuation as mT5 does: `prompts.pad_punctuation`,
            which this package, beside `data`, does not import.
    """
    return dataclasses.replace(
        metric,
        name=f"{metric.name}_mt5_padded",
        counts=functools.partial(_counts, metric=metric, pad=pad),
        gold="mt5_padded",
    )


def _counts(
    prediction: str | None,
    *,
    references: Sequence[str],
    language: str,
    metric: Metric,
    pad: Callable[[str], str],
) -> Counts:
    return metric.counts(
        prediction,
        references=tuple(pad(reference) for reference in references),
        language=language,
    )
