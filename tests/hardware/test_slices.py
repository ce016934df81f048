"""Chips, hosts and names of slices, as Google's pages list them."""

from __future__ import annotations

import math

import pytest

from xtl_jax.errors import UserError
from xtl_jax.hardware import prices, slices

# Accelerator type, topology, chips, hosts: docs.cloud.google.com/tpu/docs/v4, v5e, …
LISTED = [
    ("v4-8", "v4:2x2x1", 4, 1),
    ("v4-128", "v4:4x4x4", 64, 16),
    ("v5litepod-4", "v5e:2x2", 4, 1),
    ("v5litepod-8", "v5e:2x4", 8, 1),
    ("v5litepod-16", "v5e:4x4", 16, 4),
    ("v5litepod-256", "v5e:16x16", 256, 64),
    ("v5p-8", "v5p:2x2x1", 4, 1),
    ("v5p-32", "v5p:2x2x4", 16, 4),
    ("v5p-1024", "v5p:8x8x8", 512, 128),
    ("v6e-8", "v6e:2x4", 8, 1),
    ("v6e-256", "v6e:16x16", 256, 64),
    ("tpu7x-128", "tpu7x:4x4x4", 64, 16),
]


@pytest.mark.parametrize(("name", "topology", "chips", "hosts"), LISTED)
def test_a_slice_is_found_by_both_names(name, topology, chips, hosts):
    for given in (name, topology):
        found = slices.find(given)
        assert found.accelerator_type == name
        assert found.topology == topology
        assert (found.chips, found.hosts) == (chips, hosts)


def test_the_wiring_of_every_slice_has_as_many_places_as_it_has_chips():
    for generation in slices.generations().values():
        for chips, shape in generation.shapes.items():
            assert math.prod(map(int, shape.split("x"))) == chips


def test_an_unknown_slice_is_refused_with_the_near_ones():
    with pytest.raises(UserError, match="near: v5litepod-1, v5litepod-16"):
        slices.find("v5litepod-17")
    with pytest.raises(UserError, match="generations: v4, v5e, v5p, v6e, tpu7x"):
        slices.find("a100")


def test_prices_have_a_date_and_a_source_and_say_when_they_are_bounds():
    listed = prices.find("v6e", capacity="on-demand")
    assert listed.usd_per_chip_hour == 2.70
    assert listed.date
    assert listed.source
    assert listed.note == ""
    bound = prices.find("v6e", capacity="flex-start")
    assert bound.usd_per_chip_hour == listed.usd_per_chip_hour
    assert "upper bound" in bound.note
    with pytest.raises(UserError, match="no price is known for tpu7x"):
        prices.find("tpu7x", capacity="spot")


def test_a_slice_is_known_by_its_devices():
    # What libtpu says of v4:2x2x1, v5e:2x2 and tpu7x:2x2x1.
    assert slices.of_devices("TPU v4", 4).topology == "v4:2x2x1"
    assert slices.of_devices("TPU v5 lite", 4).topology == "v5e:2x2"
    assert slices.of_devices("TPU7x", 8).topology == "tpu7x:2x2x1"
    assert slices.find("tpu7x:2x2x1").devices == 8
    assert slices.find("tpu7x:2x2x1").device_memory == 94.75 * 2**30
    assert slices.of_devices("TPU v4", 3) is None
    assert slices.of_devices("cpu", 4) is None
