"""mT5's own F1 over named entities written as text, for comparison with its paper.

mT5 writes the entities of a sentence as `PER: Ada Lovelace $$ LOC: London` and compares
pairs of tag and text, wherever they stand in the sentence:

    >>> found = counts(
    ...     "LOC: London $$ PER: Ada",
    ...     references=("PER: Ada Lovelace $$ LOC: London",),
    ...     language="en",
    ... )
    >>> round(combine(found)["span_f1"], 9)
    50.0

This is *not* the span F1 that XTREME reports for PAN-X, which needs positions: see
`xtl_jax.metrics.tagging`. The quirks of the official code are kept:

- Pieces are what stands between " $$ ", with its spaces: "LOC: a$$LOC: b" is one piece.
- A piece that does not have exactly one ":" is ignored on both sides, so that a gold
  entity with a colon in its text ("ORG: 3:16 Records") can neither be found nor missed.
- White space at the ends of tag and text does not count; case does.
- An entity that is written twice must be predicted twice.
- 1e-13 is added to each divisor: a perfect score is 100 less some 1e-11, and a corpus
  without entities scores 0.

Reference: span_f1 in multilingual_t5's evaluation/metrics.py, there from 0 to 1.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence

from xtl_jax.errors import UserError
from xtl_jax.metrics.metric import Counts, Metric, percent

_DELIMITER = " $$ "
_EPSILON = 1e-13


def entities(text: str) -> collections.Counter[tuple[str, str]]:
    """Pairs of tag and text, and how often each is written.

    Example:
        >>> entities("PER: Ada $$ PER : Ada $$ London $$ TIME: 10:30")
        Counter({('PER', 'Ada'): 2})
    """
    pieces = (piece.split(":") for piece in text.split(_DELIMITER))
    return collections.Counter(
        (piece[0].strip(), piece[1].strip()) for piece in pieces if len(piece) == 2
    )


def counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    """Counts of one sentence; a missing prediction (`None`) finds nothing.

    Raises:
        UserError: not exactly one reference.
    """
    if len(references) != 1:
        raise UserError(
            "a sentence needs exactly one reference, its entities as text; got "
            f"{list(references)}"
        )
    wanted, said = entities(references[0]), entities(prediction or "")
    hits = (wanted & said).total()
    return {
        "total": 1.0,
        "true_positives": float(hits),
        "false_positives": float(said.total() - hits),
        "false_negatives": float(wanted.total() - hits),
    }


def combine(sums: Counts) -> dict[str, float]:
    """Micro F1 in percent."""
    percent(0.0, total=sums["total"])  # refuses a sum of nothing
    hits = sums["true_positives"]
    precision = hits / (hits + sums["false_positives"] + _EPSILON)
    recall = hits / (hits + sums["false_negatives"] + _EPSILON)
    f1 = 2 * (precision * recall / (precision + recall + _EPSILON))
    return {"span_f1": 100 * f1}


METRIC = Metric(
    name="mt5_span_f1",
    primary="span_f1",
    keys=("span_f1",),
    counts=counts,
    combine=combine,
    aggregation="micro",
)
