"""Searches end where T5X's and Hugging Face's do, with their scores."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xtl_jax.errors import UserError
from xtl_jax.infer.model import LoadedModel
from xtl_jax.model import beam, decoding


def _search(config, params, inputs, *, max_length, vocabulary_size=None, **settings):
    found = jax.jit(
        lambda params, ids: beam.search(
            *(config, params, ids),
            settings=beam.BeamSearch(**settings),
            max_length=max_length,
            vocabulary_size=vocabulary_size or config.vocab,
        )
    )(params, jnp.asarray(inputs))
    return jax.device_get(found)


def test_t5x_beams_agree_id_by_id(t5x_random):
    config, params, expected, batch = t5x_random
    found = _search(
        *(config, params, batch["encoder_input_tokens"]), max_length=24, beams=4
    )
    # T5X has the best one last.
    assert np.array_equal(found.tokens, expected["beam4_decodes"][:, ::-1])
    np.testing.assert_allclose(
        found.scores, expected["beam4_scores"][:, ::-1], atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("penalty", [0.6, 1.0])
@pytest.mark.parametrize("early", [False, True])
def test_hugging_face_beams_agree_id_by_id(hf_tiny, penalty, early):
    expected = hf_tiny.expected
    found = _search(
        *(hf_tiny.config, hf_tiny.params, expected["short.input_ids"]),
        max_length=20,
        beams=4,
        length_penalty=penalty,
        rule="huggingface",
        early_stopping=early,
    )
    case = f"beam.lp{penalty}.es_{str(early).lower()}"
    assert np.array_equal(found.tokens, expected[f"{case}.sequences"][..., 1:])
    np.testing.assert_allclose(found.scores, expected[f"{case}.scores"], atol=2e-5)
    np.testing.assert_allclose(
        found.log_probability, expected[f"{case}.sum_logprob"], atol=1e-4
    )
    gains = found.token_log_probabilities
    np.testing.assert_allclose(gains.sum(-1), found.log_probability, atol=1e-4)
    assert not gains[found.tokens == 0].any()


@pytest.fixture(scope="module")
def small(toy, toy_params):
    """A model of four ids (0 padding, 1 the end, 2, 3) that likes to end."""
    kernel = toy_params["logits_dense"]["kernel"].copy()
    kernel[:, decoding.EOS] *= 2.0
    return LoadedModel(
        config=toy,
        params={**toy_params, "logits_dense": {"kernel": kernel}},
        source="toy",
        step=0,
        vocabulary_size=4,
    )


@pytest.mark.parametrize("rule", ["t5x", "huggingface"])
def test_enough_beams_find_the_best_of_all_texts(small, toy_batch, rule):
    inputs = toy_batch["encoder_input_tokens"][:2]
    length = 3
    texts = [
        (*body, decoding.EOS)
        for size in range(length)
        for body in itertools.product((0, 2, 3), repeat=size)
    ]
    if rule == "huggingface":  # the length limit ends a text, too
        texts += list(itertools.product((0, 2, 3), repeat=length))
    search = beam.BeamSearch(beams=27, length_penalty=0.6, rule=rule)
    logits = {
        text: small.logits(
            inputs=inputs, decoder_inputs=np.tile((0, *text[:-1]), (2, 1))
        )[..., :4]
        for text in texts
    }
    found = _search(
        *(small.config, small.params, inputs),
        max_length=length,
        vocabulary_size=4,
        beams=27,
        length_penalty=0.6,
        rule=rule,
    )
    for row in range(2):
        scored = {}
        for text in texts:
            log_probs = jax.nn.log_softmax(logits[text][row], axis=-1)
            total = sum(float(log_probs[i, id_]) for i, id_ in enumerate(text))
            scored[text] = total / float(search.penalty(len(text)))
        best = max(scored, key=scored.__getitem__)
        assert tuple(found.tokens[row, 0, : len(best)]) == best
        np.testing.assert_allclose(found.scores[row, 0], scored[best], rtol=1e-4)
        assert (np.diff(found.scores[row]) <= 0).all()


def test_a_row_does_not_depend_on_its_neighbours(toy, toy_params, toy_batch):
    inputs = np.asarray(toy_batch["encoder_input_tokens"])
    together, turned = (
        _search(toy, toy_params, rows, max_length=6, beams=3)
        for rows in (inputs, inputs[::-1])
    )
    assert np.array_equal(together.tokens, turned.tokens[::-1])


def test_texts_begin_with_their_prefix_which_costs_nothing(small, toy_batch):
    inputs = toy_batch["encoder_input_tokens"][:3]
    prefix = np.array([[3, 2], [2, 0], [0, 0]])
    free = small.generate(inputs=inputs, max_length=5, beams=3)
    forced = small.generate(inputs=inputs, max_length=5, beams=3, prefix=prefix)
    assert forced[0, :2].tolist() == [3, 2]
    assert forced[1, 0] == 2
    assert np.array_equal(forced[2], free[2])
    greedy = small.generate(inputs=inputs, max_length=5, prefix=prefix)
    assert greedy[0, :2].tolist() == [3, 2]
    logits = small.logits(inputs=inputs[:1], decoder_inputs=[[0, 3, 2]])
    assert greedy[0, 2] == logits[0, 2, :4].argmax()


def test_settings_out_of_range_are_refused(small, toy_batch):
    inputs = toy_batch["encoder_input_tokens"][:1]
    with pytest.raises(UserError, match=r"searches and temperature=0\.5 draws"):
        small.generate(inputs=inputs, beams=4, temperature=0.5)
    with pytest.raises(UserError, match="beams=0: a search has at least 2"):
        small.generate(inputs=inputs, beams=0)
    with pytest.raises(UserError, match=r"top_p=1.5 must be in \(0, 1\]"):
        small.generate(inputs=inputs, temperature=1.0, top_p=1.5)
    with pytest.raises(UserError, match="rule='nobody' must be one of"):
        small.generate(inputs=inputs, beams=4, rule="nobody")
