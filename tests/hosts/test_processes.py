"""Processes on the loopback compute what one process computes, and end together.

A process has one device here, so that two of them have a batch each of a half.
"""

from __future__ import annotations

import json
import shutil
import signal
import time

import numpy as np
import pytest

from .conftest import logged

pytestmark = pytest.mark.timeout(3600)  # a busy machine starts processes slowly
# Sums over hosts add in another order: a few units in the last place of float32.
CLOSE = {"rtol": 2e-6, "atol": 0.0}
LONG = ("--gin.TRAIN_STEPS=100000", "--gin.RunConfig.save_period=50000")
UNWATCHED = ("--gin.RunConfig.dev_task=none",)


def _assert_same_losses(run_dir, other):
    mine, theirs = logged(run_dir), logged(other)
    assert [row["step"] for row in mine] == [row["step"] for row in theirs]
    for name in ("loss", "gradient_norm", "target_tokens", "accuracy_percent"):
        np.testing.assert_allclose(
            [row[name] for row in mine], [row[name] for row in theirs], **CLOSE
        )
    scores = [[row["score"] for row in logged(d, "eval")] for d in (run_dir, other)]
    np.testing.assert_allclose(*scores, **CLOSE)
    assert len(scores[0]) == len([row for row in mine if row["step"] % 2 == 0])


def _finish(hosts):
    ended = hosts.end()
    assert set(ended.codes) == {0}, ended
    return ended


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """Folder for runs that several tests read."""
    return tmp_path_factory.mktemp("kept")


def _trained(on_hosts, flags, run_dir, *, hosts, words=()):
    """A run that so many hosts have trained."""
    if not run_dir.exists():
        run_dir.parent.mkdir(exist_ok=True, parents=True)
        _finish(on_hosts(hosts, "train", *flags, f"--run_dir={run_dir}", *words))
    return run_dir


def test_two_hosts_train_and_evaluate_as_one(on_hosts, flags, kept):
    one = _trained(on_hosts, flags["mt5"], kept / "one" / "run", hosts=1)
    two = kept / "two" / "run"
    hosts = on_hosts(2, "train", *flags["mt5"], f"--run_dir={two}", "--json")
    first, second = _finish(hosts).outs
    assert json.loads(first)["outcome"] == "finished"
    assert second == ""  # the first host alone speaks
    _assert_same_losses(two, one)
    assert [row["step"] for row in logged(two, "event")] == [2, 4]
    assert json.loads((two / "run.json").read_text())["environment"]["hosts"] == 2
    assert {path.name for path in (two / "checkpoints").iterdir()} >= {"2", "4"}


def test_hosts_that_differ_train_nothing_and_say_in_what(on_hosts, flags, tmp_path):
    run_dir = tmp_path / "run"
    words = ("train", *flags["mt5"], f"--run_dir={run_dir}")
    ended = on_hosts(2, *words, only={1: ("--gin.RunConfig.seed=7",)}).end()
    assert ended.codes == [2, 2]
    for error in ended.errors:
        assert "the hosts do not have the same configuration" in error
        assert "run.seed is 7 and not 0" in error
        assert "Traceback" not in error
    assert not run_dir.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", ["mt5", pytest.param("encoder", marks=pytest.mark.long)]
)
def test_one_checkpoint_gives_the_same_answers_on_two_hosts(
    on_hosts, flags, kept, tmp_path, family
):
    kept = kept / ("one" if family == "mt5" else "encoder1") / "run"
    trained = _trained(on_hosts, flags[family], kept, hosts=1)
    found = []
    for hosts in (1, 2):
        run_dir = tmp_path / "copy"  # its name stands in the files
        shutil.copytree(trained, run_dir)
        _finish(on_hosts(hosts, "run", *flags[family], f"--run_dir={run_dir}"))
        found.append(run_dir.rename(tmp_path / f"by{hosts}"))
    for part in ("predictions", "scores"):
        folders = [run_dir / part for run_dir in found]
        names = [sorted(path.name for path in each.iterdir()) for each in folders]
        assert names[0] == names[1]
        assert len(names[0]) > 2
        for name in names[0]:
            one, two = (_lines(folder / name) for folder in folders)
            assert two == _rounded(one), name


