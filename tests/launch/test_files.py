"""What is shipped: by content, whole, and as the hosts need it."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile

import pytest

from tests import archives
from xtl_jax.cli import launch_files
from xtl_jax.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/own.gin").write_text("RunConfig.seed = 3\n")
    (tmp_path / "lock.txt").write_text("jax==0.10.2\n")
    return tmp_path


def _unpack(shipment, folder):
    with tarfile.open(fileobj=io.BytesIO(shipment.code)) as archive:
        archives.unpack(archive, folder)


def test_the_same_content_has_the_same_name_and_another_has_another(folder):
    words = ("run", "--gin_file=mine/own.gin")
    first = launch_files.shipment(words, lock="lock.txt")
    assert first == launch_files.shipment(words, lock="lock.txt")
    (folder / "mine/own.gin").write_text("RunConfig.seed = 4\n")
    second = launch_files.shipment(words, lock="lock.txt")
    assert first.hashes()["code"] != second.hashes()["code"]
    assert first.hashes()["lock"] == second.hashes()["lock"]
    full = hashlib.sha256(first.code).hexdigest()
    assert full.startswith(first.hashes()["code"])


def test_the_archive_runs_where_it_is_unpacked_with_the_users_own_gin_file(folder):
    shipment = launch_files.shipment(
        ("run", "--gin_file=mine/own.gin", "--gin_file=models/tiny.gin"),
        lock="lock.txt",
    )
    site = folder / "site"
    _unpack(shipment, site)
    assert (site / "files/mine/own.gin").read_text() == "RunConfig.seed = 3\n"
    code = (
        "import xtl_jax, xtl_tasks; from xtl_jax.cli import config; "
        "print(xtl_jax.__file__, xtl_tasks.__file__, config.folder())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=site / "files",
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [
        f"{site}/xtl_jax/__init__.py",
        f"{site}/xtl_tasks/__init__.py",
        f"{site}/xtl_jax/gin",
    ]


def test_what_is_installed_is_pinned_with_jax_for_tpus(folder):
    import importlib.metadata

    lock = launch_files.shipment(("run",), lock="").lock.decode().splitlines()
    jax = importlib.metadata.version("jax")
    assert f"jax=={jax}" in lock
    assert f"jax[tpu]=={jax}" in lock
    assert f"numpy=={importlib.metadata.version('numpy')}" in lock
    assert not [line for line in lock if line.startswith(("xtl", "pytest"))]


def test_a_damaged_record_is_named(folder):
    record = launch_files.Record(folder, "job")
    assert record.read() is None
    record.path.write_text('{"job": {}')
    with pytest.raises(UserError, match=r"job\.json is damaged"):
        record.read()
