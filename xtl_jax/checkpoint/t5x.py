"""Checkpoints of T5X: the public mT5 ones, those of its users, and written for them.

Two layouts hold the same tree `target/encoder/layers_0/attention/query/kernel`:

* legacy: a msgpack file `checkpoint` whose leaves are small arrays or TensorStore specs
  that point to zarr folders beside it. The spec's own driver and bucket are where the
  file was written (a bucket nobody else has); only its last path component is used.
* orbax: a folder `state/` with `_METADATA`.

T5X's scanned models stack layers along the second axis and keep heads apart:
`target/encoder/encoder/attention/query/kernel` is [embed, layers, heads, head_dim].
Their relative biases belong to each layer; they can be read where all are the same.

A T5X checkpoint has no config file: shapes are read off its arrays. Written is the
legacy layout, which every T5X reads.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from xtl_jax.checkpoint import names, orbax_tree, zarr
from xtl_jax.errors import UserError
from xtl_jax.model.sizes import ModelConfig

_LAYER = re.compile(r"/layers_(\d+)/")
_NUMBERED = re.compile(r"checkpoint_\d+")
_SCANNED = "encoder/encoder/attention/query/kernel"
VERSION = 3  # of the legacy layout


def is_checkpoint(folder: epath.Path) -> bool:
    """Whether `folder` is one `checkpoint_N` of T5X, in either layout."""
    return (folder / "checkpoint").is_file() or (folder / "state/_METADATA").exists()


def step(folder: epath.Path) -> int:
    """Training step from the folder's name, 0 where it has none."""
    found = re.search(r"(\d+)$", folder.name)
    return int(found.group(1)) if found else 0


def newest(folder: epath.Path, *, step: int | None = None) -> epath.Path | None:
    """The checkpoint that a path means: itself, or the one of highest step in it.

    Args:
        folder: a `checkpoint_N`, or the folder above several.
        step: the one of this step, where there is one.
    """
    if is_checkpoint(folder):
        return folder
    inner = {
        int(child.name.removeprefix("checkpoint_")): child
        for child in folder.iterdir()
        if _NUMBERED.fullmatch(child.name) and is_checkpoint(child)
    }
    if not inner:
        return None
    return inner[step] if step in inner else inner[max(inner)]


def source(folder: epath.Path) -> names.Source:
    """A T5X checkpoint of either layout, scanned or not.

    Raises:
        UserError: arrays are missing, unknown or damaged; each is named.
    """
    arrays = _flat(_open(folder).get("target"), folder=folder)
    if _SCANNED in arrays:
        return _scanned(folder, arrays)
    return names.source(
        _config(folder, arrays),
        name=str(folder),
        step=step(folder),
        foreign=foreign,
        read=lambda name: _value(folder, arrays[name], name=name),
        known=set(arrays),
    )


def foreign(path: str, layer: int | None) -> str:
    """T5X's name of one of our arrays, under `target`.

    Example:
        >>> foreign("encoder/layers/mlp/wo/kernel", 3)
        'encoder/layers_3/mlp/wo/kernel'
    """
    if path.startswith("logits_dense"):
        path = f"decoder/{path}"
    return path if layer is None else path.replace("/layers/", f"/layers_{layer}/")


def optimizer_state(folder: epath.Path) -> tuple[int, Mapping[str, np.ndarray]]:
    """Step and Adafactor's second moments of a T5X checkpoint.

    Returns:
        The step that its decay counts from, and arrays by name under `param_states`,
        such as `encoder/encoder_norm/scale/v`.

    Raises:
        UserError: it holds parameters only.
    """
    root = _open(folder).get("state") or {}
    states = _flat(root.get("param_states") or {}, folder=folder)
    if not states:
        raise UserError(
            f"{folder} holds parameters and no optimiser state; start without it: "
            "RunConfig.restore_optimizer=False"
        )
    found = int(_stored(folder, root["step"]))
    return found, {
        name: _value(folder, leaf, name=name) for name, leaf in states.items()
    }


def write(
    source: names.Source, folder: epath.Path, *, done: zarr.Done = zarr.nothing
) -> None:
    """Write the legacy layout, array by array.

    Args:
        source: what to write.
        folder: made where it is missing; whole arrays in it are kept (a conversion that
            was stopped goes on).
        done: told the name and bytes of each array.
    """
    from flax import serialization

    leaves: list[tuple[str, Any]] = []
    for entry in names.entries(source.config):
        for layer in names.layers(entry):
            path = foreign(entry.path, layer)
            spec = zarr.write(
                folder,
                f"target/{path}".replace("/", "."),
                read=functools.partial(source.read, entry, layer),
                shape=entry.shape,
                done=done,
            )
            leaves.append((path, spec))
    index = {
        "version": VERSION,
        "optimizer": {
            "target": names.nested(leaves),
            "state": {"step": np.asarray(source.step, np.int32)},
        },
    }
    # Last: without it nothing takes the folder for a checkpoint.
    (folder / "checkpoint").write_bytes(serialization.msgpack_serialize(index))


