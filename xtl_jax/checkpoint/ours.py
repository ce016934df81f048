"""Our own format as a checkpoint among others: read and written array by array.

`store.py` keeps the checkpoints of a run. Here one of them is read without the memory
of the whole, and a checkpoint of another format becomes a folder of ours:

    run.json                                     the model's shape; no `run` in it
    checkpoints/STEP/state/params.encoder.…/     one zarr folder per array

Stages start from such a folder; it is no run that could be gone on with.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import (
    RUN_FORMAT,
    checksums,
    names,
    orbax_tree,
    store,
    zarr,
)
from xtl_jax.checkpoint.adapted import Base
from xtl_jax.errors import UserError
from xtl_jax.model import network
from xtl_jax.model.network import AnyConfig
from xtl_jax.model.sizes import Lora


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """What `run.json` says of a model.

    Attributes:
        config: its shape.
        vocabulary_size: ids of its vocabulary; all rows where that is not known.
        vocabulary_sha256: of its vocabulary, where that is known.
        vocabulary: `RunConfig.vocabulary` of a run.
        extra_ids: `RunConfig.extra_ids` of a run.
        lora: what a run of LoRA trained; None where the whole model is in the
            checkpoint.
        base: what it trained that on.
    """

    config: AnyConfig
    vocabulary_size: int
    vocabulary_sha256: str | None
    vocabulary: str | None
    extra_ids: int
    lora: Lora | None = None
    base: Base | None = None


def describe(run_dir: epath.Path) -> Description:
    """The model of a run directory or of a converted checkpoint.

    Raises:
        UserError: `run.json` is not complete or of another version.
    """
    path = run_dir / "run.json"
    try:
        document = json.loads(path.read_text())
        config = network.from_json(document["model"])
        environment, run = document["environment"], document.get("run", {})
        return Description(
            config=config,
            vocabulary_size=environment.get("vocabulary_size", config.vocab),
            vocabulary_sha256=environment.get("vocabulary_sha256"),
            vocabulary=run.get("vocabulary"),
            extra_ids=run.get("extra_ids", 0),
            **(_adapted(document) if run.get("lora_rank") else {}),
        )
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not complete JSON ({error})") from error
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError),
        *(RecursionError, OverflowError),
    ) as error:
        raise UserError(
            f"{path} was not written by this version of xtl train ({error})"
        ) from error


def _adapted(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Description` that a run of LoRA has."""
    run, base = document["run"], document["base"]
    lora = Lora(
        rank=run["lora_rank"],
        alpha=run["lora_alpha"],
        targets=tuple(run["lora_targets"]),
    )
    return {"lora": lora, "base": Base(**base)}


def source(run_dir: epath.Path, *, step: int | None = None) -> names.Source:
    """A checkpoint of ours, read array by array (`read_params` reads all at once).

    Args:
        run_dir: a run directory or a converted checkpoint.
        step: as `read_params` has it.

    Raises:
        UserError: as `read_params`, or arrays are missing or unknown.
    """
    config = describe(run_dir).config
    item, others = store.state_folder(run_dir, step=step)
    advice = f"the other checkpoints are of steps {others}"
    leaves = orbax_tree.leaves(item, advice=advice).get("params")
    if not isinstance(leaves, dict):
        raise UserError(f"{item} has no parameters; {advice}")
    found = {_name(path): leaf for path, leaf in jax.tree.leaves_with_path(leaves)}
    wanted = {entry.path for entry in names.entries(config)}
    if wanted != set(found):
        raise UserError(
            f"{item} does not hold the model of its run.json: missing "
            f"{sorted(wanted - set(found))[:5]}, unknown "
            f"{sorted(set(found) - wanted)[:5]}"
        )

    try:
        sums = checksums.written(item.parent)
    except ValueError as error:
        raise UserError(f"{item.parent} is damaged ({error}); {advice}") from None

    @functools.lru_cache(maxsize=1)  # the layers of an array are asked for in a row
    def whole(path: str) -> np.ndarray:
        array = found[path].read()
        name = f"params.{path.replace('/', '.')}"
        try:
            checksums.compare({name: checksums.of_host(array)}, written=sums)
        except ValueError as error:
            raise UserError(f"{item.parent} is damaged ({error}); {advice}") from None
        return names.as_float32(array, name=f"{item}: {path}")

    def read(entry: names.Entry, layer: int | None) -> np.ndarray:
        array, expected = whole(entry.path), _stacked_shape(entry)
        if array.shape != expected:
            raise UserError(
                f"{item}: {entry.path} has shape {array.shape}, expected {expected}"
            )
        return array if layer is None else array[layer]

    number = int(item.parent.name)
    return names.Source(config=config, name=str(item.parent), step=number, read=read)


def write(
    source: names.Source,
    folder: epath.Path,
    *,
    vocabulary: Mapping[str, Any] | None = None,
    done: zarr.Done = zarr.nothing,
) -> None:
    """Write a checkpoint that `source` and `read_params` read, array by array.

    Args:
        source: what to write.
        folder: made where it is missing; whole arrays in it are kept (a conversion that
            was stopped goes on).
        vocabulary: `vocabulary_size` and `vocabulary_sha256`, where they are known.
        done: told the name and bytes of each array.
    """
    state = folder.absolute() / store.FOLDER / str(source.step) / "state"
    if not state.exists():
        _write_structure(state, source.config)
    for entry in names.entries(source.config):
        zarr.write(
            state,
            f"params/{entry.path}".replace("/", "."),
            read=functools.partial(_whole, source, entry),
            shape=_stacked_shape(entry),
            compressor=zarr.ZSTD,
            done=done,
        )
    document = {
        "version": RUN_FORMAT,
        "model": dataclasses.asdict(source.config),
        "environment": {"xtl_jax": xtl_jax.__version__, **(vocabulary or {})},
        "converted_from": source.name,
    }
    # In a bucket, where folders are not renamed, orbax takes this for the end.
    (state.parent / "commit_success.txt").write_text("converted\n")
    # Last: without it nothing takes the folder for a checkpoint.
    (folder / "run.json").write_text(json.dumps(document, indent=1) + "\n")


def _whole(source: names.Source, entry: names.Entry) -> np.ndarray:
    # A single array is written as it lies: a contiguous copy would only cost memory.
    return names.stacked(source, entry) if entry.layers else source.read(entry, None)


def _stacked_shape(entry: names.Entry) -> tuple[int, ...]:
    return (entry.layers, *entry.shape) if entry.layers else entry.shape


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _write_structure(state: epath.Path, config: AnyConfig) -> None:
    """All that orbax writes beside the arrays: it is given empty ones, which go again.

    Orbax itself takes a tree of whole arrays. In its layout without OCDBT each array is
    a zarr folder of its own, so they can be written one after the other.
    """
    drafted = state.parent / "state.partial"
    if drafted.exists():
        drafted.rmtree()
    empty = np.zeros((1,), np.float32)
    tree = names.nested((entry.path, empty) for entry in names.entries(config))
    handler = ocp.PyTreeCheckpointHandler(use_ocdbt=False)
    with ocp.Checkpointer(handler) as checkpointer:
        checkpointer.save(drafted, args=ocp.args.PyTreeSave({"params": tree}))
    for child in drafted.iterdir():
        if child.is_dir():
            child.rmtree()
    drafted.rename(state)
