"""A run that is killed and continued is the run that was not.

Dropout and packing are on; the second kind of run draws span corruption and sums two
microbatches. Losses of every step and final parameters are compared bit by bit.
"""

from __future__ import annotations

import signal

import pytest

from .conftest import assert_same_run, logged

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
STEPS = 60
FLAGS = (f"--gin.TRAIN_STEPS={STEPS}", "--gin.RunConfig.save_period=20")
KINDS = {
    "questions": FLAGS,
    "text_in_two_microbatches": (
        *FLAGS,
        "--gin.MIXTURE_OR_TASK_NAME=world_text_all",
        "--gin.RunConfig.extra_ids=100",
        "--gin.TASK_FEATURE_LENGTHS={'inputs': 96, 'targets': 40}",
        "--gin.RunConfig.microbatches=2",
    ),
}
# One after the other, each in the run that the one before has left.
MOMENTS = {
    "while compiling": lambda m: m.is_compiling(),
    "between checkpoints": lambda m: m.step() >= 9,
    "while a checkpoint is written": lambda m: m.step() >= 20 and m.is_writing(),
    "right after a checkpoint": lambda m: m.has_written(),
    "near the end": lambda m: m.step() >= STEPS - 4,
}


@pytest.fixture(
    scope="module",
    params=[
        "questions",
        pytest.param("text_in_two_microbatches", marks=pytest.mark.long),
    ],
)
def unbroken(request, trainer, tmp_path_factory):
    """A trainer and a run of it that nothing has disturbed."""
    mine = trainer(*KINDS[request.param])
    run_dir = tmp_path_factory.mktemp("unbroken") / "run"
    mine.finish(run_dir)
    assert [row["step"] for row in logged(run_dir)] == [*range(1, STEPS + 1)]
    return mine, run_dir


def test_killed_at_five_moments_and_continued_it_is_the_unbroken_run(
    unbroken, tmp_path
):
    mine, whole = unbroken
    run_dir = tmp_path / "killed"
    reached = {}
    for name, moment in MOMENTS.items():
        code, _ = mine.stop(run_dir, when=moment, how=signal.SIGKILL)
        assert code == -signal.SIGKILL, name
        rows = logged(run_dir)
        reached[name] = rows[-1]["step"] if rows else 0
    assert reached["while compiling"] == 0
    assert 0 < reached["between checkpoints"] < 20
    assert 20 <= reached["while a checkpoint is written"] < STEPS
    assert STEPS - 4 <= reached["near the end"] < STEPS
    document, said = mine.finish(run_dir)
    assert document["outcome"] == "finished"
    assert "going on after step" in said
    assert_same_run([whole, run_dir])


def test_sigterm_saves_and_exits_143_and_the_run_goes_on(unbroken, tmp_path):
    mine, whole = unbroken
    run_dir = tmp_path / "stopped"
    code, said = mine.stop(run_dir, when=lambda m: m.step() >= 7, how=signal.SIGTERM)
    assert code == 143, said
    (*_, last) = logged(run_dir)
    (*_, saved) = logged(run_dir, "event")
    assert saved == {"step": last["step"], "kind": "event", "event": "checkpoint"}
    assert 7 <= last["step"] < 20  # it was the signal that saved
    _, said = mine.finish(run_dir)
    assert f"going on after step {last['step']}" in said
    assert_same_run([whole, run_dir])


@pytest.mark.long
@pytest.mark.parametrize("unbroken", ["questions"], indirect=True)
def test_a_program_compiled_anew_gives_the_same_bits(unbroken, trainer, tmp_path):
    mine, whole = unbroken
    run_dir = tmp_path / "anew"
    fresh = trainer(*mine.flags, compiled=False)
    code, said = fresh.stop(run_dir, when=lambda m: m.step() >= 25, how=signal.SIGKILL)
    assert code == -signal.SIGKILL, said
    fresh.finish(run_dir)
    assert_same_run([whole, run_dir])
