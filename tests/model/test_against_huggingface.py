"""States, logits, losses, ranks and decodes are those of Hugging Face's mT5."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xtl_jax.infer.model import LoadedModel
from xtl_jax.model.layers import relative_buckets
from xtl_jax.model.loss import token_losses
from xtl_jax.model.t5 import T5

STATES = {"atol": 2e-5, "rtol": 2e-5}
LOGITS = {"atol": 1e-4, "rtol": 2e-5}


@pytest.fixture(scope="module", params=["short", "long"])
def case(request):
    return request.param


@pytest.fixture(scope="module")
def computed(hf_tiny, case):
    """Logits of all positions and all encoder states, compiled once a case."""
    config, params, expected, _ = hf_tiny

    @jax.jit
    def forward(params, ids, decoder_ids):
        network = T5(config)
        variables = {"params": params}
        encoded, states = network.apply(variables, ids, method="encoder_states")
        logits = network.apply(variables, ids, decoder_ids, method="logits")
        return encoded, states, logits

    ids = (expected[f"{case}.{name}"] for name in ("input_ids", "decoder_input_ids"))
    return tuple(map(np.asarray, forward(params, *ids)))


@pytest.fixture(scope="module")
def loaded(hf_tiny):
    return LoadedModel(
        config=hf_tiny.config,
        params=hf_tiny.params,
        source="hf",
        step=0,
        vocabulary_size=hf_tiny.config.vocab,
    )


@pytest.mark.parametrize("side", ["bidirectional", "unidirectional"])
def test_relative_buckets_agree_at_every_distance(hf_tiny, side):
    ours = relative_buckets(
        hf_tiny.expected["relpos.relative_position"],
        bidirectional=side == "bidirectional",
        buckets=hf_tiny.config.buckets,
        max_distance=hf_tiny.config.max_distance,
    )
    assert np.array_equal(ours, hf_tiny.expected[f"relpos.bucket_{side}"])


def test_logits_agree_at_all_positions(hf_tiny, case, computed):
    np.testing.assert_allclose(
        computed[2], hf_tiny.expected[f"{case}.logits"], **LOGITS
    )


def test_encoder_states_agree_before_and_after_every_layer(hf_tiny, case, computed):
    encoded, states, _ = computed
    expected = hf_tiny.expected
    real = expected[f"{case}.attention_mask"] == 1
    layers = hf_tiny.config.encoder_layers
    theirs = [expected[f"{case}.encoder_hidden_states.{i}"] for i in range(layers)]
    theirs.append(expected[f"{case}.encoder_last_block_output"])
    assert len(states) == len(theirs)
    for mine, other in zip(states, theirs, strict=True):
        np.testing.assert_allclose(mine[real], other[real], **STATES)
    last = expected[f"{case}.encoder_last_hidden_state"]
    np.testing.assert_allclose(encoded[real], last[real], **STATES)


def test_the_mean_loss_agrees(hf_tiny, case, computed):
    labels = hf_tiny.expected[f"{case}.labels"]
    losses, _ = token_losses(
        jnp.asarray(computed[2]), jnp.maximum(jnp.asarray(labels), 0)
    )
    mean = np.asarray(losses)[labels >= 0].mean()
    assert abs(mean - hf_tiny.expected[f"{case}.loss"]) < 1e-5


def test_greedy_decoding_agrees_id_by_id(hf_tiny, case, loaded):
    ids = hf_tiny.expected[f"{case}.input_ids"]
    tokens = loaded.generate(inputs=ids, max_length=20)
    assert np.array_equal(tokens, hf_tiny.expected[f"greedy.{case}.sequences"][:, 1:])


def test_candidates_are_ranked_with_the_same_likelihoods(hf_tiny, loaded):
    expected = hf_tiny.expected
    candidates = np.maximum(expected["rank.candidates"], 0)
    rows, choices, length = candidates.shape
    scores = loaded.score(
        inputs=np.repeat(expected["short.input_ids"], choices, axis=0),
        targets=candidates.reshape(rows * choices, length),
    ).reshape(rows, choices)
    np.testing.assert_allclose(scores, expected["rank.sum_logprob"], atol=1e-4, rtol=0)
    assert np.array_equal(scores.argmax(1), expected["rank.argmax_sum"])
    mean = scores / expected["rank.candidate_length"]
    assert np.array_equal(mean.argmax(1), expected["rank.argmax_mean"])
