"""A vector is the mean over a text's own tokens, whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest

from xtl_jax.data import store
from xtl_jax.data.features import Lengths
from xtl_jax.errors import UserError
from xtl_jax.infer import model as models
from xtl_jax.infer.embed import embed
from xtl_jax.infer.model import LoadedModel

CARD = {
    "task": "toy",
    "split": "test",
    "eos_id": 1,
    "eos": {"inputs": True, "targets": True},
}
LENGTHS = Lengths(inputs=12, targets=2)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Eleven texts, the sixth longer than the length allows; targets are empty."""
    rng = np.random.default_rng(0)
    sizes = [3, 1, 11, 7, 2, 15, 4, 4, 9, 1, 6]
    rows = [
        {"inputs": [*rng.integers(2, 250, size).tolist(), 1], "targets": [1]}
        for size in sizes
    ]
    return store.Store(store.write(tmp_path_factory.mktemp("cache") / "s", rows, CARD))


def _embed(toy, toy_params, split, *, layer=-1, **settings):
    (found,) = embed(
        *(toy, toy_params, split), lengths=LENGTHS, layers=(layer,), **settings
    )
    return found


@pytest.mark.parametrize("layer", [-1, 0, 1, 2])
def test_a_vector_is_that_of_the_text_alone(toy, toy_params, split, layer):
    model = LoadedModel(
        config=toy, params=toy_params, source="toy", step=0, vocabulary_size=256
    )
    done = []
    found = _embed(
        toy, toy_params, split, batch_size=4, layer=layer, progress=done.append
    )
    assert found.shape == (11, toy.embed)
    assert found.dtype == np.float32
    assert done == [4, 8, 11]
    alone = np.zeros((11, 12), np.int32)
    for index, row in enumerate(alone):
        tokens = split.tokens("inputs", index).tolist()
        cut = [*tokens[:11], 1] if len(tokens) > 12 else tokens
        row[: len(cut)] = cut
    expected = model.embed(inputs=alone, layer=layer)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_layer_0_is_the_mean_of_the_embeddings(toy, toy_params, split):
    found = _embed(toy, toy_params, split, batch_size=8, layer=0)
    table = toy_params["token_embedder"]["embedding"]
    for index in range(11):
        tokens = split.tokens("inputs", index)[:12].copy()
        tokens[-1] = 1
        np.testing.assert_allclose(found[index], table[tokens].mean(0), atol=1e-6)


def test_vectors_go_into_a_file_that_is_given(toy, toy_params, split, tmp_path):
    path = tmp_path / "vectors.npy"
    out = np.lib.format.open_memmap(path, "w+", np.float32, (1, 11, toy.embed))
    found = _embed(toy, toy_params, split, batch_size=4, out=out)
    assert found.base is out
    out.flush()
    expected = _embed(toy, toy_params, split, batch_size=11)
    np.testing.assert_allclose(np.load(path)[0], expected, rtol=1e-4, atol=1e-6)


def test_all_layers_come_out_of_one_pass(toy, toy_params, split, monkeypatch):
    passes = []
    mean_states = models.mean_states

    def counted(*arguments):
        passes.append(arguments[-1])
        return mean_states(*arguments)

    monkeypatch.setattr(models, "mean_states", counted)
    layers = (2, -1, 0)
    found = embed(
        *(toy, toy_params, split), lengths=LENGTHS, layers=layers, batch_size=4
    )
    assert passes == [layers] * 3  # batches
    for vectors, layer in zip(found, layers, strict=True):
        alone = _embed(toy, toy_params, split, batch_size=4, layer=layer)
        np.testing.assert_allclose(vectors, alone, rtol=1e-5, atol=1e-6)


def test_only_the_first_are_embedded_where_that_is_asked(toy, toy_params, split):
    found = _embed(toy, toy_params, split, batch_size=4, first=3)
    assert found.shape == (3, toy.embed)
    expected = _embed(toy, toy_params, split, batch_size=4)[:3]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_what_cannot_be_embedded_is_refused(toy, toy_params, split):
    with pytest.raises(UserError, match=r"layer must be -1 .* or 0 … 2, got 3"):
        _embed(toy, toy_params, split, batch_size=4, layer=3)
    with pytest.raises(UserError, match="no example to embed"):
        _embed(toy, toy_params, split, batch_size=4, first=0)
    wrong = np.empty((11, toy.embed), np.float64)
    with pytest.raises(UserError, match=r"float32 of shape \(1, 11, 128\), got fl"):
        _embed(toy, toy_params, split, batch_size=4, out=wrong)
