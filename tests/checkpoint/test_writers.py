"""What is written is read again bitwise, by us and by the formats' own libraries."""

from __future__ import annotations

import json
import pickle
import zipfile

import numpy as np
import pytest
from etils import epath

from xtl_jax.checkpoint import huggingface, names, pytorch, safetensors, t5x, zarr
from xtl_jax.errors import UserError


def _arrays(source):
    return {
        (entry.path, layer): np.asarray(source.read(entry, layer))
        for entry in names.entries(source.config)
        for layer in names.layers(entry)
    }


def _same(one, other):
    one, other = _arrays(one), _arrays(other)
    assert one.keys() == other.keys()
    return all(np.array_equal(array, other[key]) for key, array in one.items())


@pytest.fixture
def original(shared):
    return t5x.source(epath.Path(shared / "conformance/t5x/random_legacy/checkpoint_0"))


def test_t5x_to_hugging_face_and_back_is_bitwise(original, tmp_path):
    there, back = epath.Path(tmp_path / "hf"), epath.Path(tmp_path / "checkpoint_0")
    huggingface.write(original, there)
    found = huggingface.source(there)
    assert found.config == original.config
    assert _same(original, found)
    t5x.write(found, back)
    assert _same(original, t5x.source(back))


def test_the_t5x_index_is_the_one_that_t5x_writes(shared, original, tmp_path):
    from flax import serialization

    folder = epath.Path(tmp_path / "checkpoint_7")
    t5x.write(original, folder)
    theirs, ours = (
        serialization.msgpack_restore((path / "checkpoint").read_bytes())
        for path in (shared / "conformance/t5x/random_legacy/checkpoint_0", folder)
    )
    assert ours["version"] == theirs["version"]
    assert ours["optimizer"]["target"] == theirs["optimizer"]["target"]
    step = ours["optimizer"]["state"]["step"]
    assert (step.dtype, step.shape, int(step)) == (np.int32, (), 0)
    name = "target.encoder.layers_0.mlp.wo.kernel/.zarray"
    original_folder = shared / "conformance/t5x/random_legacy/checkpoint_0"
    assert json.loads((folder / name).read_text()) == json.loads(
        (original_folder / name).read_text()
    )


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        # as T5X chunks mT5-Small's embedding and head (knowledge of its checkpoints)
        ((250_112, 512), (31_264, 512)),
        ((512, 250_112), (512, 31_264)),
        ((512,), (512,)),
        ((3, 7, 10_000_019), (3, 7, 1)),
    ],
)
def test_chunks_are_those_of_t5x(shape, chunks):
    assert zarr.chunk_shape(shape, item_bytes=4) == chunks


def test_shards_are_cut_by_size_and_read_by_the_library(shared, tmp_path):
    from safetensors import safe_open

    rng = np.random.default_rng(0)
    arrays = {
        name: rng.standard_normal(shape, np.float32)
        for name, shape in (("a", (3, 5)), ("b", (7,)), ("c", (2, 2, 2)))
    }
    tensors = [
        safetensors.Tensor(name=name, shape=array.shape, read=lambda a=array: a)
        for name, array in arrays.items()
    ]
    safetensors.write(epath.Path(tmp_path), tensors, shard_bytes=90)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 4 * (15 + 7 + 8)}
    assert set(index["weight_map"].values()) == {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }
    for name, array in arrays.items():
        path = tmp_path / index["weight_map"][name]
        with safe_open(str(path), framework="numpy") as file:
            assert np.array_equal(file.get_tensor(name), array)


def test_what_was_written_before_a_stop_is_not_written_again(original, tmp_path):
    folder = epath.Path(tmp_path)
    t5x.write(original, folder)
    (folder / "checkpoint").unlink()
    entry = next(names.entries(original.config))

    def fail(entry, layer):
        raise AssertionError("read again")

    t5x.write(
        names.Source(
            config=original.config, name="again", step=original.step, read=fail
        ),
        folder,
    )
    assert np.array_equal(
        t5x.source(folder).read(entry, None), original.read(entry, None)
    )


def test_tied_embeddings_become_a_head_with_their_scale(shared, tmp_path):
    source = huggingface.source(epath.Path(shared / "conformance/hf/mt5_tiny"))
    folder = epath.Path(tmp_path)
    huggingface.write(source, folder)
    from safetensors.numpy import load_file, save_file

    tensors = load_file(str(folder / "model.safetensors"))
    del tensors["lm_head.weight"]
    save_file(tensors, str(folder / "model.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"tie_word_embeddings": True})
    )
    head = names.tree(huggingface.source(folder))["logits_dense"]["kernel"]
    np.testing.assert_allclose(head, tensors["shared.weight"].T / 8.0, rtol=1e-6)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"1 arrays missing \['lm_head\.weight'\]"):
        huggingface.source(folder)