def _lines(path):
    """A JSON file or one of JSON lines: what each line says."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return [json.loads(text)]
    return [json.loads(line) for line in text.splitlines()]


def _rounded(value):
    """The same, where numbers need only be equal within rounding.

    A host computes on fewer rows at a time, and sums of another blocking end in other
    digits.
    """
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return pytest.approx(value, rel=1e-5) if isinstance(value, float) else value


@pytest.mark.slow
def test_an_encoder_on_two_hosts_is_the_one_on_one(on_hosts, flags, kept):
    one = _trained(on_hosts, flags["encoder"], kept / "encoder1" / "run", hosts=1)
    two = _trained(on_hosts, flags["encoder"], kept / "encoder2" / "run", hosts=2)
    _assert_same_losses(two, one)


@pytest.mark.slow
@pytest.mark.parametrize(
    "axis", [pytest.param("model", marks=pytest.mark.long), "fsdp"]
)
def test_a_model_spread_over_two_hosts(on_hosts, flags, kept, axis):
    one = _trained(on_hosts, flags["mt5"], kept / "one" / "run", hosts=1)
    two = kept / axis / "run"
    words = (f"--gin.MeshConfig.{axis}=2",)
    _trained(on_hosts, flags["mt5"], two, hosts=2, words=words)
    _assert_same_losses(two, one)


@pytest.mark.slow
@pytest.mark.long
def test_four_hosts_then_two_then_one_make_one_trained(on_hosts, flags, kept, tmp_path):
    one = _trained(on_hosts, flags["mt5"], kept / "one" / "run", hosts=1)
    run_dir = tmp_path / "run"
    words = ("train", *flags["mt5"], f"--run_dir={run_dir}")
    for hosts, steps in ((4, 2), (2, 3), (1, 4)):
        ended = _finish(on_hosts(hosts, *words, f"--gin.TRAIN_STEPS={steps}"))
        if steps > 2:
            assert f"going on after step {steps - 1}" in ended.errors[0]
    mine, whole = logged(run_dir), logged(one)
    assert [row["step"] for row in mine] == [1, 2, 3, 4]
    np.testing.assert_allclose(
        [row["loss"] for row in mine], [row["loss"] for row in whole], **CLOSE
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "victim", "count"),
    [
        (signal.SIGKILL, "first", 2),
        pytest.param(signal.SIGKILL, "last", 4, marks=pytest.mark.long),
        (signal.SIGSTOP, "first", 4),
    ],
)
def test_a_host_that_is_gone_is_named_within_a_minute(
    on_hosts, flags, tmp_path, count, victim, how
):
    number = 0 if victim == "first" else count - 1
    run_dir = tmp_path / "run"
    words = ("train", *flags["mt5"], f"--run_dir={run_dir}", *LONG, *UNWATCHED)
    hosts = on_hosts(count, *words)
    hosts.until(lambda: len(logged(run_dir)) > 5)
    hosts.send(number, how)
    began = time.monotonic()
    for index, process in enumerate(hosts.processes):
        if index != number:
            process.wait(timeout=60)
    assert time.monotonic() - began < 60
    hosts.processes[number].kill()
    ended = hosts.end()
    for index in set(range(count)) - {number}:
        assert ended.codes[index] == 1, ended
        assert f"xtl train: host {number} (" in ended.errors[index]
        assert f") of {count} is gone: " in ended.errors[index]


@pytest.mark.slow
@pytest.mark.parametrize("told", [0, pytest.param(1, marks=pytest.mark.long)])
def test_sigterm_on_one_host_saves_on_all_and_half_of_them_go_on(
    on_hosts, flags, kept, tmp_path, told
):
    run_dir = tmp_path / "run"
    words = ("train", *flags["mt5"], f"--run_dir={run_dir}", *UNWATCHED)
    hosts = on_hosts(2, *words, *LONG)
    hosts.until(lambda: len(logged(run_dir)) > 5)
    hosts.send(told, signal.SIGTERM)
    ended = hosts.end()
    assert ended.codes == [143, 143], ended
    last = logged(run_dir)[-1]["step"]
    assert (run_dir / "checkpoints" / str(last)).is_dir()
    assert logged(run_dir, "event")[-1]["step"] == last
    ended = _finish(on_hosts(1, *words, f"--gin.TRAIN_STEPS={last + 2}"))
    assert f"going on after step {last}" in ended.errors[0]
    steps = [row["step"] for row in logged(run_dir)]
    assert steps == [*range(1, last + 3)]


@pytest.mark.slow
def test_a_run_directory_that_is_not_shared_is_refused(on_hosts, flags, tmp_path):
    folders = [tmp_path / "here", tmp_path / "there"]
    for folder in folders:
        folder.mkdir()
    words = ("train", *flags["mt5"], "--run_dir=run")
    ended = on_hosts(2, *words, folders=folders).end()
    assert ended.codes == [2, 2], ended
    for error in ended.errors:
        assert "run was made by host 0 and is not what host 1 can see there" in error
