"""Cached decoding says what teacher forcing says, and stops when it should."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xtl_jax.infer import model as models
from xtl_jax.infer.model import LoadedModel
from xtl_jax.model import decoding

LENGTH = 8


@pytest.fixture(scope="module")
def ending(toy_params):
    """Parameters whose end id is often the best one: rows end here and there."""
    kernel = toy_params["logits_dense"]["kernel"].copy()
    kernel[:, decoding.EOS] *= 3.0
    return {**toy_params, "logits_dense": {"kernel": kernel}}


@pytest.fixture(scope="module")
def greedy(toy):
    """Compiled once: 200 of the 256 rows are real ids."""
    return jax.jit(
        lambda params, inputs: decoding.decode(
            *(toy, params, inputs), max_length=LENGTH, vocabulary_size=200
        )
    )


@pytest.fixture(scope="module")
def inputs(toy_batch):
    return jnp.asarray(toy_batch["encoder_input_tokens"])


def _length(row):
    ends = np.flatnonzero(row == decoding.EOS)
    return int(ends[0]) + 1 if len(ends) else LENGTH


def test_each_id_is_the_best_one_after_those_before_it(toy, ending, greedy, inputs):
    decoded = greedy(ending, inputs)
    tokens = np.asarray(decoded.tokens)
    model = LoadedModel(
        config=toy,
        params=ending,
        source="toy",
        step=0,
        vocabulary_size=200,
    )
    logits = model.logits(
        inputs=inputs, decoder_inputs=np.pad(tokens[:, :-1], ((0, 0), (1, 0)))
    )
    logits = logits[..., :200]
    best = logits.argmax(-1)
    log_probs = logits.max(-1) - np.logaddexp.reduce(logits, axis=-1)
    for row in range(len(tokens)):
        used = _length(tokens[row])
        assert tokens[row, :used].tolist() == best[row, :used].tolist()
        np.testing.assert_allclose(
            decoded.log_probability[row], log_probs[row, :used].sum(), rtol=1e-5
        )


def test_rows_end_at_different_places_and_stay_ended(ending, greedy, inputs):
    tokens = np.asarray(greedy(ending, inputs).tokens)
    lengths = [_length(row) for row in tokens]
    assert len(set(lengths)) > 1
    for row, used in zip(tokens, lengths, strict=True):
        assert not row[used:].any()
        assert row[:used].all()


def test_a_row_does_not_depend_on_its_neighbours(ending, greedy, inputs):
    tokens = np.asarray(greedy(ending, inputs).tokens)
    turned = np.asarray(greedy(ending, inputs[::-1]).tokens)
    assert np.array_equal(tokens, turned[::-1])


def test_ids_beyond_the_vocabulary_are_never_said(toy_params, greedy, inputs):
    kernel = toy_params["logits_dense"]["kernel"].copy()
    kernel[:, 200:] *= 100.0
    params = {**toy_params, "logits_dense": {"kernel": kernel}}
    decoded = greedy(params, inputs)
    assert np.asarray(decoded.tokens).max() < 200
    assert np.isfinite(decoded.log_probability).all()


def test_an_empty_row_is_finished_at_once(ending, greedy, inputs):
    decoded = greedy(ending, inputs.at[2:].set(0))
    assert not np.asarray(decoded.tokens)[2:].any()
    assert not np.asarray(decoded.log_probability)[2:].any()
    assert int(greedy(ending, jnp.zeros_like(inputs)).steps) == 0


def test_decoding_ends_with_the_longest_row(ending, greedy, inputs):
    decoded = greedy(ending, inputs)
    lengths = [_length(row) for row in np.asarray(decoded.tokens)]
    assert int(decoded.steps) == max(lengths)


def test_draws_follow_the_probabilities_and_the_seed(toy, ending, inputs):
    model = LoadedModel(
        config=toy, params=ending, source="toy", step=0, vocabulary_size=200
    )
    rows = np.tile(inputs[:1], (2000, 1))
    drawn = model.generate(inputs=rows, max_length=1, temperature=2.0, seed=3)[:, 0]
    again = model.generate(inputs=rows, max_length=1, temperature=2.0, seed=3)[:, 0]
    other = model.generate(inputs=rows, max_length=1, temperature=2.0, seed=4)[:, 0]
    assert np.array_equal(drawn, again)
    assert not np.array_equal(drawn, other)
    logits = model.logits(inputs=rows[:1], decoder_inputs=[[0]])[0, 0, :200]
    wanted = np.asarray(jax.nn.softmax(logits / 2.0))
    seen = np.bincount(drawn, minlength=200) / 2000
    # 5 standard deviations of a share of 2,000 draws
    assert np.all(np.abs(seen - wanted) < 5 * np.sqrt(wanted / 2000) + 1e-3)


def test_top_k_and_top_p_keep_the_most_probable_ids():
    logits = jnp.log(jnp.array([[0.5, 0.1, 0.3, 0.1 - 1e-3, 1e-3]]))

    def kept(**settings):
        found = decoding.within(logits, decoding.Sampling(temperature=1.0, **settings))
        return np.flatnonzero(np.isfinite(found[0])).tolist()

    assert kept() == [0, 1, 2, 3, 4]
    assert kept(top_k=2) == [0, 2]
    assert kept(top_p=0.5) == [0]
    assert kept(top_p=0.51) == [0, 2]
    assert kept(top_p=0.85) == [0, 1, 2]
    assert kept(top_k=3, top_p=0.6) == [0, 2]


@pytest.mark.parametrize("settings", [{}, {"beams": 3}], ids=["greedy", "beams"])
def test_layers_may_stay_stacked(monkeypatch, toy, ending, inputs, settings):
    """Large ones do, to be in memory once; the answers are the same."""
    assert isinstance(decoding.with_layers_apart(ending)["decoder"]["layers"], list)

    def decoded():
        method = models.method(**settings)
        run = functools.partial(models.generate.__wrapped__, toy)
        return jax.jit(
            lambda params, ids: run(
                params, ids, max_length=LENGTH, vocabulary_size=200, method=method
            )
        )(ending, inputs)

    apart = decoded()
    monkeypatch.setattr(decoding, "_APART", 0)
    assert decoding.with_layers_apart(ending) is ending
    stacked = decoded()
    assert np.array_equal(apart.tokens, stacked.tokens)
    np.testing.assert_allclose(
        apart.token_log_probabilities, stacked.token_log_probabilities, atol=1e-5
    )
