"""Certified accuracy, against a classifier whose true radii are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from xtl_jax.infer import smooth
from xtl_jax.infer.smooth import Smoothing
from xtl_jax.metrics import certified
from xtl_jax.metrics.certified import Vote

HOW = Smoothing(sigma=0.7, samples=2000, confidence=0.999, seed=0)


@pytest.fixture(scope="module")
def plane():
    """Examples before a plane: their distance to it is the true radius.

    Class 1 lies ahead of the plane. Noise of sigma carries an example at the distance m
    to the other side with the probability Phi(-m / sigma), and no shift shorter than m
    carries the vote there.
    """
    rng = np.random.default_rng(0)
    return rng.normal(0.6, 0.8, 3000)  # below 0: on the wrong side


def _votes(distances):
    rng = np.random.default_rng(1)
    ahead = stats.norm.cdf(distances / HOW.sigma)
    found = []
    for share in ahead:
        counts = [
            np.array([draws - hits, hits])
            for draws in (smooth.SELECTION, HOW.samples)
            for hits in [rng.binomial(draws, share)]
        ]
        one = smooth.certify(*counts, how=HOW)
        found.append(Vote(right=one.chosen == 1, radius=one.radius))
    return found


def test_it_is_a_tight_lower_bound_of_what_is_true(plane):
    found = certified.certified(_votes(plane), sigma=HOW.sigma)
    for point in found.points:
        true = 100 * (plane > point.radius).mean()
        # Each certificate is wrong in one of a thousand cases at most.
        assert point.accuracy <= true + 0.1 * 3
        # How far 2,000 draws fall short of the probability at the edge.
        reached = stats.norm.cdf(point.radius / HOW.sigma)
        slack = 5 * np.sqrt(reached * (1 - reached) / HOW.samples)
        if reached + slack < 0.995:
            far = HOW.sigma * stats.norm.ppf(reached + slack)
            assert point.accuracy >= 100 * (plane > far).mean() - 0.5
    assert found.points[2].accuracy > 20
    # 2,000 draws and this confidence reach 2.7 sigma, no draws reach more.
    assert found.points[-1].radius == pytest.approx(2.5 * HOW.sigma)


@pytest.mark.parametrize("multiple", [0.5, 1.0])
def test_what_is_certified_is_still_right_when_it_is_moved_as_far(plane, multiple):
    """Straight towards the plane, where nothing is worse."""
    radius = multiple * HOW.sigma
    sure = np.array([v.right and v.radius > radius for v in _votes(plane)])
    ahead = stats.norm.cdf((plane - radius) / HOW.sigma)
    assert sure.sum() > 100
    assert (ahead[sure] > 0.5).mean() >= 0.999
    not_sure = (ahead[~sure] <= 0.5).mean()
    assert not_sure > 0.5  # it does not abstain from everything


def test_abstentions_and_shares_are_counted():
    votes = [
        Vote(right=True, radius=0.6, length=2.0),
        Vote(right=False, radius=0.0, length=4.0),
    ]
    found = certified.certified(votes, sigma=0.5)
    assert found.abstained == 50.0
    assert [point.accuracy for point in found.points] == [50.0] * 3 + [0.0] * 3
    assert [point.share for point in found.points][:3] == [0.0, 0.25 / 3, 0.5 / 3]
    low, high = found.points[0].interval
    assert low == pytest.approx(1.26, abs=0.01)  # Clopper and Pearson, 1 of 2
    assert high == pytest.approx(98.74, abs=0.01)
    with pytest.raises(ValueError, match="no votes"):
        certified.certified([], sigma=0.5)
