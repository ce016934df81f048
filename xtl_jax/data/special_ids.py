"""Ids that mean the same in every vocabulary of T5's kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PAD_ID = 0
EOS_ID = 1
UNK_ID = 2


def until_end(ids: Iterable[int]) -> Iterator[int]:
    """Ids up to the first end of sequence, padding left out.

    Example:
        >>> list(until_end([5, 0, 7, 1, 9]))
        [5, 7]
    """
    for value in ids:
        token = int(value)
        if token == EOS_ID:
            return
        if token != PAD_ID:
            yield token
