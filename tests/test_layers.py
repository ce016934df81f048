"""The layers of the packages, as pyproject.toml lists them, hold."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def test_import_contracts_hold():
    """In a process of its own: the tool takes the whole interpreter for itself."""
    pytest.importorskip("importlinter")
    code = "from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), f"{ROOT}/tasks"])},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("folder", ["xtl_jax", "tasks/xtl_tasks"])
def test_modules_stay_readable_at_a_sitting(folder):
    """The aim is 400 lines; a module far beyond it answers two questions."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / folder).rglob("*.py")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 600
    }
    assert not long
