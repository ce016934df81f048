"""Claims: one holder at a time, taken over from the dead and the silent alone."""

from __future__ import annotations

import inspect
import json
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from xtl_jax import storage
from xtl_jax.errors import UserError
from xtl_jax.studies import claims
from xtl_jax.studies.claims import Claims, Worker


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def elsewhere(name):
    """A worker of another machine: nobody here can tell whether it lives."""
    return Worker(name=name, host=name, pid=1, machine=f"{name} boot", begun="1")


def by(name, **settings):
    return Claims(elsewhere(name), **{"every": 3600.0, **settings})


@pytest.fixture(params=["disk", "bucket"])
def folder(request, tmp_path):
    if request.param == "disk":
        return tmp_path / "stage"
    request.getfixturevalue("bucket")
    return storage.at("gs://bucket/study/stages/one")


def test_a_stage_has_one_holder_who_may_let_go(folder):
    first, second = by("first"), by("second")
    held = first.take(folder)
    assert held.number == 1
    assert held.is_held()
    assert second.take(folder) is None
    assert claims.read(folder).holder["name"] == "first"
    held.free()
    taken = second.take(folder)
    assert taken.number == 2
    assert not held.is_held()
    taken.remove()
    assert claims.read(folder) is None
    assert claims._numbers(folder) == []


def test_silence_is_measured_by_the_one_who_listens(folder):
    first = by("first", every=0.05).take(folder)
    clock = Clock()
    other = by("other", patience=60.0, clock=clock)
    assert other.take(folder) is None
    clock.now = 59.0
    beats = claims.read(folder).beats
    while claims.read(folder).beats == beats:  # it is alive: its heart beats once more
        time.sleep(0.01)
    first._stop()
    assert other.take(folder) is None
    clock.now = 118.0
    assert other.take(folder) is None
    clock.now = 120.0
    assert other.take(folder).number == 2


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_wall_clock_that_is_set_frees_nothing(folder, monkeypatch, jump):
    clock = inspect.signature(Claims).parameters["clock"].default
    real = time.time()
    held = by("first").take(folder)
    other = by("other", clock=clock)
    assert other.take(folder) is None
    before = clock()
    monkeypatch.setattr(time, "time", lambda: real + jump)
    assert 0.0 <= clock() - before < 60.0
    assert other.take(folder) is None
    assert held.is_held()
    assert clock is time.monotonic  # the one that nobody can set


def test_a_holder_that_was_silent_finds_out_that_it_lost(folder):
    found = threading.Event()
    why = []

    def lost(text):
        why.append(text)
        found.set()

    slow = Claims(elsewhere("slow"), every=0.2, lost=lost)
    held = slow.take(folder)
    storage.create(folder / "claim-2.json", b"{}")  # as one who takes over does
    assert found.wait(10)
    assert "taken over" in why[0]
    held.free()  # writes nothing into what another holds
    assert [path.name for path in sorted(folder.iterdir()) if path != folder] == [
        "claim-1.json",
        "claim-2.json",
    ]
    assert not json.loads((folder / "claim-1.json").read_text())["free"]


def test_a_number_that_somebody_has_is_not_had_again(folder):
    """Two see the same dead claim; the slower one must not hold it, too."""
    dead = by("dead").take(folder)
    dead._stop()
    late = claims.Claim(folder, 2, elsewhere("late"), every=3600.0)
    clock = Clock()
    quick = by("quick", patience=1.0, clock=clock)
    assert quick.take(folder) is None
    clock.now = 2.0
    assert quick.take(folder).number == 2
    assert not late.make()


def test_whose_process_is_gone_is_taken_over_at_once(tmp_path):
    """No patience is needed on one machine."""
    code = (
        "import pathlib, sys, time\n"
        "from xtl_jax.studies.claims import Claims, Worker\n"
        "assert Claims(Worker.here('killed')).take(pathlib.Path(sys.argv[1]))\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "stage")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    mine = Claims(Worker.here())
    if not mine.worker.machine:
        child.kill()
        pytest.skip("this system does not tell its machines apart")
    assert mine.take(tmp_path / "stage") is None
    assert not claims.is_gone(claims.read(tmp_path / "stage").holder)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    taken = mine.take(tmp_path / "stage")
    assert taken.number == 2
    taken.remove()


def test_a_process_number_that_came_round_again_is_another_process():
    me = Worker.here()
    if not me.machine:
        pytest.skip("this system does not tell its machines apart")
    mine = {"machine": me.machine, "pid": me.pid, "begun": me.begun}
    assert not claims.is_gone(mine)
    assert claims.is_gone({**mine, "begun": "1"})
    assert not claims.is_gone({**mine, "begun": "1", "machine": "another"})


def test_another_users_process_may_be_hidden(monkeypatch):
    me = Worker.here()
    if not me.machine:
        pytest.skip("this system does not tell its machines apart")
    mine = {"machine": me.machine, "pid": me.pid, "begun": me.begun}

    def forbidden(pid, number):
        raise PermissionError

    monkeypatch.setattr(claims, "_begun", lambda pid: None)
    assert claims.is_gone(mine)  # a zombie, say
    monkeypatch.setattr(os, "kill", forbidden)
    assert not claims.is_gone(mine)


def test_a_heart_beats_on_after_any_error(folder, monkeypatch):
    """A bucket's client has errors of many kinds; without a beat the stage is lost."""
    errors = [RuntimeError("no answer"), OSError("no answer"), TimeoutError()]
    listed = claims._numbers

    def sometimes(folder):
        if errors:
            raise errors.pop()
        return listed(folder)

    held = by("first", every=0.01).take(folder)
    monkeypatch.setattr(claims, "_numbers", sometimes)
    deadline = time.monotonic() + 10
    while claims._read(folder, 1).beats < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    held._stop()
    assert not errors
    assert claims._read(folder, 1).beats >= 2


def test_a_disk_without_hard_links_is_told_of(tmp_path, monkeypatch):
    def refused(old, new):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(UserError, match=r"not supported.*hard links"):
        by("first").take(tmp_path / "stage")
    assert not list((tmp_path / "stage").iterdir())


def _race(folder, start, results, number):
    start.wait()
    found = Claims(elsewhere(f"w{number}"), every=3600.0).take(pathlib.Path(folder))
    results.put(None if found is None else found.number)


@pytest.mark.parametrize("freed", [False, True], ids=["fresh", "freed"])
def test_of_many_processes_at_once_one_gets_the_stage(tmp_path, freed):
    if freed:
        by("before").take(tmp_path / "stage").free()
    context = multiprocessing.get_context("spawn")
    start, results = context.Event(), context.Queue()
    racers = [
        context.Process(
            target=_race, args=(str(tmp_path / "stage"), start, results, number)
        )
        for number in range(4)
    ]
    for each in racers:
        each.start()
    start.set()
    found = [results.get(timeout=60) for _ in racers]
    for each in racers:
        each.join()
    results.close()
    assert sorted(each for each in found if each) == [2 if freed else 1]


def test_of_many_threads_one_creates_a_file(folder):
    made = []
    start = threading.Barrier(8)

    def create(number):
        start.wait()
        if storage.create(folder / "claim-1.json", str(number).encode()):
            made.append(number)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if storage.is_remote(folder):  # the bucket of tests has no lock of its own
        assert len(made) >= 1
    else:
        assert len(made) == 1
        assert (folder / "claim-1.json").read_bytes() == str(made[0]).encode()
        assert [path.name for path in folder.iterdir()] == ["claim-1.json"]
