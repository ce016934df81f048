"""A run directory has one holder, as long as that one lives."""

from __future__ import annotations

import functools
import json
import pathlib
import subprocess
import sys
import threading

import pytest

from tests.conftest import ROOT
from xtl_jax.cli import run_lock
from xtl_jax.errors import UserError
from xtl_jax.studies import claims

ELSEWHERE = claims.Worker(name="b", host="b", pid=7, machine="another", begun="1")


def _claims(run_dir):
    return sorted(path.name for path in run_dir.glob("claim-*"))


def test_it_is_held_once_and_let_go(tmp_path):
    with run_lock.held(tmp_path):
        assert _claims(tmp_path) == ["claim-1.json"]
        with run_lock.held(tmp_path):  # this process has it: a study's stage, say
            pass
        assert _claims(tmp_path) == ["claim-1.json"]
    assert _claims(tmp_path) == []


HOLDS = """
import sys
from xtl_jax.cli import run_lock
with run_lock.held(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)],
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"process {other.pid} on .* trains in it"):
            run_lock.held(tmp_path).__enter__()
    finally:
        other.kill()
        other.communicate()  # closes its pipes, too
    with run_lock.held(tmp_path) as finish:  # at once: its process is gone
        assert _claims(tmp_path) == ["claim-1.json", "claim-2.json"]
    last = json.loads((pathlib.Path(tmp_path) / "claim-2.json").read_text())
    assert last["free"]  # its number is not used again before the run's end
    with run_lock.held(tmp_path) as finish:
        finish()
    assert _claims(tmp_path) == []


def test_another_machine_that_gives_signs_of_life_is_not_disturbed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(run_lock, "_LOOK_SECONDS", 0.05)
    claim = claims.Claims(ELSEWHERE, every=0.2).take(tmp_path)
    assert claim is not None
    with pytest.raises(UserError, match="process 7 on b trains in it"):
        run_lock.held(tmp_path).__enter__()
    claim.free()


def test_another_machine_that_is_silent_is_taken_over(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_lock, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(
        run_lock, "Claims", functools.partial(claims.Claims, patience=0.3)
    )
    lost = threading.Event()
    silent = claims.Claims(ELSEWHERE, every=3600.0, lost=lambda why: lost.set())
    assert silent.take(tmp_path) is not None
    with run_lock.held(tmp_path):
        assert _claims(tmp_path)[-1] == "claim-2.json"
    assert "waiting 90 s for a sign of life" in capsys.readouterr().err
