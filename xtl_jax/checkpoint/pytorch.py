"""Weights out of `pytorch_model.bin`, without torch and without running anything.

The file is a zip archive: a pickle that describes tensors, and their bytes beside it. A
pickle may name any function of any module to be called when it is read. Here only the
few names that a plain dictionary of tensors needs are known, each standing for a
description and none for the real thing; any other name is an error, so nothing of the
file's choosing ever runs.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from etils import epath

from xtl_jax.checkpoint import names
from xtl_jax.errors import UserError

# What zipfile and pickle raise where bytes are others.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError),
    *(OSError, EOFError, KeyError, ValueError, OverflowError, MemoryError),
)
_DTYPES: dict[str, Any] = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),  # position ids; as weights they are refused
}


class _Storage(NamedTuple):
    """Where the numbers of a tensor lie in the archive."""

    key: str
    dtype: Any
    length: int


class _Tensor(NamedTuple):
    """A view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild(
    storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any
) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


def _parameter(data: _Tensor, *_: Any) -> _Tensor:
    return data


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Only what describes tensors; everything else is refused by name."""
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which weights do not need"
            ) from None

    def persistent_load(self, pid: Any) -> _Storage:
        """A reference to bytes in the archive."""
        kind, dtype, key, _, length = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"it refers to {kind!r} {dtype!r}")
        return _Storage(str(key), dtype, int(length))


def tensors(path: epath.Path) -> dict[str, Callable[[], np.ndarray]]:
    """Names to functions that read each tensor as float32.

    Raises:
        UserError: the file is damaged, of the format before PyTorch 1.6, or its pickle
            asks for anything but tensors; none of it is run.
    """
    with _archive(path) as (archive, root), archive.open(f"{root}/data.pkl") as file:
        found = _Unpickler(file).load()
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor)
        for name, tensor in found.items()
    ):
        raise UserError(
            f"{path} holds other things than named tensors; save the model's "
            "state_dict()"
        )
    return {
        name: functools.partial(_read, path, name, tensor)
        for name, tensor in found.items()
    }


def _read(path: epath.Path, name: str, tensor: _Tensor) -> np.ndarray:
    storage = tensor.storage
    if not storage.key.isalnum():
        raise UserError(
            f"{path}: {name} lies at {storage.key!r}, which is no storage; copy the "
            "checkpoint again"
        )
    with _archive(path) as (archive, root):
        data = archive.read(f"{root}/data/{storage.key}")
    flat = np.frombuffer(data, storage.dtype)
    reach = tensor.offset + sum(
        (size - 1) * stride
        for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if math.prod(tensor.shape) and not 0 <= reach < len(flat):
        raise UserError(
            f"{path}: {name} needs {reach + 1} numbers of its storage, which has "
            f"{len(flat)}; copy the checkpoint again"
        )
    if min(tensor.strides, default=0) < 0 or tensor.offset < 0:
        raise UserError(
            f"{path}: {name} has a negative stride or offset; copy the checkpoint again"
        )
    view = np.lib.stride_tricks.as_strided(
        flat[tensor.offset :],
        tensor.shape,
        [stride * flat.itemsize for stride in tensor.strides],
        writeable=False,
    )
    return names.as_float32(view, name=f"{path}: {name}")


@contextlib.contextmanager
def _archive(path: epath.Path) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """The opened archive and the folder inside it."""
    try:
        with path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
            roots = [
                name.removesuffix("/data.pkl")
                for name in archive.namelist()
                if name.endswith("/data.pkl")
            ]
            if len(roots) != 1:
                raise zipfile.BadZipFile("no data.pkl in it")
            yield archive, roots[0]
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is not read: {error}. Nothing of it was run; save the model with "
            "safe_serialization=True"
        ) from None
    except _DAMAGED as error:
        raise UserError(
            f"{path} is missing, damaged or older than PyTorch 1.6 ({error}); copy the "
            "checkpoint again, or save it with safe_serialization=True"
        ) from error
    except (TypeError, IndexError, AttributeError) as error:
        raise UserError(
            f"{path} is no weights file ({error}); copy the checkpoint again"
        ) from error
