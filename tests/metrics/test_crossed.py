"""Means over seeds, languages and items: hand cases, scipy and statsmodels."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
from scipy import stats

from xtl_jax.metrics import bootstrap, crossed

GOLDEN = pathlib.Path(__file__).parent.parent / "golden/statistics/statsmodels.json"


def draws_of(items, *, resamples=4000, seed=0):
    """Draws [resamples, seeds, languages] of values [seeds, languages, items]."""
    seeds, languages, count = items.shape
    sums = bootstrap.resampled_sums(
        np.concatenate([np.ones((count, 1)), items.reshape(-1, count).T], axis=1),
        totals=[0],
        resamples=resamples,
        rng=np.random.default_rng(seed),
    )
    return (sums[:, 1:] / count).reshape(resamples, seeds, languages)


def estimate(items, **how):
    count = [items.shape[2]] * items.shape[1]
    return crossed.estimate(items.mean(axis=2), draws_of(items), items=count, **how)


def test_seeds_alone_are_the_paired_t_test_of_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.normal(60, 2, 5), rng.normal(62, 2, 5)
    reference = stats.ttest_rel(second, first)
    values = (second - first)[:, None]
    found = crossed.estimate(
        values, np.repeat(values[None], 9, axis=0), items=[100], over=("seeds",)
    )
    assert found.p == pytest.approx(reference.pvalue)
    assert found.uncertainty.freedom == reference.df
    assert found.interval == pytest.approx(tuple(reference.confidence_interval()))
    assert found.over == ("seeds",)


def test_items_alone_are_the_paired_t_test_of_scipy():
    rng = np.random.default_rng(1)
    first, second = rng.normal(60, 20, 40), rng.normal(68, 20, 40)
    reference = stats.ttest_rel(second, first)
    found = estimate((second - first)[None, None])
    assert found.uncertainty.freedom == reference.df == 39
    # 4,000 resamples know a standard error to about 1 %.
    assert found.points == pytest.approx((second - first).mean())
    assert found.standard_error == pytest.approx(
        found.points / reference.statistic, rel=0.035
    )
    assert found.p == pytest.approx(reference.pvalue, rel=0.25)
    assert found.over == ("items",)


def test_seeds_crossed_with_items_are_the_mixed_model_of_statsmodels():
    golden = json.loads(GOLDEN.read_text())["crossed"]
    table = np.array(golden["table"])
    parts = crossed.marginal_variances(table, {"seeds": 0, "items": 1})
    error = crossed.combine(parts).standard_error
    # A balanced table: REML is the analysis of variance.
    assert error == pytest.approx(golden["standard_error"], rel=1e-4)
    seeds, items = table.shape
    residual = parts[frozenset({"seeds", "items"})].variance * seeds * items
    assert residual == pytest.approx(golden["variance"]["residual"], rel=1e-4)
    assert parts[frozenset({"seeds"})].variance == pytest.approx(
        golden["variance"]["seeds"] / seeds + residual / (seeds * items), rel=1e-4
    )
    # The same from bootstrap draws of the items.
    drawn = estimate(table[:, None])
    assert drawn.points == pytest.approx(golden["mean"])
    assert drawn.standard_error == pytest.approx(golden["standard_error"], rel=0.02)


def test_three_factors_are_an_analysis_of_variance_by_hand():
    rng = np.random.default_rng(2)
    table = (
        rng.normal(0, 2, (5, 1, 1))
        + rng.normal(0, 3, (1, 4, 1))
        + rng.normal(0, 4, (1, 1, 30))
        + rng.normal(0, 5, (5, 4, 30))
    )
    grand = table.mean()
    by = {
        "s": table.mean((1, 2)) - grand,
        "l": table.mean((0, 2)) - grand,
        "i": table.mean((0, 1)) - grand,
    }
    main = {name: (v**2).sum() / (len(v) * (len(v) - 1)) for name, v in by.items()}
    pair = table.mean(2) - grand - by["s"][:, None] - by["l"][None]
    found = crossed.marginal_variances(table, {"seeds": 0, "languages": 1, "items": 2})
    assert found[frozenset({"seeds"})] == pytest.approx((main["s"], 4))
    assert found[frozenset({"languages"})] == pytest.approx((main["l"], 3))
    assert found[frozenset({"items"})] == pytest.approx((main["i"], 29))
    assert found[frozenset({"seeds", "languages"})] == pytest.approx(
        ((pair**2).sum() / (20 * 12), 12)
    )
    assert len(found) == 7
    drawn = estimate(table, over=crossed.LANGUAGES_LIKE_THESE)
    assert drawn.over == ("seeds", "languages", "items")
    for names, part in found.items():
        assert drawn.parts[names].variance == pytest.approx(part.variance, rel=0.05)
        assert drawn.parts[names].freedom == part.freedom


def test_languages_that_are_not_random_are_averaged():
    table = np.array([[10.0, 30.0], [14.0, 32.0], [12.0, 34.0]])
    drawn = np.repeat(table[None], 5, axis=0)
    these = crossed.estimate(table, drawn, items=[9, 9], over=("seeds",))
    like = crossed.estimate(table, drawn, items=[9, 9], over=("seeds", "languages"))
    assert these.points == like.points == 22.0
    # Means 20, 23 and 23: variance 3, over three seeds.
    assert these.standard_error == pytest.approx(1.0)
    # Means 12 and 32: variance 200, over two languages.
    assert like.parts[frozenset({"languages"})].variance == pytest.approx(100.0)
    assert like.uncertainty.freedom == pytest.approx(1.0, abs=0.05)
    assert like.interval[0] < -80 < 17 < these.interval[0]


def test_what_is_shared_by_seeds_and_items_is_counted_once():
    """Noise alone, in a table whose every cell is drawn for itself."""
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(200):
        parts = crossed.marginal_variances(
            rng.normal(0, 1, (10, 20)), {"seeds": 0, "items": 1}
        )
        errors.append(
            sum(
                (-1) ** (len(names) + 1) * part.variance
                for names, part in parts.items()
            )
        )
    assert np.mean(errors) == pytest.approx(1 / 200, rel=0.1)


def test_nothing_repeated_has_no_p_value():
    found = crossed.estimate(np.ones((1, 1)), np.ones((5, 1, 1)), items=[1])
    assert found.p is None
    assert found.over == ()
    assert found.interval == (-np.inf, np.inf)


def test_no_difference_anywhere_is_not_significant():
    found = crossed.estimate(np.zeros((3, 2)), np.zeros((5, 3, 2)), items=[4, 4])
    assert found.p == 1.0
    assert found.interval == (0.0, 0.0)


def test_the_same_difference_everywhere_is_sure():
    found = crossed.estimate(
        np.full((3, 2), 7.0), np.full((5, 3, 2), 7.0), items=[4, 4]
    )
    assert found.p == 0.0
    assert found.interval == (7.0, 7.0)


def test_the_limit_is_the_weighted_mean_of_the_factors_own():
    """A quarter of the variance from 3 seeds, the rest from 31 items; a table of t."""
    uncertainty = crossed.combine(
        {
            frozenset({"seeds"}): crossed.Part(1.0, 2),
            frozenset({"items"}): crossed.Part(3.0, 30),
        }
    )
    assert uncertainty.standard_error == 2.0
    expected = (4.303 + 3 * 2.042) / 4
    assert crossed.limit(uncertainty, alpha=0.05) == pytest.approx(expected, abs=1e-3)
    assert crossed.interval(7.0, uncertainty) == pytest.approx(
        (7 - 2 * expected, 7 + 2 * expected), abs=2e-3
    )
    # The p-value is where the limit is reached, to far out.
    for alpha in (0.5, 0.05, 1e-4, 1e-12):
        points = 2 * crossed.limit(uncertainty, alpha=alpha)
        assert crossed.p_value(points, uncertainty) == pytest.approx(alpha, rel=1e-9)
        assert crossed.p_value(-points, uncertainty) == pytest.approx(alpha, rel=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_false_positives_stay_below_what_is_asked_for(share, alpha):
    """Normal data: three seeds with this share of the variance, 300 items the rest."""
    rng = np.random.default_rng(0)
    count = 100_000
    parts = [
        part * rng.chisquare(freedom, count) / freedom
        for part, freedom in ((share, 2), (1 - share, 299))
    ]
    reached = np.abs(rng.normal(size=count)) / np.sqrt(sum(parts))
    own = [stats.t.isf(alpha / 2, freedom) for freedom in (2, 299)]
    limits = (parts[0] * own[0] + parts[1] * own[1]) / sum(parts)
    some = {
        frozenset({name}): crossed.Part(float(part[0]), freedom)
        for name, part, freedom in zip(("seeds", "items"), parts, (2, 299), strict=True)
    }
    assert crossed.limit(crossed.combine(some), alpha=alpha) == pytest.approx(limits[0])
    noise = 3 * (alpha / count) ** 0.5
    assert (reached > limits).mean() <= 1.25 * alpha + noise
    if alpha == 0.05:
        assert (reached > limits).mean() <= alpha + noise


def test_hierarchical_draws_by_hand():
    # Two seeds, 0 and 100: a draw of two is 0, 50 or 100 with chances 1/4, 1/2, 1/4.
    draws = np.tile(np.array([[[0.0], [100.0]]]), (20_000, 1, 1))
    found = crossed.resampled(draws, over=("seeds",))
    values, counts = np.unique(found, return_counts=True)
    assert values.tolist() == [0.0, 50.0, 100.0]
    assert counts / 20_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.02)
    assert (crossed.resampled(draws, over=("languages", "items")) == 50.0).all()


@pytest.mark.parametrize(
    ("values", "draws", "items", "message"),
    [
        (np.ones((2, 2)), np.ones((5, 2, 3)), [3, 3], "do not fit"),
        (np.ones((0, 2)), np.ones((5, 0, 2)), [3, 3], "do not fit"),
        (np.ones((2, 2)), np.ones((5, 2, 2)), [3], "1 numbers of items"),
        (np.full((2, 2), np.nan), np.ones((5, 2, 2)), [3, 3], "missing"),
    ],
)
def test_what_does_not_fit_is_refused(values, draws, items, message):
    with pytest.raises(ValueError, match=message):
        crossed.estimate(values, draws, items=items)
