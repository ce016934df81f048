"""Small valid checkpoints of every format for `xtl bench fuzz`, and their reader."""

from __future__ import annotations

import io
import pathlib
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from etils import epath

from xtl_jax.bench.fuzz import Files, Reader
from xtl_jax.checkpoint import find, huggingface, names, ours, store, t5x
from xtl_jax.checkpoint import safetensors as shards
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.sizes import ModelConfig

_MODEL = ModelConfig(
    vocab=8,
    embed=4,
    heads=2,
    head_dim=2,
    mlp=4,
    encoder_layers=1,
    decoder_layers=1,
    buckets=4,
)
_ENCODER = EncoderConfig(
    architecture="xlm-roberta",
    vocab=8,
    embed=4,
    heads=2,
    mlp=4,
    layers=1,
    positions=6,
    task_heads=(Head(name="xnli", kind="classification", labels=("yes", "no")),),
)


def content(folder: pathlib.Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


NAMES = (
    *("safetensors", "safetensors of an encoder", "safetensors in shards", "torch"),
    *("t5x", "xtl converted", "xtl of a run"),
)


def make(name: str, folder: pathlib.Path) -> Reader:
    """A reader and its files.

    Args:
        name: one of `NAMES`.
        folder: new; files are made there.
    """
    makers: tuple[Callable[[pathlib.Path], Files], ...] = (
        *(_mt5, _encoder, _shards, _torch),
        *(_t5x, _converted, _run),
    )
    files = dict(zip(NAMES, makers, strict=True))[name](folder)
    return Reader(name, files, _both if name == "xtl of a run" else _read_all)


def _source(config: Any) -> names.Source:
    def read(entry: names.Entry, layer: int | None) -> np.ndarray:
        return np.ones(entry.shape, np.float32)

    return names.Source(config=config, name="toy", step=1, read=read)


def _read_all(folder: pathlib.Path) -> None:
    """Every array, as a conversion reads it."""
    source = find.find(str(folder)).source()
    for entry in names.entries(source.config):
        for layer in names.layers(entry):
            source.read(entry, layer)


def _mt5(folder: pathlib.Path) -> Files:
    huggingface.write(_source(_MODEL), epath.Path(folder))
    return content(folder)


def _encoder(folder: pathlib.Path) -> Files:
    huggingface.write(_source(_ENCODER), epath.Path(folder))
    return content(folder)


def _arrays(folder: pathlib.Path) -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
    """The files of an mT5 without its weights, and those."""
    files = dict(_mt5(folder))
    weights = shards.tensors(epath.Path(folder / "model.safetensors"))
    del files["model.safetensors"]
    return files, {name: read() for name, read in weights.items()}


def _shards(folder: pathlib.Path) -> Files:
    files, arrays = _arrays(folder / "whole")
    tensors = [
        shards.Tensor(name=name, shape=array.shape, read=lambda array=array: array)
        for name, array in arrays.items()
    ]
    (made := folder / "shards").mkdir()
    shards.write(epath.Path(made), tensors, shard_bytes=400)
    return files | content(made)


def _torch(folder: pathlib.Path) -> Files:
    files, arrays = _arrays(folder)
    return files | {"pytorch_model.bin": _zipped(arrays)}


def _t5x(folder: pathlib.Path) -> Files:
    t5x.write(_source(_MODEL), epath.Path(folder))
    return content(folder)


def _converted(folder: pathlib.Path) -> Files:
    ours.write(_source(_MODEL), epath.Path(folder))
    return content(folder)


def _zipped(arrays: Mapping[str, np.ndarray]) -> bytes:
    """What `torch.save` writes of named tensors, its pickle written by hand."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        pickled = b"\x80\x02}"  # protocol 2, an empty dictionary
        for number, (name, array) in enumerate(arrays.items()):
            storage = [b"ctorch\nFloatStorage\n", _text(str(number)), _text("cpu")]
            key = _tuple([_text("storage"), *storage, _whole(array.size)]) + b"Q"
            strides = [each // 4 for each in np.ascontiguousarray(array).strides]
            view = [_tuple(map(_whole, array.shape)), _tuple(map(_whole, strides))]
            hooks = b"ccollections\nOrderedDict\n)R"
            call = _tuple([key, _whole(0), *view, b"\x89", hooks])
            tensor = b"ctorch._utils\n_rebuild_tensor_v2\n" + call + b"R"
            pickled += _text(name) + tensor + b"s"
            archive.writestr(f"model/data/{number}", array.astype("<f4").tobytes())
        archive.writestr("model/data.pkl", pickled + b".")
    return made.getvalue()


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _whole(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def _tuple(items: Iterable[bytes]) -> bytes:
    return b"(" + b"".join(items) + b"t"


def _run(folder: pathlib.Path) -> Files:
    """A checkpoint as training keeps it, with checksums."""
    import jax.numpy as jnp
    import optax

    from xtl_jax.train import state

    described = _converted(folder / "converted")["run.json"]
    run = folder / "run"
    params = names.nested(
        (entry.path, jnp.ones((*filter(None, (entry.layers,)), *entry.shape)))
        for entry in names.entries(_MODEL)
    )
    kept = store.Store(str(run))
    kept.save(1, state.at_zero(optax.sgd(0.1), params), {"epoch": 0})
    kept.wait()
    kept.close()
    return {"run.json": described, **content(run)}


def _both(folder: pathlib.Path) -> None:
    """Array by array, and all at once."""
    _read_all(folder)
    store.read_params(epath.Path(folder))
