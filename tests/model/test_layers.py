"""Norms, dropout masks and attention masks of single layers."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from xtl_jax.model import layers
from xtl_jax.model.t5 import T5


@pytest.fixture
def dropping(toy):
    return dataclasses.replace(toy, dropout_rate=0.5)


def _zeros(module, x):
    dropped = module.apply({}, x, rngs={"dropout": jax.random.key(0)})
    return np.asarray(dropped) == 0


def test_the_norm_divides_by_the_root_mean_square_and_subtracts_no_mean(toy):
    x = jnp.array([[3.0, 4.0]])
    params = {"params": {"scale": jnp.array([1.0, 2.0])}}
    normal = layers.RMSNorm(toy).apply(params, x)
    rms = math.sqrt((9 + 16) / 2 + 1e-6)
    np.testing.assert_allclose(normal, [[3 / rms, 8 / rms]], rtol=1e-6)


def test_masks_of_activations_are_shared_along_the_length(dropping):
    zeros = _zeros(layers.length_dropout(dropping, "train"), jnp.ones((4, 6, 32)))
    assert np.array_equal(zeros, np.repeat(zeros[:, :1], 6, axis=1))
    assert len({row.tobytes() for row in zeros[:, 0]}) == 4  # each row its own
    assert 0.3 < zeros.mean() < 0.7


def test_masks_of_attention_are_shared_along_the_queries(dropping):
    attention = layers.Attention(dropping, "train").bind(
        {"params": {}}, rngs={"dropout": jax.random.key(0)}
    )
    zeros = np.asarray(attention.dropout(jnp.ones((2, 4, 6, 32)))) == 0
    assert np.array_equal(zeros, np.repeat(zeros[:, :, :1], 6, axis=2))
    assert len({row.tobytes() for row in zeros[:, :, 0].reshape(8, 32)}) == 8


def test_what_is_kept_grows_so_that_the_mean_stays(dropping):
    dropout = layers.length_dropout(dropping, "train")
    x = jnp.ones((64, 1, 64))
    kept = dropout.apply({}, x, rngs={"dropout": jax.random.key(1)})
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert abs(float(kept.mean()) - 1) < 0.1


def test_every_place_that_drops_is_one_of_t5x(dropping, toy_params, toy_batch):
    seen = []

    def record(function, args, kwargs, context):
        if isinstance(context.module, nn.Dropout) and context.method_name == "__call__":
            seen.append((args[0].shape, tuple(context.module.broadcast_dims)))
        return function(*args, **kwargs)

    def hidden(params, batch):
        with nn.intercept_methods(record):
            return T5(dropping, "train").apply(
                *({"params": params}, batch),
                method="hidden",
                rngs={"dropout": jax.random.key(0)},
            )

    jax.eval_shape(hidden, toy_params, toy_batch)
    shared, own = (-2,), ()
    encoder, decoder = (8, 12, 128), (8, 8, 128)
    assert set(seen) == {
        (encoder, shared),  # embedding, attention out, MLP gate (as wide) and out
        # Attention draws for one query what T5X shares among all of them.
        ((8, 4, 1, 12), shared),
        (encoder, own),  # the encoder's last norm alone
        (decoder, shared),
        ((8, 4, 1, 8), shared),
    }
    # A scanned layer may be traced more than once: the unscanned places are counted.
    assert seen.count((encoder, own)) == 1


def test_padding_pairs_with_nothing_and_segments_with_themselves():
    queries = jnp.array([[1, 1, 2, 0]], jnp.int32)
    keys = jnp.array([[1, 2, 2, 0, 0]], jnp.int32)
    assert layers.same_segment(queries, keys)[0, 0].astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_a_masked_pair_gets_no_weight_at_all():
    bias = layers.mask_bias(jnp.array([True, False]))
    weights = jax.nn.softmax(jnp.array([-50.0, 50.0]) + bias)
    assert weights.tolist() == [1.0, 0.0]
