"""Our parameter tree, written down once.

Every format names the same arrays differently. Here they are listed with our paths and
shapes; `t5x.py` and `huggingface.py` say what each is called there. A checkpoint is
read as a `Source`, array by array, so that turning one format into another needs the
memory of a few arrays and not of the model. A path with `layers` stands for one array
per layer, stacked along a leading axis:

    encoder/layers/attention/query/kernel   [layers, embed, joined_kv]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from xtl_jax.errors import UserError
from xtl_jax.model.sizes import ModelConfig

ATTENTION = ("query", "key", "value", "out")
_WEIGHTS = ("float32", "bfloat16", "float16", "float64")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One array of the tree."""

    path: str
    shape: tuple[int, ...]  # of one layer
    layers: int | None  # None: not stacked


def entries(config: ModelConfig) -> Iterator[Entry]:
    """All arrays of an mT5 of this shape, in the order of the network."""
    embed, joined, mlp = config.embed, config.joined_kv, config.mlp

    def attention(prefix: str, layers: int) -> Iterator[Entry]:
        for part in ATTENTION:
            shape = (joined, embed) if part == "out" else (embed, joined)
            yield Entry(path=f"{prefix}/{part}/kernel", shape=shape, layers=layers)

    def feed_forward(stack: str, layers: int) -> Iterator[Entry]:
        for part in ("wi_0", "wi_1", "wo"):
            shape = (mlp, embed) if part == "wo" else (embed, mlp)
            path = f"{stack}/layers/mlp/{part}/kernel"
            yield Entry(path=path, shape=shape, layers=layers)

    def norm(path: str, layers: int | None) -> Entry:
        return Entry(path=f"{path}/scale", shape=(embed,), layers=layers)

    table = (config.vocab, embed)
    yield Entry(path="token_embedder/embedding", shape=table, layers=None)
    for stack, layers in (
        ("encoder", config.encoder_layers),
        ("decoder", config.decoder_layers),
    ):
        yield Entry(
            path=f"{stack}/relpos_bias/rel_embedding",
            shape=(config.heads, config.buckets),
            layers=None,
        )
        if stack == "encoder":
            yield norm("encoder/layers/pre_attention_layer_norm", layers)
            yield from attention("encoder/layers/attention", layers)
        else:
            yield norm("decoder/layers/pre_self_attention_layer_norm", layers)
            yield from attention("decoder/layers/self_attention", layers)
            yield norm("decoder/layers/pre_cross_attention_layer_norm", layers)
            yield from attention("decoder/layers/encoder_decoder_attention", layers)
        yield norm(f"{stack}/layers/pre_mlp_layer_norm", layers)
        yield from feed_forward(stack, layers)
        yield norm(f"{stack}/{stack}_norm", None)
    yield Entry(path="logits_dense/kernel", shape=table[::-1], layers=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A checkpoint of any format; its arrays are read when they are asked for.

    Attributes:
        config: the model's shape.
        name: what errors call the checkpoint.
        step: training step it was saved at.
        read: an entry, and a layer where it has layers, to its array: float32 in our
            orientation, perhaps a view.
    """

    config: ModelConfig
    name: str
    step: int
    read: Callable[[Entry, int | None], np.ndarray]


def source(
    config: ModelConfig,
    *,
    name: str,
    step: int,
    foreign: Callable[[str, int | None], str],
    read: Callable[[str], np.ndarray],
    known: Mapping[str, Any] | set[str],
    transpose: Callable[[str], bool] = lambda path: False,
    ignored: Callable[[str], bool] = lambda name: False,
) -> Source:
    """Another format's arrays under our names.

    Args:
        config: the shape to expect.
        name: what to call the checkpoint in errors.
        step: training step it was saved at.
        foreign: our path and layer to the format's name.
        read: the format's name to its array.
        known: all names that the checkpoint has.
        transpose: whether the format holds our path's array transposed.
        ignored: names beyond the table that are known to be harmless.

    Raises:
        UserError: arrays missing or left over; all are named. Reading one of another
            shape says both shapes.
    """
    wanted = {
        (entry.path, layer): foreign(entry.path, layer)
        for entry in entries(config)
        for layer in layers(entry)
    }
    missing = sorted(set(wanted.values()) - set(known))
    extra = sorted(n for n in set(known) - set(wanted.values()) if not ignored(n))
    if missing or extra:
        raise UserError(
            f"{name} is not an mT5 of the expected layout: "
            f"{len(missing)} arrays missing {missing[:5]}, "
            f"{len(extra)} unknown {extra[:5]}"
        )

    def load(entry: Entry, layer: int | None) -> np.ndarray:
        theirs = wanted[entry.path, layer]
        array = read(theirs)
        array = array.T if transpose(entry.path) else array
        if array.shape != entry.shape:
            raise UserError(
                f"{name}: {theirs} has shape {array.shape}, expected {entry.shape} "
                f"for {entry.path}"
            )
        return np.asarray(array, np.float32)

    return Source(config=config, name=name, step=step, read=load)


def as_float32(array: np.ndarray, *, name: str) -> np.ndarray:
    """Weights as they were stored, in our dtype.

    Args:
        array: as it was read.
        name: of the file or folder and what was read from it, for the error.

    Raises:
        UserError: it holds no real numbers. A cast would take them for weights.
    """
    if array.dtype.name not in _WEIGHTS:
        raise UserError(
            f"{name} holds {array.dtype.name}; weights are {', '.join(_WEIGHTS)} "
            "(quantised ones cannot be read): save the checkpoint again"
        )
    return np.asarray(array, np.float32)


def layers(entry: Entry) -> Iterable[int | None]:
    """The layers of an entry; (None,) for one that has none."""
    return range(entry.layers) if entry.layers else (None,)


def stacked(source: Source, entry: Entry) -> np.ndarray:
    """The whole array of an entry, layers along the first axis, contiguous."""
    if entry.layers is None:
        return np.ascontiguousarray(source.read(entry, None))
    array = np.empty((entry.layers, *entry.shape), np.float32)
    for layer in range(entry.layers):
        array[layer] = source.read(entry, layer)
    return array


def tree(source: Source) -> dict[str, Any]:
    """All parameters as a nested dict of float32 arrays, layers stacked."""
    return nested(
        (entry.path, stacked(source, entry)) for entry in entries(source.config)
    )


def nested(leaves: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Paths and values as a nested dict.

    Example:
        >>> nested([("a/b", 1), ("a/c", 2)])
        {'a': {'b': 1, 'c': 2}}
    """
    found: dict[str, Any] = {}
    for path, leaf in leaves:
        *parents, last = path.split("/")
        node = found
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return found
