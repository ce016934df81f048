"""The campaign sees what is lost, doubled or changed, and nothing where nothing is."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from xtl_jax.bench.faults import Trial
from xtl_jax.cli import bench_faults

# A command that writes ten results, one every 20 ms, and goes on after a kill. `fault`
# is what its author did wrong. It is forked, so it has a process of its own.
SCRIPT = """
import contextlib, json, pathlib, sys, tempfile, time
from xtl_jax.bench import faults

fault = sys.argv[1]

def program(words):
    path = pathlib.Path(words[0])
    have = path.read_text().splitlines() if path.exists() else []
    begin = len(have)
    if begin and fault == "loses":
        begin += 1
    if begin and fault == "doubles":
        begin -= 1
    if begin and fault == "stumbles":
        raise ValueError("half a file is here")
    with path.open("a") as file:
        for number in range(begin, 10):
            changed = bool(have) and fault == "changes"
            file.write(f"{number} {number + changed}\\n")
            file.flush()
            time.sleep(0.02)
    return 0

def results(folder):
    path = folder / "out"
    for line in path.read_text().splitlines() if path.exists() else ():
        name, value = line.split()
        yield name, value

kind = faults.Kind(
    name="toy", words=lambda folder: [str(folder / "out")], results=results
)
with tempfile.TemporaryDirectory() as folder:
    campaign = faults.Campaign(
        program, folder=pathlib.Path(folder), seed=0, quiet=contextlib.nullcontext
    )
    truth = campaign.truth(kind)
    trials = [campaign.trial(kind, number, truth=truth) for number in range(6)]
    left = sorted(path.name for path in pathlib.Path(folder).glob("toy-*"))
print(json.dumps({
    "results": truth.results.total(),
    "kills": [len(each.killed) for each in trials],
    "equal": [each.is_equal for each in trials],
    "lost": sum(len(each.lost) for each in trials),
    "duplicated": sum(len(each.duplicated) for each in trials),
    "different": sum(len(each.different) for each in trials),
    "failed": [each.failed for each in trials],
    "left": left,
}))
"""


def _campaign(fault):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, fault],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_work_that_goes_on_rightly_is_equal_and_leaves_nothing():
    found = _campaign("none")
    assert found["results"] == 10
    assert all(kills >= 1 for kills in found["kills"])
    assert found["equal"] == [True] * 6, found
    assert found["left"] == []


@pytest.mark.parametrize(
    ("fault", "seen"),
    [("loses", "lost"), ("doubles", "duplicated"), ("changes", "different")],
)
def test_each_mistake_is_seen_and_what_it_left_is_kept(fault, seen):
    found = _campaign(fault)
    assert found[seen] > 0
    others = {"lost", "duplicated", "different"} - {seen}
    assert not any(found[name] for name in others), found
    assert len(found["left"]) == found["equal"].count(False) > 0


def test_a_command_that_does_not_go_on_is_told_with_its_words():
    found = _campaign("stumbles")
    assert any("half a file is here" in said for said in found["failed"])


def test_the_table_counts_kills_and_results():
    trials = [
        Trial(kind="train", number=0, killed=("SIGKILL at 1.00 s",)),
        Trial(
            kind="train",
            number=1,
            killed=("SIGTERM at 0.50 s", "SIGKILL at 0.20 s"),
            lost=("step 3", "step 4"),
        ),
    ]
    last = bench_faults.markdown([(62, trials)]).splitlines()[-2:]
    assert last == [
        "| train | 2 | 2 | 1 | 62 | 2 | 0 | 0 | 0 | 1 |",
        "| all | 2 | 2 | 1 |  | 2 | 0 | 0 | 0 | 1 |",
    ]


def test_a_kind_that_is_none_is_refused(xtl, tmp_path):
    done = xtl("bench", "faults", "--kinds=training")
    assert done.code == 2
    assert "no kind 'training'; near: train" in done.err
    page = tmp_path / "page.md"
    page.write_text("no marks")
    done = xtl("bench", "faults", f"--markdown_into={page}")
    assert done.code == 2
    assert "needs the marks" in done.err


BESIDE = """
import time
from xtl_jax.bench import faults

def waits():
    time.sleep(100)
    return 0

try:
    faults.side_by_side({"first": waits, "second": lambda: 3}, most=2)
except RuntimeError as error:
    print(error)
"""


def test_a_work_that_fails_ends_those_beside_it():
    done = subprocess.run(
        [sys.executable, "-c", BESIDE],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,  # of 100 that the first would wait
        check=True,
    )
    assert done.stdout == "second ended with 3\n"
