"""Processes on this machine: what they are told, and how they end together."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from xtl_jax.cli import launch_local

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# A stand-in for `xtl`: writes its process id, then does what its number is told.
WORK = """
import os, pathlib, signal, sys, time
folder, *deeds = sys.argv[1:]
mine = int(os.environ["XTL_PROCESS_ID"])
deed = deeds[mine]
def save(*_):
    pathlib.Path(folder, f"saved{mine}").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, signal.SIG_IGN if deed == "deaf" else save)
pathlib.Path(folder, f"pid{mine}").write_text(str(os.getpid()))
if deed == "crash":
    while len(list(pathlib.Path(folder).glob("pid*"))) < len(deeds):
        time.sleep(0.02)
    print("ValueError: no more")
    sys.exit(7)
while deed != "end":
    time.sleep(0.02)
"""


@pytest.fixture
def see_through(tmp_path):
    """Runs stand-ins; the exit code, what was told, the folder they wrote to."""

    def run(*deeds, stop_seconds=5.0):
        told = []
        code = launch_local.see_through(
            [sys.executable, "-c", WORK, str(tmp_path), *deeds],
            launch_local.environments(len(deeds), port=1, devices=0),
            logs=tmp_path / "logs",
            stop_seconds=stop_seconds,
            tell=told.append,
        )
        return code, "\n".join(told), tmp_path

    return run


def _are_gone(folder):
    for path in folder.glob("pid*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)
    return True


def test_all_end_well(see_through):
    code, told, folder = see_through("end", "end", "end")
    assert (code, told) == (0, "")
    assert _are_gone(folder)


def test_one_that_fails_is_named_with_its_last_words_and_ends_the_others(see_through):
    began = time.monotonic()
    code, told, folder = see_through("wait", "crash", "wait", stop_seconds=300)
    assert code == 7
    assert time.monotonic() - began < 30
    assert "process 1 of 3 failed (exit code 7); stopping the others" in told
    assert told.endswith("ValueError: no more")
    assert (folder / "saved0").exists()
    assert _are_gone(folder)


def test_one_that_was_killed_has_the_exit_code_of_its_signal(see_through, tmp_path):
    code, told, folder = _meanwhile(
        see_through,
        ("wait", "wait"),
        lambda: os.kill(int((tmp_path / "pid1").read_text()), signal.SIGKILL),
        tmp_path,
    )
    assert code == 137
    assert "process 1 of 2 failed (exit code 137)" in told
    assert _are_gone(folder)


def test_one_that_was_stopped_lets_the_others_save(see_through, tmp_path):
    code, told, folder = _meanwhile(
        see_through,
        ("wait", "wait"),
        lambda: os.kill(int((tmp_path / "pid0").read_text()), signal.SIGTERM),
        tmp_path,
    )
    assert code == 143
    assert "process 0 of 2 was stopped, after saving" in told
    assert (folder / "saved1").exists()


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_to_the_launcher_stops_all(see_through, tmp_path, number, expected):
    code, _, folder = _meanwhile(
        see_through, ("wait", "wait"), lambda: os.kill(os.getpid(), number), tmp_path
    )
    assert code == expected
    assert (folder / "saved0").exists()
    assert (folder / "saved1").exists()
    assert _are_gone(folder)


def test_one_that_does_not_listen_is_killed(see_through, tmp_path):
    def stop():
        os.kill(os.getpid(), signal.SIGTERM)

    work = ("deaf", "wait")
    code, told, folder = _meanwhile(
        lambda *deeds: see_through(*deeds, stop_seconds=0.5), work, stop, tmp_path
    )
    assert code == 143
    assert "processes [0] did not end in 0.5 seconds: killed" in told
    assert _are_gone(folder)


def test_a_signal_is_as_before_afterwards(see_through):
    before = signal.getsignal(signal.SIGTERM)
    see_through("end", "end")
    assert signal.getsignal(signal.SIGTERM) is before


def test_each_process_runs_xtl_and_the_first_one_prints(xtl, monkeypatch, tmp_path):
    monkeypatch.setenv("XTL_LAUNCH_DIR", str(tmp_path))
    done = xtl(
        *("launch", "run", "--backend=local", "--name=two", "--processes=2", "--"),
        *("docs", "--json"),
    )
    assert done.code == 0, done.err
    first = json.loads(done.out)
    assert json.loads((tmp_path / "two/1.log").read_text()) == first


def test_bad_input_of_the_command_is_its_exit_code(xtl, monkeypatch, tmp_path):
    monkeypatch.setenv("XTL_LAUNCH_DIR", str(tmp_path))
    flags = ("launch", "run", "--backend=local")
    done = xtl(*flags, "--processes=2", "--", "docs", "no_such_page")
    assert done.code == 2
    assert re.search("process [01] of 2 failed .exit code 2.", done.err)
    assert "--processes=0 must be" in xtl(*flags, "--processes=0", "--", "docs").err
    refused = xtl("launch", "create", "--backend=local")
    assert "--backend=local has no create" in refused.err


@pytest.mark.slow
def test_jax_finds_its_peers_by_what_they_are_told(tmp_path):
    """The variables are what `jax.distributed` needs, and no more."""
    code = """
import os, jax
jax.distributed.initialize(
    os.environ["XTL_COORDINATOR"],
    int(os.environ["XTL_PROCESSES"]),
    int(os.environ["XTL_PROCESS_ID"]),
)
from jax.experimental import multihost_utils
total = multihost_utils.process_allgather(jax.numpy.int32(jax.process_index() + 1))
assert total.tolist() == [1, 2], total
assert len(jax.devices()) == 4, jax.devices()
"""
    told = []
    port = launch_local.free_port()
    code = launch_local.see_through(
        [sys.executable, "-c", code],
        launch_local.environments(2, port=port, devices=2),
        logs=tmp_path,
        stop_seconds=5,
        tell=told.append,
    )
    assert (code, told) == (0, [])


@pytest.mark.slow
def test_a_training_run_of_one_process_is_stopped_and_goes_on(
    world_data, tiny_gin, tmp_path
):
    """SIGTERM to the shell script: saved, 143; the same command again finishes."""
    command = [
        *(ROOT / "launch/tpu_train.sh", "run", "--backend=local", "--devices=1"),
        *("--state_dir", tmp_path / "records"),
        *("--", "train", "--gin_file", tiny_gin.name),
        *("--gin_search_path", tiny_gin.parent, "--gin.TRAIN_STEPS=20000"),
        *("--data_dir", world_data, "--cache_dir", tmp_path / "cache"),
        *("--run_dir", tmp_path / "run", "--json"),
    ]
    environment = os.environ | {"XTL_PYTHON": sys.executable}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        log = tmp_path / "run/log.jsonl"
        deadline = time.monotonic() + 200
        while not (log.exists() and log.read_text().count("\n") > 1):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=100)
    assert process.returncode == 143
    stopped = json.loads(out)
    assert stopped["outcome"] == "stopped"
    steps = stopped["step"] + 5
    again = [
        f"--gin.TRAIN_STEPS={steps}" if word == "--gin.TRAIN_STEPS=20000" else word
        for word in command
    ]
    done = subprocess.run(again, env=environment, capture_output=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["step"] == steps


def _meanwhile(see_through, deeds, act, folder):
    """`act` once all stand-ins have begun, from another thread."""
    import threading

    def wait_and_act():
        while len(list(folder.glob("pid*"))) < len(deeds):
            time.sleep(0.02)
        time.sleep(0.1)
        act()

    thread = threading.Thread(target=wait_and_act, daemon=True)
    thread.start()
    result = see_through(*deeds)
    thread.join(10)
    return result
