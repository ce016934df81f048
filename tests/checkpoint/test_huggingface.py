"""Hugging Face folders, whole and damaged. What they compute: tests/model."""

from __future__ import annotations

import json
import shutil

import jax
import numpy as np
import pytest
from etils import epath

from xtl_jax.checkpoint import huggingface, names
from xtl_jax.errors import UserError


def _read(folder):
    source = huggingface.source(epath.Path(folder))
    return source.config, names.tree(source)


@pytest.fixture
def copy(shared, tmp_path):
    """A function that copies a checkpoint to be damaged."""

    def make(name):
        return shutil.copytree(shared / "conformance/hf" / name, tmp_path / name)

    return make


def test_the_shape_is_that_of_config_json(hf_tiny):
    config = hf_tiny.config
    assert (config.vocab, config.embed, config.heads) == (1000, 64, 4)
    assert (config.head_dim, config.mlp) == (16, 128)
    assert (config.encoder_layers, config.decoder_layers) == (3, 2)
    assert (config.buckets, config.max_distance) == (32, 128)
    assert config.norm_epsilon == 1e-6


def test_shards_hold_the_same_arrays(shared, hf_tiny):
    config, params = _read(shared / "conformance/hf/mt5_tiny_sharded")
    assert config == hf_tiny.config
    pairs = zip(*map(jax.tree.leaves, (params, hf_tiny.params)), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, r"model_type is 'gpt2'; mt5, xlm-rob"),
        ({"feed_forward_proj": "relu"}, r"feed_forward_proj is 'relu'"),
        ({"d_model": "wide"}, r"ModelConfig\.embed must be a whole number"),
        ({"d_kv": None}, r"ModelConfig\.head_dim must be a whole number"),
        ({"num_layers": 4}, r"arrays missing \['encoder\.block\.3\.layer\.0"),
        ({"num_decoder_layers": 1}, r"unknown \['decoder\.block\.1\.layer\.0"),
        ({"d_ff": 64}, r"wi_0\.weight has shape \(64, 128\), expected \(64, 64\)"),
    ],
)
def test_a_config_that_does_not_fit_names_its_field(copy, change, message):
    folder = copy("mt5_tiny")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=message):
        _read(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_type": "mt5", ', r"config\.json is not JSON"),
        ("[1, 2]", r"config\.json holds no fields but \[1, 2\]"),
        ('{"model_type": "mt5"}', r"config\.json has no field 'vocab_size'"),
    ],
)
def test_a_damaged_config_is_named(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=message):
        _read(tmp_path)


@pytest.mark.parametrize(
    "name", ["../elsewhere.safetensors", "/etc/passwd", "a/b.safetensors", "x.bin", 5]
)
def test_an_index_may_name_no_file_outside_its_folder(copy, name):
    folder = copy("mt5_tiny_sharded")
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["shared.weight"] = name
    path.write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"names a file outside its folder"):
        _read(folder)


def test_a_damaged_index_is_named(copy):
    folder = copy("mt5_tiny_sharded")
    index = folder / "model.safetensors.index.json"
    for text, message in (("{", "is not JSON"), ("{}", "has no weight_map")):
        index.write_text(text)
        with pytest.raises(UserError, match=rf"index\.json {message}"):
            _read(folder)


def test_an_index_may_name_no_tensor_that_its_files_lack(copy):
    folder = copy("mt5_tiny_sharded")
    index = folder / "model.safetensors.index.json"
    document = json.loads(index.read_text())
    document["weight_map"]["gate"] = next(iter(document["weight_map"].values()))
    index.write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"names 1 tensors .* lack \(\['gate'\]\)"):
        _read(folder)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mt5_tiny", "model.safetensors"),
        ("mt5_tiny_sharded", "model-00002-of-00005.safetensors"),
    ],
)
def test_half_a_file_of_weights_is_named(copy, name, file):
    path = copy(name) / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=rf"{file} is missing or damaged"):
        _read(path.parent)


def test_a_missing_shard_is_named(copy):
    folder = copy("mt5_tiny_sharded")
    (folder / "model-00003-of-00005.safetensors").unlink()
    with pytest.raises(UserError, match=r"model-00003-of-00005.* is missing or dam"):
        _read(folder)


def test_weights_of_pytorch_are_the_same_arrays(shared, hf_tiny):
    config, params = _read(shared / "conformance/hf/mt5_tiny_bin")
    assert config == hf_tiny.config
    pairs = zip(*map(jax.tree.leaves, (params, hf_tiny.params)), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
