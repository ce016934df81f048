"""Batches over the devices of several hosts: who holds which rows."""

from __future__ import annotations

import numpy as np
import pytest

from xtl_jax.cli import hosts
from xtl_jax.errors import UserError
from xtl_jax.hosts import arrays


class Spread:
    """A place whose devices on this host hold these pieces of a batch."""

    def __init__(self, *pieces):
        self.pieces = pieces

    def addressable_devices_indices_map(self, shape):
        return {i: (slice(p, p + 1),) for i, p in enumerate(self.pieces)}


@pytest.mark.parametrize(
    ("pieces", "copies", "expected"),
    [
        ((0, 1), 4, (0, 2)),
        ((2, 3), 4, (1, 2)),
        ((3,), 4, (3, 4)),
        ((2, 2, 3, 3), 4, (1, 2)),  # a model axis within the host
        ((0,), 1, (0, 1)),  # the model is spread over hosts: all have the same rows
        ((1, 1), 2, (1, 2)),  # two of four hosts share these rows
        ((0, 2), 4, (0, 1)),  # not neighbours: the host makes all rows
        ((1, 2), 4, (0, 1)),  # no half of the batch
    ],
)
def test_the_part_of_a_batch_that_a_host_makes(pieces, copies, expected):
    assert arrays.shard_of(Spread(*pieces), copies=copies) == expected


def test_rows_land_where_their_numbers_say(quick_compiles):
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    # Neighbours in the mesh are no neighbours among the devices.
    order = [3, 1, 4, 0, 5, 7, 2, 6]
    mesh = Mesh(np.asarray([jax.devices()[i] for i in order]), ("data",))
    place = NamedSharding(mesh, PartitionSpec("data"))
    rows = np.arange(48, dtype=np.int32).reshape(16, 3)
    laid = arrays.part(rows, place, shard=(0, 1))
    assert np.array_equal(arrays.fetch(laid), rows)
    for shard in laid.addressable_shards:
        at = order.index(shard.device.id)
        assert np.array_equal(shard.data, rows[2 * at : 2 * at + 2])


TOLD = {"XTL_COORDINATOR": "10.0.0.1:80", "XTL_PROCESSES": "2", "XTL_PROCESS_ID": "1"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"XTL_COORDINATOR": ""}, ["XTL_PROCESSES is set", "XTL_COORDINATOR is not"]),
        ({"XTL_COORDINATOR": "10.0.0.1"}, ["'10.0.0.1' is no MACHINE:PORT", "auto"]),
        ({"XTL_PROCESSES": "two"}, ["XTL_PROCESSES='two'", "whole numbers"]),
        ({"XTL_PROCESS_ID": ""}, ["XTL_PROCESS_ID=''", "whole numbers"]),
        ({"XTL_PROCESS_ID": "2"}, ["XTL_PROCESS_ID=2 must be below XTL_PROCESSES=2"]),
        ({"XTL_COORDINATOR": "auto"}, ["this is no TPU pod"]),
    ],
)
def test_wrong_words_in_the_environment_are_refused(changed, words):
    with pytest.raises(UserError) as refused:
        hosts.place(TOLD | changed)
    for word in words:
        assert word in str(refused.value)
