"""Readers given what no file should hold: in a short form, all of them."""

from __future__ import annotations

import json
import pathlib

import pytest

from xtl_jax.bench import fuzz, fuzz_releases
from xtl_jax.bench.damage import DAMAGE
from xtl_jax.cli import fuzz_readers
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
    found = _run(_json, tmp_path, executions=300)
    assert found.failures == ()
    assert found.executions == 300
    assert 100 < found.refused < 300
    again = _run(_json, tmp_path / "again", executions=300)
    assert (again.refused, again.places) == (found.refused, found.places)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (lambda path: json.loads(path.read_bytes()), "JSONDecodeError"),
        (lambda path: _refuse("it is bad"), "names no file: it is bad"),
        (lambda path: _refuse(f"{path}: {'x' * 9999}"), "a message of"),
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


# Readers whose execution takes more than 50 ms are tried in CI's slow part.
SLOW = {"xtl converted", "xtl of a run", "t5x", "report a run"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW))
        for name in fuzz_readers.names()
    ],
)
def test_a_reader_reads_or_refuses_in_words(tmp_path, name):
    (made := tmp_path / "made").mkdir()
    reader = fuzz_readers.make(name, made)
    tried = 60 if name in fuzz_releases.RELEASES else 40
    found = fuzz.run(reader, folder=tmp_path / "tried", seed=0, executions=tried)
    assert found.failures == ()
    assert found.refused
