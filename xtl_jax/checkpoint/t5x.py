"""Checkpoints that T5X wrote: the public mT5 ones, and those of its users.

Two layouts hold the same tree `target/encoder/layers_0/attention/query/kernel`:

* legacy: a msgpack file `checkpoint` whose leaves are small arrays or TensorStore specs
  that point to zarr folders beside it. The spec's own driver and bucket are where the
  file was written (a bucket nobody else has); only its last path component is used.
* orbax: a folder `state/` with `_METADATA`.

A T5X checkpoint has no config file: shapes are read off its arrays.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from etils import epath

from xtl_jax.checkpoint import names
from xtl_jax.errors import UserError
from xtl_jax.model.sizes import ModelConfig

_LAYER = re.compile(r"/layers_(\d+)/")


def is_checkpoint(folder: epath.Path) -> bool:
    """Whether `folder` is one `checkpoint_N` of T5X, in either layout."""
    return (folder / "checkpoint").is_file() or (folder / "state/_METADATA").exists()


def step(folder: epath.Path) -> int:
    """Training step from the folder's name, 0 where it has none."""
    found = re.search(r"(\d+)$", folder.name)
    return int(found.group(1)) if found else 0


def read(folder: epath.Path) -> tuple[ModelConfig, dict[str, Any]]:
    """Shape and parameters (float32, layers stacked) of a T5X checkpoint."""
    arrays = _open(folder)
    config = _config(folder, arrays)
    params = names.assemble(
        config,
        source=str(folder),
        name=_name,
        read=lambda name: _value(folder, arrays[name]),
        known=set(arrays),
    )
    return config, params


def _name(path: str, layer: int | None) -> str:
    if path.startswith("logits_dense"):
        path = f"decoder/{path}"
    return path if layer is None else path.replace("/layers/", f"/layers_{layer}/")


def _open(folder: epath.Path) -> dict[str, Any]:
    """Names to leaves (array, TensorStore spec or an opened store)."""
    if (folder / "checkpoint").is_file():
        tree = _legacy_index(folder / "checkpoint")
    else:
        tree = _orbax_tree(folder / "state")
    if not isinstance(tree, dict):
        raise UserError(f"{folder} has no parameters under `target`")
    flat: dict[str, Any] = {}

    def walk(prefix: str, node: Any) -> None:
        if isinstance(node, dict) and "driver" not in node:
            for key, child in node.items():
                walk(f"{prefix}/{key}" if prefix else str(key), child)
        else:
            flat[prefix] = node

    walk("", tree)
    return flat


def _legacy_index(path: epath.Path) -> Any:
    from flax import serialization

    try:
        # Not pickle: msgpack holds numbers, texts and arrays only.
        index = serialization.msgpack_restore(path.read_bytes())
        return index["optimizer"]["target"]
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise UserError(
            f"{path} is not a complete T5X index ({error}); copy the checkpoint again"
        ) from error


def _orbax_tree(folder: epath.Path) -> Any:
    import orbax.checkpoint as ocp

    try:
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
            metadata = checkpointer.metadata(folder).item_metadata.tree
            kinds = _map(metadata, lambda _: ocp.RestoreArgs(restore_type=np.ndarray))
            restored = checkpointer.restore(
                folder, args=ocp.args.PyTreeRestore(restore_args=kinds)
            )
    except Exception as error:  # orbax raises many kinds on damaged files
        raise UserError(
            f"{folder} is damaged ({type(error).__name__}: {str(error)[:200]}); copy "
            "the checkpoint again"
        ) from error
    return restored.get("target")


def _map(tree: Any, function: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _map(value, function) for key, value in tree.items()}
    return function(tree)


def _value(folder: epath.Path, leaf: Any) -> np.ndarray:
    if not isinstance(leaf, dict):
        return np.asarray(leaf, np.float32)
    opened, target = _store(folder, leaf)
    # zarr reads a chunk that is not there as zeros; weights are never all zero.
    if not opened.storage_statistics(query_fully_stored=True).result().fully_stored:
        raise UserError(f"{target} lacks some of its chunks; copy the checkpoint again")
    try:
        return np.asarray(opened.read().result(), np.float32)
    except ValueError as error:
        raise UserError(
            f"{target} is damaged ({error}); copy the checkpoint again"
        ) from error


def _shape(folder: epath.Path, leaf: Any) -> tuple[int, ...]:
    return tuple((_store(folder, leaf)[0] if isinstance(leaf, dict) else leaf).shape)


def _store(folder: epath.Path, spec: dict[str, Any]) -> tuple[Any, epath.Path]:
    """The opened array that a spec of the index means, and its folder."""
    import tensorstore

    path = spec.get("kvstore", {}).get("path") or spec.get("path", "")
    name = path.rstrip("/").split("/")[-1]
    target = folder / name
    if str(folder).startswith("gs://"):
        bucket, _, rest = str(target).removeprefix("gs://").partition("/")
        kvstore = {"driver": "gcs", "bucket": bucket, "path": rest + "/"}
    else:
        kvstore = {"driver": "file", "path": str(target) + "/"}
    try:
        spec = {"driver": "zarr", "kvstore": kvstore}
        return tensorstore.open(spec).result(), target
    except ValueError as error:
        raise UserError(
            f"{target}: the array named in the index is missing or damaged ({error}); "
            "copy the checkpoint again"
        ) from error


def _config(folder: epath.Path, arrays: dict[str, Any]) -> ModelConfig:
    def shape(name: str) -> tuple[int, ...]:
        if name not in arrays:
            raise UserError(
                f"{folder} has no array {name}: not an mT5 written by T5X's unscanned "
                f"model; it has {sorted(arrays)[:3]} and others"
            )
        return _shape(folder, arrays[name])

    def layers(stack: str) -> int:
        found = [
            int(match.group(1))
            for name in arrays
            if name.startswith(stack) and (match := _LAYER.search(name))
        ]
        return max(found, default=-1) + 1

    vocab, embed = shape("token_embedder/embedding")
    heads, buckets = shape("encoder/relpos_bias/rel_embedding")
    return ModelConfig(
        vocab=vocab,
        embed=embed,
        heads=heads,
        head_dim=shape("encoder/layers_0/attention/query/kernel")[1] // heads,
        mlp=shape("encoder/layers_0/mlp/wi_0/kernel")[1],
        encoder_layers=layers("encoder"),
        decoder_layers=layers("decoder"),
        buckets=buckets,
    )
