"""Curves of a study: differences to `none` over steps or over the number of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from xtl_jax.metrics.comparisons import ALL
from xtl_jax.report import drawing, plots, wording
from xtl_jax.report.drawing import Drawing
from xtl_jax.report.study_findings import LOW, REST, Measure
from xtl_jax.report.study_results import NONE, Study
from xtl_jax.report.study_tests import Analysis
from xtl_jax.report.study_wording import condition_title

_WIDTH = 380.0


class Point(NamedTuple):
    """One place of a curve; `half` is drawn to both sides where it is known."""

    x: float
    y: float
    interval: tuple[float, float] | None


class Curve(NamedTuple):
    """Points of one line; lone ones are not joined."""

    label: str
    points: tuple[Point, ...]
    joined: bool = True


def curves(
    found: Sequence[Curve],
    *,
    title: str,
    axis: str,
    numbers: Sequence[float],
    spacing: str,
) -> Drawing:
    """Differences to `none` over a number.

    Args:
        found: the lines.
        title: what is drawn.
        axis: what the numbers are.
        numbers: marks of the axis, ascending.
        spacing: "even" puts them at equal distances, as a geometric grid is read;
            "linear" at their values.
    """
    height = 262.0
    sheet = Drawing(width=_WIDTH, height=height, title=title)
    sheet.text(0, 14, drawing.shortened(title, width=_WIDTH), bold=True)
    values = [point.y for curve in found for point in curve.points]
    most = 2.5 * max([1.0, *map(abs, values)])
    ends = [
        max(-most, min(most, end))
        for curve in found
        for point in curve.points
        for end in (point.y, *(point.interval or ()))
    ]
    y_ticks = plots.nice_ticks(min([0.0, *ends]), max([1.0, *ends]), count=5)
    low, high = min([*ends, *y_ticks]), max([*ends, *y_ticks])
    left, right, top, bottom = 42.0, 10.0, 42.0, height - 42.0
    places = {n: float(i if spacing == "even" else n) for i, n in enumerate(numbers)}
    first, last = min(places.values()), max(places.values())

    def x_at(number: float) -> float:
        share = (places[number] - first) / ((last - first) or 1.0)
        return left + 12 + share * (_WIDTH - left - right - 24)

    def y_at(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    for tick in y_ticks:
        y = y_at(tick)
        colour = "muted" if tick == 0 else "grid"
        sheet.line(left, y, _WIDTH - right, y, colour=colour)
        text = wording.signed(tick, decimals=0 if tick == round(tick) else 1)
        sheet.text(left - 6, y + 4, text, colour="muted", anchor="end", size=11)
    for number in numbers:
        sheet.text(
            x_at(number), height - 26, f"{number:g}",
            colour="muted", anchor="middle", size=11,
        )  # fmt: skip
    middle = (left + _WIDTH - right) / 2
    sheet.text(middle, height - 6, axis, colour="muted", anchor="middle", size=11)
    x = 0.0
    for place, curve in enumerate(found):
        colour = f"arm-{place % plots.ARM_COLOURS}"
        shift = (place - (len(found) - 1) / 2) * 5.0
        sheet.rect(x, 24, 10, 10, colour=colour)
        sheet.text(x + 14, 33, curve.label, size=11)
        x += 26 + drawing.text_width(curve.label, size=11)
        if curve.joined:
            line = [(x_at(p.x) + shift, y_at(p.y)) for p in curve.points]
            sheet.path(line, colour=colour)
        for point in curve.points:
            at = x_at(point.x) + shift
            if point.interval is not None:
                lowest, highest = (max(low, min(high, e)) for e in point.interval)
                sheet.line(
                    at, y_at(lowest), at, y_at(highest), colour=colour, width=1.5
                )
            sheet.circle(at, y_at(point.y), 3.5, colour=colour, hollow=not curve.joined)
    return sheet


def trend_curves(study: Study, analysis: Analysis) -> dict[Measure, list[Drawing]]:
    """Curves of the axes that have a number; nothing for others."""
    if study.config["axis"] == "steps":
        return {m: _over_steps(study, analysis, m) for m in analysis.samples}
    if study.config["axis"] == "subsets":
        return {m: _over_sizes(study, analysis, m) for m in analysis.samples}
    return {}


def _over_steps(study: Study, analysis: Analysis, measure: Measure) -> list[Drawing]:
    """A drawing a task: all languages, low-resource ones and the rest."""
    places = {arm: study.place(arm) for arm in study.arms if arm != NONE}
    found = []
    for task in dict.fromkeys(place["task"] for place in places.values()):
        numbers = {
            arm: float(place["steps"])
            for arm, place in places.items()
            if place["task"] == task
        }
        lines = [
            Curve(label, _points(analysis, measure, numbers, part))
            for label, part in (
                ("all languages", (ALL, ALL)),
                ("low-resource", LOW),
                ("the rest", REST),
            )
        ]
        title = f"{_curve_title(study, measure)}, {task}"
        found.append((lines, title))
    return _drawn(found, axis="intermediate steps", spacing="even")


def _over_sizes(study: Study, analysis: Analysis, measure: Measure) -> list[Drawing]:
    """One drawing: nested subsets as a line, random ones as rings."""
    places = {arm: study.place(arm) for arm in study.arms if arm != NONE}
    lines = []
    for kind in ("nested", "random"):
        numbers = {
            arm: float(place["size"])
            for arm, place in places.items()
            if place["kind"] == kind
        }
        nested = kind == "nested"
        points = _points(analysis, measure, numbers, (ALL, ALL), start=nested)
        lines.append(Curve(f"{kind} subsets", points, nested))
    title = _curve_title(study, measure)
    return _drawn([(lines, title)], axis="number of tasks", spacing="linear")


def _curve_title(study: Study, measure: Measure) -> str:
    target = next(each for each in study.targets if each.name == measure.target)
    gap = "gap " if measure.gap else ""
    return f"{target.family}, {gap}{condition_title(measure.condition)}"


def _drawn(
    found: Sequence[tuple[Sequence[Curve], str]], *, axis: str, spacing: str
) -> list[Drawing]:
    drawings = []
    for lines, title in found:
        # The start alone is no curve.
        kept = [line for line in lines if any(point.x for point in line.points)]
        numbers = sorted({point.x for line in kept for point in line.points})
        if kept:
            drawings.append(
                curves(kept, title=title, axis=axis, numbers=numbers, spacing=spacing)
            )
    return drawings


def _points(
    analysis: Analysis,
    measure: Measure,
    numbers: dict[str, float],
    part: tuple[str, str],
    *,
    start: bool = True,
) -> tuple[Point, ...]:
    """The differences of arms, from 0 at `none` on."""
    found = [Point(0.0, 0.0, None)] if start else []
    for arm, number in sorted(numbers.items(), key=lambda pair: pair[1]):
        test = analysis.test(measure, arm, dimension=part[0], name=part[1])
        if test is not None:
            estimate = test.comparison.estimate
            found.append(Point(number, estimate.points, estimate.interval))
    return tuple(found)
