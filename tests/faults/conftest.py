"""Runs of `xtl train` in processes of their own, to be killed at chosen moments."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pytest

CLOCKED = {"seconds", "tokens_per_second", "steps_per_second", "mfu_percent"}
PATIENCE = 240.0  # seconds until a moment must have come


class Moments:
    """What can be seen of a run from outside, by its files."""

    def __init__(self, run_dir: pathlib.Path) -> None:
        self.run_dir = run_dir
        self.checkpoints_before = self.checkpoints()

    def step(self) -> int:
        """Last step in the log."""
        rows = logged(self.run_dir)
        return rows[-1]["step"] if rows else 0

    def checkpoints(self) -> set[str]:
        """Complete ones."""
        folder = self.run_dir / "checkpoints"
        names = os.listdir(folder) if folder.is_dir() else []
        return {name for name in names if name.isdigit()}

    def is_compiling(self) -> bool:
        """The directory is claimed and no step has been made."""
        return (self.run_dir / "run.json").is_file() and (
            self.run_dir / "log.jsonl"
        ).is_file()

    def is_writing(self) -> bool:
        """A checkpoint is under way."""
        folder = self.run_dir / "checkpoints"
        names = os.listdir(folder) if folder.is_dir() else []
        return any(re.match(r"\d+\.orbax-checkpoint-tmp", name) for name in names)

    def has_written(self) -> bool:
        """One more checkpoint is complete."""
        return bool(self.checkpoints() - self.checkpoints_before)


class Trainer(NamedTuple):
    """Starts `xtl train` with the same flags each time."""

    flags: tuple[str, ...]
    environment: dict[str, str]

    def start(self, run_dir: pathlib.Path, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "xtl_jax.cli.main", "train", *self.flags]
        return subprocess.Popen(
            [*command, f"--run_dir={run_dir}", "--json", *more],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, run_dir: pathlib.Path, *more: str) -> tuple[dict[str, Any], str]:
        """To the end; its document and what it said."""
        process = self.start(run_dir, *more)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        return json.loads(out), err

    def stop(
        self,
        run_dir: pathlib.Path,
        *,
        when: Callable[[Moments], bool],
        how: signal.Signals,
    ) -> tuple[int, str]:
        """Ends a run at a moment; its exit code and what it said."""
        moments = Moments(run_dir)
        process = self.start(run_dir)
        deadline = time.monotonic() + PATIENCE
        while not when(moments):
            assert process.poll() is None, f"it ended before: {process.communicate()}"
            assert time.monotonic() < deadline, "the moment never came"
            time.sleep(0.001)
        process.send_signal(how)
        _, err = process.communicate(timeout=PATIENCE)
        return process.returncode, err


def logged(run_dir: pathlib.Path, kind: str = "train") -> list[dict[str, Any]]:
    """Whole log lines without what a clock decides."""
    path = run_dir / "log.jsonl"
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            row = json.loads(line)
            if row["kind"] == kind:
                rows.append({k: v for k, v in row.items() if k not in CLOCKED})
    return rows


def params(run_dir: pathlib.Path) -> list[np.ndarray]:
    """Parameters of the newest checkpoint, in a fixed order."""
    import jax
    from etils import epath

    from xtl_jax.checkpoint import store

    names = [path.name for path in (run_dir / "checkpoints").iterdir()]
    newest = max(int(name) for name in names if name.isdecimal())
    step, tree = store.read_params(epath.Path(run_dir), step=newest)
    assert step == newest
    return jax.tree.leaves(tree)


def assert_same_run(run_dirs: Iterable[pathlib.Path]) -> None:
    """Bitwise the same losses at every step and the same parameters at the end."""
    first, *others = run_dirs
    rows, arrays = logged(first), params(first)
    for other in others:
        assert logged(other) == rows
        for array, its in zip(arrays, params(other), strict=True):
            np.testing.assert_array_equal(
                array.view(np.uint8), its.view(np.uint8), strict=True
            )


@pytest.fixture(scope="session")
def trainer(
    world_data: pathlib.Path,
    tiny_gin: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Trainer]:
    """A trainer with further flags; compiled programs and caches are shared."""
    folder = tmp_path_factory.mktemp("faults")
    environment = dict(os.environ) | {
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def make(*flags: str, compiled: bool = True) -> Trainer:
        own = dict(environment)
        if not compiled:
            own["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        common = (
            f"--gin_file={tiny_gin}",
            f"--data_dir={world_data}",
            f"--cache_dir={folder / 'cache'}",
        )
        return Trainer((*common, *flags), own)

    return make
