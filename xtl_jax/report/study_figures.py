"""Figures of a study: the delta heat map, dots by language, curves, what attacks cost.

Each is a `Drawing`, so that a page, an SVG file and a PNG file show the same. A
difference is in points, arm minus `none`, with its 95 % interval as a whisker; a filled
dot is significant after Holm's correction, a ring is not. A whisker without an end goes
on beyond the axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from xtl_jax.metrics.comparisons import ALL, LANGUAGE
from xtl_jax.metrics.crossed import ALPHA
from xtl_jax.report import (
    drawing,
    languages,
    plots,
    study_curves,
    study_wording,
    wording,
)
from xtl_jax.report.drawing import Drawing
from xtl_jax.report.study_findings import LOW, REST, Finding, Measure
from xtl_jax.report.study_results import CLEAN, NONE, Study
from xtl_jax.report.study_tests import Analysis
from xtl_jax.report.study_wording import measure_title

_ROW, _WIDTH, _LEFT, _RIGHT = 19.0, 380.0, 112.0, 16.0
_CELL, _TALL = 104.0, 36.0


class Dot(NamedTuple):
    """One line of a dot plot."""

    title: str
    points: float
    interval: tuple[float, float]
    significant: bool
    bold: bool = False


def heat_map(study: Study, analysis: Analysis, *, condition: str, gap: bool) -> Drawing:
    """Arm by target: the difference to `none` over all languages."""
    arms = [arm for arm in study.arms if arm != NONE]
    widths = (drawing.text_width(study.short(arm)) + 16 for arm in arms)
    left = min(230.0, max(80.0, *widths))
    width = left + _CELL * len(study.targets) + 8
    title = f"{measure_title(condition, gap=gap)}: difference to none, points"
    sheet = Drawing(width=width, height=70 + _TALL * len(arms) + 8, title=title)
    sheet.text(8, 18, drawing.shortened(title, width=width - 12), bold=True)
    reach = heat_reach(study, analysis, condition=condition, gap=gap)
    for column, target in enumerate(study.targets):
        x = left + _CELL * (column + 0.5)
        for line, text in enumerate((target.family, f"after {target.train}")):
            if line and not target.train:
                text = "nothing trained"
            text = drawing.shortened(text, width=_CELL - 4, size=10)
            colour = "muted" if line else "ink"
            sheet.text(x, 44 + 14 * line, text, anchor="middle", size=10, colour=colour)
    for row, arm in enumerate(arms):
        y = 66 + _TALL * row
        name = drawing.shortened(study.short(arm), width=left - 14)
        sheet.text(8, y + _TALL / 2 + 4, name)
        for column, target in enumerate(study.targets):
            x = left + _CELL * column
            test = analysis.test(Measure(target.name, condition, gap), arm)
            if test is None:
                sheet.rect(x + 1, y + 1, _CELL - 2, _TALL - 2, colour="grid")
                _middle(sheet, x, y + 22, "not run", colour="muted", size=11)
                continue
            found = test.comparison.estimate
            share = found.points / reach * (-1 if gap else 1)
            colour = drawing.shade(share)
            sheet.rect(x + 1, y + 1, _CELL - 2, _TALL - 2, colour=colour)
            star = " *" if is_significant(test) else ""
            # On a coloured cell text is dark on every page.
            text = wording.signed(found.points) + star
            _middle(sheet, x, y + 16, text, colour="#1b1f24", bold=True)
            text = study_wording.interval(found)
            _middle(sheet, x, y + 30, text, colour="#3d444d", size=9.5)
    return sheet


def heat_reach(study: Study, analysis: Analysis, *, condition: str, gap: bool) -> float:
    """The difference that has the strongest colour: the largest, 2 points at least."""
    found = [
        abs(test.comparison.estimate.points)
        for target in study.targets
        for arm in study.arms
        if (test := analysis.test(Measure(target.name, condition, gap), arm))
    ]
    return max([2.0, *found])


def is_significant(test: Finding) -> bool:
    """Whether a difference is, after Holm's correction."""
    p = test.comparison.adjusted_p
    return p is not None and p <= ALPHA


