"""Our parameter tree, written down once.

Every format names the same arrays differently. Here they are listed with our paths and
shapes; `t5x.py` and `huggingface.py` say what each is called there. A path with
`layers` stands for one array per layer, stacked along a leading axis:

    encoder/layers/attention/query/kernel   [layers, embed, joined_kv]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from xtl_jax.errors import UserError
from xtl_jax.model.sizes import ModelConfig

ATTENTION = ("query", "key", "value", "out")


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


def assemble(
    config: ModelConfig,
    *,
    source: str,
    name: Callable[[str, int | None], str],
    read: Callable[[str], np.ndarray],
    known: Mapping[str, Any] | set[str],
    transpose: Callable[[str], bool] = lambda path: False,
    ignored: Callable[[str], bool] = lambda name: False,
) -> dict[str, Any]:
    """Our tree from another format's arrays.

    Args:
        config: the shape to expect.
        source: what to call the checkpoint in errors.
        name: our path and layer to the format's name.
        read: the format's name to its array.
        known: all names that the checkpoint has.
        transpose: whether the format holds our path's array transposed.
        ignored: names beyond the table that are known to be harmless.

    Returns:
        Nested dict of float32 arrays, layers stacked.

    Raises:
        UserError: arrays missing, left over, or of another shape; all are named.
    """
    wanted = {
        (entry.path, layer): name(entry.path, layer)
        for entry in entries(config)
        for layer in (range(entry.layers) if entry.layers else (None,))
    }
    missing = sorted(set(wanted.values()) - set(known))
    extra = sorted(n for n in set(known) - set(wanted.values()) if not ignored(n))
    if missing or extra:
        raise UserError(
            f"{source} is not an mT5 of the expected layout: "
            f"{len(missing)} arrays missing {missing[:5]}, "
            f"{len(extra)} unknown {extra[:5]}"
        )

    def load(entry: Entry, layer: int | None) -> np.ndarray:
        foreign = wanted[entry.path, layer]
        array = read(foreign)
        array = array.T if transpose(entry.path) else array
        if array.shape != entry.shape:
            raise UserError(
                f"{source}: {foreign} has shape {array.shape}, expected {entry.shape} "
                f"for {entry.path}"
            )
        return np.asarray(array, np.float32)

    tree: dict[str, Any] = {}
    for entry in entries(config):
        if entry.layers is None:
            array = np.ascontiguousarray(load(entry, None))
        else:
            array = np.empty((entry.layers, *entry.shape), np.float32)
            for layer in range(entry.layers):
                array[layer] = load(entry, layer)
        *parents, leaf = entry.path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = array
    return tree
