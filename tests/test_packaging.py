"""What an installation gets: the wheel is built and listed."""

from __future__ import annotations

import pathlib
import zipfile
from email import message_from_string

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built as pip builds it, but in this environment: no network."""
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder))
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def names(wheel):
    return set(wheel.namelist())


def _sources(folder, pattern):
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob(pattern)
        if "__pycache__" not in path.parts
    }


def test_every_module_of_both_packages_is_in_the_wheel(names):
    assert _sources("xtl_jax", "*.py") <= names
    own = {name.removeprefix("tasks/") for name in _sources("tasks/xtl_tasks", "*.py")}
    assert own <= names
    assert "xtl_tasks/catalog.py" in own


def test_gin_files_docs_and_page_templates_are_in_the_wheel(names):
    gin = {f"xtl_jax/{name}" for name in _sources("gin", "*.gin")}
    docs, pages = _sources("xtl_jax/docs", "*.md"), set()
    for pattern in ("*.jinja", "*.css", "*.js"):
        pages |= _sources("xtl_jax/report", pattern)
    assert gin <= names
    assert "xtl_jax/gin/models/mt5_xxl.gin" in gin
    assert docs <= names
    assert docs, "no pages for `xtl docs`"
    assert pages <= names
    assert pages, "no templates for report.html"


def test_nothing_else_is_in_the_wheel(names):
    folders = {name.partition("/")[0] for name in names}
    (info,) = [folder for folder in folders if folder.endswith(".dist-info")]
    assert folders == {"xtl_jax", "xtl_tasks", info}
    assert not [name for name in names if "test" in pathlib.PurePath(name).parts]
    assert "xtl_jax/gin/__init__.py" not in names  # it would hide the gin library
    assert not (ROOT / "gin" / "__init__.py").exists()
    assert not (ROOT / "tasks" / "__init__.py").exists()
    allowed = {".py", ".gin", ".md", ".jinja", ".css", ".js", ".tsv", ".typed"}
    allowed |= {".toml", ".csv", ".sh"}  # tables; what runs on the hosts of a TPU
    allowed |= {".html"}  # reports that the docs show
    inside = {name for name in names if not name.startswith(info)}
    assert {pathlib.PurePath(name).suffix for name in inside} <= allowed


def test_licence_and_command_are_declared(wheel, names):
    (info,) = {name.partition("/")[0] for name in names if ".dist-info" in name}
    assert f"{info}/licenses/LICENSE" in names
    meta = message_from_string(wheel.read(f"{info}/METADATA").decode())
    assert meta["License-Expression"] == "Apache-2.0"
    assert meta["Requires-Python"] == "<3.14,>=3.11"
    assert set(meta.get_all("Provides-Extra")) == {
        "tpu",
        "plan",
        "gcs",
        "ray",
        "test",
        "dev",
    }
    scripts = wheel.read(f"{info}/entry_points.txt").decode()
    assert "xtl = xtl_jax.cli.main:main" in scripts
