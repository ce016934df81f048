"""The layers of the packages, as pyproject.toml lists them, hold."""

from __future__ import annotations

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def test_import_contracts_hold(monkeypatch, capsys):
    cli = pytest.importorskip("importlinter.cli")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT), str(ROOT / "tasks"), *sys.path])
    code = cli.lint_imports(cache_dir=None, is_debug_mode=False)
    assert code == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.parametrize("folder", ["xtl_jax", "tasks/xtl_tasks"])
def test_modules_stay_readable_at_a_sitting(folder):
    """The aim is 400 lines; a module far beyond it answers two questions."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / folder).rglob("*.py")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 600
    }
    assert not long
