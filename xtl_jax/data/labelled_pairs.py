"""Sentences and their translations as an encoder learns from them: two inputs a pair.

A store's `inputs` are both inputs of a pair, joined, and its `targets` how many tokens
each of them has. No label is in it: what is right is that the two belong together
(`train/contrast.py`).
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from xtl_jax.data.encoder_layout import Layout
from xtl_jax.data.rows import RetrievalRow
from xtl_jax.data.store import Example as Stored
from xtl_jax.errors import UserError

_PAIRS = 1024  # tokenised at a time


def examples(
    rows: Iterable[RetrievalRow],
    *,
    layout: Layout,
    counts: collections.Counter[str],
    place: Callable[[Any], str],
) -> Iterator[Stored]:
    """Each query with each of its translations.

    Args:
        rows: queries, then candidates.
        layout: of inputs.
        counts: of pairs (`rows`), of those that were cut, of queries without a partner.
        place: names a row in errors.

    Raises:
        UserError: an answer is no candidate, a text has no token, or there is no pair.
    """
    queries: list[RetrievalRow] = []
    candidates: dict[str, RetrievalRow] = {}
    for row in rows:
        if row.side == "query":
            queries.append(row)
        else:
            candidates[row.id] = row
    left = _pairs(queries, candidates, counts=counts, place=place)
    encode = layout.vocabulary.encode_batch
    while part := list(itertools.islice(left, _PAIRS)):
        firsts = encode([first.text for first, _ in part])
        seconds = encode([second.text for _, second in part])
        for pair, *texts in zip(part, firsts, seconds, strict=True):
            inputs = [layout.single(text) for text in texts]
            for row, each in zip(pair, inputs, strict=True):
                if not each.texts:
                    raise UserError(
                        f"{place(row)}: its text has no token; mend or remove the row "
                        "in the source file"
                    )
            counts["rows"] += 1
            counts["cut"] += any(each.is_cut for each in inputs)
            yield {
                "inputs": [token for each in inputs for token in each.tokens],
                "targets": [len(each.tokens) for each in inputs],
            }


def _pairs(
    queries: list[RetrievalRow],
    candidates: dict[str, RetrievalRow],
    *,
    counts: collections.Counter[str],
    place: Callable[[Any], str],
) -> Iterator[tuple[RetrievalRow, RetrievalRow]]:
    found = False
    for query in queries:
        counts["left_out"] += not query.answers
        for answer in query.answers:
            if answer not in candidates:
                raise UserError(
                    f"{place(query)}: its translation {answer!r} is not there; are all "
                    "files of the same set?"
                )
            found = True
            yield query, candidates[answer]
    if not found:
        raise UserError(
            "no sentence has a translation in these files: they keep the pairs apart "
            "(BUCC's lie in .gold; XTREME sorts the English side of Tatoeba, LASER's "
            "files are aligned)"
        )
