"""The files of a run directory: `run.json` and `log.jsonl`."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType
from typing import Any

import xtl_jax
from xtl_jax import storage
from xtl_jax.checkpoint import RUN_FORMAT
from xtl_jax.cli.config import Config
from xtl_jax.errors import UserError
from xtl_jax.hosts import group
from xtl_jax.infer import records
from xtl_jax.train import config as train_config

# Before a run begins a study says what it is and who works at it.
_OF_OTHERS = re.compile(r"\.?(run|stage|failed|claim-\d+)\.json")
_PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "numpy", "sentencepiece")


def document(
    config: Config, *, vocabulary: Any, feed: Mapping[str, Any]
) -> dict[str, Any]:
    """What `run.json` holds: every resolved value and what it ran on."""
    import jax

    return {
        "version": RUN_FORMAT,
        **config.to_json(),
        "feed": dict(feed),
        "environment": {
            "xtl_jax": xtl_jax.__version__,
            "python": platform.python_version(),
            "packages": {name: metadata.version(name) for name in _PACKAGES},
            "devices": len(jax.devices()),
            "device_kind": jax.devices()[0].device_kind,
            "hosts": jax.process_count(),
            "vocabulary_size": vocabulary.size,
            "vocabulary_sha256": vocabulary.sha256,
            "command": ["xtl", *map(storage.without_secrets, sys.argv[1:])],
        },
    }


def read(run_dir: str | os.PathLike[str]) -> dict[str, Any] | None:
    """`run.json` of a run, or None where there is none.

    Raises:
        UserError: it is not complete, or of a converted checkpoint.
    """
    path = storage.at(run_dir) / "run.json"
    if not path.is_file():
        return None
    found = records.read_document(path)
    if found.get("version") != RUN_FORMAT:
        raise UserError(
            f"{path} was not written by this version of xtl train: go on with the "
            "version that wrote it, or give another run_dir (MODEL_DIR)"
        )
    if "run" not in found:
        raise UserError(
            f"{run_dir} holds a converted checkpoint and no run: start one from it, in "
            f"another directory, with --gin.INITIAL_CHECKPOINT_PATH={run_dir}"
        )
    return found


def claim(
    run_dir: str | os.PathLike[str],
    new: Mapping[str, Any],
    *,
    defaults: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> None:
    """Write `run.json`, or make sure that the one there is of the same run.

    Args:
        run_dir: of the run.
        new: what it shall hold.
        defaults: of fields of `run` and `model`, which an older version may not have
            written.

    Raises:
        UserError: the directory belongs to a run of another config or data; or it holds
            other things and no run.
    """
    folder = storage.at(run_dir)
    old = read(folder)
    if old is None:
        # A kill may have left a half-written file under another name; a folder that was
        # made in a bucket's console holds itself.
        found = folder.iterdir() if folder.is_dir() else ()
        if any(path != folder and not _OF_OTHERS.match(path.name) for path in found):
            raise UserError(
                f"{folder} is not empty and holds no run.json; give another run_dir "
                "(MODEL_DIR), nothing in it was touched"
            )
    else:
        new = json.loads(json.dumps(new))
        differing = []
        for part in ("run", "model"):
            # A setting that is newer than the run had its default.
            before = {**defaults.get(part, {}), **old[part]}
            differing += train_config.changed(before, new[part])
        sha = "vocabulary_sha256"
        if old["environment"][sha] != new["environment"][sha]:
            differing.append("vocabulary: another file")
        # Rates and budgets as they came out: how they were asked for is no matter.
        differing += train_config.changed(_flat(old["feed"]), _flat(new["feed"]))
        # Of a run of LoRA the checkpoint may have moved, but not changed.
        sums = [each.get("base", {}).get("checksums") for each in (old, new)]
        if None not in sums and sums[0] != sums[1]:
            differing.append(
                "initial_checkpoint: other weights than the run began with in "
                f"{old['base']['checkpoint']}, step {old['base']['step']}"
            )
        if differing:
            raise UserError(
                f"{folder} holds a run of another config: {'; '.join(differing)}. Give "
                "another run_dir (MODEL_DIR), or the old values to go on with it"
            )
    records.replace(
        folder / "run.json", json.dumps(new, indent=1, ensure_ascii=False) + "\n"
    )


def claim_once(
    run_dir: str | os.PathLike[str],
    new: Mapping[str, Any],
    *,
    defaults: Mapping[str, Mapping[str, Any]],
) -> None:
    """`claim`, by the first host, of a directory that all hosts must see.

    Raises:
        UserError: of `claim`; or what the first host wrote is not there on another.
    """
    group.once("run.json", lambda: claim(run_dir, new, defaults=defaults))
    seen = group.current().exchange("run.json is seen", _is_claimed(run_dir, new))
    if not all(seen):
        blind = [f"host {i}" for i, sees in enumerate(seen) if not sees]
        raise UserError(
            f"{run_dir} was made by host 0 and is not what {', '.join(blind)} can see "
            "there: all hosts write their part of a checkpoint, so give a directory "
            "that they share, such as one in a bucket"
        )


def _is_claimed(run_dir: str | os.PathLike[str], new: Mapping[str, Any]) -> bool:
    found = read(run_dir)
    return found is not None and found["run"] == json.loads(json.dumps(new["run"]))


def _flat(value: Any, *, name: str = "") -> dict[str, Any]:
    """Nested objects as one: {"tasks": {"mnli": {"rate": 1}}} has `tasks.mnli.rate`."""
    if not isinstance(value, Mapping):
        return {name: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= _flat(item, name=f"{name}.{key}" if name else str(key))
    return found


def check_space(run_dir: str | os.PathLike[str], *, needed: int, what: str) -> None:
    """Refuse to begin what cannot be kept; a bucket keeps everything.

    Raises:
        UserError: fewer than `needed` bytes are free.
    """
    if storage.is_remote(run_dir):
        return
    folder = storage.absolute(storage.at(run_dir))
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder} has {free / 1e9:.1f} GB free and {what} need "
            f"{needed / 1e9:.1f}; free some space, lower RunConfig.keep, or give "
            "another run_dir"
        )


class Log:
    """`log.jsonl`: one object a line, appended and flushed; in a bucket soon after."""

    def __init__(self, run_dir: str | os.PathLike[str], *, step: int) -> None:
        """Open for appending after `step`; lines of later steps are dropped.

        A killed run may have logged steps that its last checkpoint has not seen; they
        are made again.
        """
        path = storage.at(run_dir) / "log.jsonl"
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= step]
        records.replace(path, "".join(kept))
        self._file = storage.append(path)

    def write(self, step: int, kind: str, values: Mapping[str, Any]) -> None:
        """Append one line."""
        line = {"step": step, "kind": kind, **values}
        self._file.write((json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8"))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _lines(path: storage.AnyPath) -> list[str]:
    """Whole lines; a last one cut by a kill is left out."""
    if not path.is_file():
        return []
    kept = []
    content = path.read_bytes().decode("utf-8", errors="replace")
    for line in content.splitlines(True):
        try:
            if isinstance(json.loads(line).get("step"), int) and line.endswith("\n"):
                kept.append(line)
        except (ValueError, AttributeError, RecursionError):
            continue
    return kept
