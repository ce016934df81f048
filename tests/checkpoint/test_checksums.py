"""A sum is the same wherever its array lies, and no bit can change unseen."""

from __future__ import annotations

import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from etils import epath
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from xtl_jax.checkpoint import checksums
from xtl_jax.checkpoint.store import Store, read_params
from xtl_jax.errors import UserError
from xtl_jax.train.state import TrainState

DTYPES = (np.float32, ml_dtypes.bfloat16, np.int32, np.int8, np.bool_)


def _array(dtype):
    bits = np.random.default_rng(0).integers(0, 256, (8, 16, 4), np.uint8)
    return bits.astype(dtype) if dtype is np.bool_ else np.resize(bits.view(dtype), 96)


def test_the_sum_of_hand():
    """3 at place 0 and 5 at place 1: 3 * 1 + 5 * 0x9E3779B1, an odd number as it is."""
    expected = (3 + 5 * 0x9E3779B1) % 2**32
    assert checksums.of_host(np.asarray([3, 5], np.int32)) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_device_and_host_agree(dtype):
    array = _array(dtype)
    assert checksums.of_tree({"a": jnp.asarray(array)}) == {
        "a": checksums.of_host(array)
    }


def test_it_does_not_depend_on_how_an_array_is_cut():
    array = np.random.default_rng(1).standard_normal((16, 64), np.float32)
    expected = {"a": checksums.of_host(array)}
    for shape, spec in (((2, 4), ("x", "y")), ((8, 1), (None, "x"))):
        devices = np.asarray(jax.devices()[: np.prod(shape)]).reshape(shape)
        place = NamedSharding(Mesh(devices, ("x", "y")), PartitionSpec(*spec))
        assert checksums.of_tree({"a": jax.device_put(array, place)}) == expected


def test_each_bit_counts():
    array = np.random.default_rng(2).integers(0, 2**32, 40, np.uint32)
    whole = checksums.of_host(array)
    for place in range(len(array)):
        for bit in range(32):
            changed = array.copy()
            changed[place] ^= np.uint32(1 << bit)
            assert checksums.of_host(changed) != whole


class Moments(NamedTuple):
    count: jax.Array
    rows: dict[str, jax.Array]


def _state(step):
    """Bits that zstd cannot make smaller, so it stores them as they are."""
    bits = np.random.default_rng(step).integers(0, 2**32, (64, 64), np.uint32)
    kernel = jnp.asarray(bits.view(np.float32))
    moments = Moments(jnp.int32(step), {"kernel": kernel[:2]})
    return TrainState(jnp.int32(step), {"kernel": kernel}, (moments, ()))


@pytest.fixture
def saved(tmp_path):
    """Two checkpoints."""
    store = Store(tmp_path)
    for step in (1, 2):
        store.save(step, _state(step), {"row": step})
    store.close()
    return tmp_path


def test_whole_checkpoints_are_whole(saved):
    for step in (1, 2):  # step, kernel, count, rows, position
        assert checksums.check(epath.Path(saved / "checkpoints" / str(step))) == 5


def _data(folder):
    files = [path for path in (folder / "state").rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def test_bits_that_changed_are_seen_and_the_one_before_is_taken(saved):
    path = _data(saved / "checkpoints/2")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    with pytest.raises(ValueError, match="another checksum of params"):
        checksums.check(epath.Path(saved / "checkpoints/2"))
    with pytest.raises(UserError, match=r"checksum of params\.kernel"):
        read_params(epath.Path(saved), step=2)
    told = []
    restored = Store(saved).restore_latest(_state(0), tell=told.append)
    assert restored is not None
    assert int(restored[0].step) == 1
    assert "another checksum of params.kernel" in told[0]


def test_a_position_that_changed_is_seen(saved):
    path = saved / "checkpoints/2/position/metadata"
    path.write_text(json.dumps({"row": 3}))
    told = []
    restored = Store(saved).restore_latest(_state(0), tell=told.append)
    assert restored is not None
    assert restored[1] == {"row": 1}
    assert "another checksum of position" in told[0]


def test_a_checkpoint_of_an_older_version_has_none_and_is_read(saved):
    for path in (saved / "checkpoints/2/checksums").iterdir():
        path.unlink()
    (saved / "checkpoints/2/checksums").rmdir()
    assert checksums.check(epath.Path(saved / "checkpoints/2")) == 0
    restored = Store(saved).restore_latest(_state(0), tell=pytest.fail)
    assert restored is not None
    assert int(restored[0].step) == 2
