"""Dropout from half the random numbers: shares, scale, determinism."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xtl_jax.model.dropout import Dropout, dropped_places


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize("last", [64, 33])
def test_the_share_that_is_dropped_is_the_rate_at_every_place(rate, last):
    x = jnp.ones((4000, last), jnp.float32)
    out = np.asarray(_drop(x, rate=rate))
    by_place = (out == 0).mean(axis=0)
    deviation = np.sqrt(rate * (1 - rate) / len(x))
    assert np.abs(by_place - rate).max() < 5 * deviation
    assert abs((out == 0).mean() - rate) < 5 * deviation / np.sqrt(last)


def test_what_is_kept_has_the_inverse_of_its_probability():
    out = np.asarray(_drop(jnp.full((64, 64), 2.0), rate=0.1))
    kept = out[out != 0]
    threshold = round(0.1 * 2**16)
    np.testing.assert_allclose(kept, 2.0 / (1 - threshold / 2**16), rtol=1e-6)


def test_neighbours_that_share_a_word_are_dropped_independently():
    drop = np.asarray(
        dropped_places(jax.random.key(3), shape=(20_000, 2), threshold=2**15)
    )
    both = (drop[:, 0] & drop[:, 1]).mean()
    assert abs(both - 0.25) < 5 * np.sqrt(0.25 * 0.75 / len(drop))


def test_the_same_key_drops_the_same_and_another_does_not():
    x = jnp.ones((16, 16))
    first, again, other = (_drop(x, rate=0.5, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).any()


@pytest.mark.parametrize(("rate", "off"), [(0.0, False), (0.3, True)])
def test_nothing_is_dropped_without_a_rate_or_in_evaluation(rate, off):
    x = jnp.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(Dropout(rate, deterministic=off).apply({}, x), x)


def _drop(x, *, rate, seed=0):
    return Dropout(rate, deterministic=False).apply(
        {}, x, rngs={"dropout": jax.random.key(seed)}
    )
