"""A path is a folder, or the id of a model in the local cache of the hub."""

from __future__ import annotations

import shutil

import pytest

import xtl_jax
from xtl_jax.checkpoint import find
from xtl_jax.errors import UserError


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return tmp_path / "home/hub"


def test_an_id_of_the_hub_is_found_in_its_cache(
    hf_toy, hub, tmp_path, same, convert_to
):
    model = hub / "models--owner--mt5-toy"
    for commit in ("aaa", "bbb"):
        (model / "snapshots" / commit).mkdir(parents=True)
    with pytest.raises(UserError, match=r"2 snapshots and no refs/main: .*'aaa', 'bb"):
        xtl_jax.load("owner/mt5-toy")
    (model / "refs").mkdir()
    (model / "refs/main").write_text("bbb\n")
    (model / "blobs").mkdir()
    for name in ("config.json", "model.safetensors"):  # links, as the library has them
        shutil.copy(hf_toy / name, model / "blobs" / name)
        (model / "snapshots/bbb" / name).symlink_to(f"../../blobs/{name}")
    same(hf_toy, "owner/mt5-toy")
    assert xtl_jax.load("owner/mt5-toy").source.endswith("snapshots/bbb")
    same(hf_toy, convert_to("owner/mt5-toy", tmp_path / "new", "xtl"))
    (model / "refs/main").unlink()
    shutil.rmtree(model / "snapshots/aaa")
    same(hf_toy, "owner/mt5-toy")


def test_an_id_that_is_not_in_the_cache_is_not_fetched(hub):
    with pytest.raises(UserError, match=rf"{hub} has no model .* `hf download a/b`"):
        find.find("a/b")
    with pytest.raises(UserError, match=r"no folder a/b/c: give a run directory"):
        find.find("a/b/c")
