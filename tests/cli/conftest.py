"""A tiny trained run and its data, which the tests of the commands share."""

from __future__ import annotations

import contextlib
import io
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest


class Trained(NamedTuple):
    """A run of six steps; copy it before changing it."""

    run_dir: pathlib.Path
    data_dir: pathlib.Path
    cache_dir: pathlib.Path
    flags: tuple[str, ...]  # of `xtl train`, but for --run_dir


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Folder of compiled programs: each is compiled once for all commands."""
    return tmp_path_factory.mktemp("compiled")


@contextlib.contextmanager
def _kept_in(folder: pathlib.Path) -> Iterator[None]:
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    values = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_disable_most_optimizations": True,  # compiles in half the time
    }
    before = {name: jax.config.values[name] for name in values}
    try:
        for name, value in values.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


@pytest.fixture(scope="module")
def compiled_once(compiled: pathlib.Path) -> Iterator[None]:
    """For tests that compile: what another test has compiled is read from disk."""
    with _kept_in(compiled):
        yield


@pytest.fixture(scope="session")
def trained(
    world_data: pathlib.Path,
    tiny_gin: pathlib.Path,
    compiled: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    from xtl_jax.cli import main

    folder = tmp_path_factory.mktemp("trained")
    run_dir, cache_dir = folder / "run", folder / "cache"
    flags = (
        f"--gin_file={tiny_gin}",
        f"--data_dir={world_data}",
        f"--cache_dir={cache_dir}",
    )
    said = io.StringIO()
    with contextlib.redirect_stdout(said), _kept_in(compiled):
        code = main.main(["train", *flags, f"--run_dir={run_dir}"])
    assert code == 0, said.getvalue()
    return Trained(run_dir, world_data, cache_dir, flags)


@pytest.fixture
def copied(trained: Trained, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the trained run directory to spoil."""
    return shutil.copytree(trained.run_dir, tmp_path / "copied")


@pytest.fixture
def unchanged() -> Callable[..., contextlib.AbstractContextManager[None]]:
    """Holds that nothing in a folder is written, made or removed."""

    def content(folder: pathlib.Path) -> dict[str, tuple[int, bytes]]:
        return {
            str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    @contextlib.contextmanager
    def hold(folder: pathlib.Path) -> Iterator[None]:
        before = content(folder) if folder.is_dir() else None
        yield
        assert (content(folder) if folder.is_dir() else None) == before

    return hold
