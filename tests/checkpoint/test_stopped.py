"""A conversion that was stopped goes on, and is mixed with no other."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import subprocess
import sys

import pytest

from xtl_jax.checkpoint import convert
from xtl_jax.errors import UserError

FORMATS = ("t5x", "huggingface", "xtl")


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize("to", FORMATS)
def test_a_stopped_conversion_goes_on(t5x_toy, tmp_path, to, same, arrays):
    new = tmp_path / "new"
    plan = convert.plan(str(t5x_toy), str(new), to=to)
    written = []

    def stop(name, size):
        written.append(name)
        if len(written) == 9:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        convert.run(plan, done=stop)
    assert not new.exists()
    assert (tmp_path / "new.partial" / convert.RECORD).is_file()
    read = []

    def reading(entry, layer):
        read.append((entry.path, layer))
        return plan.source.read(entry, layer)

    again = convert.plan(str(t5x_toy), str(new), to=to)
    counted = dataclasses.replace(
        again, source=dataclasses.replace(again.source, read=reading)
    )
    told = []
    convert.run(counted, done=lambda name, size: told.append(size))
    assert sum(told) == again.bytes  # what was there already is counted
    same(t5x_toy, new)
    count = len(arrays(t5x_toy)[1])
    # Of Hugging Face's format whole files are kept, and this model has only one.
    assert len(read) < count if to != "huggingface" else len(read) == count


KILLED = """
import os, sys
from xtl_jax.checkpoint import convert

def kill(name, size, seen=[]):
    seen.append(name)
    if len(seen) == 5:
        os._exit(9)

convert.run(convert.plan(sys.argv[1], sys.argv[2], to="t5x"), done=kill)
"""


def test_a_killed_process_leaves_what_the_next_goes_on_with(
    t5x_toy, tmp_path, same, convert_to
):
    new = tmp_path / "checkpoint_7"
    command = [sys.executable, "-c", KILLED, str(t5x_toy), str(new)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=120)
    assert done.returncode == 9, done.stderr
    assert not new.exists()
    left = {path.name for path in (tmp_path / "checkpoint_7.partial").iterdir()}
    assert len(left) == 1 + 5
    same(t5x_toy, convert_to(t5x_toy, new, "t5x"))


def test_a_kill_after_the_last_rename_is_made_good(t5x_toy, tmp_path):
    new = tmp_path / "new"
    plan = convert.plan(str(t5x_toy), str(new), to="huggingface")
    convert.run(plan)
    files = {path: path.read_bytes() for path in new.iterdir()}
    record = new / convert.RECORD
    record.write_text(json.dumps(convert._record(plan)))
    checked = []
    again = convert.plan(str(t5x_toy), str(new), to="huggingface")
    convert.run(again, check=checked.append)
    assert checked == [new]
    assert files == {path: path.read_bytes() for path in new.iterdir()}
    record.write_text(json.dumps({**convert._record(plan), "step": 8}))
    with pytest.raises(UserError, match="a stopped conversion with another step"):
        convert.run(convert.plan(str(t5x_toy), str(new), to="huggingface"))
    assert record.exists()


@pytest.fixture
def stopped(t5x_toy, tmp_path):
    """A copy of a source and what a stopped conversion of it has left."""
    source = shutil.copytree(t5x_toy, tmp_path / "checkpoint_7")

    def stop(name, size):
        raise _StoppedError

    plan = convert.plan(str(source), str(tmp_path / "new"), to="xtl")
    with pytest.raises(_StoppedError):
        convert.run(plan, done=stop)
    return source


def _refused(source, tmp_path, message, **changes):
    plan = convert.plan(str(source), str(tmp_path / "new"), to="xtl", **changes)
    before = sorted((tmp_path / "new.partial").rglob("*"))
    with pytest.raises(UserError, match=message):
        convert.run(plan)
    assert sorted((tmp_path / "new.partial").rglob("*")) == before
    assert not (tmp_path / "new").exists()


def test_what_was_stopped_is_not_mixed_with_another_source(stopped, tmp_path):
    other = shutil.copytree(stopped, tmp_path / "checkpoint_8")
    _refused(other, tmp_path, r"another source, step: remove ")
    index = stopped / "checkpoint"
    os.utime(index, ns=(1, 1))  # the same bytes, written at another time
    _refused(stopped, tmp_path, r"with another files of the source: remove ")


def test_what_was_stopped_is_not_mixed_with_another_vocabulary(
    stopped, tmp_path, small_vocabulary
):
    _refused(
        stopped, tmp_path, r"with another vocabulary", vocabulary=str(small_vocabulary)
    )


def test_a_damaged_record_is_no_record(stopped, tmp_path):
    (tmp_path / "new.partial" / convert.RECORD).write_text('{"source": ')
    _refused(stopped, tmp_path, r"another convert\.json \(it cannot be read\): remove")


def test_a_folder_of_something_else_is_not_touched(t5x_toy, tmp_path):
    (tmp_path / "new.partial").mkdir()
    (tmp_path / "new.partial/notes.txt").write_text("mine")
    _refused(t5x_toy, tmp_path, r"new\.partial is no conversion that was stopped")


def test_two_processes_do_not_write_one_folder(stopped, tmp_path, same, convert_to):
    with (tmp_path / "new.partial" / convert.RECORD).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _refused(stopped, tmp_path, r"another process is converting into")
    same(stopped, convert_to(stopped, tmp_path / "new", "xtl"))
