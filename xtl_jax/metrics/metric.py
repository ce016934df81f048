"""What a metric is: sums over examples, and one division at the end.

A metric turns one example into *counts* (sums that may be added: how many examples, how
many were right, the F1 added up) and the sum of counts into *values* in percent. So the
value of two halves put together is the value of the whole, a bootstrap resamples rows
of counts, and nothing ever averages averages:

    >>> from xtl_jax.metrics import accuracy
    >>> rows = [
    ...     accuracy.METRIC.counts(said, references=("yes",), language="en")
    ...     for said in ("yes", "no", "yes", None)
    ... ]
    >>> add(rows)
    {'total': 4.0, 'correct': 2.0}
    >>> accuracy.METRIC.combine(add(rows))
    {'accuracy': 50.0}

A prediction of `None` is one that is missing: it scores 0 and stays in `total`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

Counts = Mapping[str, float]
Values = Mapping[str, float]  # key of a metric to percent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """A way to score one task: counts of an example, values of a sum of counts."""

    name: str
    primary: str  # the key that plots and checkpoint selection use
    keys: tuple[str, ...]  # the values, in the order in which tables show them
    counts: Callable[..., Counts]  # (prediction, *, references, language), has "total"
    combine: Callable[[Counts], dict[str, float]]  # summed counts to percent by key
    # Choices that signatures name.
    normaliser: str = "none"  # what is done to texts before they are compared
    gold: str = "raw"  # what is done to gold answers alone
    aggregation: str = "sum/n"  # a mean over examples; `micro`: a ratio of sums
    # Counts of a missing prediction whose references are not known either; `None` if
    # they depend on the references.
    missing: Counts | None = None

    def __post_init__(self) -> None:
        if self.primary not in self.keys:
            raise ValueError(
                f"Metric {self.name!r}: primary {self.primary!r} is none of {self.keys}"
            )


def add(rows: Iterable[Counts]) -> dict[str, float]:
    """The sum of rows of counts, added in their order as the official scripts do.

    Python's `sum` compensates rounding from 3.12 on, which would change last digits.
    """
    sums: dict[str, float] = {}
    for row in rows:
        for key, count in row.items():
            sums[key] = sums.get(key, 0.0) + count
    return sums


def mean_values(values: Mapping[str, Values]) -> dict[str, float]:
    """The plain mean over languages of each key, added in their order."""
    sums = add(values.values())
    return {key: total / len(values) for key, total in sums.items()}


def percent(part: float, *, total: float) -> float:
    """100 * part / total, in this order of operations, as the official scripts have it.

    Raises:
        ValueError: nothing was counted.
    """
    if not total:
        raise ValueError("no examples were counted, so there is no value")
    return 100.0 * part / total
