"""Time and money, by numbers that are worked out by hand."""

from __future__ import annotations

import pytest

from xtl_jax.errors import UserError
from xtl_jax.hardware import estimate, slices
from xtl_jax.hardware.estimate import Assumptions


def _guess(assumptions=None, **changed):
    settings = {
        "slice_": slices.find("v4:4x4x4"),  # 64 chips of 275 TFLOP/s, 1200 GB/s
        "slices": 1,
        "steps": 3600,
        "tokens": 1_000_000,
        "useful_flops": 64 * 275e12 * 2.0,
        "executed_flops": 64 * 275e12 * 3.0,
        "memory_bytes": 1.2e12,
        "sent_bytes": 0.6e12,  # of 300 GB/s in one direction
        "slice_bytes": 0.0,
        "devices": 64,
        "assumptions": assumptions or Assumptions(),
    }
    return estimate.estimate(**{**settings, **changed})


def test_the_slowest_of_three_bounds_the_step():
    found = _guess()
    assert found.compute_seconds == pytest.approx(3.0)
    assert found.memory_seconds == pytest.approx(1.0)
    assert found.link_seconds == pytest.approx(2.0)
    assert (found.bound, found.bound_seconds) == ("operations", pytest.approx(3.0))
    assert found.mfu_ceiling == pytest.approx(2 / 3)
    assert _guess(memory_bytes=1.2e13).bound == "memory"
    assert _guess(sent_bytes=1.2e12).bound == "links"


def test_what_is_expected_follows_from_the_assumptions():
    found = _guess(Assumptions(matrix_share=0.5, link_share=0.5, exposed_share=0.25))
    assert found.seconds == pytest.approx(3.0 / 0.5 + 0.25 * 2.0 / 0.5)
    assert found.mfu == pytest.approx(2.0 / 7.0)
    assert found.tokens_per_second == pytest.approx(1e6 / 7.0)
    assert found.hours == pytest.approx(7.0)
    # 3.22 dollars a chip and hour, as the price table has it.
    assert found.usd == pytest.approx(7.0 * 64 * 3.22)


def test_slices_are_joined_by_a_slower_network():
    # 50 Gbit/s a chip of v5p: 6.25 GB take a second.
    settings = {"slice_": slices.find("v5p:4x4x4"), "slices": 2, "devices": 128}
    alone = _guess(**settings)
    found = _guess(**settings, slice_bytes=6.25e9)
    assert found.slice_seconds == pytest.approx(1.0)
    assert found.seconds - alone.seconds == pytest.approx(0.5 * 1.0 / 0.7)
    assert _guess(**settings, slice_bytes=1e12).bound == "network"


def test_two_devices_of_one_chip_share_its_memory_and_links():
    found = _guess(devices=128)
    assert found.memory_seconds == pytest.approx(2.0)
    assert found.link_seconds == pytest.approx(4.0)
    assert found.compute_seconds == pytest.approx(3.0)


def test_a_price_that_is_given_wins_and_one_that_is_unknown_is_none():
    assert _guess(Assumptions(usd_per_chip_hour=1.0)).price.source == "given"
    unknown = _guess(slice_=slices.find("tpu7x:4x4x4"))
    assert (unknown.price, unknown.usd) == (None, None)


@pytest.mark.parametrize(
    "settings", [{"matrix_share": 0.0}, {"link_share": 1.5}, {"exposed_share": -0.1}]
)
def test_shares_that_are_none_are_refused(settings):
    (field,) = settings
    with pytest.raises(UserError, match=field):
        Assumptions(**settings)
