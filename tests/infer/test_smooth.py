"""Votes under noise: the certificate holds for what is sampled inside of its radius."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from xtl_jax.errors import UserError
from xtl_jax.infer import encoder, smooth
from xtl_jax.infer.smooth import Smoothing
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.train import state
from xtl_jax.train.config import RunConfig

CONFIG = EncoderConfig(
    architecture="xlm-roberta",
    vocab=32,
    embed=8,
    heads=2,
    mlp=8,
    layers=1,
    positions=12,
    dropout_rate=0.0,
    task_heads=(Head(name="a", kind="classification", labels=("x", "y", "z")),),
)
HOW = Smoothing(sigma=0.4, samples=400, confidence=0.99, seed=0)
PAD = CONFIG.pad_id


@pytest.fixture(scope="module")
def params(rows):
    """Random ones; no class is ahead of the others in the mean over the rows."""
    draw = np.random.default_rng(3)
    made = jax.tree.map(
        lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.8, jnp.float32),
        state.params_shapes(CONFIG),
    )
    mask = (rows[0] != PAD).astype(jnp.int32)
    logits = encoder.head_logits(CONFIG, made, rows[0], mask, None, "a", None)
    made["heads"]["a"]["out"]["bias"] -= logits.mean(axis=0)
    return made


@pytest.fixture(scope="module")
def rows():
    made = np.random.default_rng(4).integers(4, 32, (24, 6))
    made[::3, 4:] = PAD
    return jnp.asarray(made, jnp.int32), jnp.arange(24, dtype=jnp.uint32)


def _votes(params, rows, **fields):
    settings = {"head": "a", "pad_id": PAD, "sigma": HOW.sigma, "begin": 0, **fields}
    return np.asarray(
        smooth.votes(CONFIG, params, *rows, **{"draws": HOW.samples, **settings})
    )


def test_no_sampled_addition_within_the_radius_changes_the_smoothed_class(params, rows):
    """At the very edge, where the bound is tightest, in random and in bad directions.

    The probability of the class at the moved input is at least 1/2 by the theorem. It
    is estimated from 400 draws: fewer than 168 (42 %) would have a chance of 8e-4 each.
    """
    tokens = rows[0]
    selection, bounding = (
        _votes(params, rows, draws=100),
        _votes(params, rows, begin=100),
    )
    certified = [
        smooth.certify(*each, how=HOW) for each in zip(selection, bounding, strict=True)
    ]
    sure = [row for row, each in enumerate(certified) if each.chosen >= 0]
    assert len(sure) >= 8
    assert len({certified[row].chosen for row in sure}) >= 2
    radius = np.array([each.radius for each in certified])
    draw = np.random.default_rng(5)
    real = np.asarray(tokens != PAD)[..., None]
    towards = [draw.normal(size=(24, 6, 8)) * real for _ in range(3)]
    towards.append(_away(params, tokens, certified) * real)
    moved_clean = 0
    for each in towards:
        length = np.linalg.norm(each.reshape(24, -1), axis=1)
        unit = each / np.maximum(length, 1e-9)[:, None, None]
        centre = jnp.asarray(unit * radius[:, None, None], jnp.float32)
        found = _votes(params, rows, begin=10_000, centre=centre)
        for row in sure:
            assert found[row, certified[row].chosen] >= 0.42 * HOW.samples
            moved_clean += found[row, certified[row].chosen] < 0.9 * HOW.samples
    assert moved_clean  # the additions do something


def _away(params, tokens, certified):
    """The direction in which the logit of each row's class falls."""
    chosen = jnp.asarray([max(each.chosen, 0) for each in certified])

    def total(addition):
        logits = encoder.head_logits(
            *(CONFIG, params, tokens, (tokens != PAD).astype(jnp.int32)),
            *(None, "a", addition),
        )
        own = jnp.take_along_axis(logits, chosen[:, None], axis=1)
        return jnp.sum(own) - jnp.sum(logits) / 3

    return -np.asarray(jax.grad(total)(jnp.zeros((*tokens.shape, 8))))


def test_noise_is_that_of_the_example_and_not_of_its_batch(params, rows):
    tokens, seeds = rows
    turned = _votes(params, (tokens[::-1], seeds[::-1]))[::-1]
    longer = jnp.pad(tokens, ((0, 0), (0, 2)), constant_values=PAD)
    alone = _votes(params, (longer, seeds))
    expected = _votes(params, rows)
    # A draw on the very edge of two classes may fall either way.
    assert np.abs(turned - expected).max() <= 2
    assert np.abs(alone - expected).max() <= 2
    assert (expected.sum(axis=1) == HOW.samples).all()


def test_the_bound_is_that_of_an_exact_binomial_test():
    for hits, draws in ((1000, 1000), (900, 1000), (600, 1000)):
        found = smooth.certify(
            np.array([1, 9]), np.array([draws - hits, hits]), how=HOW
        )
        exact = stats.binomtest(hits, draws, alternative="greater")
        low = exact.proportion_ci(confidence_level=HOW.confidence, method="exact").low
        assert found.lower == pytest.approx(low)
        assert found.radius == pytest.approx(HOW.sigma * stats.norm.ppf(low))


def test_it_abstains_where_the_class_may_be_in_the_minority():
    how = HOW
    assert smooth.certify(np.array([1, 9]), np.array([490, 510]), how=how).chosen == -1
    # The second sample alone tells; the first has chosen another class.
    assert smooth.certify(np.array([9, 1]), np.array([0, 100]), how=how).radius == 0.0


@pytest.mark.parametrize(
    "fields",
    [
        {"smoothing_sigma": -0.1},
        {"smoothing_samples": 0},
        {"smoothing_confidence": 1.0},
        {"smoothing_seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(fields):
    (field,) = fields
    plain = {
        "task": "toy",
        "steps": 1,
        "lengths": {"inputs": 12, "targets": 8},
        "vocabulary": "bytes",
        "run_dir": "run",
    }
    with pytest.raises(UserError, match=field):
        RunConfig(**plain, **fields)
