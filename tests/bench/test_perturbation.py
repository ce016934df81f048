"""Costs of perturbed steps: what a step computes, and how ratios are made."""

from __future__ import annotations

import pytest

from xtl_jax.bench import pairs

pytestmark = pytest.mark.usefixtures("optax_promotes")


def test_a_ratio_is_that_of_one_round():
    """A machine that is ten times as slow in one round has the same ratios in it."""
    now = 0.0
    slow = iter([1, 1, 1, 1, 10, 10, 10, 10])

    def work(seconds):
        def done():
            nonlocal now
            now += seconds * next(slow)

        return done

    times = pairs.in_turns(
        {"none": work(1.0), "pgd": work(3.0)}, rounds=2, clock=lambda: now
    )
    assert times == {"none": [1.0, 10.0], "pgd": [3.0, 30.0]}


def test_the_command_times_every_method_beside_the_plain_step(xtl):
    done = xtl(
        *("bench", "perturbation", "--model=encoder_tiny", "--batch_size=2"),
        *("--length=8", "--steps=3", "--rounds=1"),
    )
    assert done.code == 0, done.err
    _, *lines = map(str.split, done.out.splitlines())
    assert [line[:3] for line in lines] == [
        ["none", "1", "passes"],
        ["gaussian", "1", "passes"],
        ["uniform", "1", "passes"],
        ["freelb", "3", "passes"],
        ["pgd", "4", "passes"],
    ]
    assert "1.00 times the plain step" in " ".join(lines[0])
    refused = xtl("bench", "perturbation", "--steps=0")
    assert refused.code == 2
    assert "--steps must be at least 1" in refused.err
