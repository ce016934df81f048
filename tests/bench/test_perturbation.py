"""Costs of perturbed steps: what a step computes, and how ratios are made."""

from __future__ import annotations

import pytest

from xtl_jax.bench import perturbation
from xtl_jax.bench.perturbation import Setting
from xtl_jax.model.encoder_sizes import EncoderConfig

pytestmark = pytest.mark.usefixtures("optax_promotes")

MODEL = EncoderConfig(
    architecture="xlm-roberta",
    vocab=64,
    embed=16,
    heads=2,
    mlp=16,
    layers=1,
    positions=20,
)


def test_each_method_is_timed_beside_the_plain_step_of_its_round():
    ticks = iter(range(1000))
    setting = Setting(model=MODEL, batch_size=2, length=8, steps=3, rounds=2)
    found = perturbation.measure(setting, clock=lambda: float(next(ticks)))
    assert [(each.method, each.passes) for each in found] == [
        ("none", 1),
        ("gaussian", 1),
        ("uniform", 1),
        ("freelb", 3),
        ("pgd", 4),
    ]
    for each in found:  # a clock that ticks once a look
        assert (each.seconds, each.ratio, each.ratio_spread) == (1.0, 1.0, (1.0, 1.0))


def test_a_ratio_is_that_of_one_round():
    """A machine that is ten times as slow in one round has the same ratios in it."""
    now = 0.0
    slow = iter([1, 1, 1, 1, 10, 10, 10, 10])

    def work(seconds):
        def done():
            nonlocal now
            now += seconds * next(slow)

        return done

    times = perturbation.in_turns(
        {"none": work(1.0), "pgd": work(3.0)}, rounds=2, clock=lambda: now
    )
    assert times == {"none": [1.0, 10.0], "pgd": [3.0, 30.0]}


def test_the_command_prints_one_line_a_method(xtl):
    done = xtl(
        *("bench", "perturbation", "--model=encoder_tiny", "--batch_size=2"),
        *("--length=8", "--steps=1", "--rounds=1"),
    )
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert len(lines) == 6
    assert "1.00 times the plain step" in lines[1]
    refused = xtl("bench", "perturbation", "--steps=0")
    assert refused.code == 2
    assert "--steps must be at least 1" in refused.err


@pytest.mark.slow
def test_more_passes_take_more_time():
    import time

    setting = Setting(model=MODEL, batch_size=64, length=18, steps=4, rounds=7)
    found = {
        each.method: each.ratio
        for each in perturbation.measure(setting, clock=time.perf_counter)
    }
    assert found["none"] == 1.0
    assert found["pgd"] > 2.0
    assert found["freelb"] > 2.0
