"""Nothing that is read is run, nothing that is shown acts, no secret is kept."""

from __future__ import annotations

import argparse
import ast
import io
import json
import pathlib
import re
import types

import pytest
from xtl_tasks import catalog, downloads

import xtl_jax
from xtl_jax import storage
from xtl_jax.cli import data_show, run_files, screen
from xtl_jax.errors import UserError

ROOT = pathlib.Path(xtl_jax.__file__).parent
SOURCES = [
    *ROOT.rglob("*.py"),
    *pathlib.Path(catalog.__file__).parent.rglob("*.py"),
]
# Modules that run what they read, or a text; calls that do, by their last name.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "getstatusoutput"}
KEYWORDS = {"shell", "allow_pickle"}
# An unpickler of descriptions alone: tests/checkpoint/test_bad_checkpoints.py.
ALLOWED = {("pytorch.py", "pickle")}
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj\r<script>"


def _uses(tree):
    """Names of what a module imports or calls that is not safe."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from MODULES & {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from MODULES & {node.module.split(".")[0]}
        elif isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in CALLS:
                yield called.id
            elif isinstance(called, ast.Attribute):
                of_os = isinstance(called.value, ast.Name) and called.value.id in (
                    *("os", "subprocess", "builtins"),
                )
                if of_os and called.attr in CALLS:
                    yield called.attr
            for keyword in node.keywords:
                true = isinstance(keyword.value, ast.Constant) and keyword.value.value
                if keyword.arg in KEYWORDS and true:
                    yield keyword.arg


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "eval('1')",
        "import os\nos.system('x')",
        "np.load(f, allow_pickle=True)",
        "subprocess.run(x, shell=True)",
    ],
)
def test_what_runs_what_it_reads_is_seen(text):
    assert list(_uses(ast.parse(text)))


def test_no_source_runs_what_it_reads():
    words = re.compile(rf"\b({'|'.join(MODULES | CALLS | KEYWORDS)})\b")
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in SOURCES]
    found = {
        (name, used)
        for name, text in texts
        if words.search(text)  # to parse all of them takes a while
        for used in _uses(ast.parse(text))
    }
    assert len(SOURCES) > 300
    assert found == ALLOWED


def test_templates_escape_what_they_are_given():
    """`Markup` is given drawings and files of ours, `safe` nothing."""
    for path in (ROOT / "report").glob("*.jinja"):
        assert not re.search(r"\|\s*safe|autoescape", path.read_text("utf-8")), path


def test_downloads_come_by_https():
    urls = {each.url for family in catalog.FAMILIES for each in downloads.of(family)}
    assert len(urls) > 50
    assert {url for url in urls if not url.startswith("https://")} == set()


# --- terminals ----------------------------------------------------------------------


def test_a_row_is_shown_and_not_obeyed(capsys):
    example = {
        **dict.fromkeys(("inputs", "targets"), HOSTILE),
        "row": {"text": HOSTILE},
        "references": [HOSTILE],
    }
    data_show._print(
        {"task": "t", "split": HOSTILE, "source": "s", "dropped": {HOSTILE: 1}}
        | {"examples": [example]}
    )
    said = capsys.readouterr().out
    assert not set("\x1b\x07\x9b\u202e\r") & set(said)
    assert "␛]0;owned" in said


def test_colours_of_our_own_still_act():
    file = io.StringIO()
    console = screen.Console(file=file, force_terminal=True, width=80)
    console.print("[red]a[/red]\x1b[2J", highlight=False)
    assert "\x1b[31ma" in file.getvalue()
    assert "\x1b[2J" not in file.getvalue()


def test_only_one_module_takes_the_console_of_rich():
    for path in SOURCES:
        if path.name != "screen.py":
            assert "Console" not in _imported_from("rich.console", path), path


def _imported_from(module: str, path: pathlib.Path) -> set[str]:
    """What a file imports from a module, but for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == module
        for alias in node.names
    }


def test_an_error_is_shown_and_not_obeyed(xtl, tmp_path):
    path = tmp_path / "a\x1b[2J.gin"
    path.write_text("x = ")
    done = xtl("train", f"--gin_file={path}")
    assert done.code == 2
    assert "\x1b" not in done.err
    assert "␛[2J.gin" in done.err


# --- secrets ------------------------------------------------------------------------


def test_run_json_holds_no_secret(monkeypatch):
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY"):
        monkeypatch.setenv(name, "s3cret")
    address = "s3://me:s3cret@host/x?token=s3cret"
    monkeypatch.setattr("sys.argv", ["xtl", "train", f"--gin.MODEL_DIR={address}"])
    config = types.SimpleNamespace(to_json=dict)
    vocabulary = argparse.Namespace(size=3, sha256="0")
    document = run_files.document(config, vocabulary=vocabulary, feed={})
    assert "s3cret" not in json.dumps(document)
    assert document["environment"]["command"][2] == "--gin.MODEL_DIR=s3://…@host/x?…"


@pytest.mark.parametrize("path", ["s3://me:s3cret@host/x", "gs://b/x?token=s3cret"])
def test_a_path_with_a_secret_is_refused_and_not_repeated(path):
    with pytest.raises(UserError, match="a password or a token") as caught:
        storage.at(path)
    assert "s3cret" not in str(caught.value)
