"""Power, detectable effects, corrections and effect sizes, against statsmodels."""

from __future__ import annotations

import json
import math
import pathlib

import numpy as np
import pytest
from scipy import stats

from xtl_jax.metrics import corrections, crossed, effect, power
from xtl_jax.metrics.crossed import Uncertainty

GOLDEN = json.loads(
    (
        pathlib.Path(__file__).parent.parent / "golden/statistics/statsmodels.json"
    ).read_text()
)
SEEDS, ITEMS = frozenset({"seeds"}), frozenset({"items"})
BOTH = SEEDS | ITEMS


def t_of(error, freedom):
    """Of a single factor, as in a plain t-test."""
    return Uncertainty(error, freedom, ((1.0, freedom),))


@pytest.mark.parametrize("family", GOLDEN["holm"])
def test_holm_is_that_of_statsmodels(family):
    found = corrections.holm(dict(enumerate(family["values"])))
    assert list(found.values()) == pytest.approx(family["adjusted"])


def test_what_was_not_tested_is_not_in_the_family():
    found = corrections.holm({"a": 0.02, "b": None, "c": 0.5})
    assert found == {"a": 0.04, "b": None, "c": 0.5}
    assert corrections.holm({}) == {}
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            corrections.holm({"a": wrong})


@pytest.mark.parametrize("case", GOLDEN["power"])
def test_power_is_that_of_statsmodels(case):
    found = power.of(
        case["effect"],
        t_of(1 / case["n"] ** 0.5, case["n"] - 1),
        alpha=case["alpha"],
    )
    assert found == pytest.approx(case["power"], abs=1e-6)


@pytest.mark.parametrize("case", GOLDEN["detectable"])
def test_the_detectable_effect_is_that_of_statsmodels(case):
    found = power.minimum_detectable(
        t_of(1 / case["n"] ** 0.5, case["n"] - 1),
        alpha=case["alpha"],
        power=case["power"],
    )
    assert found == pytest.approx(case["effect"], rel=1e-5)


def test_power_without_an_effect_is_alpha():
    assert power.of(0.0, t_of(2.0, 7)) == pytest.approx(0.05)
    assert power.of(-3.0, t_of(2.0, 7)) == power.of(3.0, t_of(2.0, 7))
    assert power.of(3.0, t_of(math.inf, 0)) == 0.0
    assert power.of(3.0, t_of(0.0, 7)) == 1.0
    assert power.minimum_detectable(t_of(0.0, 7)) == 0.0
    with pytest.raises(ValueError, match="power must lie"):
        power.minimum_detectable(t_of(1.0, 7), power=0.01)


def test_the_spread_of_a_study_plans_the_same_study_again():
    table = np.array(GOLDEN["crossed"]["table"])
    parts = crossed.marginal_variances(table, {"seeds": 0, "items": 1})
    uncertainty = crossed.combine(parts)
    found = crossed.Estimate(
        points=float(table.mean()),
        uncertainty=uncertainty,
        interval=(0.0, 0.0),
        p=None,
        over=("seeds", "items"),
        parts=parts,
        sizes={"seeds": 6, "items": 12},
    )
    spread = power.spread_of(found)
    reference = GOLDEN["crossed"]["variance"]
    assert spread[SEEDS] == pytest.approx(reference["seeds"], rel=1e-4)
    assert spread[ITEMS] == pytest.approx(reference["items"], rel=1e-4)
    assert spread[BOTH] == pytest.approx(reference["residual"], rel=1e-4)
    again = power.plan(spread, sizes={"seeds": 6, "items": 12})
    assert again[:2] == pytest.approx(uncertainty[:2])
    assert np.array(again.shares) == pytest.approx(np.array(uncertainty.shares))
    # Four times as many of both: the two main parts are quartered, theirs by 16.
    large = power.plan(spread, sizes={"seeds": 24, "items": 48})
    assert large.standard_error**2 == pytest.approx(
        reference["seeds"] / 24
        + reference["items"] / 48
        + reference["residual"] / 1152,
        rel=1e-4,
    )


def test_an_assumed_spread_by_hand():
    spread = power.assumed(seeds=2.0, changed_percent=25.0)
    design = power.plan(spread, sizes={"seeds": 4, "items": 2500})
    # 2**2 / 4 and 100**2 * 0.25 / 2500.
    assert design.standard_error == pytest.approx(math.sqrt(1.0 + 1.0))
    alone = power.plan(spread, sizes={"seeds": 1, "items": 2500})
    assert alone[:2] == pytest.approx((1.0, 2499))
    assert alone.shares == ((1.0, 2499),)
    with pytest.raises(ValueError, match="needs a size"):
        power.plan(spread, sizes={"seeds": 4})
    with pytest.raises(ValueError, match="changed_percent"):
        power.assumed(seeds=1.0, changed_percent=120.0)


def _estimate(points, error):
    return crossed.Estimate(
        points=points,
        uncertainty=t_of(error, 50.0),
        interval=(0.0, 0.0),
        p=None,
        over=("items",),
        parts={},
        sizes={},
    )


@pytest.mark.parametrize(
    ("points", "error", "p", "said"),
    [
        (3.0, 1.0, 0.004, "higher"),
        (-3.0, 1.0, 0.004, "lower"),
        # 80 % power needs 2.86 standard errors: 1.96 or a little more, and 0.84.
        (0.1, 2.0 / 2.9, 0.9, "not significant"),
        (0.1, 2.0 / 2.8, 0.9, "not enough power"),
        (9.0, 1.0, None, "not enough power"),
        (0.0, 0.0, 1.0, "not enough power"),  # nothing changed: no spread was seen
    ],
)
def test_what_may_be_said(points, error, p, said):
    assert power.conclude(_estimate(points, error), p=p, matters=2.0) == said


def test_a_family_needs_the_power_of_its_strictest_test():
    found = _estimate(0.0, 0.6)
    # Alone, 2 points are 3.3 standard errors; at 5 % / 50 they are too few.
    assert power.conclude(found, p=1.0, matters=2.0) == "not significant"
    said = power.conclude(found, p=1.0, matters=2.0, comparisons=50)
    assert said == "not enough power"


def test_a_difference_that_matters_is_above_0():
    with pytest.raises(ValueError, match="above 0 points"):
        power.conclude(_estimate(1.0, 1.0), p=0.5, matters=0.0)


def test_effect_sizes_by_hand():
    assert effect.error_reduction(80.0, 85.0) == 25.0
    assert effect.error_reduction(80.0, 70.0) == -50.0
    assert effect.error_reduction(100.0, 90.0) is None
    assert effect.standardised([1.0, 2.0]) is None
    assert effect.standardised([2.0, 2.0, 2.0]) is None
    with pytest.raises(ValueError, match="at least 2"):
        effect.hedges_factor(1)


def test_hedges_factor_removes_what_few_seeds_add():
    """Hedges 1981: the expected d is the true one over the factor."""
    rng = np.random.default_rng(0)
    samples = rng.normal(1.0, 1.0, (40_000, 5))
    plain = stats.ttest_1samp(samples, 0, axis=1).statistic / 5**0.5
    assert plain.mean() > 1.2
    found = [effect.standardised(each.tolist()) for each in samples[:4000]]
    assert np.mean(found) == pytest.approx(1.0, abs=0.03)
    # His table: 0.7979 for 4 degrees of freedom, 0.9227 for 10.
    assert effect.hedges_factor(4) == pytest.approx(0.7979, abs=5e-5)
    assert effect.hedges_factor(10) == pytest.approx(0.9227, abs=5e-5)
