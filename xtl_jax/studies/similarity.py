"""How alike two tasks are: the overlap of the subwords in their tokenised inputs.

For the orders `similar_first` and `similar_last`. The feature is stated, so that a
number can be checked: the shares of all subwords in one task's inputs and in the
other's, and of each subword the smaller one, added up. It is 1 where both use the same
subwords equally often and 0 where they share none; 1 less the total variation distance.
Prompts are part of inputs and count; the first four ids, which are padding, ends and
the unknown in T5's and in XLM-R's vocabularies, do not.

>>> import numpy as np
>>> one, other = np.array([5, 5, 6, 1]), np.array([5, 5, 7, 7, 7, 7, 7, 7, 1])
>>> overlap(shares(one), shares(other))
0.25

A task's likeness to a study's targets is the mean over what these train on. Only their
training text is looked at, so that no evaluation set has a say in a study's arms.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xtl_jax.errors import UserError
from xtl_jax.typing import Float, Int

_SPECIAL = 4  # ids that are no subwords


def shares(tokens: Int[np.ndarray, " tokens"]) -> Float[np.ndarray, " ids"]:
    """The share of each token id among a task's tokens.

    Raises:
        UserError: there is no token.
    """
    counted = np.bincount(tokens).astype(np.float64)
    counted[:_SPECIAL] = 0.0
    if not counted.sum():
        raise UserError("a task without a token is like no other; cache it again")
    return counted / counted.sum()


def overlap(
    one: Float[np.ndarray, " ids"], other: Float[np.ndarray, " other_ids"]
) -> float:
    """The overlap of two tasks' shares, 0 to 1."""
    both = min(len(one), len(other))
    return float(np.minimum(one[:both], other[:both]).sum())


def to_targets(
    tasks: Mapping[str, Float[np.ndarray, ...]],
    targets: Mapping[str, Float[np.ndarray, ...]],
) -> dict[str, float]:
    """Task to its mean overlap with the targets, for `StudyConfig.similarity`.

    Args:
        tasks: shares of each task.
        targets: shares of what each target trains on; at least one.
    """
    return {
        name: float(np.mean([overlap(own, other) for other in targets.values()]))
        for name, own in tasks.items()
    }
