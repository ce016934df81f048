"""Oracle selection: how much the choice of a checkpoint could bring.

The headline of a study takes the checkpoint of a target's training with the best
English dev score. Beside it every checkpoint that the training saves is predicted and
scored, clean, so that a report can show what the one that is best on the scored
languages reaches. That choice needs labels in those languages: it is not zero-shot,
and no test and no conclusion uses it.

These stages come after the headline's prediction and take it over where it is of their
checkpoint.

    >>> saved(steps=100, period=40)
    (40, 80, 100)
"""

from __future__ import annotations

# What everything that comes of it is marked with.
MARK = "not zero-shot: checkpoint chosen with target-language labels"


def saved(*, steps: int, period: int) -> tuple[int, ...]:
    """The updates after which a training of `steps` saves, the last one among them."""
    return (*range(period, steps, period), steps)
