"""Our parameter tree, written down once.

Every format names the same arrays differently. Here they are listed with our paths and
shapes; `t5x.py` and `huggingface.py` say what each is called there. A checkpoint is
read as a `Source`, array by array, so that turning one format into another needs the
memory of a few arrays and not of the model. A path with `layers` stands for one array
per layer, stacked along a leading axis:

    encoder/layers/attention/query/kernel   [layers, embed, joined_kv]

An encoder's tree (`model/encoder.py`) has its layers in the same place, and its heads
under `heads/NAME`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from xtl_jax.errors import UserError
from xtl_jax.model.encoder_sizes import EncoderConfig, Head, has_dense
from xtl_jax.model.network import AnyConfig
from xtl_jax.model.sizes import ModelConfig

ATTENTION = ("query", "key", "value", "out")
_WEIGHTS = ("float32", "bfloat16", "float16", "float64")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One array of the tree."""

    path: str
    shape: tuple[int, ...]  # of one layer
    layers: int | None  # None: not stacked


def entries(config: AnyConfig) -> Iterator[Entry]:
    """All arrays of a model of this shape, in the order of the network."""
    if isinstance(config, EncoderConfig):
        return _of_encoder(config)
    return _of_mt5(config)


def _of_mt5(config: ModelConfig) -> Iterator[Entry]:
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


def _of_encoder(config: EncoderConfig) -> Iterator[Entry]:
    embed, mlp = config.embed, config.mlp
    prefix = "encoder/layers"
    yield from _tables(config)
    for part in ATTENTION:
        yield from _linear(
            f"{prefix}/attention/{part}", embed, embed, layers=config.layers
        )
    yield from _layer_norm(f"{prefix}/attention_norm", embed, layers=config.layers)
    yield from _linear(f"{prefix}/mlp/wi", embed, mlp, layers=config.layers)
    yield from _linear(f"{prefix}/mlp/wo", mlp, embed, layers=config.layers)
    yield from _layer_norm(f"{prefix}/mlp_norm", embed, layers=config.layers)
    if config.pooler:
        yield from _linear("encoder/pooler", embed, embed)
    for head in config.task_heads:
        yield from _of_head(config, head)


def _tables(config: EncoderConfig) -> Iterator[Entry]:
    prefix = "encoder/embeddings"
    for part, rows in (
        ("word", config.vocab),
        ("position", config.positions),
        ("segment", config.segment_types),
    ):
        yield Entry(path=f"{prefix}/{part}", shape=(rows, config.embed), layers=None)
    yield from _layer_norm(f"{prefix}/norm", config.embed)


def _of_head(config: EncoderConfig, head: Head) -> Iterator[Entry]:
    embed, prefix = config.embed, f"heads/{head.name}"
    if head.layers == "mixture":
        path = f"{prefix}/over_layers/weights"
        yield Entry(path=path, shape=(config.layers,), layers=None)
    if head.layers == "attention":
        for part in ("query", "key"):
            yield from _linear(f"{prefix}/over_layers/{part}", embed, embed)
    if head.kind == "masked_lm":
        yield from _linear(f"{prefix}/dense", embed, embed)
        yield from _layer_norm(f"{prefix}/norm", embed)
        yield Entry(path=f"{prefix}/bias", shape=(config.vocab,), layers=None)
        return
    if has_dense(head):
        yield from _linear(f"{prefix}/dense", embed, embed)
    yield from _linear(f"{prefix}/out", embed, head.outputs)


def _linear(
    path: str, inner: int, outer: int, *, layers: int | None = None
) -> Iterator[Entry]:
    yield Entry(path=f"{path}/kernel", shape=(inner, outer), layers=layers)
    yield Entry(path=f"{path}/bias", shape=(outer,), layers=layers)


def _layer_norm(path: str, width: int, *, layers: int | None = None) -> Iterator[Entry]:
    yield Entry(path=f"{path}/scale", shape=(width,), layers=layers)
    yield Entry(path=f"{path}/bias", shape=(width,), layers=layers)


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

    config: AnyConfig
    name: str
    step: int
    read: Callable[[Entry, int | None], np.ndarray]


def source(
    config: AnyConfig,
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
            f"{name} is not {kind_of(config)} of the expected layout: "
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


def kind_of(config: AnyConfig) -> str:
    """What errors call such a model."""
    if isinstance(config, EncoderConfig):
        return "XLM-R" if config.architecture == "xlm-roberta" else "BERT"
    return "an mT5"


def check_finite(array: np.ndarray, *, name: str) -> None:
    """Refuse weights that are no numbers: formats without checksums let them through.

    Args:
        array: as it was read.
        name: of the checkpoint and the array, for the error.

    Raises:
        UserError: it holds NaN or infinity.
    """
    # Both are NaN where any is, and neither needs a second array.
    if not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise UserError(
            f"{name} holds NaN or infinity: the file is damaged, copy the checkpoint "
            "again; or its training diverged, take an earlier step"
        )


def finite(source: Source) -> Source:
    """The same source, which refuses to give what is no number."""

    def read(entry: Entry, layer: int | None) -> np.ndarray:
        array = source.read(entry, layer)
        at = entry.path if layer is None else f"{entry.path} of layer {layer}"
        check_finite(array, name=f"{source.name}: {at}")
        return array

    return dataclasses.replace(source, read=read)


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