def test_a_scanned_checkpoint_of_t5x_is_read(original, tmp_path):
    """Written by hand in the scanned layout, with one relative bias for all layers."""
    from flax import serialization

    config, folder = original.config, epath.Path(tmp_path / "checkpoint_3")
    layers = config.encoder_layers
    leaves = []
    for entry in names.entries(config):
        array = names.stacked(original, entry)
        path = t5x.foreign(entry.path, None)
        for stack in ("encoder", "decoder"):
            path = path.replace(f"{stack}/layers/", f"{stack}/{stack}/")
            path = path.replace(f"{stack}/relpos", f"{stack}/{stack}/relpos")
        heads = (config.heads, config.head_dim)
        if entry.path.endswith("rel_embedding"):
            array = np.repeat(array[:, None], layers, axis=1)
        elif entry.layers:
            if "attention" in path and path.endswith("kernel"):
                inner, outer = entry.shape
                split = (
                    (layers, *heads, outer) if "/out/" in path else (layers, inner)
                ) + (() if "/out/" in path else heads)
                array = array.reshape(split)
            array = np.moveaxis(array, 0, 1)
        leaves.append((path, array))
    index = {"version": 3, "optimizer": {"target": names.nested(leaves), "state": {}}}
    folder.mkdir()
    (folder / "checkpoint").write_bytes(serialization.msgpack_serialize(index))
    found = t5x.source(folder)
    assert found.config == config
    assert _same(original, found)
    index["optimizer"]["target"] = names.nested(leaves[:-1])
    (folder / "checkpoint").write_bytes(serialization.msgpack_serialize(index))
    with pytest.raises(UserError, match=r"not a scanned .* missing \['\w+/"):
        t5x.source(folder)
    by_layer = dict(leaves)
    by_layer["encoder/encoder/relpos_bias/rel_embedding"][0, 1, 0] += 1.0
    index["optimizer"]["target"] = names.nested(by_layer.items())
    (folder / "checkpoint").write_bytes(serialization.msgpack_serialize(index))
    with pytest.raises(UserError, match="differs between layers, as umT5 has it"):
        names.tree(t5x.source(folder))


def test_adafactors_moments_of_t5x_are_read(shared):
    step, states = t5x.optimizer_state(
        epath.Path(shared / "conformance/t5x/trained_legacy/checkpoint_300")
    )
    assert step == 300
    assert states["encoder/encoder_norm/scale/v"].min() > 0
    path = "token_embedder/embedding"
    assert states[f"{path}/v_row"].shape != (1,)
    assert states[f"{path}/v_col"].shape != (1,)


# --- a pickle that wants to run code --------------------------------------------------


class _Runs:
    """What a wicked file does when it is unpickled carelessly."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def _bin(path, data):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", data)
    return epath.Path(path)


def test_a_pickle_that_wants_to_run_code_is_refused_without_running_it(tmp_path):
    trace = tmp_path / "trace"
    path = _bin(tmp_path / "w.bin", pickle.dumps({"a": _Runs(trace)}, protocol=2))
    with pytest.raises(UserError, match=r"open, which weights do not need\. Nothing"):
        pytorch.tensors(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps([1, 2]), "holds other things than named tensors"),
        (pickle.dumps({"a": 1}), "holds other things than named tensors"),
        (pickle.dumps({"a": 1})[:-5], "is not read|missing, damaged"),
        (b"", "missing, damaged or older"),
        (b"\x80\x02cos\nsystem\n.", r"os\.system, which weights do not need"),
    ],
)
def test_other_pickles_are_refused(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        pytorch.tensors(_bin(tmp_path / "w.bin", data))


def _tensor(*, key="0", offset=0, size=2, stride=1):
    """A pickle of one named tensor of four stored numbers, as PyTorch writes it."""
    return (
        "(dS'w'\nctorch._utils\n_rebuild_tensor_v2\n("
        f"(S'storage'\nctorch\nFloatStorage\nS'{key}'\nS'cpu'\nI4\ntQ"
        f"I{offset}\n(I{size}\nt(I{stride}\ntI00\nNtRs."
    ).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_tensor(key="../run"), r"w lies at '\.\./run', which is no storage; copy the"),
        (_tensor(size=5), "w needs 5 numbers of its storage, which has 4; copy the ch"),
        (_tensor(offset=3), "w needs 5 numbers of its storage, which has 4"),
        (_tensor(offset=-1), "w has a negative stride or offset; copy the checkpoint"),
        (_tensor(offset=1, stride=-1), "w has a negative stride or offset"),
        (_tensor(key="9"), r"w\.bin is missing, damaged .*data/9"),
        (
            b"ctorch._utils\n_rebuild_tensor_v2\n(tR.",
            r"w\.bin is no weights file",
        ),
    ],
)
def test_a_tensor_that_leaves_its_storage_is_refused(tmp_path, data, message):
    def read(data):
        path = _bin(tmp_path / "w.bin", data)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("model/data/0", np.arange(4, dtype=np.float32).tobytes())
        return pytorch.tensors(path)["w"]()

    assert read(_tensor(offset=1, size=2, stride=2)).tolist() == [1.0, 3.0]
    with pytest.raises(UserError, match=message):
        read(data)


def test_a_file_that_is_no_archive_or_cut_is_refused(shared, tmp_path):
    path = epath.Path(tmp_path / "w.bin")
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(UserError, match="damaged or older than PyTorch"):
        pytorch.tensors(path)
    whole = (shared / "conformance/hf/mt5_tiny_bin/pytorch_model.bin").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged or older than PyTorch"):
        pytorch.tensors(path)
