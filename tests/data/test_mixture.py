"""A mixture's settings: the rates they give, and those that are refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl_jax.data.mixture import MixtureConfig
from xtl_jax.data.varying import Varying
from xtl_jax.errors import UserError

SIZES = {
    "anli_plus": 1_104_934,
    "mnli": 392_702,
    "qqp": 363_846,
    "squad_v2": 130_319,
    "squad_v1": 87_599,
    "hellaswag": 39_905,
    "ccg": 38_015,
    "cosmos_qa": 25_588,
    "commonsense_qa": 9_741,
}


def _mixture(**values):
    return MixtureConfig(**{"name": "m", "tasks": tuple(SIZES)} | values)


# Worked out from the sizes by hand, as printed beside the paper's: proportional with
# no cap, and to the power 1/2.
PROPORTIONAL = (0.5039, 0.1791, 0.1659, 0.0594, 0.04, 0.0182, 0.0173, 0.0117, 0.0044)
ROOTS = (0.2927, 0.1745, 0.168, 0.1005, 0.0824, 0.0556, 0.0543, 0.0445, 0.0275)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, PROPORTIONAL),
        ({"cap": 2**21}, PROPORTIONAL),  # no task has as many
        ({"rates": "temperature", "temperature": 2.0}, ROOTS),
        ({"rates": "temperature"}, PROPORTIONAL),
        ({"rates": "equal"}, (1 / 9,) * 9),
    ],
)
def test_rates_of_the_nine_intermediate_tasks(values, wanted):
    assert tuple(_mixture(**values).shares(SIZES).values()) == pytest.approx(
        wanted, abs=5e-5
    )


def test_explicit_weights_are_scaled():
    mixture = _mixture(tasks=("a", "b"), rates="explicit", weights={"a": 3, "b": 1})
    assert mixture.shares({}) == {"a": 0.75, "b": 0.25}
    assert mixture.resolve({}) == {"a": 0.75, "b": 0.25}


def test_budgets_count_in_proportional_rates():
    mixture = _mixture(tasks=("a", "b"), examples={"a": 100})
    assert mixture.shares({"a": 900, "b": 300}) == {"a": 0.25, "b": 0.75}


@given(
    ratio=st.floats(0.001, 10),
    sizes=st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
)
@settings(deadline=None)
def test_what_is_beside_has_its_ratio_to_all_others(ratio, sizes):
    tasks = {f"t{i}": size for i, size in enumerate(sizes)}
    mixture = _mixture(tasks=tuple(tasks), beside={"text": ratio})
    shares = mixture.shares(tasks)
    others = sum(shares[task] for task in tasks)
    assert shares["text"] / others == pytest.approx(ratio)
    alone = _mixture(tasks=tuple(tasks)).shares(tasks)
    assert {t: shares[t] / others for t in tasks} == pytest.approx(alone)


def test_a_schedule_gives_rates_that_vary():
    mixture = _mixture(
        tasks=("a", "b"),
        rates="varying",
        schedule={0: {"a": 1}, 10: {"a": 1, "b": 3}},
        between="linear",
    )
    rates = mixture.resolve({})
    assert isinstance(rates, Varying)
    assert rates.at(5) == {"a": 0.625, "b": 0.375}
    assert not mixture.is_static


def test_other_rates_forget_what_they_do_not_read():
    mixture = _mixture(cap=2**17, beside={"text": 0.01})
    equal = mixture.changed({"rates": "equal"})
    assert (equal.cap, equal.beside) == (0, {"text": 0.01})
    flat = mixture.changed({"rates": "temperature", "temperature": 5.0})
    assert (flat.cap, flat.temperature) == (2**17, 5.0)
    assert mixture.changed({"cap": 2**21}).beside == {"text": 0.01}
    with pytest.raises(UserError, match="cap is set, which changes nothing"):
        mixture.changed({"rates": "equal", "cap": 5})


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"tasks": ()}, "names no task"),
        ({"tasks": ("a", "b", "a")}, "names a twice"),
        ({"rates": "proportionate"}, "got 'proportionate'; near: proportional"),
        ({"between": "cubic"}, "must be one of hold, linear"),
        ({"cap": -1}, "at least 0, got -1"),
        ({"cap": 1.5}, "whole number"),
        ({"cap": True}, "whole number"),
        ({"rates": "temperature", "temperature": 0}, "must be positive, got 0"),
        ({"temperature": 2.0}, "changes nothing with rates='proportional'"),
        ({"weights": {"mnli": 1}}, "or take rates='explicit'"),
        ({"rates": "explicit"}, "weights is needed with rates='explicit'"),
        ({"rates": "varying"}, "schedule is needed with rates='varying'"),
        ({"rates": "explicit", "weights": {"mnli": 0}}, "positive number, got 0"),
        ({"rates": "explicit", "weights": {"mnli": "1"}}, "positive number, got '1'"),
        ({"beside": {"text": float("nan")}}, "positive number, got nan"),
        ({"beside": {"mnli": 1}}, "either one of the tasks or beside them"),
        ({"examples": {"mnli": 0}}, "at least 1, got 0"),
        ({"rates": "varying", "schedule": {0: 1}}, "must be steps with weights"),
        ({"rates": "varying", "schedule": {-1: {"a": 1}}}, "must be steps"),
        (
            {"rates": "varying", "schedule": {0: {"a": -1}}},
            r"schedule\[0\]\['a'\] must be a number of at least 0",
        ),
        ({"between": "linear"}, "between is set, which changes nothing"),
    ],
)
def test_settings_that_cannot_be_or_do_nothing_are_refused(values, wanted):
    with pytest.raises(UserError, match=wanted) as error:
        _mixture(**values)
    assert str(error.value).startswith("mixture 'm': MixtureConfig.")


def test_a_weight_is_needed_for_every_task_and_for_no_other():
    with pytest.raises(UserError, match="no rate is given for b"):
        _mixture(tasks=("a", "b"), rates="explicit", weights={"a": 1}).shares({})
    more = _mixture(tasks=("a",), rates="explicit", weights={"a": 1, "c": 1})
    with pytest.raises(UserError, match="'c', which is not in the mixture"):
        more.shares({})