# --- reading ------------------------------------------------------------------------


def _open(folder: epath.Path) -> dict[str, Any]:
    """The tree with `target` and `state`; leaves are arrays or TensorStore specs."""
    if (folder / "checkpoint").is_file():
        return _legacy_index(folder / "checkpoint")
    return orbax_tree.leaves(folder / "state", advice="copy the checkpoint again")


def _flat(tree: Any, *, folder: epath.Path) -> dict[str, Any]:
    """Names to leaves."""
    if not isinstance(tree, dict):
        raise UserError(
            f"{folder} has no parameters under `target`; copy the checkpoint again"
        )
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
        index["optimizer"]["target"]
        return index["optimizer"]
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise UserError(
            f"{path} is not a complete T5X index ({error}); copy the checkpoint again"
        ) from error


def _value(folder: epath.Path, leaf: Any, *, name: str) -> np.ndarray:
    return names.as_float32(_stored(folder, leaf), name=f"{folder}: {name}")


def _stored(folder: epath.Path, leaf: Any) -> np.ndarray:
    if isinstance(leaf, orbax_tree.Leaf):
        return leaf.read()
    return zarr.read(folder, leaf) if isinstance(leaf, dict) else np.asarray(leaf)


def _shape(folder: epath.Path, arrays: dict[str, Any], name: str) -> tuple[int, ...]:
    if name not in arrays:
        raise UserError(
            f"{folder} has no array {name}: not an mT5 written by T5X; it has "
            f"{sorted(arrays)[:3]} and others"
        )
    leaf = arrays[name]
    return zarr.shape(folder, leaf) if isinstance(leaf, dict) else tuple(leaf.shape)


def _config(folder: epath.Path, arrays: dict[str, Any]) -> ModelConfig:
    shape = functools.partial(_shape, folder, arrays)

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


def _scanned(folder: epath.Path, arrays: dict[str, Any]) -> names.Source:
    """A checkpoint of T5X's scanned model ("scalable_t5")."""
    shape = functools.partial(_shape, folder, arrays)

    def theirs(path: str) -> str:
        if path.startswith("logits_dense"):
            return f"decoder/{path}"
        for stack in ("encoder", "decoder"):
            path = path.replace(f"{stack}/layers/", f"{stack}/{stack}/")
            path = path.replace(f"{stack}/relpos", f"{stack}/{stack}/relpos")
        return path

    embed, encoder_layers, heads, head_dim = shape(_SCANNED)
    config = ModelConfig(
        vocab=shape("token_embedder/embedding")[0],
        embed=embed,
        heads=heads,
        head_dim=head_dim,
        mlp=shape("encoder/encoder/mlp/wi_0/kernel")[-1],
        encoder_layers=encoder_layers,
        decoder_layers=shape("decoder/decoder/mlp/wi_0/kernel")[1],
        buckets=shape("encoder/encoder/relpos_bias/rel_embedding")[-1],
    )
    wanted = {theirs(entry.path) for entry in names.entries(config)}
    if wanted != set(arrays):
        raise UserError(
            f"{folder} is not a scanned mT5 of T5X: missing "
            f"{sorted(wanted - set(arrays))[:5]}, unknown "
            f"{sorted(set(arrays) - wanted)[:5]}"
        )

    @functools.lru_cache(maxsize=1)  # the layers of an array are asked for in a row
    def whole(name: str) -> np.ndarray:
        return _value(folder, arrays[name], name=name)

    def read(entry: names.Entry, layer: int | None) -> np.ndarray:
        array = whole(theirs(entry.path))
        if layer is not None:
            return np.take(array, layer, axis=1).reshape(entry.shape)
        if entry.path.endswith("rel_embedding"):
            if not (array == array[:, :1]).all():
                raise UserError(
                    f"{folder}: {theirs(entry.path)} differs between layers, as umT5 "
                    "has it; mT5 has one relative bias a stack"
                )
            array = array[:, 0]
        return array.reshape(entry.shape)

    return names.Source(config=config, name=str(folder), step=step(folder), read=read)
