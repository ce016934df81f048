"""Safetensors files, read and written array by array.

The library writes a file from all its tensors at once; of the largest mT5 that would be
tens of gigabytes. It reads local files only, through a mapping that doubles the memory
of an array. The format is simple enough to do both here: the length of a JSON header (8
bytes, little endian), the header, then the arrays one after the other.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from etils import epath

from xtl_jax.checkpoint.zarr import Done, nothing
from xtl_jax.errors import UserError

_DTYPES: dict[str, Any] = {
    "F32": np.dtype("<f4"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F16": np.dtype("<f2"),
    "F64": np.dtype("<f8"),
}
_HEADER_BYTES = 10**8  # the library's own limit
SHARD_BYTES = 5 * 10**9  # transformers' own limit
_BLOCK = 1 << 24  # elements turned at a time: 64 MiB


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """A float32 array that is read when its turn comes."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        """Bytes."""
        return 4 * math.prod(self.shape)


def tensors(path: epath.Path) -> dict[str, Callable[[], np.ndarray]]:
    """Names to functions that read each tensor as float32.

    Raises:
        UserError: the file is missing, not whole, or its header makes no sense. Reading
            a tensor of another kind of numbers names it.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= _HEADER_BYTES:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        held = path.stat().length - 8 - length
        end = 0  # one tensor after the other, nothing between them
        for name, each in sorted(
            header.items(), key=lambda item: item[1]["data_offsets"]
        ):
            start, stop = each["data_offsets"]
            if start != end or stop < start:
                raise ValueError(f"{name} lies at {start} to {stop}, not from {end} on")
            end = stop
        if end != held:
            raise ValueError(f"it holds {held} bytes of tensors, {end} are needed")
        return {
            name: functools.partial(
                _read,
                path,
                name,
                kind=str(each["dtype"]),
                shape=tuple(int(size) for size in each["shape"]),
                start=8 + length + int(each["data_offsets"][0]),
                size=int(each["data_offsets"][1]) - int(each["data_offsets"][0]),
            )
            for name, each in header.items()
        }
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError),
        *(RecursionError, OverflowError),
    ) as error:
        raise UserError(
            f"{path} is missing or damaged ({error}); copy the checkpoint again"
        ) from error


def _read(
    path: epath.Path,
    name: str,
    *,
    kind: str,
    shape: tuple[int, ...],
    start: int,
    size: int,
) -> np.ndarray:
    if kind not in _DTYPES:
        raise UserError(
            f"{path}: {name} holds {kind}; weights are {', '.join(_DTYPES)} (quantised "
            "ones cannot be read): save the checkpoint again"
        )
    dtype = _DTYPES[kind]
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(size)
        return np.asarray(np.frombuffer(data, dtype).reshape(shape), np.float32)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: {name} is damaged ({error}); copy the checkpoint again"
        ) from error


def write(
    folder: epath.Path,
    tensors: Sequence[Tensor],
    *,
    shard_bytes: int = SHARD_BYTES,
    done: Done = nothing,
) -> None:
    """Write `model.safetensors`, or shards of it and their index.

    Shards that are there already are whole (each is written under another name first)
    and are kept.
    """
    shards: list[list[Tensor]] = [[]]
    for tensor in tensors:
        if shards[-1] and sum(t.size for t in (*shards[-1], tensor)) > shard_bytes:
            shards.append([])
        shards[-1].append(tensor)
    if len(shards) == 1:
        _file(folder / "model.safetensors", shards[0], done=done)
        return
    weight_map = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _file(folder / name, shard, done=done)
        weight_map |= {tensor.name: name for tensor in shard}
    index = {
        "metadata": {"total_size": sum(tensor.size for tensor in tensors)},
        "weight_map": weight_map,
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def _file(path: epath.Path, tensors: Sequence[Tensor], *, done: Done) -> None:
    if path.exists():
        for tensor in tensors:
            done(tensor.name, tensor.size)
        return
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for tensor in tensors:
        header[tensor.name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [start, start + tensor.size],
        }
        start += tensor.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path.parent / f"{path.name}.partial"
    with partial.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for tensor in tensors:
            array = tensor.read()
            if array.shape != tensor.shape or array.dtype != np.float32:
                raise ValueError(
                    f"{tensor.name} is {array.dtype} {array.shape}, not float32 "
                    f"{tensor.shape}"
                )
            rows = max(1, _BLOCK // max(1, math.prod(array.shape[1:])))
            for row in range(0, len(array), rows):
                block = np.ascontiguousarray(array[row : row + rows], dtype="<f4")
                file.write(block.data)
            done(tensor.name, tensor.size)
        file.flush()
        os.fsync(file.fileno())  # whoever goes on takes a file of this name for whole
    partial.rename(path)
