"""Evaluation batches: a store read once, padded to few lengths.

Examples are sorted into batches of like lengths, each with its number, so that
predictions can be put back into the order of the split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from xtl_jax.data import pipeline
from xtl_jax.data.features import Lengths
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError


class EvaluationBatch(NamedTuple):
    """Some examples of a split, padded to a common length."""

    indices: np.ndarray  # [batch] number of the example in the split; -1: empty row
    encoder_input_tokens: np.ndarray  # [batch, bucket]
    decoder_target_tokens: np.ndarray  # [batch, targets]


def buckets(longest: int, *, least: int = 32) -> tuple[int, ...]:
    """Lengths to which batches are padded: doubling from `least` to `longest`.

    Example:
        >>> buckets(384)
        (32, 64, 128, 256, 384)
    """
    found = []
    size = min(least, longest)
    while size < longest:
        found.append(size)
        size *= 2
    return (*found, longest)


def evaluation_batches(
    store: Store,
    *,
    lengths: Lengths,
    batch_size: int,
    buckets: tuple[int, ...],
    first: int | None = None,
    only: np.ndarray | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[EvaluationBatch]:
    """Every example of a store once, the longest ones at the start.

    Examples are sorted by input length and cut into batches; a batch is padded to the
    smallest bucket that holds its longest. The last one is filled with empty rows.

    Args:
        store: of an evaluation split.
        lengths: longer examples are cut to them.
        batch_size: rows, over all hosts.
        buckets: ascending lengths, the last at least `lengths.inputs`.
        first: only so many examples from the beginning of the store.
        only: numbers of the examples wanted; all by default.
        shard: (number of this host, number of hosts).

    Raises:
        UserError: the buckets do not reach the length, the hosts do not divide the
            batch, or the store holds texts for span corruption.
    """
    number, hosts = shard
    if not buckets or buckets[-1] < lengths.inputs or list(buckets) != sorted(buckets):
        raise UserError(
            f"buckets {buckets} must be ascending and end at the input length "
            f"{lengths.inputs} or above"
        )
    pipeline.check_shard(shard, batch_size=batch_size)
    if store.card.get("transform"):
        raise UserError(
            f"{store.folder} holds texts for span corruption, which has no answers to "
            "evaluate"
        )
    size = np.minimum(store.lengths["inputs"][:first], lengths.inputs)
    wanted = np.arange(len(size)) if only is None else only
    by_length = wanted[np.argsort(-size[wanted], kind="stable")]
    mine = batch_size // hosts
    for begin in range(0, len(by_length), batch_size):
        members = by_length[begin : begin + batch_size]
        bucket = next(b for b in buckets if b >= size[members[0]])
        indices = np.full(batch_size, -1, np.int64)
        indices[: len(members)] = members
        indices = indices[number * mine : (number + 1) * mine]
        rows = {
            name: _rows(store, name, indices=indices, limit=limit, width=width)
            for (name, limit), width in zip(
                lengths.items(), (bucket, lengths.targets), strict=True
            )
        }
        yield EvaluationBatch(
            indices=indices,
            encoder_input_tokens=rows["inputs"],
            decoder_target_tokens=rows["targets"],
        )


def alike(
    store: Store,
    *,
    length: int,
    first: int | None = None,
    beside: Sequence[Hashable] | None = None,
) -> np.ndarray:
    """[examples] for each example the first one whose inputs are the same ids.

    What a model is given decides what it says: whoever asks it about the first of
    several like inputs has the answers of all.

    Args:
        store: of an evaluation split.
        length: to which inputs are cut.
        first: only so many examples from the beginning of the store.
        beside: what else must be the same, one for each example.
    """
    seen: dict[tuple[bytes, bool, Hashable], int] = {}
    sizes = store.lengths["inputs"][:first]
    found = np.empty(len(sizes), np.int64)
    for index, size in enumerate(sizes.tolist()):
        ids = store.tokens("inputs", index)[:length]
        # A cut input gets another end, so it is none that was as long from the start.
        key = (
            hashlib.sha256(ids.tobytes()).digest(),
            size > length,
            None if beside is None else beside[index],
        )
        found[index] = seen.setdefault(key, index)
    return found


def _rows(
    store: Store, feature: str, *, indices: np.ndarray, limit: int, width: int
) -> np.ndarray:
    """One feature of some examples, one a row; index -1 is an empty row."""
    out = np.zeros((len(indices), width), np.int32)
    for row, index in enumerate(indices.tolist()):
        if index < 0:
            continue
        tokens = store.tokens(feature, index)
        out[row, : min(len(tokens), limit)] = tokens[:limit]
        if len(tokens) > limit and store.card["eos"][feature]:
            out[row, limit - 1] = store.card["eos_id"]
    return out
