"""A run of LoRA, read as the whole model that it is with its base.

Such a run keeps the factors alone (`model/lora.py`); the rest is in the checkpoint that
it began from. `run.json` says which one that was:

    "base": {"checkpoint": "/runs/mnli/checkpoints/200", "step": 200,
             "checksums": {"encoder/encoder_norm/scale": "1c291ca3", …}}

with the CRC-32 of each layer of each array, as float32 in our orientation: the same
weights in another place or format are the same base. Each array is held against its
checksum when it is read, so that other weights are never taken for the base.
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from xtl_jax.checkpoint import names, orbax_tree, store
from xtl_jax.errors import UserError
from xtl_jax.model import lora as loras
from xtl_jax.model.network import AnyConfig
from xtl_jax.model.sizes import Lora

_PIECE = 1 << 24  # entries that are copied at a time where an array is a turned view


@dataclasses.dataclass(frozen=True, kw_only=True)
class Base:
    """The model that factors belong to.

    Attributes:
        checkpoint: where it was, a path that `xtl_jax.load` takes.
        step: of it.
        checksums: of its layers by path, with spaces between.
    """

    checkpoint: str
    step: int
    checksums: Mapping[str, str]


def base(params: Any, *, config: AnyConfig, checkpoint: str, step: int) -> Base:
    """What identifies a model whose parameters (host arrays) are all here."""
    checksums = {}
    for entry in _frozen(config):
        array = functools.reduce(
            lambda node, key: node[key], entry.path.split("/"), params
        )
        parts = array if entry.layers else [array]
        checksums[entry.path] = " ".join(map(checksum, parts))
    return Base(checkpoint=checkpoint, step=step, checksums=checksums)


def source(
    run_dir: epath.Path,
    *,
    step: int | None,
    config: AnyConfig,
    lora: Lora,
    base: Base,
    weights: names.Source,
) -> names.Source:
    """The merged model, array by array.

    Args:
        run_dir: of the run of LoRA.
        step: its checkpoint; None takes the best.
        config: the model's shape.
        lora: what was trained.
        base: what it was trained on.
        weights: where that is read from.

    Raises:
        UserError: the checkpoint is not there or damaged, holds other factors than
            `lora` says, or `weights` are not the base's.
    """
    item, others = store.state_folder(run_dir, step=step)
    advice = f"the other checkpoints are of steps {others}"
    leaves = orbax_tree.leaves(item, advice=advice).get("params")
    found = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree.leaves_with_path(leaves or {})
    }
    wanted = _trained_shapes(config, lora)
    have = {path: leaf.shape for path, leaf in found.items()}
    if wanted != have:
        differing = sorted(set(wanted.items()) ^ set(have.items()))
        raise UserError(
            f"{item} does not hold what its run.json says of LoRA: {differing[:4]} are "
            f"only in one of the two; {advice}"
        )
    _check_shapes(config, weights, run_dir)

    @functools.lru_cache(maxsize=2)  # a matrix's two factors serve all its layers
    def whole(path: str) -> np.ndarray:
        return names.as_float32(found[path].read(), name=f"{item}: {path}")

    def read(entry: names.Entry, layer: int | None) -> np.ndarray:
        if entry.path in found:
            array = whole(entry.path)
            return array if layer is None else array[layer]
        array = weights.read(entry, layer)
        at = entry.path if layer is None else f"{entry.path} of layer {layer}"
        known = base.checksums.get(entry.path, "").split()
        if known[layer or 0 : (layer or 0) + 1] != [checksum(array)]:
            raise UserError(
                f"{run_dir} was trained with LoRA on {base.checkpoint}, step "
                f"{base.step}, and {weights.name} is another model now: {at} differs. "
                "Put the weights back that were there"
            )
        factors = loras.factors(entry.path)
        if factors[0] not in found:
            return array
        a, b = map(whole, factors)
        if layer is not None:
            a, b = a[layer], b[layer]
        return loras.merge_matrix(array, a, b, scale=lora.scale)

    number = int(item.parent.name)
    return names.Source(config=config, name=str(item.parent), step=number, read=read)


def _frozen(config: AnyConfig) -> Iterator[names.Entry]:
    """What LoRA never trains, but for the factors that stand beside it."""
    return (each for each in names.entries(config) if not loras.in_heads(each.path))


def _trained_shapes(config: AnyConfig, lora: Lora) -> dict[str, tuple[int, ...]]:
    """Paths and shapes of what a run of LoRA trains."""
    whole = names.nested(
        (
            entry.path,
            jax.ShapeDtypeStruct(
                (*((entry.layers,) if entry.layers else ()), *entry.shape), np.float32
            ),
        )
        for entry in names.entries(config)
    )
    trained = jax.eval_shape(
        lambda params: loras.start(params, lora, jax.random.key(0)), whole
    )
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree.leaves_with_path(trained)
    }


def _check_shapes(
    config: AnyConfig, weights: names.Source, run_dir: epath.Path
) -> None:
    theirs = list(_frozen(weights.config))
    if differing := [each for each in _frozen(config) if each not in theirs]:
        path, shape = differing[0].path, differing[0].shape
        raise UserError(
            f"{run_dir} was trained with LoRA on another model than {weights.name} "
            f"is now: it has no {path} of shape {shape}. Put the weights back that "
            "were there"
        )


def checksum(array: np.ndarray) -> str:
    """CRC-32 of the entries in order, whichever way they lie in memory."""
    rows = array.reshape(len(array), -1) if array.ndim > 1 else array[None]
    step = max(1, _PIECE // max(1, rows.shape[1]))
    found = 0
    for begin in range(0, len(rows), step):
        piece = np.ascontiguousarray(rows[begin : begin + step], np.float32)
        found = zlib.crc32(piece.data, found)
    return f"{found:08x}"
