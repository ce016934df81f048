"""Bars and curves as small inline SVG drawings.

Hand-made rather than drawn by a plotting library, for three reasons: colours are CSS
variables, so one drawing serves light and dark pages; widths are per cent, so one
drawing serves a desk and a phone; and the same numbers always give the same bytes.
Every drawing is one shape without text that needs a special font: names of languages
stand beside it in HTML.

A bar of 40 with the interval [30, 55] on an axis that ends at 80 is a rectangle half
as wide as its box, with a whisker from 37.5 % to 68.75 %.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from html import escape

from xtl_jax.report.cells import Cell
from xtl_jax.report.text import visible

BAR_HEIGHT = 13  # CSS pixels of one arm's bar
BAR_GAP = 4
BAR_MARGIN = 6  # above the first and below the last bar of a language
ARM_COLOURS = 8  # `--arm-0` … `--arm-7` in the page's style; more arms start over


def axis_end(values: Sequence[float]) -> float:
    """The round number at which an axis from 0 ends, 100 at most.

    Example:
        >>> axis_end([3.1, 7.9]), axis_end([71.0]), axis_end([0.0])
        (10, 100, 100)
    """
    largest = max(values, default=0.0) or 100.0
    return next(
        (end for end in (1, 2, 5, 10, 20, 30, 50) if largest <= end * 0.97), 100
    )


def axis_ticks(end: float) -> list[float]:
    """Five or six round numbers from 0 to `end`, both included.

    Example:
        >>> axis_ticks(100), axis_ticks(2)
        ([0.0, 25.0, 50.0, 75.0, 100.0], [0.0, 0.5, 1.0, 1.5, 2.0])
    """
    parts = 3 if end == 30 else 5 if end in (5, 10, 50) else 4
    return [end * i / parts for i in range(parts + 1)]


def bars(
    cells: Sequence[Cell], *, end: float, chance: float | None, description: str
) -> str:
    """Horizontal bars of one language, one an arm, with whiskers and a chance line.

    Args:
        cells: value and interval of each arm, percent; a missing one leaves its place
            empty.
        end: the number at which the axis ends.
        chance: score of guessing, drawn as a dashed line.
        description: what is shown, in words, for readers who do not see it.
    """
    height = 2 * BAR_MARGIN + len(cells) * (BAR_HEIGHT + BAR_GAP) - BAR_GAP
    shapes = [
        f'<line class="grid" x1="{_percent(tick, end)}" x2="{_percent(tick, end)}" '
        f'y1="0" y2="{height}"/>'
        for tick in axis_ticks(end)
    ]
    for arm, cell in enumerate(cells):
        top = BAR_MARGIN + arm * (BAR_HEIGHT + BAR_GAP)
        middle = top + BAR_HEIGHT / 2
        if cell.value is None:
            continue
        shapes.append(
            f'<rect class="arm-{arm % ARM_COLOURS}" x="0" y="{top}" rx="1.5" '
            f'width="{_percent(cell.value, end)}" height="{BAR_HEIGHT}"/>'
        )
        if cell.interval is not None:
            low, high = (_percent(bound, end) for bound in cell.interval)
            shapes.append(
                f'<g class="whisker"><line x1="{low}" x2="{high}" y1="{middle:g}" '
                f'y2="{middle:g}"/>'
                + "".join(
                    f'<line x1="{x}" x2="{x}" y1="{middle - 3:g}" y2="{middle + 3:g}"/>'
                    for x in (low, high)
                )
                + "</g>"
            )
    if chance is not None and chance <= end:
        x = _percent(chance, end)
        shapes.append(f'<line class="chance" x1="{x}" x2="{x}" y1="0" y2="{height}"/>')
    return (
        f'<svg class="bar" width="100%" height="{height}" role="img">'
        f"<title>{escape(visible(description))}</title>{''.join(shapes)}</svg>"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One curve: points (step, value) of one arm."""

    label: str
    arm: int
    points: tuple[tuple[float, float], ...]


_WIDTH, _HEIGHT = 440, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 12, 30


