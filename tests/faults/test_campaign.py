"""The campaign in its short form: real commands are killed and nothing comes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_kinds_of_work_are_killed_and_nothing_is_lost(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "xtl_jax.cli.main", "bench", "faults"),
            *("--trials=2", "--kinds=checkpoint,convert", "--json"),
        ],
        env={
            **{k: v for k, v in os.environ.items() if k != "XLA_FLAGS"},
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tasks'}",
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    found = {each["kind"]: each for each in json.loads(done.stdout)}
    assert set(found) == {"checkpoint", "convert"}
    # Of each of ten steps: its losses, its state, where its data stands.
    assert found["checkpoint"]["results"] == 30
    for kind in found.values():
        assert kind["equal"] == 2
        assert all(trial["killed"] for trial in kind["trials"])
    assert not list(tmp_path.glob("xtl-faults-*"))
