"""Hidden words of a text, which a masked language model guesses.

15 percent of a text's tokens are *chosen*: of these 80 percent become `<mask>`, 10
percent some other piece and 10 percent stay as they are. The label of a chosen token is
what stood there, that of all others -1. Special tokens are never chosen.

Each text has the rounded number of chosen tokens, at random up or down so that it is
right on average, and at least one. What is chosen follows from a key alone.

Reference: Devlin et al. 2019, section 3.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xtl_jax.data import order
from xtl_jax.typing import Int

CHOSEN = 0.15
MASKED = 0.8  # of the chosen ones
REPLACED = 0.1
IGNORED = -1


class Masked(NamedTuple):
    """An input with hidden words, and what stood in their place."""

    tokens: Int[np.ndarray, " tokens"]
    labels: Int[np.ndarray, " tokens"]


def mask(
    tokens: Int[np.ndarray, " tokens"],
    *,
    key: int,
    mask_id: int,
    first_id: int,
) -> Masked:
    """Hides some tokens of an input.

    Args:
        tokens: a text between its two special tokens.
        key: decides which.
        mask_id: of `<mask>`; pieces are the ids from `first_id` up to it.
        first_id: of the first piece.

    Example:
        >>> made = mask(np.array([0, 7, 8, 9, 2]), key=2, mask_id=99, first_id=4)
        >>> made.tokens, made.labels
        (array([ 0, 99,  8,  9,  2]), array([-1,  7, -1, -1, -1]))
    """
    text = len(tokens) - 2
    draws = _draws(3 * text + 1, key=key)
    count = max(1, int(CHOSEN * text + draws[0]))
    place, fate, piece = draws[1:].reshape(3, text)
    chosen = 1 + np.argsort(place, kind="stable")[:count]
    fate, piece = fate[chosen - 1], piece[chosen - 1]
    labels = np.full_like(tokens, IGNORED)
    labels[chosen] = tokens[chosen]
    out = tokens.copy()
    out[chosen[fate < MASKED]] = mask_id
    other = (fate >= MASKED) & (fate < MASKED + REPLACED)
    pieces = first_id + (piece * (mask_id - first_id)).astype(tokens.dtype)
    out[chosen[other]] = pieces[other]
    return Masked(tokens=out, labels=labels)


def _draws(count: int, *, key: int) -> np.ndarray:
    """Numbers in [0, 1) from a key.

    Philox's raw output is fixed for all time, NumPy's distributions are not.
    """
    bits = np.random.Philox(key=np.array((key, order.key(key)), np.uint64))
    return (bits.random_raw(count) >> np.uint64(11)) / 2.0**53
