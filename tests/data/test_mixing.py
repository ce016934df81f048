"""Mixtures: rates by hand, exact shares, turns counted without a gap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.data import mixing
from xtl_jax.errors import UserError

SIZES = {"mnli": 392_702, "squad_v1": 87_599, "copa": 400}


def test_proportional_rates_with_cap_are_those_of_t5():
    rates = mixing.proportional(SIZES, cap=100_000)
    total = 100_000 + 87_599 + 400
    assert rates == pytest.approx(
        {"mnli": 100_000 / total, "squad_v1": 87_599 / total, "copa": 400 / total}
    )


def test_temperature_one_is_proportional_and_high_is_equal():
    assert mixing.temperature(SIZES, temperature=1.0) == mixing.proportional(SIZES)
    flat = mixing.temperature(SIZES, temperature=1e9)
    assert flat == pytest.approx(mixing.equal(tuple(SIZES)), rel=1e-6)


@given(
    sizes=st.dictionaries(
        st.text("abc", min_size=1), st.integers(1, 10**9), min_size=1, max_size=6
    ),
    temperature=st.floats(0.5, 10),
)
def test_rates_sum_to_one_and_keep_the_order_of_sizes(sizes, temperature):
    rates = mixing.temperature(sizes, temperature=temperature)
    assert sum(rates.values()) == pytest.approx(1.0)
    ranked = sorted(sizes, key=sizes.__getitem__)
    values = [rates[name] for name in ranked]
    assert values == sorted(values)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_no_positive_number_is_refused(value):
    with pytest.raises(UserError, match="'qa' has the rate"):
        mixing.explicit({"qa": value, "nli": 1})


def test_a_rate_for_an_unknown_task_names_the_near_one():
    with pytest.raises(UserError, match="near: mnli"):
        mixing.explicit({"mnlii": 1}, tasks=("mnli",))
    with pytest.raises(UserError, match="no rate is given for mnli"):
        mixing.explicit({"qa": 1}, tasks=("mnli", "qa"))


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (lambda: mixing.explicit({}), "no task; name at least one"),
        (lambda: mixing.proportional({"qa": 9}, cap=0), "is 0; it must be at least 1"),
        (
            lambda: mixing.temperature({"qa": 9}, temperature=0.0),
            r"temperature is 0\.0; it must be positive",
        ),
        (
            lambda: mixing.temperature({"qa": 9}, temperature=float("nan")),
            "temperature is nan",
        ),
    ],
)
def test_settings_that_no_rates_follow_from_are_refused(rates, message):
    with pytest.raises(UserError, match=message):
        rates()


def test_a_rate_too_small_for_a_block_is_refused():
    with pytest.raises(UserError, match="'copa' has the rate"):
        mixing.shares({"mnli": 1.0, "copa": 1e-7})


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=9))
def test_shares_sum_to_the_block_and_are_off_by_less_than_one(weights):
    rates = {str(i): weight for i, weight in enumerate(weights)}
    found = mixing.shares(rates)
    assert sum(found.values()) == mixing.BLOCK
    for task, slots in found.items():
        assert abs(slots - mixing.BLOCK * rates[task] / sum(weights)) < 1


def test_each_task_has_its_turns_in_order_and_without_gaps():
    schedule = mixing.Schedule.of({"a": 5, "b": 3, "c": 0.01}, seed=4)
    slots = schedule.at(np.arange(2 * mixing.BLOCK))
    for task, share in enumerate(schedule.per_block):
        turns = slots.count[slots.task == task]
        assert np.array_equal(turns, np.arange(2 * share))


def test_slots_asked_for_alone_are_those_asked_for_together():
    schedule = mixing.Schedule.of({"a": 2, "b": 1}, seed=4)
    numbers = np.array([0, 5, mixing.BLOCK - 1, mixing.BLOCK, 10**12])
    together = schedule.at(numbers)
    for i in range(len(numbers)):
        alone = schedule.at(numbers[i : i + 1])
        assert (alone.task[0], alone.count[0]) == (together.task[i], together.count[i])


def test_rates_hold_in_short_stretches_too():
    slots = mixing.Schedule.of({"a": 3, "b": 1}, seed=0).at(np.arange(4096))
    assert np.mean(slots.task == 1) == pytest.approx(0.25, abs=0.04)  # 6 sigma


def test_blocks_and_seeds_differ():
    def tasks(seed, block):
        numbers = np.arange(1000) + block * mixing.BLOCK
        return mixing.Schedule.of({"a": 1, "b": 1}, seed=seed).at(numbers).task

    assert not np.array_equal(tasks(0, 0), tasks(0, 1))
    assert not np.array_equal(tasks(0, 0), tasks(1, 0))


def test_one_task_alone_has_every_slot():
    slots = mixing.Schedule.of({"a": 0.3}, seed=0).at(np.array([0, 7, 10**15]))
    assert not slots.task.any()
    assert slots.count.tolist() == [0, 7, 10**15]
