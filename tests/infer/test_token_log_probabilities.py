"""Each id of a text has its log-probability, whoever wrote the text."""

from __future__ import annotations

import numpy as np
import pytest

from xtl_jax.infer import model as models


@pytest.fixture(scope="module")
def hf_model(hf_tiny):
    return models.LoadedModel(
        config=hf_tiny.config,
        params=hf_tiny.params,
        source="mt5_tiny",
        step=0,
        vocabulary_size=hf_tiny.config.vocab,
    )


def test_given_targets_agree_with_hugging_face(hf_model, hf_tiny):
    expected = hf_tiny.expected
    candidates = np.maximum(expected["rank.candidates"], 0)  # -100 is its padding
    for number in range(candidates.shape[1]):
        found = hf_model.token_log_probabilities(
            inputs=expected["short.input_ids"], targets=candidates[:, number]
        )
        np.testing.assert_allclose(
            found, expected["rank.token_logprob"][:, number], atol=2e-5, rtol=1e-5
        )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"beams": 3, "rule": "huggingface"},
        {"beams": 3, "rule": "t5x"},
        {"temperature": 1.3, "top_k": 40, "top_p": 0.9, "seed": 5},
    ],
    ids=["greedy", "huggingface", "t5x", "sampling"],
)
def test_a_decoded_text_has_what_teacher_forcing_gives_it(hf_model, hf_tiny, settings):
    inputs = hf_tiny.expected["short.input_ids"]
    decoded = hf_model.decode(
        inputs=inputs, max_length=12, method=models.method(**settings)
    )
    again = hf_model.token_log_probabilities(inputs=inputs, targets=decoded.tokens)
    np.testing.assert_allclose(decoded.token_log_probabilities, again, atol=5e-5)
    np.testing.assert_allclose(decoded.log_probability, again.sum(axis=1), atol=1e-4)
    written = hf_model.generate(inputs=inputs, max_length=12, **settings)
    assert np.array_equal(written, decoded.tokens)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_prefix_costs_nothing(hf_model, hf_tiny, beams):
    decoded = hf_model.decode(
        inputs=hf_tiny.expected["short.input_ids"],
        max_length=6,
        method=models.method(beams=beams),
        prefix=np.array([[7, 9], [8, 0], [0, 0], [5, 5]]),
    )
    gains = decoded.token_log_probabilities
    assert not gains[0, :2].any()
    assert gains[1, 0] == 0.0
    assert (gains[2] < 0.0).sum() == (decoded.tokens[2] > 0).sum()
