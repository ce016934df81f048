"""The shuffle: one-to-one, even, different each epoch, the same for ever."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl_jax.data import order

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 100, 255, 256, 257, 4097, 65537)


@pytest.mark.parametrize("size", SIZES)
def test_every_example_comes_once_an_epoch(size):
    seen = order.permute(np.arange(size), size=size, keys=order.key(5, size))
    assert np.array_equal(np.sort(seen), np.arange(size))


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
def test_permutation_is_one_to_one_for_any_size_and_key(size, key):
    seen = order.permute(np.arange(size), size=size, keys=key)
    assert np.array_equal(np.sort(seen), np.arange(size))


def test_any_place_can_be_asked_for_alone():
    size = 1_000_003
    key = order.key(1)
    whole = order.permute(np.arange(size), size=size, keys=key)
    places = np.array([0, 1, 17, 999_999, size - 1])
    alone = [order.permute(places[i : i + 1], size=size, keys=key)[0] for i in range(5)]
    assert np.array_equal(whole[places], alone)


def test_epochs_and_seeds_and_tasks_have_other_orders():
    def epoch(number, *, seed=0, task=0):
        counts = np.arange(1000) + 1000 * number
        return order.visits(counts, size=1000, seed=seed, task=task).index

    ones = [epoch(0), epoch(1), epoch(0, seed=1), epoch(0, task=1)]
    for i, first in enumerate(ones):
        for second in ones[i + 1 :]:
            # Two random orders of 1,000 agree at one place on average.
            assert np.sum(first == second) < 10


def test_visits_across_epochs_equal_those_asked_for_one_by_one():
    counts = np.arange(50)
    together = order.visits(counts, size=7, seed=3, task=2)
    for count in counts:
        alone = order.visits(counts[count : count + 1], size=7, seed=3, task=2)
        assert (alone.epoch[0], alone.index[0]) == (count // 7, together.index[count])


@pytest.mark.parametrize("size", [7, 64, 1000])
def test_an_example_is_equally_likely_at_every_place(size):
    # Chi-square: where example 0 lands over many seeds, in min(size, 50) bins.
    trials = 20_000
    counts = np.zeros(trials, np.int64)
    keys = np.array([order.key(seed) for seed in range(trials)], np.uint64)
    landed = order.permute(counts, size=size, keys=keys)
    bins = min(size, 50)
    edges = np.arange(bins + 1) * size / bins
    found, _ = np.histogram(landed, edges)
    expected = trials * np.diff(np.ceil(edges)) / size
    chi_square = np.sum((found - expected) ** 2 / expected)
    # Mean bins - 1, standard deviation sqrt(2 (bins - 1)); five of them is generous.
    assert chi_square < (bins - 1) + 5 * np.sqrt(2 * (bins - 1))


def test_neighbours_in_order_are_not_neighbours_in_the_file():
    size = 100_000
    seen = order.permute(np.arange(size), size=size, keys=order.key(9))
    correlation = np.corrcoef(seen[:-1], seen[1:])[0, 1]
    assert abs(correlation) < 5 / np.sqrt(size)
    ascending = np.mean(seen[1:] > seen[:-1])
    assert abs(ascending - 0.5) < 0.01


def test_the_order_never_changes_between_versions():
    # SplitMix64's published first outputs for seed 0, reached through its finaliser.
    step = 0x9E3779B97F4A7C15
    states = np.array([step * i % 2**64 for i in (1, 2, 3)], np.uint64)
    assert [hex(value) for value in order._noise(states)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_permuting_nothing_is_refused():
    with pytest.raises(ValueError, match="size=0"):
        order.permute(np.arange(0), size=0, keys=0)
