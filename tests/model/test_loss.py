"""Cross entropy, its penalty and its smoothing, by hand and in pieces."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xtl_jax.model.loss import loss_sums, token_losses

# Unnormalised probabilities 1, 2, 5 of 8, and 1, 1, 1 of 3.
LOGITS = jnp.log(jnp.array([[[1.0, 2.0, 5.0], [1.0, 1.0, 1.0]]]))
TARGETS = jnp.array([[2, 0]], jnp.int32)


def test_the_loss_is_minus_the_logarithm_of_the_probability():
    loss, penalty = token_losses(LOGITS, TARGETS)
    np.testing.assert_allclose(loss, [[-math.log(5 / 8), math.log(3)]], rtol=1e-6)
    assert not penalty.any()


def test_z_loss_is_the_squared_logarithm_of_the_normaliser():
    loss, penalty = token_losses(LOGITS, TARGETS, z_loss=0.5)
    squares = [0.5 * math.log(8) ** 2, 0.5 * math.log(3) ** 2]
    np.testing.assert_allclose(penalty, [squares], rtol=1e-6)
    plain = [-math.log(5 / 8), math.log(3)]
    np.testing.assert_allclose(loss, [np.add(plain, squares)], rtol=1e-6)


def test_smoothing_costs_what_the_prediction_is_away_from_the_smoothed_target():
    loss, _ = token_losses(LOGITS, TARGETS, label_smoothing=0.2)
    # Kullback-Leibler divergence of (0.1, 0.1, 0.8) from the prediction (1, 2, 5) / 8.
    wanted = (0.1, 0.1, 0.8)
    divergence = sum(
        p * math.log(p / q) for p, q in zip(wanted, (1 / 8, 2 / 8, 5 / 8), strict=True)
    )
    np.testing.assert_allclose(loss[0, 0], divergence, rtol=1e-5)


def test_a_prediction_equal_to_the_smoothed_target_costs_nothing():
    logits = jnp.log(jnp.array([[[0.1, 0.1, 0.8]]]))
    targets = jnp.array([[2]], jnp.int32)
    loss, _ = token_losses(logits, targets, label_smoothing=0.2)
    np.testing.assert_allclose(loss, 0.0, atol=1e-6)


def test_large_logits_do_not_overflow():
    logits = jnp.array([[[1e4, 0.0, -1e4]]], jnp.float32)
    loss, _ = token_losses(logits, jnp.array([[1]], jnp.int32))
    assert loss[0, 0] == 1e4


def test_sums_count_only_what_has_weight():
    sums = loss_sums(
        lambda hidden: hidden,
        LOGITS,
        jnp.array([[2, 1]], jnp.int32),
        jnp.array([[1.0, 0.0]]),
    )
    np.testing.assert_allclose(sums.loss, -math.log(5 / 8), rtol=1e-6)
    assert (sums.tokens, sums.correct, sums.z_loss) == (1.0, 1.0, 0.0)


def test_in_chunks_the_sums_and_gradients_are_the_same():
    rng = np.random.default_rng(0)
    hidden = jnp.asarray(rng.normal(size=(3, 8, 5)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(5, 11)), jnp.float32)
    targets = jnp.asarray(rng.integers(0, 11, (3, 8)), jnp.int32)
    weights = jnp.asarray(rng.integers(0, 2, (3, 8)), jnp.float32)

    def objective(hidden, kernel, chunks):
        sums = loss_sums(
            *(lambda x: x @ kernel, hidden, targets, weights),
            z_loss=1e-2,
            label_smoothing=0.1,
            chunks=chunks,
        )
        return sums.loss, sums

    slopes = jax.jit(jax.grad(objective, (0, 1), has_aux=True), static_argnums=2)
    whole = slopes(hidden, kernel, 1)
    for chunks in (2, 4):
        parts = slopes(hidden, kernel, chunks)
        for mine, theirs in zip(
            jax.tree.leaves(parts), jax.tree.leaves(whole), strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_chunks_that_do_not_divide_the_length_are_refused():
    with pytest.raises(ValueError, match=r"loss_chunks=3 does not divide .* length 2"):
        loss_sums(lambda x: x, LOGITS, TARGETS, jnp.ones((1, 2)), chunks=3)