def curves(lines: Sequence[Line], *, title: str, percent: bool = False) -> str:
    """Curves over steps.

    Args:
        lines: what to draw; at least one point in all.
        title: what is drawn, for readers who do not see it.
        percent: the axis starts at 0 and does not pass 100.
    """
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    x_ticks = nice_ticks(min(xs), max(xs), count=4, whole=True)
    low, high = (0.0, max(1.0, *ys)) if percent else (min(ys), max(ys))
    y_ticks = nice_ticks(low, min(high, 100.0) if percent else high, count=5)
    x_low, x_high = min(*xs, *x_ticks), max(*xs, *x_ticks)
    y_low, y_high = min(low, *y_ticks), max(high, *y_ticks)

    def x_at(value: float) -> str:
        span = (x_high - x_low) or 1.0
        return f"{_LEFT + (value - x_low) / span * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def y_at(value: float) -> str:
        span = (y_high - y_low) or 1.0
        share = (value - y_low) / span
        return f"{_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    shapes = []
    for tick in y_ticks:
        y = y_at(tick)
        shapes.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
            f'y1="{y}" y2="{y}"/>'
            f'<text x="{_LEFT - 8}" y="{y}" dy="4" text-anchor="end">{tick:g}</text>'
        )
    for tick in x_ticks:
        shapes.append(
            f'<text x="{x_at(tick)}" y="{_HEIGHT - 8}" text-anchor="middle">'
            f"{_short(tick)}</text>"
        )
    for line in lines:
        colour = f"arm-{line.arm % ARM_COLOURS}"
        if len(line.points) == 1:
            ((x, y),) = line.points
            shapes.append(
                f'<circle class="{colour}" cx="{x_at(x)}" cy="{y_at(y)}" r="4"/>'
            )
        elif line.points:
            path = " ".join(f"{x_at(x)},{y_at(y)}" for x, y in line.points)
            shapes.append(f'<polyline class="curve {colour}" points="{path}"/>')
            if len(line.points) <= 12:
                shapes += [
                    f'<circle class="{colour}" cx="{x_at(x)}" cy="{y_at(y)}" r="3"/>'
                    for x, y in line.points
                ]
    described = "; ".join(
        f"{line.label}: {line.points[0][1]:.4g} at step {line.points[0][0]:g}, "
        f"{line.points[-1][1]:.4g} at step {line.points[-1][0]:g}"
        for line in lines
        if line.points
    )
    return (
        f'<svg class="curves" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"<title>{escape(visible(title))}</title><desc>{escape(visible(described))}</desc>"
        f"{''.join(shapes)}</svg>"
    )


def nice_ticks(
    low: float, high: float, *, count: int, whole: bool = False
) -> list[float]:
    """About `count` round numbers that lie in or just around [low, high].

    Example:
        >>> nice_ticks(0.0, 600.0, count=4)
        [0.0, 200.0, 400.0, 600.0]
        >>> nice_ticks(2.0, 2.0, count=4)
        [2.0]
    """
    if high <= low:
        return [low]
    rough = (high - low) / max(1, count - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    if whole:
        size = max(1.0, round(size))
    first, last = math.floor(low / size + 1e-9), math.floor(high / size + 1e-9)
    ticks = [round(i * size, 10) for i in range(first, last + 1)]
    return [tick for tick in ticks if tick >= low or tick == ticks[0]]


def thinned(
    points: Sequence[tuple[float, float]], *, most: int = 300
) -> tuple[tuple[float, float], ...]:
    """At most `most` points: the mean of each run of neighbours.

    Example:
        >>> thinned([(1, 2.0), (2, 4.0), (3, 6.0), (4, 8.0)], most=2)
        ((1.5, 3.0), (3.5, 7.0))
    """
    if len(points) <= most:
        return tuple(points)
    size = math.ceil(len(points) / most)
    parts = [points[i : i + size] for i in range(0, len(points), size)]
    return tuple(
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part))
        for part in parts
    )


def _percent(value: float, end: float) -> str:
    return f"{max(0.0, min(1.0, value / end)) * 100:.3f}%"


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"
