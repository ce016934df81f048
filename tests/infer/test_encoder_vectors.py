"""A vector is the mean over a text's own tokens and the words before it."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

from xtl_jax.data import encoder_vocabulary, store
from xtl_jax.errors import UserError
from xtl_jax.infer.encoder import LoadedEncoder
from xtl_jax.infer.encoder_vectors import embed
from xtl_jax.model import encoder
from xtl_jax.model.encoder_sizes import EncoderConfig

PIECES = encoder_vocabulary.load("bytes")
TEXTS = ["It rains.", "She sings a song that nobody knows.", "Ω", "No", "x" * 60]
LENGTH = 40
CONFIG = EncoderConfig(
    # Its own padding is another id than the vocabulary's, as multilingual-e5's is.
    architecture="bert",
    pad_id=0,
    vocab=PIECES.size,
    embed=16,
    heads=2,
    mlp=32,
    layers=2,
    positions=LENGTH,
)


@pytest.fixture(scope="module")
def params():
    return nn.unbox(encoder.init_params(CONFIG, jax.random.key(1)))


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    rows = [
        {"inputs": _ids(text), "targets": [], "meta": {"id": text}} for text in TEXTS
    ]
    card = {
        "task": "toy",
        "split": "test",
        "kind": None,
        "length": LENGTH,
        "ids": {"pad": PIECES.pad_id},
    }
    return store.Store(store.write(tmp_path_factory.mktemp("cache") / "s", rows, card))


def _ids(text):
    return [PIECES.start_id, *PIECES.encode(text)[: LENGTH - 2], PIECES.end_id]


def _embed(params, split, **settings):
    return embed(CONFIG, params, split, pad_id=PIECES.pad_id, **settings)


def _alone(params, text, *, layer):
    model = LoadedEncoder(
        config=CONFIG, params=params, source="toy", step=0, vocabulary_size=PIECES.size
    )
    ids: Any = np.array([_ids(text)])
    mask: Any = np.ones_like(ids)
    return model.embed(inputs=ids, mask=mask, layer=layer)[0]


@pytest.mark.parametrize("prefix", ["", "query: "])
def test_a_vector_is_that_of_the_text_alone(params, split, prefix):
    layers = (-1, 0, 1, 2)
    done = []
    found = _embed(
        params,
        split,
        batch_size=2,
        layers=layers,
        prefix=PIECES.encode(prefix),
        progress=done.append,
    )
    assert found.shape == (4, 5, CONFIG.embed)
    assert found.dtype == np.float32
    assert done == [2, 4, 5]
    np.testing.assert_array_equal(found[0], found[3])  # the last is layer 2
    for number, layer in enumerate(layers):
        for row, text in enumerate(TEXTS):
            expected = _alone(params, prefix + text, layer=layer)
            np.testing.assert_allclose(
                found[number, row], expected, rtol=1e-4, atol=1e-6
            )


def test_only_the_first_are_embedded_where_that_is_asked(params, split):
    found = _embed(params, split, batch_size=2, first=3)
    assert found.shape == (1, 3, CONFIG.embed)
    whole = _embed(params, split, batch_size=5)
    np.testing.assert_allclose(found[0], whole[0, :3], rtol=1e-4, atol=1e-6)


def test_what_does_not_fit_is_refused(params, split):
    with pytest.raises(UserError, match=r"layer must be -1 \(the last\) or 0 … 2"):
        _embed(params, split, batch_size=2, layers=(3,))
    with pytest.raises(UserError, match="must be float32 of shape"):
        _embed(params, split, batch_size=2, out=np.zeros((1, 4, 16), np.float32))
