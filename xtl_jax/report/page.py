"""One self-contained HTML page: numbers, bars, curves, wrong examples, configuration.

The page needs no network, font, script or picture from elsewhere, so that it can be
sent by mail and still opens in ten years. It reads well without its few lines of
script, which only filter the wrong examples. Every value goes through the template's
escaping, and before that through `text.visible`, so nothing in a prediction can act.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.report import (
    certified,
    facts,
    languages,
    learning,
    mistakes,
    plots,
    robustness,
    wording,
)
from xtl_jax.report.benchmarks import benchmark_tables
from xtl_jax.report.cells import AverageRow, Cell, LanguageRow, metric_title
from xtl_jax.report.results import RunResults
from xtl_jax.report.tables import FamilyTable, share_title
from xtl_jax.report.text import visible


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bar:
    """One line of a chart: a language or a group of them."""

    title: str
    code: str  # the language's, or how many languages
    cells: tuple[Cell, ...]  # by arm
    drawing: str  # SVG


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
    """The bars of one family: one drawing a line, on one axis."""

    end: float
    ticks: tuple[float, ...]
    chance: bool
    bars: tuple[Bar, ...]
    groups: Mapping[str, tuple[Bar, ...]]  # by dimension, on the same axis


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Scores by language of the text and language of the question."""

    contexts: tuple[str, ...]
    questions: tuple[str, ...]
    rows: Mapping[str, LanguageRow]  # "ar" and "en-ar" to its row
    largest: float

    def strength(self, value: float) -> float:
        """Percent of colour behind a value; text stays readable on all of it."""
        return 45.0 * value / self.largest if self.largest > 0 else 0.0


def render(
    arms: Sequence[RunResults], *, tables: Sequence[FamilyTable], title: str
) -> str:
    """The page as text.

    Args:
        arms: the runs to show, the baseline first; at least one.
        tables: their numbers, from `family_tables`.
        title: heading of the page.
    """
    import markupsafe

    groups = mistakes.groups(arms)
    runs = [run for arm in arms for run in arm.runs]
    environment = page_environment()
    script = source("page.js")
    return environment.get_template("page.html.jinja").render(
        style=markupsafe.Markup(source("page.css")),
        script=markupsafe.Markup(script),
        script_hash=_hash(script),
        title=title,
        lede=facts.lede(arms),
        toy=facts.is_toy(arms),
        arms=arms,
        runs=runs,
        benchmarks=benchmark_tables(arms),
        colours=plots.ARM_COLOURS,
        facts=facts.headline(arms),
        notes=wording.notes(arms),
        tables=tables,
        charts={
            table.family: _chart(table, markupsafe.Markup)
            for table in tables
            if table.rows
        },
        grids={table.family: _grid(table) for table in tables if table.pairs},
        attacked=[
            (table, _attack_chart(table, markupsafe.Markup))
            for table in robustness.tables(arms)
        ],
        certified=[
            (table, certified.head(table), certified.lines(table))
            for table in certified.tables(arms)
        ],
        panels=[
            (panel, markupsafe.Markup(_curves(panel)))
            for panel in learning.panels(runs)
        ],
        groups=groups,
        group_languages=[
            (language, languages.name(language))
            for language in languages.ordered(group.language for group in groups)
        ],
        settings=facts.settings(arms),
        commands=[facts.command(run) for run in runs],
        signatures=signatures(arms),
    )


def page_environment() -> Any:
    """The environment of jinja2 that every page is made in."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("xtl_jax", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Before escaping: characters that would act become pictures of themselves.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {
        "number": wording.number,
        "signed": wording.signed,
        "interval": wording.interval,
        "metric": metric_title,
        "share": share_title,
    }
    return environment


def source(name: str) -> str:
    """A file of this folder: the style or the script of pages."""
    file = importlib.resources.files("xtl_jax.report") / name
    return file.read_text(encoding="utf-8")


def signatures(arms: Sequence[RunResults]) -> list[str]:
    """The signature of every score, each once."""
    return list(dict.fromkeys(s.signature for arm in arms for s in arm.scores))


def _hash(script: str) -> str:
    """Source expression that lets a browser run this script and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _chart(table: FamilyTable, markup: Any) -> Chart:
    shown = [row for group in table.groups for row in group.rows]
    reach = [
        bound
        for row in (*table.rows, *shown)
        for cell in _cells(row, table)
        if cell.value is not None
        for bound in (cell.value, *(cell.interval or ()))
    ]
    chances = [row.chance_percent for row in table.rows]
    known = [chance for chance in chances if chance is not None]
    end = plots.axis_end([*reach, *known])

    def bar(row: LanguageRow | AverageRow, code: str, chance: float | None) -> Bar:
        cells = _cells(row, table)
        said = "; ".join(
            f"{arm} {wording.number(cell.value)} {wording.interval(cell)}".strip()
            for arm, cell in zip(table.arms, cells, strict=True)
        )
        drawn = plots.bars(
            cells, end=end, chance=chance, description=f"{row.title}: {said}"
        )
        return Bar(title=row.title, code=code, cells=cells, drawing=markup(drawn))

    return Chart(
        end=end,
        ticks=tuple(plots.axis_ticks(end)),
        chance=bool(known),
        bars=tuple(bar(row, row.language, row.chance_percent) for row in table.rows),
        groups={
            group.name: tuple(
                bar(row, str(len(row.languages)), None)
                for row in group.rows
                if row.languages
            )
            for group in table.groups
        },
    )


def _attack_chart(table: robustness.RobustnessTable, markup: Any) -> Chart:
    """Two bars an attack, clean and attacked, means over its languages."""
    reach = [
        bound
        for row in table.means
        for cell in (row.clean, row.attacked)
        if cell.value is not None
        for bound in (cell.value, *(cell.interval or ()))
    ]
    end = plots.axis_end(reach)

    def bar(row: robustness.AttackRow) -> Bar:
        cells = (row.clean, row.attacked)
        clean, attacked = map(wording.number, (row.clean.value, row.attacked.value))
        said = f"{row.title}: clean {clean}, attacked {attacked}"
        drawn = plots.bars(cells, end=end, chance=None, description=said)
        return Bar(title=row.title, code=row.code, cells=cells, drawing=markup(drawn))

    return Chart(
        end=end,
        ticks=tuple(plots.axis_ticks(end)),
        chance=False,
        bars=tuple(map(bar, table.means)),
        groups={},
    )


def _cells(row: LanguageRow | AverageRow, table: FamilyTable) -> tuple[Cell, ...]:
    return tuple(row.cell(arm, table.primary) for arm in range(len(table.arms)))


def _grid(table: FamilyTable) -> Grid:
    """Cross-language pairs as a square: text down, question across."""
    parts = [row.language.split("-", 1) for row in table.pairs]
    rows = {row.language: row for row in (*table.rows, *table.pairs)}
    values = [
        row.cell(arm, table.primary).value
        for row in rows.values()
        for arm in range(len(table.arms))
    ]
    return Grid(
        contexts=tuple(languages.ordered(context for context, _ in parts)),
        questions=tuple(languages.ordered(question for _, question in parts)),
        rows=rows,
        largest=max((value for value in values if value is not None), default=0.0),
    )


def _curves(panel: learning.Panel) -> str:
    return plots.curves(panel.lines, title=panel.title, percent=panel.percent)
