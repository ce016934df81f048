"""What a path means: a run of ours, a checkpoint of T5X, a folder of Hugging Face.

A path is a folder on disk or `gs://`, or the id of a model on Hugging Face's hub,
`owner/name`, that lies in its local cache. Nothing is fetched:

    CACHE/models--owner--name/refs/main            the name of a snapshot
    CACHE/models--owner--name/snapshots/COMMIT/    config.json, model.safetensors, …

CACHE is `$HF_HUB_CACHE`, or `hub` in `$HF_HOME`, or `~/.cache/huggingface/hub`.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Literal

from etils import epath

from xtl_jax.checkpoint import adapted, huggingface, names, ours, store, t5x
from xtl_jax.errors import UserError
from xtl_jax.model.network import AnyConfig

Kind = Literal["xtl", "t5x", "huggingface"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """A checkpoint, not opened yet.

    Attributes:
        kind: which format.
        folder: the run directory, the `checkpoint_N` or the folder of the model.
        step: the checkpoint of a run that was asked for; None takes its best.
    """

    kind: Kind
    folder: epath.Path
    step: int | None = None

    def source(self) -> names.Source:
        """The checkpoint, to be read array by array.

        Raises:
            UserError: arrays are missing, unknown or damaged; each is named. One that
                holds NaN or infinity is, too, when it is read.
        """
        if self.kind == "xtl":
            return names.finite(_ours(self.folder, step=self.step))
        if self.kind == "t5x":
            return names.finite(t5x.source(self.folder))
        return names.finite(huggingface.source(self.folder))

    def vocabulary_size(self, config: AnyConfig) -> int:
        """Ids that may be generated; all rows of the model where nothing says so."""
        if self.kind == "xtl":
            return ours.describe(self.folder).vocabulary_size
        if self.kind == "huggingface":
            return huggingface.vocabulary_size(self.folder, rows=config.vocab)
        return config.vocab


def find(path: str, *, step: int | None = None) -> Found:
    """The checkpoint that a path and a step mean.

    Args:
        path: a run directory or a checkpoint in it, a `checkpoint_N` of T5X or the
            folder above several, a folder of Hugging Face, an id of its hub.
        step: which checkpoint; None takes the best of a run, the newest of T5X.

    Raises:
        UserError: no folder, none of these kinds, or not this step.
    """
    folder = epath.Path(path)
    if not folder.is_dir():
        folder = _snapshot(path)
    if (folder / "run.json").is_file():
        return Found(kind="xtl", folder=folder, step=step)
    numbered = folder.parent.name == store.FOLDER and folder.name.isdecimal()
    if numbered and (folder.parent.parent / "run.json").is_file():
        _only(path, asked=step, found=int(folder.name))
        return Found(kind="xtl", folder=folder.parent.parent, step=int(folder.name))
    if huggingface.is_checkpoint(folder):
        _only(path, asked=step, found=0)
        return Found(kind="huggingface", folder=folder)
    if (chosen := t5x.newest(folder, step=step)) is not None:
        _only(path, asked=step, found=t5x.step(chosen))
        return Found(kind="t5x", folder=chosen)
    raise UserError(
        f"{path} is neither a run directory (run.json), nor a T5X checkpoint "
        "(checkpoint or state/), nor a Hugging Face folder (config.json); it holds "
        f"{sorted(child.name for child in folder.iterdir())[:5]}"
    )


def _ours(folder: epath.Path, *, step: int | None) -> names.Source:
    """A checkpoint of ours; one of LoRA is merged with its base, wherever that is."""
    described = ours.describe(folder)
    lora, base = described.lora, described.base
    if lora is None or base is None:
        return ours.source(folder, step=step)
    try:
        weights = find(base.checkpoint, step=base.step).source()
    except UserError as error:
        raise UserError(
            f"{folder} holds what LoRA has trained, the rest of the model is in "
            f"{base.checkpoint} (step {base.step}), which cannot be read: {error}. If "
            "it has moved, `xtl train` in the same directory takes the new place "
            "(INITIAL_CHECKPOINT_PATH)"
        ) from error
    return adapted.source(
        folder,
        step=step,
        config=described.config,
        lora=lora,
        base=base,
        weights=weights,
    )


def _only(path: str, *, asked: int | None, found: int) -> None:
    if asked not in (None, found):
        raise UserError(f"{path} has no checkpoint of step {asked}, but of {found}")


def hub_cache(environment: Mapping[str, str] = os.environ) -> pathlib.Path:
    """The folder in which Hugging Face's libraries keep models.

    Example:
        >>> str(hub_cache({"HF_HOME": "/models"}))
        '/models/hub'
    """
    if cache := environment.get("HF_HUB_CACHE"):
        return pathlib.Path(cache)
    if home := environment.get("HF_HOME"):
        return pathlib.Path(home) / "hub"
    base = environment.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "huggingface" / "hub"


def _snapshot(path: str) -> epath.Path:
    """The folder of a model of the hub in its local cache."""
    if not _HUB_ID.fullmatch(path):
        raise UserError(f"no folder {path}: give a run directory or a checkpoint")
    cache = hub_cache()
    model = cache / f"models--{path.replace('/', '--')}"
    reference = model / "refs" / "main"
    if reference.is_file():
        folder = model / "snapshots" / reference.read_text(encoding="utf-8").strip()
        if folder.is_dir():
            return epath.Path(folder)
    snapshots = sorted(model.glob("snapshots/*"))
    if len(snapshots) == 1:
        return epath.Path(snapshots[0])
    if snapshots:
        raise UserError(
            f"{model} has {len(snapshots)} snapshots and no refs/main: give the path "
            f"of one of {[snapshot.name for snapshot in snapshots]}"
        )
    raise UserError(
        f"no folder {path}, and the local cache {cache} has no model of this name: "
        f"give a run directory or a checkpoint, or fetch it with `hf download {path}`"
    )
