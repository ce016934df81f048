"""Rates that change: at the stated steps, a pure function of seed and step."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl_jax.data import pipeline, store
from xtl_jax.data.features import Lengths
from xtl_jax.data.varying import Varying, Windows
from xtl_jax.errors import UserError

LENGTHS = Lengths(inputs=32, targets=8)
SWITCH = {0: {"a": 1}, 40: {"b": 1}}
RAMP = {0: {"a": 1}, 100: {"b": 1}}


def _store(folder, *, examples, base, seed=0):
    """Every example's tokens are base + its number."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "inputs": [base + i] * int(rng.integers(1, 30)) + [1],
            "targets": [base + i] * int(rng.integers(1, 6)) + [1],
        }
        for i in range(examples)
    ]
    card = {
        "task": folder.name,
        "split": "train",
        "eos_id": 1,
        "eos": {"inputs": True, "targets": True},
    }
    return store.Store(store.write(folder, rows, card))


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    root = tmp_path_factory.mktemp("stores")
    return {
        "a": _store(root / "a", examples=300, base=1000),
        "b": _store(root / "b", examples=50, base=5000, seed=1),
    }


def _feed(stores, schedule, *, between="hold", pack=True, seed=7, **more):
    return pipeline.Feed(
        stores,
        rates=Varying.of(schedule, tasks=stores, between=between),
        lengths=LENGTHS,
        batch_size=16,
        seed=seed,
        pack=pack,
        slots_per_window=64,
        **more,
    )


def _numbers(batch):
    """First token of every example in a batch: whose it is and its number."""
    tokens = batch["encoder_input_tokens"]
    if "encoder_positions" not in batch:
        return tokens[:, 0]
    return tokens[(batch["encoder_positions"] == 0) & (tokens > 0)]


def _same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert np.array_equal(first[name], second[name]), name


# --- the rates themselves -----------------------------------------------------------


def test_held_rates_change_at_their_step_and_not_before():
    rates = Varying.of(
        {0: {"a": 1}, 10: {"a": 1, "b": 3}}, tasks=("a", "b"), between="hold"
    )
    assert rates.at(9) == {"a": 1.0, "b": 0.0}
    assert rates.at(10) == rates.at(10**9) == {"a": 0.25, "b": 0.75}
    assert rates.mean(40) == {"a": (10 + 30 * 0.25) / 40, "b": 30 * 0.75 / 40}


def test_linear_rates_lie_on_the_line_between():
    rates = Varying.of(
        {0: {"a": 1}, 100: {"b": 1}, 200: {"a": 1, "b": 1}},
        tasks=("a", "b"),
        between="linear",
    )
    assert rates.at(25) == {"a": 0.75, "b": 0.25}
    assert rates.at(150) == {"a": 0.25, "b": 0.75}
    assert rates.at(300) == {"a": 0.5, "b": 0.5}
    # By the area under each line, by hand: 1/2, then 1/4, then 1/2.
    assert rates.mean(400)["a"] == pytest.approx((50 + 25 + 100) / 400)


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        ({}, "stated for step 0"),
        ({5: {"a": 1}}, "stated for step 0 and later ones, got steps 5"),
        ({0: {"a": 1}, 5: {"bb": 1}}, "from step 5 on name 'bb'.*near: b"),
        ({0: {"a": -1}}, "'a' has the rate -1 from step 0"),
        ({0: {"a": float("nan")}}, "'a' has the rate nan"),
        ({0: {"a": 1, "b": 1}, 9: {"a": 0}}, "from step 9 on no task has a rate"),
        ({0: {"a": 1}}, "'b' is in the mixture and has no rate at any step"),
    ],
)
def test_rates_that_cannot_be_are_refused(schedule, wanted):
    with pytest.raises(UserError, match=wanted):
        Varying.of(schedule, tasks=("a", "b"), between="hold")


@settings(deadline=None)
@given(
    weights=st.lists(st.floats(1e-4, 1.0), min_size=2, max_size=6),
    seed=st.integers(0, 2**31),
)
def test_slots_are_the_shares_rounded_and_right_on_average(weights, seed):
    names = [f"t{i}" for i in range(len(weights))]
    rates = Varying.of(
        {0: dict(zip(names, weights, strict=True))}, tasks=names, between="hold"
    )
    windows = Windows(rates, seed=seed, size=100, batch_size=1, rows=lambda _: 100)
    exact = 100 * np.asarray([*rates.at(0).values()])
    turns = np.zeros(len(names))
    for number in range(30):
        schedule = windows.schedule(number)
        assert schedule.turns == tuple(turns.astype(int).tolist())
        slots = np.asarray(schedule.per_window)
        assert slots.sum() == 100
        assert np.all(np.abs(slots - exact) < 1 + 1e-9)
        turns += slots
    # Rounding errors are independent and below 1: their sum over 30 stays small.
    assert np.all(np.abs(turns - 30 * exact) < 6 * np.sqrt(30 * 0.25) + 1)


# --- in a feed ----------------------------------------------------------------------


@pytest.mark.parametrize("pack", [True, False])
def test_the_task_changes_at_its_step_to_within_a_window(stores, pack):
    feed = _feed(stores, SWITCH, pack=pack)
    b = [np.mean(_numbers(feed.batch(step)) >= 5000) for step in range(80)]
    # A window of 64 examples is 4 batches of 16 at the most.
    assert not any(b[:40])
    assert all(share == 1.0 for share in b[45:])


def test_a_line_has_half_of_each_in_its_middle(stores):
    feed = _feed(stores, RAMP, between="linear")
    shares = [np.mean(_numbers(feed.batch(step)) >= 5000) for step in range(110)]
    for middle in (20, 50, 80):
        around = np.mean(shares[middle - 10 : middle + 10])
        assert around == pytest.approx(middle / 100, abs=0.06)
    assert np.mean(shares[105:]) == 1.0


