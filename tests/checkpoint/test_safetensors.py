"""Files of safetensors, held against its own library."""

from __future__ import annotations

import functools
import json

import ml_dtypes
import numpy as np
import pytest
from etils import epath
from safetensors import safe_open
from safetensors.numpy import save_file

from xtl_jax.checkpoint import safetensors
from xtl_jax.errors import UserError


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "bfloat16"])
def test_what_the_library_writes_is_read(tmp_path, dtype):
    values = np.random.default_rng(0).standard_normal((3, 5))
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    arrays = {
        "matrix": values.astype(kind),
        "vector": values[0].astype(kind),
        "scalar": np.asarray(2.5, kind),
        "empty": np.zeros((0, 4), kind),
    }
    path = tmp_path / "model.safetensors"
    save_file(arrays, str(path), metadata={"format": "pt"})
    found = safetensors.tensors(epath.Path(path))
    assert found.keys() == arrays.keys()
    for name, read in found.items():
        array = read()
        assert array.dtype == np.float32
        assert np.array_equal(array, arrays[name].astype(np.float32)), name


@pytest.mark.parametrize("dtype", ["int8", "int32", "bool", "uint16"])
def test_other_numbers_are_no_weights(tmp_path, dtype):
    path = tmp_path / "model.safetensors"
    arrays = {"a": np.ones(3, np.float32), "b": np.ones(3, dtype)}
    save_file(arrays, str(path))
    found = safetensors.tensors(epath.Path(path))
    assert found["a"]().sum() == 3
    with pytest.raises(
        UserError, match=r"b holds \w+; weights are F32, BF16, F16, F64"
    ):
        found["b"]()


def _file(path, header, data=b"\0" * 12):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return epath.Path(path)


def _tensor(**changes):
    return {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12], **changes}}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "a header of 0 bytes"),
        (b"{", "missing or damaged"),
        (b"[1]", "missing or damaged"),
        ({}, "missing or damaged"),
        ({"a": 3}, "missing or damaged"),
        ({"a": {"dtype": "F32", "shape": [3]}}, "data_offsets"),
        (_tensor(data_offsets=[0, 16]), "it holds 12 bytes of tensors, 16 are needed"),
        (_tensor(data_offsets=[0, 8]), "it holds 12 bytes of tensors, 8 are needed"),
        (_tensor(shape=[4]), r"a is damaged .*reshape"),
        (_tensor(shape=["x"]), "missing or damaged"),
        (_tensor(data_offsets=[12, 12]), r"damaged \(a lies at 12 to 12, not from 0"),
        (_tensor(data_offsets=[-400, 12]), r"damaged \(a lies at -400 to 12"),
    ],
)
def test_a_damaged_header_is_named(tmp_path, header, message):
    path = _file(tmp_path / "model.safetensors", header)
    with pytest.raises(UserError, match=rf"model\.safetensors.*{message}"):
        [read() for read in safetensors.tensors(path).values()]


def test_a_file_of_something_else_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"version https://example.org/pointer\nsize 4\n")
    with pytest.raises(UserError, match=r"damaged \(a header of \d+ bytes\)"):
        safetensors.tensors(epath.Path(path))
    with pytest.raises(UserError, match=r"gone is missing or damaged"):
        safetensors.tensors(epath.Path(tmp_path / "gone"))


class _StoppedError(Exception):
    pass


def test_shards_that_are_whole_are_kept(tmp_path):
    def tensors(stop_at):
        def read(name):
            read_names.append(name)
            if name == stop_at:
                raise _StoppedError
            return np.full((5,), ord(name), np.float32)

        return [
            safetensors.Tensor(
                name=name, shape=(5,), read=functools.partial(read, name)
            )
            for name in "abcd"
        ]

    read_names = []
    folder = epath.Path(tmp_path)
    with pytest.raises(_StoppedError):
        safetensors.write(folder, tensors("d"), shard_bytes=40)
    told = []
    safetensors.write(
        folder,
        tensors(None),
        shard_bytes=40,
        done=lambda name, size: told.append(name),
    )
    assert "".join(read_names) == "abcd" + "cd"
    assert "".join(told) == "abcd"
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    for name, file in index["weight_map"].items():
        with safe_open(str(tmp_path / file), framework="numpy") as opened:
            assert (opened.get_tensor(name) == ord(name)).all()
    assert not list(tmp_path.glob("*.partial"))
