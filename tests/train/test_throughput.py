"""Peaks come from the table by the longest name, a processor's from a clock."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import jax
import pytest

from xtl_jax.train import throughput


def test_a_processor_is_measured_with_the_given_clock():
    ticks = itertools.count(0.0, 0.5)  # each product seems to take half a second
    assert throughput.peak_flops(lambda: next(ticks)) == 2 * 1024**3 / 0.5


@pytest.mark.parametrize(
    ("kind", "peak"),
    [("TPU v5 lite", 197e12), ("TPU v5p", 459e12), ("NVIDIA H100 80GB HBM3", 989e12)],
)
def test_known_devices_have_their_makers_figures(monkeypatch, kind, peak):
    monkeypatch.setattr(jax, "devices", lambda: [SimpleNamespace(device_kind=kind)] * 4)
    assert throughput.peak_flops(lambda: 0.0) == 4 * peak
