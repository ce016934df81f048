"""Readers given what no file should hold: in a short form, all of them."""

from __future__ import annotations

import json
import pathlib

import pytest

from xtl_jax.bench import fuzz, fuzz_releases
from xtl_jax.bench.damage import DAMAGE
from xtl_jax.cli import bench_fuzz, fuzz_readers, pages
from xtl_jax.errors import UserError

DOCS = pathlib.Path(__file__).parents[2] / "xtl_jax" / "docs"
SMALL = {"a.json": b'{"size": 3, "text": "x"}'}


def _json(folder):
    """What a reader should be."""
    path = folder / "a.json"
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document["size"], int) or not 0 <= document["size"] < 10:
            raise ValueError("a size from 0 to 9 is needed")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: {str(error)[:80]}") from None


def _run(read, folder, **settings):
    reader = fuzz.Reader("it", SMALL, read)
    return fuzz.run(reader, folder=folder, seed=0, **settings)


def test_a_reader_that_refuses_in_words_does_not_fail(tmp_path):
    found = _run(_json, tmp_path, executions=100)
    assert found.failures == ()
    assert found.executions == 100
    assert 30 < found.refused < 100
    again = _run(_json, tmp_path / "again", executions=100)
    assert (again.refused, again.places) == (found.refused, found.places)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (lambda path: json.loads(path.read_bytes()), "JSONDecodeError"),
        (lambda path: _refuse("it is bad"), "names no file: it is bad"),
        (lambda path: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_anything_else_is_a_failure_and_its_files_are_kept(tmp_path, bad, what):
    found = _run(lambda folder: bad(folder / "a.json"), tmp_path, executions=50)
    assert any(what in each.what for each in found.failures)
    for each in found.failures:
        assert 1 <= each.times <= 50
        assert pathlib.Path(each.folder).is_dir()


def _refuse(message):
    raise UserError(message)


def test_valid_files_that_are_refused_are_a_failure(tmp_path):
    found = _run(lambda folder: _refuse(f"{folder} no"), tmp_path, executions=1)
    assert "valid files are refused" in found.failures[0].what


def test_a_read_that_does_not_end_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 1)

    def read(folder):
        while True:
            pass

    found = _run(read, tmp_path, executions=1)
    assert found.failures[0].what == "TimeoutError: it took more than 1 s"


def test_damage_is_the_same_each_time():
    data = b'{"label": 1, "text": "x"}\n'
    for name, damage in DAMAGE.items():
        spoilt = [damage(data, where) for where in range(40)]
        assert spoilt == [damage(data, where) for where in range(40)], name
        assert any(each != data for each in spoilt), name


def test_every_reader_of_datasets_has_its_layouts():
    from xtl_tasks import catalog

    from xtl_jax.data import readers

    used = {
        catalog.family(each.family).read for each in fuzz_releases.RELEASES.values()
    }
    names = {getattr(each, "func", each).__name__ for each in used}
    functions = [getattr(readers, name) for name in readers.__all__]
    public = {each.__name__ for each in functions if callable(each)}
    public -= {"Counter", "ReadOptions", "check_count"}
    assert public <= names


# orbax takes a tenth of a second for each, and leaves reads behind: in a process apart.
APART = ["xtl converted", "xtl of a run"]
TIRED = {"report a run": 10, "t5x": 20}  # executions of those that take long


@pytest.mark.slow
@pytest.mark.long
def test_the_command_tries_readers_in_processes_of_their_own(xtl):
    done = xtl("bench", "fuzz", "--json", "--minutes=0.1", f"--only={','.join(APART)}")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [each["reader"] for each in found] == APART
    assert all(each["refused"] for each in found)
    assert [each["failures"] for each in found] == [[], []]


def test_a_reader_that_nobody_has_is_told(xtl):
    done = xtl("bench", "fuzz", "--only=gins")
    assert done.code == 2
    assert "near: gin" in done.err
    assert "safetensors" in xtl("bench", "fuzz", "--list").out.splitlines()


def test_a_table_has_a_line_for_each_reader_and_their_sum():
    rows = [fuzz.Found(reader=name, executions=1000, refused=9) for name in "ab"]
    lines = bench_fuzz.markdown(rows).splitlines()
    assert lines[2] == "| a | 1,000 | 9 | 0 | 0.00 | 0.0 | 0 |"
    assert lines[-1] == "| all | 2,000 | 18 |  | 0.00 | 0.0 | 0 |"
    pages.into((DOCS / "faults.md").read_text(), "", mark="fuzz")


@pytest.mark.parametrize(
    "name", [name for name in fuzz_readers.names() if name not in APART]
)
def test_a_reader_reads_or_refuses_in_words(tmp_path, name):
    (made := tmp_path / "made").mkdir()
    reader = fuzz_readers.make(name, made)
    tried = TIRED.get(name, 40)
    found = fuzz.run(reader, folder=tmp_path / "tried", seed=0, executions=tried)
    assert found.failures == ()
    assert found.refused or name.startswith("doctor")  # it tells what it finds
