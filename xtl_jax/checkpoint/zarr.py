"""One array in a zarr folder, as T5X's legacy checkpoints have them.

Chunks are at most 64 MiB, made by halving (or dividing by the smallest factor) the
longest axis first, as T5X does, and compressed with gzip at level 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from etils import epath

from xtl_jax.errors import UserError

CHUNK_BYTES = 64 << 20
GZIP: dict[str, Any] = {"id": "gzip", "level": 1}  # T5X's
ZSTD: dict[str, Any] = {"id": "zstd", "level": 1}  # orbax's, ten times as fast

Done = Callable[[str, int], None]


def nothing(name: str, size: int) -> None:
    """A `Done` that does nothing."""


def chunk_shape(shape: tuple[int, ...], *, item_bytes: int) -> tuple[int, ...]:
    """The shape of chunks: whole divisors, the longest axis divided first.

    Example:
        >>> chunk_shape((250_112, 512), item_bytes=4)
        (31264, 512)
    """
    chunks = list(shape)
    while math.prod(chunks) * item_bytes > CHUNK_BYTES:
        axis = int(np.argmax(chunks))
        factor = next(n for n in range(2, chunks[axis] + 1) if chunks[axis] % n == 0)
        chunks[axis] //= factor
    return tuple(chunks)


def read(folder: epath.Path, spec: dict[str, Any]) -> np.ndarray:
    """The array that a TensorStore spec of an index means.

    Raises:
        UserError: it is missing, damaged or lacks chunks.
    """
    opened, target = _opened(folder, spec)
    # zarr reads a chunk that is not there as zeros; weights are never all zero.
    if not opened.storage_statistics(query_fully_stored=True).result().fully_stored:
        raise UserError(f"{target} lacks some of its chunks; copy the checkpoint again")
    try:
        return opened.read().result()
    except ValueError as error:
        raise UserError(
            f"{target} is damaged ({error}); copy the checkpoint again"
        ) from error


def shape(folder: epath.Path, spec: dict[str, Any]) -> tuple[int, ...]:
    """The shape of the array that a spec means."""
    return tuple(_opened(folder, spec)[0].shape)


def write(
    folder: epath.Path,
    name: str,
    *,
    read: Callable[[], np.ndarray],
    shape: tuple[int, ...],
    compressor: dict[str, Any] = GZIP,
    done: Done = nothing,
) -> dict[str, Any]:
    """Write `folder/name/`, whole or not at all, unless it is there.

    Args:
        folder: of the checkpoint.
        name: of the array's folder.
        read: gives the array, float32; not called where the folder is there.
        shape: of the array.
        compressor: of its chunks.
        done: told the name and bytes.

    Returns:
        The spec for the checkpoint's index.

    Raises:
        OSError: it cannot be written; the disk may be full.
    """
    import tensorstore

    metadata = {
        "chunks": list(chunk_shape(shape, item_bytes=4)),
        "compressor": compressor,
        "shape": list(shape),
    }
    final = folder / name
    if not final.exists():
        partial = folder / f"{name}.partial"
        if partial.exists():
            partial.rmtree()
        array = read()
        spec = {
            "driver": "zarr",
            "kvstore": _kvstore(partial),
            "metadata": {**metadata, "dtype": "<f4", "dimension_separator": "."},
        }
        try:
            opened = tensorstore.open(spec, create=True).result()
            opened.write(array).result()
        except ValueError as error:  # tensorstore's for a full disk too
            raise OSError(str(error).partition(" [")[0]) from error
        partial.rename(final)
    done(name, 4 * math.prod(shape))
    return {
        "driver": "zarr",
        "dtype": "float32",
        "kvstore": {"driver": "file", "path": f"{name}/"},
        "metadata": metadata,
    }


def _kvstore(target: epath.Path) -> dict[str, str]:
    name = str(target)
    if name.startswith("gs://"):
        bucket, _, rest = name.removeprefix("gs://").partition("/")
        return {"driver": "gcs", "bucket": bucket, "path": rest + "/"}
    return {"driver": "file", "path": name + "/"}


def _opened(folder: epath.Path, spec: dict[str, Any]) -> tuple[Any, epath.Path]:
    """The opened array that a spec of the index means, and its folder."""
    import tensorstore

    path = spec.get("kvstore", {}).get("path") or spec.get("path", "")
    target = folder / path.rstrip("/").split("/")[-1]
    try:
        spec = {"driver": "zarr", "kvstore": _kvstore(target)}
        return tensorstore.open(spec).result(), target
    except ValueError as error:
        raise UserError(
            f"{target}: the array named in the index is missing or damaged ({error}); "
            "copy the checkpoint again"
        ) from error
