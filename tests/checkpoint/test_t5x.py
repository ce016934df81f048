"""T5X's checkpoints, whole and damaged. What they compute: tests/model."""

from __future__ import annotations

import shutil

import jax
import numpy as np
import pytest
from etils import epath

from xtl_jax.checkpoint import names, t5x
from xtl_jax.errors import UserError

ARRAY = "target.decoder.layers_1.mlp.wo.kernel"


def _read(folder):
    source = t5x.source(epath.Path(folder))
    return source.config, names.tree(source)


def _paths(tree):
    return {
        "/".join(key.key for key in path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def test_the_shape_is_read_off_the_arrays(t5x_random):
    config = t5x_random.config
    assert (config.vocab, config.embed, config.heads) == (384, 128, 6)
    assert (config.head_dim, config.mlp, config.buckets) == (24, 160, 32)
    assert (config.encoder_layers, config.decoder_layers) == (2, 2)


def test_bfloat16_in_many_chunks_is_the_same_rounded(shared, t5x_random):
    folder = shared / "conformance/t5x/random_legacy_bf16_chunked/checkpoint_0"
    config, params = _read(folder)
    assert config == t5x_random.config
    whole, chunked = _paths(t5x_random.params), _paths(params)
    assert whole.keys() == chunked.keys()
    for name, array in whole.items():
        assert chunked[name].dtype == np.float32
        rounded = array.astype(jax.numpy.bfloat16).astype(np.float32)
        assert np.array_equal(chunked[name], rounded)


def test_the_orbax_layout_holds_a_sister_run_of_the_legacy_one(shared, t5x_trained):
    """Two runs of 300 steps from one seed with their data in another order.

    Nothing that was computed with this one is known; but each array is near the one of
    its name, and would be unlike any other one.
    """
    folder = shared / "conformance/t5x/trained_orbax/checkpoint_300"
    config, params = _read(folder)
    assert config == t5x_trained.config
    ours, sister = _paths(t5x_trained.params), _paths(params)
    assert ours.keys() == sister.keys()
    for name, array in ours.items():
        assert array.shape == sister[name].shape
        assert np.isfinite(sister[name]).all()
        if name.endswith("scale"):  # all near 1, none of them started at random
            assert np.abs(sister[name] - array).max() < 0.1
            continue
        layers = zip(array, sister[name], strict=True) if "layers" in name else ()
        for one, other in (*layers, (array, sister[name])):
            assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.999


@pytest.fixture
def copy(shared, tmp_path):
    """A legacy checkpoint to be damaged."""
    return shutil.copytree(
        shared / "conformance/t5x/random_legacy/checkpoint_0", tmp_path / "checkpoint_0"
    )


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder / ARRAY), rf"{ARRAY}: .* missing or dam"),
        (lambda folder: _cut(folder / ARRAY / ".zarray"), rf"{ARRAY}: .* missing or d"),
        (lambda folder: (folder / ARRAY / "0.0").unlink(), rf"{ARRAY} lacks some of"),
        (lambda folder: _cut(folder / ARRAY / "0.0"), rf"{ARRAY} is damaged"),
        (lambda folder: _cut(folder / "checkpoint"), r"is not a complete T5X index"),
        (
            lambda folder: (folder / "checkpoint").write_bytes(b""),
            r"is not a complete T5X index",
        ),
    ],
    ids=["array", "header", "chunk", "half_chunk", "half_index", "empty_index"],
)
def test_a_damaged_checkpoint_names_the_file(copy, damage, message):
    damage(copy)
    with pytest.raises(UserError, match=message):
        _read(copy)


@pytest.mark.usefixtures("settled")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_orbax_checkpoint_is_named(shared, tmp_path):
    folder = tmp_path / "checkpoint_300"
    shutil.copytree(shared / "conformance/t5x/trained_orbax/checkpoint_300", folder)
    _cut(folder / "state/_METADATA")
    with pytest.raises(UserError, match=r"checkpoint_300/state is damaged"):
        _read(folder)


def test_the_step_is_in_the_name():
    assert t5x.step(epath.Path("a/checkpoint_1000000")) == 1_000_000
    assert t5x.step(epath.Path("a/export")) == 0


def _changed(folder, new, change):
    """A copy of a checkpoint whose index is another one."""
    from flax import serialization

    path = shutil.copytree(folder, new / folder.name) / "checkpoint"
    index = serialization.msgpack_restore(path.read_bytes())
    change(index["optimizer"])
    path.write_bytes(serialization.msgpack_serialize(index))
    return path.parent


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tree: tree.update(target=3),
            r"checkpoint_7 has no parameters under `target`; copy the checkpoint again",
        ),
        (
            lambda tree: tree["target"].pop("token_embedder"),
            r"checkpoint_7 has no array token_embedder/embedding: .* it has \['dec",
        ),
        (
            lambda tree: tree["target"]["encoder"].pop("relpos_bias"),
            r"checkpoint_7 has no array encoder/relpos_bias/rel_embedding",
        ),
        (
            lambda tree: tree["target"]["encoder"].update(
                encoder={"attention": {"query": {"kernel": np.ones((2, 2, 2, 2))}}},
            ),
            "no array encoder/encoder/mlp/wi_0/kernel",
        ),
    ],
    ids=["no_tree", "no_embedding", "no_bias", "scanned_in_part"],
)
def test_an_index_of_another_model_names_what_it_lacks(
    t5x_toy, tmp_path, change, message
):
    with pytest.raises(UserError, match=message):
        t5x.source(epath.Path(_changed(t5x_toy, tmp_path, change)))


def test_an_export_has_no_optimiser_to_go_on_with(t5x_toy):
    with pytest.raises(
        UserError, match=r"no optimiser state; .*RunConfig\.restore_optimizer=False"
    ):
        t5x.optimizer_state(epath.Path(t5x_toy))
