"""Checksums of arrays: the same on every mesh, on the device and on the host.

The sum of an array is that of its elements' bits, each times an odd number that depends
on its place, modulo 2**32. Whole numbers may be added in any order, so each device sums
its part, and what comes out does not depend on how an array is cut. A change of one
element always changes the sum, since an odd number has an inverse; any other change is
missed once in four thousand million. It is no defence against somebody who wants it.

>>> one = np.asarray([[1.0, 2.0], [3.0, 4.0]], np.float32)
>>> of_host(one) == int(_of_device(jnp.asarray(one)))
True
>>> of_host(one) == of_host(one.T)
False
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from xtl_jax import storage

FOLDER = "checksums"  # in a checkpoint, with one file, `metadata`
POSITION = "position"  # of the data feed: its folder, and what its sum is called
_STEP = 0x9E3779B1  # from the number of one place to that of the next
_BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32}
_BLOCK = 1 << 22  # elements that the host sums at a time


def of_tree(tree: Any) -> dict[str, int]:
    """The sum of each array of a tree, by its path as orbax calls it.

    Example:
        >>> [*of_tree({"params": {"scale": jnp.ones(2)}})]
        ['params.scale']
    """
    groups: dict[frozenset[Any], dict[str, jax.Array]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        groups.setdefault(frozenset(array.sharding.device_set), {})[name] = array
    found: dict[str, Any] = {}
    for group in groups.values():  # one program has one set of devices
        found |= jax.device_get(_of_all(group))
    return {name: int(value) for name, value in found.items()}


@jax.jit
def _of_all(arrays: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {name: _of_device(array) for name, array in arrays.items()}


def _of_device(array: jax.Array) -> jax.Array:
    if array.dtype == jnp.bool_:
        array = array.astype(jnp.uint8)
    bits = jax.lax.bitcast_convert_type(array, _BITS[array.dtype.itemsize])
    place = jnp.zeros(array.shape, jnp.uint32)
    for axis, size in enumerate(array.shape):
        along = jax.lax.broadcasted_iota(jnp.uint32, array.shape, axis)
        place = place * jnp.uint32(size) + along
    factor = place * jnp.uint32(_STEP) | jnp.uint32(1)
    return jnp.sum(bits.astype(jnp.uint32) * factor, dtype=jnp.uint32)


def of_host(array: np.ndarray) -> int:
    """The sum of an array in this machine's memory."""
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    flat = np.ascontiguousarray(array).reshape(-1).view(_BITS[array.dtype.itemsize])
    total = 0
    for start in range(0, len(flat), _BLOCK):
        bits = flat[start : start + _BLOCK].astype(np.uint32)
        place = np.arange(start, start + len(bits), dtype=np.uint64).astype(np.uint32)
        factor = place * np.uint32(_STEP) | np.uint32(1)
        total += int((bits * factor).sum(dtype=np.uint32))
    return total % 2**32


def of_json(value: Any) -> int:
    """The sum of JSON values, as they are read again.

    Example:
        >>> of_json({"a": 3, "b": (1, 2)}) == of_json({"b": [1, 2], "a": 3})
        True
    """
    text = json.dumps(json.loads(json.dumps(value)), sort_keys=True)
    return zlib.crc32(text.encode())


def written(checkpoint: epath.Path) -> dict[str, int]:
    """Checksums of the arrays before they were written; older checkpoints have none.

    Raises:
        ValueError: they are damaged.
    """
    folder = checkpoint / FOLDER
    if not folder.exists():
        return {}
    try:
        found = json.loads((folder / "metadata").read_text())
    except OSError as error:
        raise ValueError(f"{folder}: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{folder} holds no checksums")
    return found


def compare(found: Mapping[str, int], *, written: Mapping[str, int]) -> None:
    """Hold arrays against what was written, by their checksums.

    Raises:
        ValueError: some are others; they are named.
    """
    changed = [name for name in found if written.get(name, found[name]) != found[name]]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise ValueError(f"another checksum of {', '.join(changed[:3])}{more}")


def check(checkpoint: epath.Path) -> int:
    """Read all arrays of a checkpoint, one after the other.

    Args:
        checkpoint: its folder, on a disk.

    Returns:
        How many had a checksum to be compared with.

    Raises:
        ValueError: it is damaged.
    """
    import tensorstore

    base = {"driver": "ocdbt", "base": f"file://{storage.absolute(checkpoint)}/state/"}
    sums = written(checkpoint)
    if not sums:
        return 0
    try:
        position = json.loads((checkpoint / POSITION / "metadata").read_text())
        compare({POSITION: of_json(position)}, written=sums)
        for name in sums:
            if name == POSITION:
                continue
            kvstore = {**base, "path": f"{name}/"}
            array = tensorstore.open({"driver": "zarr", "kvstore": kvstore}).result()
            found = of_host(np.asarray(array.read().result()))
            compare({name: found}, written=sums)
    except OSError as error:
        raise ValueError(str(error)) from None
    return len(sums)
