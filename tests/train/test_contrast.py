"""The loss of pairs: against NumPy, and what must not count."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from xtl_jax.errors import UserError
from xtl_jax.infer import encoder as infer
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.train import contrast, labels, state
from xtl_jax.train.labels import LabelBatch
from xtl_jax.train.settings import Contrast

CONFIG = EncoderConfig(
    architecture="xlm-roberta",
    vocab=32,
    embed=8,
    heads=2,
    mlp=8,
    layers=2,
    positions=12,
    dropout_rate=0.0,
)
HOW = Contrast(layer=1, temperature=0.1, weight=2.0)


@pytest.fixture(scope="module")
def params():
    draw = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.4, jnp.float32),
        state.params_shapes(CONFIG),
    )


@pytest.fixture(scope="module")
def tokens():
    made = np.random.default_rng(1).integers(4, 32, (5, 2, 6))
    made[:, :, 0] = 0
    made[1, 0, 4:] = made[3, 1, 2:] = CONFIG.pad_id
    return jnp.asarray(made, jnp.int32)


@pytest.mark.parametrize("layer", [-1, 0, 1])
def test_the_loss_is_the_cross_entropy_of_cosines_both_ways(params, tokens, layer):
    how = Contrast(layer=layer, temperature=0.1, weight=2.0)
    found = contrast.sums(CONFIG, params, tokens, key=None, how=how)
    means = [
        np.asarray(
            infer.mean_states(CONFIG, params, tokens[:, side], None, None, (layer,))
        )[0]
        for side in (0, 1)
    ]
    first, second = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in means)
    scores = first @ second.T / 0.1
    loss = -np.mean(
        [
            np.diag(special.log_softmax(scores, axis=1)),
            np.diag(special.log_softmax(scores, axis=0)),
        ],
        axis=0,
    )
    np.testing.assert_allclose(found.loss, 2.0 * loss.sum(), rtol=2e-4)
    assert float(found.tokens) == 5.0
    right = [(scores.argmax(axis) == np.arange(5)).sum() for axis in (0, 1)]
    assert float(found.correct) == np.mean(right)


def test_a_sentence_that_is_there_twice_is_no_wrong_answer(params, tokens):
    plain = contrast.sums(CONFIG, params, tokens[:4], key=None, how=HOW)
    twice = jnp.concatenate([tokens[:4], tokens[:1]])
    found = contrast.sums(CONFIG, params, twice, key=None, how=HOW)
    # The twins are right answers each, as if the other were not there; to the other
    # three they are one more wrong answer.
    means = [
        np.asarray(infer.mean_states(CONFIG, params, twice[:, s], None, None, (1,)))[0]
        for s in (0, 1)
    ]
    first, second = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in means)
    scores = first @ second.T / 0.1
    scores[0, 4] = scores[4, 0] = -np.inf
    loss = -sum(np.diag(special.log_softmax(scores, axis=axis)) for axis in (0, 1)) / 2
    np.testing.assert_allclose(found.loss, 2.0 * loss.sum(), rtol=2e-4)
    assert float(found.loss) > float(plain.loss)


def test_layers_above_the_chosen_one_get_no_gradient(params, tokens):
    slope = jax.grad(
        lambda params: contrast.sums(CONFIG, params, tokens, key=None, how=HOW).loss
    )(params)
    kernels = slope["encoder"]["layers"]["mlp"]["wi"]["kernel"]
    assert np.abs(kernels[0]).max() > 0
    assert not np.asarray(kernels[1]).any()


def test_a_batch_of_pairs_is_trained_by_the_objective_of_labels(
    make_run, params, tokens
):
    run = make_run(contrastive_layer=1, contrastive_temperature=0.1)
    batch = LabelBatch(
        tokens=tokens, labels=jnp.zeros(5, jnp.int32), head=contrast.HEAD
    )
    found = labels.objective(CONFIG, run)(params, batch, jax.random.key(0))
    expected = contrast.sums(CONFIG, params, tokens, key=None, how=HOW)
    np.testing.assert_allclose(found.loss, expected.loss / 2.0, rtol=1e-6)
    assert labels.other_heads(("heads", "xnli", "out", "kernel"), batch)


@pytest.mark.parametrize(
    "fields",
    [
        {"contrastive_layer": -2},
        {"contrastive_layer": 1.0},
        {"contrastive_temperature": 0.0},
        {"contrastive_weight": -1.0},
        {"contrastive_weight": float("inf")},
    ],
)
def test_settings_out_of_range_are_refused(make_run, fields):
    (field,) = fields
    with pytest.raises(UserError, match=field):
        make_run(**fields)
