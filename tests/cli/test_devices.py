"""Where compiled programs are kept."""

from __future__ import annotations

import platform

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from xtl_jax.cli import devices
from xtl_jax.train.config import MeshConfig

DIRECTORY = "jax_compilation_cache_dir"


@pytest.fixture
def nobody_decided():
    names = (DIRECTORY, "jax_persistent_cache_min_compile_time_secs")
    before = {name: jax.config.values[name] for name in names}
    jax.config.update(DIRECTORY, None)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.mark.usefixtures("nobody_decided")
def test_what_computes_keeps_its_programs_by_machine(tmp_path, monkeypatch):
    jax.jit(lambda x: x + 1)(1.0)  # compiled before, and kept nowhere
    monkeypatch.setenv("XTL_CACHE_DIR", str(tmp_path))
    with devices.on_mesh(MeshConfig(data=1)):
        pass
    folder = tmp_path / "compiled" / platform.node()
    assert jax.config.values[DIRECTORY] == str(folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.jit(lambda x: x * 2)(1.0)
    assert [*folder.iterdir()]


@pytest.mark.usefixtures("nobody_decided")
def test_who_decided_before_is_heard(tmp_path):
    devices.keep_compiled("gs://bucket/compiled")
    assert jax.config.values[DIRECTORY] is None
    jax.config.update(DIRECTORY, str(tmp_path / "own"))
    devices.keep_compiled(tmp_path / "other")
    assert jax.config.values[DIRECTORY] == str(tmp_path / "own")
