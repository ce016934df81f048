"""`xtl doctor RUN_DIR`: damage is found, and what is temporary alone is removed."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import time

import pytest

from xtl_jax.cli import doctor_run
from xtl_jax.data import store
from xtl_jax.studies import claims


@pytest.fixture
def run_dir(trained, tmp_path):
    return shutil.copytree(trained.run_dir, tmp_path / "run")


def _looked(xtl, folder, *flags):
    done = xtl("doctor", folder, "--json", *flags)
    found = json.loads(done.out)
    problems = [each for each in found["findings"] if each["level"] == "problem"]
    assert done.code == (1 if problems else 0)
    return found, problems


def _age(path):
    for each in (path, *path.rglob("*")):
        os.utime(each, (time.time() - 7200,) * 2)


def test_a_run_that_is_whole_has_no_findings(xtl, run_dir):
    found, _ = _looked(xtl, run_dir)
    assert found["kind"] == "run"
    assert found["findings"] == []
    assert found["resume"] == "nothing: all 6 steps are made"
    assert "0 problems" in xtl("doctor", run_dir).out


def _bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _state_files(run_dir, step):
    folder = run_dir / "checkpoints" / step / "state"
    return [path for path in folder.glob("**/d/*") if path.is_file()]


DAMAGES = {
    "bits of an array": (
        # Of all files: what lies at one place may be what nothing refers to.
        lambda run: [*map(_bit, _state_files(run, "6"))],
        "checkpoints/6",
    ),
    "the position of the feed": (
        lambda run: (run / "checkpoints/6/position/metadata").write_text("{}"),
        "checkpoints/6",
    ),
    "steps that are not in the log": (
        lambda run: _lines(run, lambda row: row["step"] not in (2, 3)),
        "no steps 2, 3",
    ),
    "a step that is there twice": (
        lambda run: _lines(run, lambda row: True, twice=4),
        "steps twice: 4",
    ),
    "half a run.json": (
        lambda run: (run / "run.json").write_text('{"version": 1, "ru'),
        "run.json",
    ),
}


def _lines(run_dir, keep, *, twice=None):
    path = run_dir / "log.jsonl"
    lines = path.read_text().splitlines(True)
    kept = [line for line in lines if keep(json.loads(line))]
    kept += [line for line in lines if json.loads(line)["step"] == twice]
    path.write_text("".join(kept))


@pytest.mark.parametrize("what", DAMAGES)
def test_each_damage_is_found_and_nothing_is_changed(xtl, run_dir, what):
    damage, named = DAMAGES[what]
    damage(run_dir)
    before = {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()}
    found, problems = _looked(xtl, run_dir, "--fix")
    assert any(named in f"{each['path']}: {each['says']}" for each in problems)
    assert found["removed"] == []
    assert before == {p: p.read_bytes() for p in run_dir.rglob("*") if p.is_file()}


def test_what_can_be_gone_on_with_is_told(xtl, run_dir):
    shutil.rmtree(run_dir / "checkpoints/6")
    found, problems = _looked(xtl, run_dir)
    assert problems == []
    assert found["resume"] == (
        "goes on after step 3 of 6; 3 logged steps are made again"
    )
    shutil.rmtree(run_dir / "checkpoints")
    found, _ = _looked(xtl, run_dir)
    assert found["resume"].startswith("begins anew")


def _left(run_dir):
    """What kills leave, as the names say, and what looks like it."""
    temporary = [run_dir / ".run.json.k3_x9a0b", run_dir / "scores/.a.json.abcdefgh"]
    mine = [run_dir / ".my.settings", run_dir / ".run.json.mine", run_dir / "notes.txt"]
    for path in (*temporary, *mine):
        path.parent.mkdir(exist_ok=True)
        path.write_text("{")
    unfinished = run_dir / "checkpoints/5.orbax-checkpoint-tmp"
    (unfinished / "state").mkdir(parents=True)
    return [*temporary, unfinished], mine


def test_only_what_is_surely_temporary_is_removed(xtl, run_dir):
    temporary, mine = _left(run_dir)
    assert _looked(xtl, run_dir, "--fix")[0]["removed"] == []  # may be under way
    for path in (*temporary, *mine):
        _age(path)
    assert "`--fix` removes" in xtl("doctor", run_dir).out
    found, problems = _looked(xtl, run_dir, "--fix")
    assert sorted(found["removed"]) == sorted(map(str, temporary))
    assert problems == []
    assert not any(path.exists() for path in temporary)
    assert all(path.exists() for path in mine)


def test_nothing_is_removed_while_somebody_works_there(xtl, run_dir):
    temporary, _ = _left(run_dir)
    for path in temporary:
        _age(path)
    claim = claims.Claims(claims.Worker.here()).take(run_dir)
    assert claim is not None
    try:
        found, _ = _looked(xtl, run_dir, "--fix")
    finally:
        claim.remove()
    assert found["removed"] == []
    assert found["resume"] == "nothing, while another process works here"
    assert f"process {os.getpid()}" in str(found["findings"])


def test_caches_are_held_against_their_checksums(xtl, tmp_path):
    rows = [{"inputs": [2, 1], "targets": [3, 1]}] * 4
    name = "train-0123456789abcdef"
    whole = store.write(tmp_path / "a" / name, rows, {"task": "a"})
    store.write(tmp_path / "b" / name, rows, {"task": "b"})
    left = tmp_path / "a" / f".{name}.partial-k3x"
    left.mkdir()
    _age(left)
    found, problems = _looked(xtl, tmp_path)
    assert (found["resume"], problems) == ("2 of 2 stores are whole", [])
    _bit(whole / "targets.tokens.bin")
    found, problems = _looked(xtl, tmp_path, "--fix")
    assert [each["path"] for each in problems] == [str(whole)]
    assert found["removed"] == [str(left)]
    assert whole.is_dir()


@pytest.mark.parametrize(
    ("folder", "said"),
    [("nowhere", "no such folder"), ("", "holds no run.json, study.json or card.json")],
)
def test_a_folder_that_is_none_of_ours_is_refused(xtl, tmp_path, folder, said):
    done = xtl("doctor", tmp_path / folder)
    assert done.code == 2
    assert said in done.err


def test_what_is_mended_is_a_folder(xtl):
    done = xtl("doctor", "--fix")
    assert done.code == 2
    assert "--fix mends a folder: give the folder, too" in done.err


def test_versions_that_are_others_now_are_noted(run_dir):
    path = pathlib.Path(run_dir) / "run.json"
    document = json.loads(path.read_text())
    document["environment"]["packages"]["jax"] = "0.1"
    path.write_text(json.dumps(document))
    (note,) = doctor_run.examine(str(run_dir)).findings
    assert note.level == "note"
    assert note.says.startswith("begun with jax 0.1; here it is ")
