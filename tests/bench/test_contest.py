"""Contestants take turns in processes of their own; who is missing is told."""

from __future__ import annotations

import sys

import pytest

from xtl_jax.bench import contest
from xtl_jax.bench.contest import Entrant

# Speaks as `contestant.py` does: what it is asked to make says what it answers.
SPEAKER = """
import json, sys
request = json.loads(sys.stdin.readline())
kind, _, number = request["make"].partition(":")
def say(**values):
    print(json.dumps(values), flush=True)
if kind == "missing":
    say(missing="No module named t5x")
    sys.exit()
say(facts=request["setting"])
turns = 0
for line in sys.stdin:
    word = line.strip()
    turns += word == "turn"
    if kind == "dies" and turns == 4:
        sys.exit("out of memory")
    if word == "turn":  # the very first one, and the first of a round, do not count
        seconds = float(number) if turns > 1 and turns % 2 else 100.0
        say(seconds=seconds, cpu_seconds=2 * seconds)
    elif word == "matmul":
        say(flops=1e9)
    else:
        say(peak_bytes=1024)
"""


@pytest.fixture
def spoken(monkeypatch):
    monkeypatch.setattr(contest, "_BOOT", SPEAKER)


def entrant(name, make, **setting):
    return Entrant(name=name, make=make, setting=setting, package=name)


def test_the_second_turn_of_a_round_is_compared(spoken):
    ours, theirs = contest.measure(
        [entrant("ours", "x:2", note=1), entrant("theirs", "x:5")], rounds=3
    )
    assert (ours.seconds, ours.cpu_seconds, ours.ratio) == (2.0, 4.0, 1.0)
    assert (theirs.seconds, theirs.ratio, theirs.cpu_ratio) == (5.0, 2.5, 2.5)
    assert theirs.ratio_spread == (2.5, 2.5)
    assert ours.facts == {"note": 1}
    assert (ours.peak_bytes, ours.matmul_flops) == (1024, 1e9)


def test_times_are_of_one_unit(spoken):
    """Ours answers 10 examples in 2 s, the peer 1 in 5 s: 25 times as fast."""
    ours, theirs = contest.measure(
        [entrant("ours", "x:2", units=10), entrant("theirs", "x:5")], rounds=2
    )
    assert ours.seconds == 0.2
    assert theirs.ratio == pytest.approx(25.0)


def test_a_missing_or_dying_peer_leaves_the_others_their_figures(spoken):
    found = contest.measure(
        [
            entrant("ours", "x:2"),
            entrant("T5X", "missing:0"),
            entrant("torch", "dies:5"),
            entrant("other", "x:4"),
        ],
        rounds=3,
    )
    ours, t5x, torch, other = found
    assert t5x.missing == "T5X is not importable"
    assert torch.missing == "torch ended with 1: out of memory"
    assert (ours.missing, other.missing, other.ratio) == ("", "", 2.0)


def test_ours_must_be_there(spoken):
    with pytest.raises(contest.Ended, match="ours ended with 1: out of memory"):
        contest.measure([entrant("ours", "dies:1"), entrant("b", "x:1")], rounds=3)


def test_what_libraries_print_is_no_answer():
    """The real child: a module that is not there, and a Python that is another."""
    gone = Entrant(
        name="gone",
        make="step_gone:train",
        setting={},
        package="gone",
        python=sys.executable,
    )
    with (
        contest.running(gone) as process,
        pytest.raises(ImportError, match="gone is not importable"),
    ):
        process.make()