def language_panels(
    study: Study, analysis: Analysis, measure: Measure
) -> list[Drawing]:
    """A panel an arm: its difference in each language and group, on one axis."""
    rows = {arm: _dots_of(analysis, measure, arm) for arm in study.arms if arm != NONE}
    low, high = _reach([dot for dots in rows.values() for dot in dots])
    return [
        _dot_panel(dots, title=study.short(arm), low=low, high=high)
        for arm, dots in rows.items()
        if dots
    ]


def _dots_of(analysis: Analysis, measure: Measure, arm: str) -> list[Dot]:
    tests = {
        (each.comparison.dimension, each.comparison.name): each
        for each in (*analysis.headline, *analysis.details)
        if each.measure == measure and each.comparison.arm == arm
    }
    codes = [name for dimension, name in tests if dimension == LANGUAGE]
    wanted = [(LANGUAGE, code) for code in languages.ordered(codes)]
    wanted += [key for key in (LOW, REST, (ALL, ALL)) if key in tests]
    found = []
    for key in wanted:
        test = tests[key]
        estimate = test.comparison.estimate
        of_group = key[0] != LANGUAGE
        title = test.comparison.title
        found.append(
            Dot(
                title={LOW: "Low-resource", REST: "The rest"}.get(key, title),
                points=estimate.points,
                interval=estimate.interval,
                significant=is_significant(test),
                bold=of_group,
            )
        )
    return found


def _reach(dots: Sequence[Dot]) -> tuple[float, float]:
    """Ends of an axis that shows all dots, and whiskers unless they are very long."""
    most = 2.5 * max([1.0, *(abs(dot.points) for dot in dots)])
    ends = [
        max(-most, min(most, end))
        for dot in dots
        for end in (*dot.interval, dot.points)
    ]
    return min([-1.0, *ends]), max([1.0, *ends])


