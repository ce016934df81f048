"""Attacks as runs name them."""

from __future__ import annotations

import pytest

from xtl_jax.attacks import catalog, named
from xtl_jax.errors import UserError


@pytest.mark.parametrize(
    "text",
    [
        *catalog.names(),
        "worst_of:distractor:k=3",
        "greedy:keyboard:fields=first+second:budget=0.3:seed=9",
        "hotflip:k=2",
        "universal_trigger:budget=2:rows=4",
        "pgd:norm=linf:over=example:steps=1:budget=0.01",
    ],
)
def test_what_is_written_is_what_is_read(text):
    found = named.parse(text, seed=5)
    assert named.parse(str(found)) == found
    assert "/" not in found.file_part
    assert ":" not in found.file_part


def test_a_run_s_budget_and_seed_are_those_of_attacks_that_name_none():
    own = named.parse("keyboard:budget=0.3:seed=1", budget=0.2, seed=7)
    assert (own.budget, own.seed) == (0.3, 1)
    of_run = named.parse("keyboard", budget=0.2, seed=7)
    assert (of_run.budget, of_run.seed) == (0.2, 7)
    assert named.parse("keyboard").budget == catalog.find("keyboard").budget.default


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("keybord", "near: keyboard"),
        ("worst_off:keyboard", "near: worst_of"),
        ("worst_of", "needs the name of an attack"),
        ("worst_of:k=3", "needs the name of an attack"),
        ("worst_of:keybord", "near: keyboard"),
        ("greedy:distractor", "take worst_of:distractor"),
        ("keyboard:k=3", "'k=3' is no setting of keyboard"),
        ("hotflip:steps", "is no setting of hotflip"),
        ("pgd:norm=l1", "one of l2, linf"),
        ("worst_of:keyboard:k=0", "k must be a whole number of at least 1"),
        ("keyboard:budget=x", "budget must be a number"),
        ("keyboard:budget=2", "at most 1"),
        ("universal_trigger:budget=1.5", "a whole number"),
        ("keyboard:seed=-1", "seed must be a whole number of at least 0"),
    ],
)
def test_bad_names_are_explained(text, wanted):
    with pytest.raises(UserError, match=wanted.replace("(", r"\(")):
        named.parse(text)


def test_run_settings_are_checked_before_anything_runs():
    from xtl_jax.train.config import RunConfig

    settings = {
        "task": "x",
        "steps": 1,
        "lengths": {"inputs": 8, "targets": 8},
        "vocabulary": "bytes",
        "run_dir": "r",
    }
    RunConfig(**settings, attacks=("keyboard", "pgd"), attack_seed=3)
    with pytest.raises(UserError, match="near: keyboard"):
        RunConfig(**settings, attacks=("keybord",))
    with pytest.raises(UserError, match="attack_budget must be"):
        RunConfig(**settings, attack_budget=-1.0)
    with pytest.raises(UserError, match="at most 1"):
        RunConfig(**settings, attacks=("keyboard",), attack_budget=3.0)
