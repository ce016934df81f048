"""Logits, states, losses and decodes are those that T5X itself computed."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xtl_jax.infer.model import LoadedModel
from xtl_jax.model import decoding
from xtl_jax.model.loss import token_losses
from xtl_jax.model.t5 import T5
from xtl_jax.train.step import batch_loss

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(scope="module")
def computed(t5x_random):
    """Everything that one forward pass tells, compiled once."""
    config = t5x_random.config

    @jax.jit
    def forward(params, batch):
        losses = {
            (smoothing, chunks): batch_loss(
                *(dataclasses.replace(config, loss_chunks=chunks), params, batch),
                key=None,
                z_loss=1e-4,
                label_smoothing=smoothing,
            ).loss
            for smoothing, chunks in ((0.0, 1), (0.1, 1), (0.0, 4), (0.1, 4))
        }
        variables = {"params": params}
        encoded = T5(config).apply(
            variables, batch["encoder_input_tokens"], method="encode"
        )
        logits = T5(config).apply(variables, batch)
        return {"encoded": encoded, "logits": logits, "losses": losses}

    return forward(t5x_random.params, t5x_random.batch)


@pytest.mark.parametrize("what", ["encoded", "logits"])
def test_every_position_agrees(t5x_random, computed, what):
    np.testing.assert_allclose(computed[what], t5x_random.expected[what], **CLOSE)


@pytest.mark.parametrize("chunks", [1, 4])
def test_the_loss_with_z_loss_agrees(t5x_random, computed, chunks):
    ours = computed["losses"][0.0, chunks]
    theirs = t5x_random.expected["loss_zloss1e-4_ls0"]
    np.testing.assert_allclose(ours, theirs, **CLOSE)


@pytest.mark.parametrize("chunks", [1, 4])
def test_the_loss_with_smoothing_and_a_normalising_factor_agrees(
    t5x_random, computed, chunks
):
    ours = computed["losses"][0.1, chunks] / 100
    theirs = t5x_random.expected["loss_zloss1e-4_ls0.1_lnf100"]
    np.testing.assert_allclose(ours, theirs, **CLOSE)


def test_scores_of_targets_agree(t5x_random):
    config, params, expected, batch = t5x_random
    model = LoadedModel(
        config=config,
        params=params,
        source="t5x",
        step=0,
        vocabulary_size=config.vocab,
    )
    scores = model.score(
        inputs=batch["encoder_input_tokens"], targets=batch["decoder_target_tokens"]
    )
    np.testing.assert_allclose(scores, expected["score_batch"], **CLOSE)


def test_greedy_decoding_agrees_id_by_id(t5x_random):
    config, params, expected, batch = t5x_random
    decoded = jax.jit(
        lambda params, ids: decoding.decode(
            *(config, params, ids), max_length=24, vocabulary_size=config.vocab
        )
    )(params, batch["encoder_input_tokens"])
    assert np.array_equal(decoded.tokens, expected["greedy_decodes"][:, 0])
    # T5X gives no score to greedy decodes; with one beam it writes the same ids.
    assert np.array_equal(decoded.tokens, expected["beam1_decodes"][:, 0])
    # Its beam score has a length penalty of ((5 + length) / 6) ** alpha, alpha 0 here.
    np.testing.assert_allclose(
        decoded.log_probability, expected["beam1_scores"][:, 0], **CLOSE
    )


def test_a_model_that_t5x_trained_gives_its_logits_and_loss(t5x_trained):
    config, params, expected, batch = t5x_trained
    logits = jax.jit(lambda p, b: T5(config).apply({"params": p}, b))(params, batch)
    np.testing.assert_allclose(logits, expected["logits"], **CLOSE)
    losses, _ = token_losses(
        logits, jnp.asarray(batch["decoder_target_tokens"]), z_loss=1e-4
    )
    total = (np.asarray(losses) * batch["decoder_loss_weights"]).sum()
    np.testing.assert_allclose(total, expected["loss"], **CLOSE)


def test_a_model_that_t5x_trained_decodes_the_same_answers(t5x_trained):
    config, params, expected, batch = t5x_trained
    decoded = jax.jit(
        lambda params, ids: decoding.decode(
            *(config, params, ids), max_length=8, vocabulary_size=config.vocab
        )
    )(params, batch["encoder_input_tokens"])
    assert np.array_equal(decoded.tokens, expected["beam1_decodes"][:, 0])
