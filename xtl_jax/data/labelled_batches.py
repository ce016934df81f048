"""Batches of tokens and labels, padded to few lengths.

    kind             tokens                      labels
    classification   [batch, length]             [batch] class
    choice           [batch, choices, length]    [batch] the right option
    span             [batch, length]             [batch, 2] first and last token
    tagging          [batch, length]             [batch, length], -1 ignored
    masked_lm        [batch, length]             [batch, length], -1 ignored
    contrastive      [batch, 2, length]          [batch], all 0: the two of a pair
    none (vectors)   [batch, length]             [batch], all 0

A batch is as long as its longest input, rounded up to a multiple of an eighth of the
store's length (and of at least 32), so that a program is compiled for eight lengths at
most.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from xtl_jax.data import masking, order
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError
from xtl_jax.typing import Int

IGNORED = masking.IGNORED
_SEVERAL = ("choice", "contrastive")  # kinds whose examples have several inputs
_LEAST = 16  # tokens between two lengths at least
_EVALUATION = 0x6576616C  # "eval": keeps these keys apart from those of training


class Arrays(NamedTuple):
    """Tokens and labels of some examples, one a row."""

    tokens: np.ndarray
    labels: np.ndarray


class EvaluationBatch(NamedTuple):
    """Some examples of a split, padded to a common length."""

    indices: np.ndarray  # [batch] number of the example in the store; -1: empty row
    tokens: np.ndarray
    labels: np.ndarray


def check(store: Store) -> None:
    """Refuses a store that was not made for encoders.

    Raises:
        UserError: it holds text-to-text examples.
    """
    if "length" not in store.card:
        raise UserError(
            f"{store.folder} holds text-to-text examples, an encoder needs labelled "
            "ones; give the task's name, so that they are found or made"
        )


def input_lengths(store: Store) -> Int[np.ndarray, " examples"]:
    """Tokens of every example's input; of one that has several, of its longest."""
    if store.card["kind"] not in _SEVERAL:
        return store.lengths["inputs"]
    return _several(store)[:, 1:].max(axis=1)


def _several(store: Store) -> Int[np.ndarray, "examples columns"]:
    """Label of each example and tokens of all its inputs."""
    table = store.tokens_of["targets"].reshape(store.num_examples, -1)
    if store.card["kind"] == "choice":
        return table
    return np.concatenate([np.zeros_like(table[:, :1]), table], axis=1)


def padded_length(longest: int, *, length: int) -> int:
    """To how many tokens a batch is padded.

    Args:
        longest: tokens of its longest input.
        length: that the store was made for.

    Example:
        >>> padded_length(70, length=128), padded_length(70, length=512)
        (80, 128)
        >>> padded_length(97, length=100)
        100
    """
    part = max(_LEAST, length // 8)
    return min(-(-longest // part) * part, length)


def arrays(
    store: Store,
    indices: Int[np.ndarray, " rows"],
    *,
    width: int,
    keys: np.ndarray | None = None,
) -> Arrays:
    """Tokens and labels of some examples.

    Args:
        store: of labelled examples.
        indices: their numbers; -1 is an empty row, without tokens and without label (a
            class or a span of 0 where there must be one).
        width: tokens of a row.
        keys: of a masked LM: what is hidden in each row.
    """
    card = store.card
    kind, pad = card["kind"], card["ids"]["pad"]
    rows = len(indices)
    if kind in _SEVERAL:
        return _arrays_of_several(store, indices, width=width)
    tokens = np.full((rows, width), pad, np.int32)
    by_token = kind in ("tagging", "masked_lm")
    shape = (rows, width) if by_token else (rows, 2) if kind == "span" else (rows,)
    labels = np.full(shape, IGNORED if by_token else 0, np.int32)
    for row, index in enumerate(indices.tolist()):
        if index < 0:
            continue
        inputs = store.tokens("inputs", index)
        targets = store.tokens("targets", index)
        if kind == "masked_lm":
            assert keys is not None
            inputs, targets = masking.mask(
                inputs,
                key=int(keys[row]),
                mask_id=card["ids"]["mask"],
                first_id=card["ids"]["first"],
            )
        tokens[row, : len(inputs)] = inputs
        if by_token:
            labels[row, : len(targets)] = targets
        elif kind == "span":
            labels[row] = targets
        elif kind == "classification":
            (labels[row],) = targets
    return Arrays(tokens=tokens, labels=labels)


def _arrays_of_several(
    store: Store, indices: Int[np.ndarray, " rows"], *, width: int
) -> Arrays:
    table = _several(store)
    shape = (len(indices), table.shape[1] - 1, width)
    tokens = np.full(shape, store.card["ids"]["pad"], np.int32)
    labels = np.zeros(len(indices), np.int32)
    for row, index in enumerate(indices.tolist()):
        if index < 0:
            continue
        answer, *sizes = table[index].tolist()
        inputs = np.split(store.tokens("inputs", index), np.cumsum(sizes)[:-1])
        for option, text in enumerate(inputs):
            tokens[row, option, : len(text)] = text
        labels[row] = answer
    return Arrays(tokens=tokens, labels=labels)


def evaluation_batches(
    store: Store,
    *,
    batch_size: int,
    first: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[EvaluationBatch]:
    """Every example of a store once, the longest ones at the start.

    A masked LM's texts have the same words hidden each time.

    Args:
        store: of labelled examples.
        batch_size: rows, over all hosts; the last batch is filled with empty rows.
        first: only so many rows of the release from the beginning: of a question or a
            sentence all its windows.
        shard: (number of this host, number of hosts).

    Raises:
        UserError: the hosts do not divide the batch, or the store is none of labelled
            examples.
    """
    check(store)
    number, hosts = shard
    if batch_size < 1 or batch_size % hosts:
        raise UserError(
            f"a batch of {batch_size} rows cannot be split over {hosts} hosts"
        )
    size = input_lengths(store)[: examples_of(store, first)]
    by_length = np.argsort(-size, kind="stable")
    keys = order.keys(_EVALUATION, counts=np.arange(len(size)))
    mine = batch_size // hosts
    for begin in range(0, len(by_length), batch_size):
        members = by_length[begin : begin + batch_size]
        indices = np.full(batch_size, -1, np.int64)
        indices[: len(members)] = members
        indices = indices[number * mine : (number + 1) * mine]
        made = arrays(
            store,
            indices,
            width=padded_length(int(size[members[0]]), length=store.card["length"]),
            keys=keys[indices],
        )
        yield EvaluationBatch(indices, *made)


def examples_of(store: Store, rows: int | None) -> int:
    """How many examples the first rows of a release have, windows counted each.

    Args:
        store: of labelled examples, with their texts if they are windows.
        rows: of the release; None is all of them.
    """
    if rows is None or store.card["kind"] not in ("span", "tagging"):
        return store.num_examples if rows is None else min(rows, store.num_examples)
    return bisect.bisect_left(
        range(store.num_examples),
        rows,
        key=lambda index: store.meta(index)["example"],
    )