@pytest.mark.parametrize("pack", [True, False])
@pytest.mark.parametrize("between", ["hold", "linear"])
def test_any_step_alone_is_that_step_in_the_run(stores, between, pack):
    schedule = {0: {"a": 3, "b": 1}, 20: {"a": 1, "b": 3}}
    with _feed(stores, schedule, between=between, pack=pack).batches() as running:
        fed = list(itertools.islice(running, 45))
    for step in (0, 19, 44, 3, 30):
        alone = _feed(stores, schedule, between=between, pack=pack).batch(step)
        _same(alone, fed[step].batch)


@pytest.mark.parametrize("pack", [True, False])
def test_a_run_resumes_from_its_position_as_if_unbroken(stores, pack):
    schedule = {0: {"a": 3, "b": 1}, 30: {"a": 1, "b": 3}}
    made = {"between": "linear", "pack": pack}
    with _feed(stores, schedule, **made).batches() as running:
        fed = list(itertools.islice(running, 60))
    for step in (12, 40):  # on the line, and after it
        kept = json.loads(json.dumps(fed[step - 1].next_position))
        again = _feed(stores, schedule, **made)
        with again.batches(step=step, position=kept) as resumed:
            for i, item in enumerate(itertools.islice(resumed, 60 - step)):
                _same(item.batch, fed[step + i].batch)
                assert item.next_position == fed[step + i].next_position


def test_a_position_spares_the_planning_of_what_lies_before(stores, monkeypatch):
    schedule = {0: {"a": 1}, 1000: {"a": 1, "b": 1}}
    far = _feed(stores, schedule, between="linear").position(150)
    fresh = _feed(stores, schedule, between="linear")
    planned = []
    plan = pipeline.window.plan
    monkeypatch.setattr(
        pipeline.window,
        "plan",
        lambda number, **more: planned.append(number) or plan(number, **more),
    )
    fresh.make(150, far)
    assert min(planned) == far.window > 10
    assert len(planned) <= 4


def test_hosts_together_have_the_rows_of_one(stores):
    one = _feed(stores, RAMP, between="linear")
    two = [_feed(stores, RAMP, between="linear", shard=(i, 2)) for i in range(2)]
    for step in range(0, 60, 7):
        batches = [feed.batch(step) for feed in two]
        joined = {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}
        _same(one.batch(step), joined)


def test_each_task_goes_through_its_epochs_without_gaps(stores):
    feed = _feed(stores, {0: {"a": 1, "b": 1}, 10: {"b": 1}}, pack=False)
    found = np.concatenate([_numbers(feed.batch(step)) for step in range(25)])
    b = found[found >= 5000]
    for epoch in range(len(b) // 50):
        assert sorted(b[50 * epoch : 50 * (epoch + 1)]) == list(range(5000, 5050))


def test_a_position_of_other_rates_is_refused(stores):
    feed = _feed(stores, RAMP, between="linear")
    fixed = pipeline.Feed(
        stores,
        rates={"a": 1, "b": 1},
        lengths=LENGTHS,
        batch_size=16,
        seed=7,
        pack=True,
        slots_per_window=64,
    )
    for one, other in ((feed, fixed), (fixed, feed)):
        with pytest.raises(UserError, match="does not belong to step 30"):
            one.make(30, other.position(30))


def test_what_decides_the_batches_is_json(stores):
    described = json.loads(json.dumps(_feed(stores, SWITCH).describe()))
    assert described["rates"] == {
        "between": "hold",
        "steps": {"0": {"a": 1.0, "b": 0.0}, "40": {"a": 0.0, "b": 1.0}},
    }


# --- budgets ------------------------------------------------------------------------


def _budget_feed(stores, budgets, *, seed=7, rates=None):
    return pipeline.Feed(
        stores,
        rates=rates or {"a": 1, "b": 1},
        lengths=LENGTHS,
        batch_size=16,
        seed=seed,
        pack=False,
        slots_per_window=64,
        budgets=budgets,
    )


def _drawn(feed, *, steps=40, low=1000, high=5000):
    numbers = np.concatenate([_numbers(feed.batch(step)) for step in range(steps)])
    return {int(n) for n in numbers if low <= n < high}


def test_a_budget_limits_the_examples_and_larger_ones_hold_smaller_ones(stores):
    small = _drawn(_budget_feed(stores, {"a": 20}))
    large = _drawn(_budget_feed(stores, {"a": 100}))
    assert (len(small), len(large)) == (20, 100)
    assert small < large
    assert _drawn(_budget_feed(stores, {"a": 20}, seed=8)) != small
    assert len(_drawn(_budget_feed(stores, {"a": 20}), low=5000, high=9000)) == 50


def test_a_budget_chooses_alike_in_every_mixture(stores):
    both = _drawn(_budget_feed(stores, {"a": 20}))
    swapped = {"b": stores["b"], "a": stores["a"]}
    assert _drawn(_budget_feed(swapped, {"a": 20})) == both
    alone = {"a": stores["a"]}
    assert _drawn(_budget_feed(alone, {"a": 20}, rates={"a": 1})) == both


def test_a_budget_of_everything_changes_nothing(stores):
    for step in range(5):
        _same(
            _budget_feed(stores, {"a": 300}).batch(step),
            _budget_feed(stores, None).batch(step),
        )


def test_a_budget_that_cannot_be_met_is_refused(stores):
    with pytest.raises(UserError, match="'b' has 50 examples, its budget is 51"):
        _budget_feed(stores, {"b": 51})
    described = _budget_feed(stores, {"b": 20}).describe()
    assert described["tasks"]["b"]["examples"] == 20
