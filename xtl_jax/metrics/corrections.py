"""Holm's correction: many comparisons, and still few false positives among them.

Twenty true nulls, each tested at 5 %, give a "significant" one in two studies of three.
Holm (1979) tests the smallest p of m against 5 % / m, the next against 5 % / (m - 1),
and stops at the first that fails; so the chance of any false positive in the *family*
is at most 5 %, whatever the tests have to do with each other. Adjusted values say the
same and may be compared with 5 % one by one:

    >>> holm({"squad": 0.01, "mnli": 0.04, "qqp": 0.03})
    {'squad': 0.03, 'mnli': 0.06, 'qqp': 0.06}

A comparison that could not be tested (None) is no member of the family.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def holm(values: Mapping[Name, float | None]) -> dict[Name, float | None]:
    """Adjusted p-values, by name, in the order of `values`.

    Raises:
        ValueError: a value outside of 0 to 1.
    """
    tested = {name: value for name, value in values.items() if value is not None}
    wrong = {name: value for name, value in tested.items() if not 0 <= value <= 1}
    if wrong:
        raise ValueError(f"p-values must lie between 0 and 1, got {wrong}")
    adjusted: dict[Name, float | None] = dict.fromkeys(values)
    largest = 0.0
    ordered = sorted(tested.items(), key=lambda pair: pair[1])
    for rank, (name, value) in enumerate(ordered):
        # No p may come out below that of a smaller one.
        largest = max(largest, min(1.0, value * (len(ordered) - rank)))
        adjusted[name] = largest
    return adjusted
