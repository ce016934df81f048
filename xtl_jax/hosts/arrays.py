"""Arrays that lie on the devices of several hosts: from this host's memory and back."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding


def fetch(values: Any) -> Any:
    """A tree of arrays as NumPy arrays, whole on every host.

    All hosts call it at the same place: what lies on others' devices comes over the
    network.
    """

    def whole(array: Any) -> np.ndarray:
        if not isinstance(array, jax.Array) or array.is_fully_addressable:
            return np.asarray(array)
        if array.is_fully_replicated:
            return np.asarray(array.addressable_data(0))
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))

    return jax.tree.map(whole, values)


def lay_out(values: Any, places: Any) -> Any:
    """A tree of arrays, each whole on every host or laid out already, in its places.

    `jax.device_put` would send every array around to compare it among the hosts.
    """
    if jax.process_count() == 1:
        return jax.tree.map(jax.device_put, values, places)

    def put(value: Any, place: Sharding) -> jax.Array:
        if isinstance(value, jax.Array) and not value.is_fully_addressable:
            return jax.device_put(value, place)
        array = np.asarray(value)
        return jax.make_array_from_callback(array.shape, place, array.__getitem__)

    return jax.tree.map(put, values, places)


def connect(mesh: Mesh) -> None:
    """Let the CPUs of hosts find each other for every sum over axes of a mesh.

    Gloo gives up when one of them comes 30 seconds after another to their first sum,
    and hosts do not compile a program in the same time. All call it at one moment.
    """
    if jax.process_count() == 1 or mesh.devices.flat[0].platform != "cpu":
        return
    axes = [name for name, size in mesh.shape.items() if size > 1]
    place = NamedSharding(mesh, PartitionSpec(tuple(axes)))
    ones = np.ones(mesh.size, np.float32)
    laid = jax.make_array_from_callback(ones.shape, place, ones.__getitem__)
    for count in range(1, len(axes) + 1):
        for summed in itertools.combinations(axes, count):
            rest = tuple(name for name in axes if name not in summed)
            add = jax.shard_map(
                functools.partial(jax.lax.psum, axis_name=summed),
                mesh=mesh,
                in_specs=place.spec,
                out_specs=PartitionSpec(rest),
            )
            jax.block_until_ready(jax.jit(add)(laid))


def part(rows: np.ndarray, place: Sharding, *, shard: tuple[int, int]) -> jax.Array:
    """Rows of which this host has a part, over the devices of all.

    Args:
        rows: this host's.
        place: of the whole.
        shard: (which part this is, how many there are); they are equal in size.
    """
    number, parts = shard
    begin = number * len(rows)
    shape = (parts * len(rows), *rows.shape[1:])

    def mine(index: tuple[slice, ...] | None) -> np.ndarray:
        first, *others = index or (slice(None),)
        low, high, _ = first.indices(shape[0])
        return rows[(slice(low - begin, high - begin), *others)]

    return jax.make_array_from_callback(shape, place, mine)


def shard_of(place: Sharding, *, copies: int) -> tuple[int, int]:
    """Which part of a batch this host's devices hold: (number, of how many).

    Where that is no part that a feed can make by itself, because neighbours in the mesh
    are not neighbours among the hosts, it is (0, 1): all of it.

    Args:
        place: of a batch, its rows split.
        copies: into how many pieces.
    """
    pieces = {
        index[0].indices(copies)[0]
        for index in place.addressable_devices_indices_map((copies,)).values()
        if index is not None
    }
    size, first = len(pieces), min(pieces)
    whole = max(pieces) - first + 1 == size
    if not whole or copies % size or first % size:
        return 0, 1
    return first // size, copies // size
