"""What `xtl_jax.load` gives for an encoder, and what that refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import names, ours
from xtl_jax.errors import UserError
from xtl_jax.infer import model as models
from xtl_jax.infer.encoder import LoadedEncoder

pytestmark = pytest.mark.usefixtures("quick_compiles")

IDS = np.array([[0, 9, 8, 2], [0, 7, 2, 1]])


@pytest.fixture(scope="module")
def model(toy_encoder, toy_encoder_params):
    return LoadedEncoder(
        config=toy_encoder,
        params=toy_encoder_params,
        source="toy",
        step=0,
        vocabulary_size=256,
    )


def _written(config, params, folder):
    def read(entry, layer):
        node = params
        for key in entry.path.split("/"):
            node = node[key]
        return node if layer is None else node[layer]

    source = names.Source(config=config, name="toy", step=7, read=read)
    ours.write(source, epath.Path(folder), vocabulary={"vocabulary_size": 250})
    return str(folder)


@pytest.fixture(scope="module")
def folder(toy_encoder, toy_encoder_params, tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "ours"
    return _written(toy_encoder, toy_encoder_params, path)


def test_a_checkpoint_of_ours_answers_as_what_was_saved(model, folder):
    loaded = xtl_jax.load(folder)
    assert isinstance(loaded, LoadedEncoder)
    assert (loaded.config, loaded.step) == (model.config, 7)
    assert loaded.vocabulary_size == 250
    for head in ("xnli", "udpos"):
        one, other = (m.logits(inputs=IDS, head=head) for m in (loaded, model))
        assert np.array_equal(one, other)
    half = xtl_jax.load(folder, dtype="bfloat16")
    assert half.embed(inputs=IDS).dtype == np.float32
    assert 0 < np.abs(half.embed(inputs=IDS) - model.embed(inputs=IDS)).max() < 0.1


def test_who_needs_the_other_kind_is_told(folder, toy, toy_params, tmp_path):
    with pytest.raises(UserError, match=r"is an encoder; an mT5 is needed here"):
        models.load_mt5(folder)
    assert models.load_encoder(folder).step == 7
    mt5 = _written(toy, toy_params, tmp_path / "mt5")
    with pytest.raises(UserError, match=r"is an mT5; an encoder \(XLM-R, BERT\) is"):
        models.load_encoder(mt5)
    assert models.load_mt5(mt5).config == toy


def test_a_mean_is_over_real_tokens_and_a_mask_decides_which(model):
    states = model.hidden_states(inputs=IDS)
    assert states.shape == (3, 2, 4, 32)
    for layer in range(3):
        found = model.embed(inputs=IDS, layer=layer)
        np.testing.assert_allclose(found[0], states[layer, 0].mean(0), atol=1e-5)
        np.testing.assert_allclose(found[1], states[layer, 1, :3].mean(0), atol=1e-5)
    mask = np.array([[1, 1, 1, 1], [1, 0, 1, 0]], bool)
    states = model.hidden_states(inputs=IDS, mask=mask)
    found = model.embed(inputs=IDS, mask=mask)
    np.testing.assert_allclose(found[1], states[-1, 1, [0, 2]].mean(0), atol=1e-5)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("embed", {"inputs": IDS.astype(float)}, r"ids must be whole numbers, got flo"),
        ("embed", {"inputs": IDS[0]}, r"ids must be a \[batch, length\] array"),
        (
            "embed",
            {"inputs": IDS + 250},
            r"ids must be in \[0, 256\), got 250 … 259: t",
        ),
        ("embed", {"inputs": IDS - 1}, r"ids must be in \[0, 256\), got -1"),
        ("embed", {"inputs": IDS, "layer": 3}, r"layer must be -1 .*or 0 … 2, got 3"),
        ("embed", {"inputs": IDS, "mask": IDS}, r"mask must be in \[0, 2\), got 0 … 9"),
        ("embed", {"inputs": IDS, "mask": IDS[:1] * 0}, r"mask must be shaped as the"),
        (
            "embed",
            {"inputs": IDS, "segments": IDS * 0 + 1},
            r"segments must be in \[0, 1",
        ),
        ("embed", {"inputs": np.full((1, 39), 5)}, r"inputs of 39 tokens are too long"),
        ("logits", {"inputs": IDS}, r"has the heads xnli, copa, .*: name one"),
        ("logits", {"inputs": IDS, "head": "mnli"}, r"no head 'mnli'; near: xnli"),
        (
            "logits",
            {"inputs": IDS, "head": "copa"},
            r"a \[batch, choices, length\] arr",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(model, method, arguments, message):
    with pytest.raises(UserError, match=message):
        getattr(model, method)(**arguments)


def test_an_encoder_without_a_pooler_says_so(model):
    params = {
        **model.params,
        "encoder": {k: v for k, v in model.params["encoder"].items() if k != "pooler"},
    }
    bare = dataclasses.replace(
        model, config=dataclasses.replace(model.config, pooler=False), params=params
    )
    with pytest.raises(UserError, match=r"toy has no pooler: take `embed`"):
        bare.pooled(inputs=IDS)
    assert np.array_equal(bare.embed(inputs=IDS), model.embed(inputs=IDS))
