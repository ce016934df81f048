"""Files of a run that were damaged after they were written."""

from __future__ import annotations

import json
import pathlib
import shutil

import pytest

from .conftest import assert_same_run, logged, params

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
STEPS = 12
FLAGS = (f"--gin.TRAIN_STEPS={STEPS}", "--gin.RunConfig.save_period=4")


@pytest.fixture(scope="module")
def mine(trainer):
    return trainer(*FLAGS)


@pytest.fixture(scope="module")
def whole(mine, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    mine.finish(run_dir)
    return run_dir


@pytest.fixture
def broken(whole, tmp_path):
    """A copy to damage."""
    return shutil.copytree(whole, tmp_path / "broken")


def _cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _files(folder):
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]


DAMAGE = {
    "every file cut in half": lambda step: [_cut(path) for path in _files(step)],
    "arrays cut in half": lambda step: [_cut(path) for path in _files(step / "state")],
    "largest file emptied": lambda step: max(
        _files(step), key=lambda path: path.stat().st_size
    ).write_bytes(b""),
    "position cut in half": lambda step: [
        _cut(path) for path in _files(step / "position")
    ],
    "state gone": lambda step: shutil.rmtree(step / "state"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    mine, whole, broken, kind
):
    DAMAGE[kind](broken / "checkpoints" / str(STEPS))
    document, said = mine.finish(broken)
    assert document["step"] == STEPS
    assert f"{STEPS} cannot be read" in said
    assert "going on after step 8" in said
    assert_same_run([whole, broken])


@pytest.mark.parametrize("left", [b'{"sc', b"", b"[]", b'{"score": "high"}', None])
def test_a_dev_score_that_cannot_be_read_stops_nothing(mine, whole, broken, left):
    path = broken / "checkpoints" / str(STEPS) / "metrics" / "metrics"
    if left is None:
        shutil.rmtree(path.parent)
    else:
        path.write_bytes(left)
    assert params(broken)  # reading mends nothing and needs no score
    assert not path.exists() if left is None else path.read_bytes() == left
    _, said = mine.finish(broken)
    assert f"{STEPS}: its dev score cannot be read" in said
    assert_same_run([whole, broken])


def test_when_no_checkpoint_can_be_read_nothing_is_overwritten(mine, broken):
    for step in (broken / "checkpoints").iterdir():
        for path in _files(step / "state"):
            _cut(path)
    before = {path: path.read_bytes() for path in _files(broken / "checkpoints")}
    process = mine.start(broken)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 2, err
    assert out == ""
    assert "none of the checkpoints" in err
    assert "Traceback" not in err
    assert before == {p: p.read_bytes() for p in _files(broken / "checkpoints")}


def test_a_log_line_cut_by_a_kill_is_dropped(mine, whole, broken):
    log = broken / "log.jsonl"
    content = log.read_text()
    shutil.rmtree(broken / "checkpoints" / str(STEPS))
    log.write_text(content + '{"step": 13, "kind": "tra')
    mine.finish(broken)
    rows = log.read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows if "loss" in row] == [
        *range(1, STEPS + 1)
    ]
    assert_same_run([whole, broken])


def test_a_log_that_is_gone_is_begun_again(mine, whole, broken):
    (broken / "log.jsonl").unlink()
    shutil.rmtree(broken / "checkpoints" / str(STEPS))
    mine.finish(broken)
    assert logged(broken) == logged(whole)[8:]


def test_what_a_kill_leaves_before_run_json_is_no_run_of_another(mine, whole, tmp_path):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / ".run.json.half").write_text('{"version": 1, "ru')
    mine.finish(run_dir)
    assert_same_run([whole, run_dir])
