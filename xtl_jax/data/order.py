"""In which order examples come: a shuffle that needs no memory and no past.

Training visits the n examples of a task epoch by epoch, each time in another order.
The example at any place is computed directly from (seed, task, epoch, place), so a run
that resumes at step 1,000,000 need not replay anything, and all hosts agree.

How: a Feistel network is a keyed one-to-one map of b-bit numbers. Split a number into
two halves and repeat

    left  ^= noise(right, key)      then      right ^= noise(left, key)

Each line can be undone (xor the same noise again), so the whole is a permutation of
[0, 2**b), whatever the noise. n is seldom a power of two: take the smallest 2**b >= n,
and where the map lands outside [0, n), apply it again until it lands inside ("cycle
walking"). Following a cycle of a permutation to its next member inside a set permutes
that set, and as 2**b < 2n it takes less than two applications on average.

Only 64-bit integer arithmetic is used: the order depends on no library's version.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xtl_jax.typing import Int, Shaped

# Constants of the SplitMix64 generator (Steele, Lea and Flood, 2014).
_STEP = 0x9E3779B97F4A7C15
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_MASK = (1 << 64) - 1
_ROUNDS = 8


class Visit(NamedTuple):
    """Which example, and for the how-manieth time round."""

    epoch: Shaped[np.ndarray, " slots"]
    index: Shaped[np.ndarray, " slots"]


def _noise(x: np.ndarray) -> np.ndarray:
    """Scrambles 64-bit numbers; every input bit reaches every output bit."""
    x = (x ^ (x >> _S30)) * _FIRST
    x = (x ^ (x >> _S27)) * _SECOND
    return x ^ (x >> _S31)


def key(*parts: int) -> int:
    """One 64-bit key from whole numbers: seed, purpose, task, epoch, ...

    Example:
        >>> key(0, 1) == key(0, 1), key(0, 1) == key(1, 0)
        (True, False)
    """
    state = np.zeros(1, np.uint64)
    for part in parts:
        state = _noise(state + np.uint64((part * 2 + 1) * _STEP & _MASK))
    return int(state[0])


def keys(
    *parts: int, counts: Int[np.ndarray, " slots"]
) -> Shaped[np.ndarray, " slots"]:
    """One 64-bit key for each count, as uint64.

    Example:
        >>> made = keys(0, 1, counts=np.arange(3))
        >>> len(set(made.tolist()))
        3
    """
    turn = counts.astype(np.uint64) + np.uint64(1)
    return _noise(np.uint64(key(*parts)) + turn * np.uint64(_STEP))


def permute(
    places: Int[np.ndarray, " slots"],
    *,
    size: int,
    keys: int | Shaped[np.ndarray, " slots"],
) -> Int[np.ndarray, " slots"]:
    """Maps places in [0, size) one-to-one to [0, size).

    Args:
        places: whole numbers in [0, size).
        size: how many numbers are permuted.
        keys: which permutation, one key for all places or a uint64 for each.

    Example:
        >>> permute(np.arange(5), size=5, keys=7)
        array([2, 0, 1, 3, 4])
    """
    if size < 1:
        raise ValueError(f"a permutation needs at least one number, got size={size}")
    bits = (size - 1).bit_length()
    low = (bits + 1) // 2  # the right half has the extra bit
    shift = np.uint64(low)
    right_mask = np.uint64((1 << low) - 1)
    left_mask = np.uint64((1 << (bits - low)) - 1)
    rounds = [np.uint64((i + 1) * _STEP & _MASK) for i in range(_ROUNDS)]

    def network(x: np.ndarray, k: np.ndarray) -> np.ndarray:
        left, right = x >> shift, x & right_mask
        for i, constant in enumerate(rounds):
            if i % 2 == 0:
                left = left ^ (_noise((right ^ k) + constant) & left_mask)
            else:
                right = right ^ (_noise((left ^ k) + constant) & right_mask)
        return (left << shift) | right

    each = np.asarray(keys, np.uint64).reshape(-1)
    out = network(places.astype(np.uint64), each)
    (outside,) = np.nonzero(out >= size)
    while outside.size:
        out[outside] = network(out[outside], each if each.size == 1 else each[outside])
        outside = outside[out[outside] >= size]
    return out.astype(np.int64)


def visits(
    counts: Int[np.ndarray, " slots"], *, size: int, seed: int, task: int
) -> Visit:
    """The example that a task gives at its `count`-th turn, counted over all epochs.

    Args:
        counts: turns of this task before, over the whole run.
        size: examples in the task.
        seed: of the run.
        task: number of the task in its mixture.

    Example:
        >>> visit = visits(np.arange(6), size=3, seed=0, task=0)
        >>> visit.epoch
        array([0, 0, 0, 1, 1, 1])
        >>> np.sort(visit.index[:3]), np.sort(visit.index[3:])
        (array([0, 1, 2]), array([0, 1, 2]))
    """
    epoch, place = np.divmod(np.asarray(counts, np.int64), size)
    each = keys(seed, task, counts=epoch)
    return Visit(epoch=epoch, index=permute(place, size=size, keys=each))
