"""The command line as a whole: help, exit codes, what goes to which stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

import xtl_jax
from xtl_jax.cli import main
from xtl_jax.errors import UserError


def _process(*arguments, **changes):
    command = [sys.executable, "-m", "xtl_jax.cli.main", *map(str, arguments)]
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "1"} | changes
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240
    )


def test_help_names_every_command_in_a_line_of_its_own(xtl):
    done = xtl("--help")
    assert done.code == 0
    lines = done.out.splitlines()
    for name in main.COMMANDS:
        assert [line for line in lines if f"{line} ".startswith(f"    {name} ")], name
    assert "xtl quickstart" in done.out


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_explains_itself(xtl, name):
    done = xtl(name, "--help")
    assert done.code == 0
    assert done.out.startswith(f"usage: xtl {name}")
    assert done.err == ""


@pytest.mark.parametrize("name", sorted({*main.COMMANDS} - {"data", "docs", "tasks"}))
def test_every_command_that_does_something_has_an_example(xtl, name):
    assert f"xtl {name}" in xtl(name, "--help").out.partition("usage:")[2][40:]


def test_version(xtl):
    assert xtl("--version").out.strip() == xtl_jax.__version__


def test_an_unknown_command_is_refused_with_all_there_are(xtl):
    done = xtl("trian")
    assert done.code == 2
    assert "trian" in done.err
    for name in main.COMMANDS:
        assert name in done.err


def test_a_flag_or_setting_that_a_command_has_not_is_refused(xtl):
    assert xtl("tasks", "--gin.TRAIN_STEPS=5").code == 2
    done = xtl("tasks", "--gin.TRAIN_STEPS=5")
    assert "--gin.TRAIN_STEPS=5 has no meaning here" in done.err
    assert xtl("train", "--step=5").code == 2


def test_a_user_error_is_one_message_and_a_defect_keeps_its_traceback(xtl, monkeypatch):
    from xtl_jax.cli import docs

    def refuse(_):
        raise UserError("no page [bold]x[/bold]; see `xtl docs`")

    monkeypatch.setattr(docs, "run", refuse)
    done = xtl("docs")
    assert done == (2, "", "xtl docs: no page [bold]x[/bold]; see `xtl docs`\n")

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(docs, "run", interrupt)
    assert xtl("docs").code == 130

    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(docs, "run", fail)
    with pytest.raises(ZeroDivisionError):
        main.main(["docs"])


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "xtl_jax.cli.main", "tasks", "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert process.wait(60) in (0, -signal.SIGPIPE)


def test_bad_input_as_a_process_is_exit_code_2_and_one_message(tmp_path):
    done = _process("train", "--gin_file=models/tinny.gin", f"--run_dir={tmp_path}/r")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("xtl train: no gin file 'models/tinny.gin'")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r").exists()


def test_json_as_a_process_is_one_document_on_stdout(world_data, tmp_path):
    done = _process(
        *("data", "cache", "world_qa.en", "--split", "test", "--vocabulary", "bytes"),
        *("--data_dir", world_data, "--cache_dir", tmp_path, "--json"),
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["caches"]
    assert row["task"] == "world_qa.en"
    assert "CUDA" not in done.stderr  # what TensorFlow says of absent hardware


@pytest.mark.parametrize(
    ("arguments", "limit"), [(("--help",), 0.5), (("tasks",), 3.0)]
)
def test_answers_come_at_once(arguments, limit):
    """Seconds of a processor, the least of some: others may use the machine."""

    def seconds():
        before = os.times()
        assert _process(*arguments).returncode == 0
        after = os.times()
        spent = after.children_user - before.children_user
        return spent + after.children_system - before.children_system

    assert min(seconds() for _ in range(3)) < limit