def _dot_panel(dots: Sequence[Dot], *, title: str, low: float, high: float) -> Drawing:
    sheet = Drawing(width=_WIDTH, height=34 + _ROW * len(dots) + 24, title=title)
    sheet.text(0, 14, drawing.shortened(title, width=_WIDTH), bold=True)
    top, bottom = 26.0, 26.0 + _ROW * len(dots)
    ticks = plots.nice_ticks(low, high, count=5)
    low, high = min(low, *ticks), max(high, *ticks)

    def x_at(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    for tick in ticks:
        x = x_at(tick)
        sheet.line(x, top, x, bottom, colour="muted" if tick == 0 else "grid")
        text = wording.signed(tick, decimals=0 if tick == round(tick) else 1)
        sheet.text(x, bottom + 14, text, colour="muted", anchor="middle", size=11)
    for row, dot in enumerate(dots):
        y = top + _ROW * (row + 0.5)
        name = drawing.shortened(dot.title, width=_LEFT - 10)
        sheet.text(0, y + 4, name, bold=dot.bold)
        colour = "muted"
        if dot.significant:
            colour = "good" if dot.points > 0 else "bad"
        _whisker(sheet, dot.interval, y, low=low, high=high, at=x_at, colour=colour)
        sheet.circle(x_at(dot.points), y, 4, colour=colour, hollow=not dot.significant)
    return sheet


def _whisker(sheet, interval, y, *, low, high, at, colour) -> None:
    first, last = (max(low, min(high, end)) for end in interval)
    sheet.line(at(first), y, at(last), y, colour=colour, width=1.5)
    for end in interval:
        if low <= end <= high:
            sheet.line(at(end), y - 4, at(end), y + 4, colour=colour, width=1.5)


def attack_gaps(study: Study, analysis: Analysis, *, target: str) -> list[Drawing]:
    """A panel an attack: clean and attacked score of each arm, a line between."""
    panels = []
    for attack in study.attacks:
        rows = []
        for arm in study.arms:
            attacked = analysis.level(Measure(target, attack), arm)
            gap = analysis.level(Measure(target, attack, gap=True), arm)
            if attacked is not None and gap is not None:
                rows.append(
                    (_baseline(study, arm), attacked.estimate.points, gap.estimate)
                )
        if rows:
            panels.append(_gap_panel(rows, title=measure_title(attack, gap=False)))
    return panels


def _baseline(study: Study, arm: str) -> str:
    return f"{NONE} (baseline)" if arm == NONE else study.short(arm)


def _gap_panel(rows: Sequence[tuple], *, title: str) -> Drawing:
    sheet = Drawing(width=_WIDTH, height=34 + _ROW * len(rows) + 24, title=title)
    sheet.text(0, 14, drawing.shortened(title, width=270), bold=True)
    sheet.text(_WIDTH, 14, "gap, points", anchor="end", colour="muted", size=11)
    left, right = 112.0, 104.0
    top, bottom = 26.0, 26.0 + _ROW * len(rows)
    values = [v for _, after, gap in rows for v in (after, after + gap.points)]
    end = plots.axis_end(values)

    def x_at(value: float) -> float:
        return left + value / end * (_WIDTH - left - right)

    for tick in plots.axis_ticks(end):
        sheet.line(x_at(tick), top, x_at(tick), bottom, colour="grid")
        sheet.text(
            x_at(tick), bottom + 14, f"{tick:g}",
            colour="muted", anchor="middle", size=11,
        )  # fmt: skip
    for row, (arm, after, gap) in enumerate(rows):
        y = top + _ROW * (row + 0.5)
        name = drawing.shortened(arm, width=left - 10)
        sheet.text(0, y + 4, name, bold=row == 0)
        sheet.line(x_at(after), y, x_at(after + gap.points), y, colour="bad", width=2)
        sheet.circle(x_at(after + gap.points), y, 4, colour="arm-0")
        sheet.circle(x_at(after), y, 4, colour="bad", hollow=True)
        text = f"{wording.number(gap.points)} {study_wording.interval(gap, sign=False)}"
        sheet.text(_WIDTH, y + 4, text, anchor="end", size=10)
    return sheet


def _middle(
    sheet: Drawing, x: float, y: float, text: str, *, colour: str,
    size: float = 12.0, bold: bool = False,
) -> None:  # fmt: skip
    sheet.text(
        x + _CELL / 2, y, text, colour=colour, anchor="middle", size=size, bold=bold
    )


def all_figures(study: Study, analysis: Analysis) -> dict[str, Drawing]:
    """Every figure by the name of its files."""
    found: dict[str, Drawing] = {}
    for condition, gap in conditions(study):
        name = f"delta_{slug(condition, gap=gap)}"
        found[name] = heat_map(study, analysis, condition=condition, gap=gap)
    for number, target in enumerate(study.targets, start=1):
        for condition, gap in conditions(study):
            measure = Measure(target.name, condition, gap)
            panels = language_panels(study, analysis, measure)
            if panels:
                name = f"languages_{number}_{slug(condition, gap=gap)}"
                title = f"{target.title}: difference to none by language, points"
                sheet = drawing.side_by_side(panels, columns=2, title=title)
                found[name] = sheet
        panels = attack_gaps(study, analysis, target=target.name)
        if panels:
            title = f"{target.title}: clean and attacked"
            sheet = drawing.side_by_side(panels, columns=2, title=title)
            found[f"robustness_{number}"] = sheet
    names = [target.name for target in study.targets]
    for measure, drawn in study_curves.trend_curves(study, analysis).items():
        if not drawn:
            continue
        number = names.index(measure.target) + 1
        part = slug(measure.condition, gap=measure.gap)
        sheet = drawing.side_by_side(drawn, columns=2, title=drawn[0].title)
        found[f"curves_{number}_{part}"] = sheet
    return found


def conditions(study: Study) -> list[tuple[str, bool]]:
    """Clean, and each attack with its gap."""
    pairs = [(attack, gap) for attack in study.attacks for gap in (False, True)]
    return [(CLEAN, False), *pairs]


def slug(condition: str, *, gap: bool) -> str:
    """Part of a file's name; seed 0 of an attack is not told.

    Example:
        >>> slug("", gap=False), slug("noise,budget=0.1,seed=0", gap=True)
        ('clean', 'noise_budget_0_1_gap')
    """
    parts = [part for part in condition.split(",") if part != "seed=0"]
    kept = "".join(c if c.isalnum() else "_" for c in "_".join(parts))
    return (kept or "clean") + "_gap" * gap
