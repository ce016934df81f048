"""Bars and curves stand where the numbers say."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.report import doubts, learning, plots
from xtl_jax.report.cells import Cell


def test_a_bar_is_as_long_as_its_value_and_its_whisker_spans_the_interval():
    drawn = plots.bars(
        [Cell(value=40.0, interval=(30.0, 55.0)), Cell(value=None)],
        end=80,
        chance=20.0,
        description="<b>",
    )
    root = ElementTree.fromstring(drawn)
    assert root.find("title").text == "<b>"
    (bar,) = root.findall("rect")  # the missing arm has none
    assert bar.get("width") == "50.000%"
    whisker = root.find("g")[0]
    assert (whisker.get("x1"), whisker.get("x2")) == ("37.500%", "68.750%")
    (chance,) = [line for line in root if line.get("class") == "chance"]
    assert chance.get("x1") == "25.000%"


@given(st.lists(st.floats(min_value=0, max_value=100), min_size=1))
def test_an_axis_holds_all_values(values):
    end = plots.axis_end(values)
    assert max(values) <= end <= 100
    ticks = plots.axis_ticks(end)
    assert (ticks[0], ticks[-1]) == (0, end)


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.floats(-1e6, 1e6)), min_size=1, max_size=50
    )
)
def test_curves_stay_inside_their_frame(points):
    line = plots.Line(label="a<b", arm=0, points=tuple(points))
    root = ElementTree.fromstring(plots.curves([line], title="loss & more"))
    _, _, width, height = map(float, root.get("viewBox").split())
    numbers = [
        tuple(map(float, pair.split(",")))
        for shape in root.findall("polyline")
        for pair in shape.get("points").split()
    ]
    numbers += [
        (float(c.get("cx")), float(c.get("cy"))) for c in root.findall("circle")
    ]
    assert numbers
    assert all(0 <= x <= width and 0 <= y <= height for x, y in numbers)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_rising_and_reach_below_the_lowest_value(low, span):
    ticks = plots.nice_ticks(low, low + span, count=5)
    assert 1 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    assert ticks[0] <= low + span * 1e-6 or math.isclose(ticks[0], low, rel_tol=1e-9)


def test_thinning_keeps_the_mean():
    points = [(float(x), float(x % 7)) for x in range(1000)]
    thin = plots.thinned(points, most=100)
    assert len(thin) == 100
    mean = sum(y for _, y in points) / 1000
    assert sum(y for _, y in thin) / 100 == pytest.approx(mean)


def test_panels_show_loss_accuracy_and_the_dev_metric_of_each_arm(arms):
    panels = {panel.title: panel for panel in learning.panels(arms)}
    assert list(panels) == [
        "Training loss, nats per token",
        "Training accuracy, percent of tokens",
        "Development F1: squad_v1",
    ]
    dev = panels["Development F1: squad_v1"]
    assert [line.arm for line in dev.lines] == [0, 1]
    assert dev.lines[1].points[0] == (100.0, 11.0)  # step / 10 + seed


def test_a_step_logged_twice_counts_once_and_nan_is_named(arms):
    import dataclasses

    log = (
        {"step": 1, "kind": "train", "loss": 9.0},
        {"step": 2, "kind": "train", "loss": 5.0},
        {"step": 1, "kind": "train", "loss": 3.0},
        {"step": 3, "kind": "train", "loss": float("nan")},
    )
    panel, *_ = learning.panels([dataclasses.replace(arms[0], log=log)])
    assert panel.lines[0].points == ((1.0, 3.0), (2.0, 5.0))
    assert doubts.of_log(log) == ["the loss was not finite at step 3"]
    assert not re.search("nan", plots.curves(panel.lines, title="loss"))
