"""One self-contained HTML page of a study, in the look of `xtl report`.

In the order in which a reviewer asks: the question and what may be said of it; what was
run and what was not; the deltas; languages; the number or order, where the axis has
one; attacks; low-resource languages; oracle selection; outputs that are no answer;
published numbers; every stage; what it cost, which alone is not the same for two runs
of one study.
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from xtl_jax.metrics.crossed import ALPHA
from xtl_jax.report import (
    languages,
    plots,
    published,
    study_curves,
    study_figures,
    study_oracle,
    study_protocol,
    study_spent,
    study_wording,
)
from xtl_jax.report.cells import Cell
from xtl_jax.report.page import page_environment, source
from xtl_jax.report.study_findings import Contrast, Finding, Level, Measure
from xtl_jax.report.study_results import NONE, STATES, Study, Target
from xtl_jax.report.study_tests import Analysis
from xtl_jax.report.study_wording import condition_title, measure_title, p_text
from xtl_jax.report.text import one_line

# Outputs that are no answer, as tables call them.
_OUTPUTS = {
    "empty": "empty",
    "sentinel": "left-over sentinel",
    "illegal": "no label of the task",
    "not_in_context_unpadded": "not in the text",
    "unplaced": "tags without a place",
    "wrong_script": "in another script",
    "wrong_language": "in another language",
}
MOST_SAID = 10  # sentences that are shown at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeltaCell:
    """One cell of a delta table."""

    test: Finding | None
    tint: str = "transparent"  # CSS colour
    seeds: str = ""  # which, where not all

    @property
    def cell(self) -> Cell:
        """Points and interval."""
        assert self.test is not None
        found = self.test.comparison.estimate
        return Cell(value=found.points, interval=found.interval)

    @property
    def star(self) -> bool:
        """Whether it is significant."""
        return self.test is not None and study_figures.is_significant(self.test)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeltaTable:
    """Arms by targets under one condition."""

    title: str
    gap: bool
    targets: tuple[Target, ...]
    base: tuple[Level | None, ...]  # what `none` reaches
    rows: tuple[tuple[str, tuple[DeltaCell, ...]], ...]


class ShareRow(NamedTuple):
    """Outputs of one kind: mean over seeds and languages, and the worst language."""

    arm: str
    cells: tuple[tuple[float, float, str] | None, ...]


def render(
    study: Study, analysis: Analysis, *, files: Sequence[str], command: str
) -> str:
    """The page as text.

    Args:
        study: its declaration, stages and scores.
        analysis: what is tested.
        files: names of the figures and tables beside the page.
        command: that runs what is missing.
    """
    import markupsafe

    def drawn(drawings: Sequence[Any]) -> list[Any]:
        return [markupsafe.Markup(each.inline()) for each in drawings]

    environment = page_environment()
    environment.filters |= {
        "p": p_text,
        "cell": lambda e: Cell(value=e.points, interval=e.interval),
        "state": STATES.__getitem__,
        "language": languages.name,
    }
    said = study_wording.headline_sentences(study, analysis)
    curves = study_curves.trend_curves(study, analysis)
    measures = list(analysis.samples)
    tests = (*analysis.headline, *analysis.details)
    title = f"{study.config['name']}, {study.config['scale']}"
    return environment.get_template("study.html.jinja").render(
        style=markupsafe.Markup(source("page.css") + source("study.css")),
        title=title,
        study=study,
        config=study.config,
        baseline=NONE,
        verdict=study_wording.verdict(study, analysis),
        progress=study_wording.progress(study),
        said=said,
        most_said=MOST_SAID,
        notes=study_protocol.notes(study),
        facts=study_protocol.facts(study),
        counts=_counts(study),
        states=[
            state
            for state in STATES
            if state == "done" or any(stage.state == state for stage in study.stages)
        ],
        failed=[stage for stage in study.stages if stage.state == "failed"],
        undone=[s for s in study.stages if s.state not in ("done", "failed")],
        deltas=[
            _delta(study, analysis, *pair) for pair in study_figures.conditions(study)
        ],
        families={
            "headline": len(analysis.headline),
            "details": len(analysis.details),
            "trends": len(analysis.trends),
            "low": len(analysis.low_against_rest),
        },
        dots=[
            (_title(study, measure), drawn(panels))
            for measure in measures
            if (panels := study_figures.language_panels(study, analysis, measure))
        ],
        tests=[
            (_title(study, measure), [t for t in tests if t.measure == measure])
            for measure in measures
        ],
        curves=drawn([each for found in curves.values() for each in found]),
        trends=[study_wording.trend_sentence(study, each) for each in analysis.trends],
        matters=study_wording.points(study.matters),
        orders=_orders(study, analysis),
        attacks=[
            (target.title, drawn(panels), _gap_rows(study, analysis, target))
            for target in study.targets
            if (
                panels := study_figures.attack_gaps(study, analysis, target=target.name)
            )
        ],
        contrasts=[
            (_title(study, measure), found)
            for measure in measures
            if (found := [c for c in analysis.low_against_rest if c.measure == measure])
        ],
        contrast_words=study_wording.contrast_words,
        oracle=study_oracle.tables(study),
        oracle_mark=study_oracle.MARK,
        shares=_shares(study),
        published=published.beside(study, analysis),
        files=files,
        command=command,
        colours=plots.ARM_COLOURS,
        cost=study_spent.cost(study),
        cost_marks=tuple(map(markupsafe.Markup, study_spent.MARKS)),
        alpha_percent=f"{100 * ALPHA:g}",
        one_line=one_line,
    )


def _title(study: Study, measure: Measure) -> str:
    target = next(t for t in study.targets if t.name == measure.target)
    said = measure_title(measure.condition, gap=measure.gap)
    return f"{target.title}: {said[0].lower()}{said[1:]}"


def _counts(study: Study) -> list[tuple[str, dict[str, int], int]]:
    """Stages of each kind by state."""
    kinds = dict.fromkeys(stage.kind for stage in study.stages)
    return [
        (kind, collections.Counter(s.state for s in own), len(own))
        for kind in kinds
        for own in [[stage for stage in study.stages if stage.kind == kind]]
    ]


def _delta(study: Study, analysis: Analysis, condition: str, gap: bool) -> DeltaTable:
    reach = study_figures.heat_reach(study, analysis, condition=condition, gap=gap)
    measures = [Measure(target.name, condition, gap) for target in study.targets]

    def cell(measure: Measure, arm: str) -> DeltaCell:
        test = analysis.test(measure, arm)
        if test is None:
            return DeltaCell(test=None)
        found = test.comparison
        better = found.estimate.points * (-1 if gap else 1)
        strength = min(45.0, 45.0 * abs(better) / reach)
        colour = "--arm-0" if better > 0 else "--bad"
        lacking = len(found.seeds) < len(study.seeds)
        return DeltaCell(
            test=test,
            tint=f"color-mix(in srgb, var({colour}) {strength:.1f}%, transparent)",
            seeds=f"{len(found.seeds)} of {len(study.seeds)} seeds" if lacking else "",
        )

    return DeltaTable(
        title=measure_title(condition, gap=gap),
        gap=gap,
        targets=study.targets,
        base=tuple(analysis.level(measure, NONE) for measure in measures),
        rows=tuple(
            (arm, tuple(cell(measure, arm) for measure in measures))
            for arm in study.arms
            if arm != NONE
        ),
    )


def _orders(
    study: Study, analysis: Analysis
) -> list[tuple[str, list[tuple[str, list[Contrast | None]]]]]:
    """Task by place for each measure."""
    tasks = list(study.config["tasks"])
    found = []
    for measure in analysis.samples:
        cells = {
            (each.row, each.column): each
            for each in analysis.positions
            if each.measure == measure
        }
        if cells:
            places = [str(place + 1) for place in range(len(tasks))]
            rows = [
                (task, [cells.get((task, place)) for place in places]) for task in tasks
            ]
            found.append((_title(study, measure), rows))
    return found


def _gap_rows(
    study: Study, analysis: Analysis, target: Target
) -> list[tuple[str, str, Level, Level, Finding | None]]:
    """Attack, arm, attacked score, gap, and the gap's difference to that of `none`."""
    found = []
    for attack in study.attacks:
        for arm in study.arms:
            gap = Measure(target.name, attack, gap=True)
            after = analysis.level(Measure(target.name, attack), arm)
            taken = analysis.level(gap, arm)
            if after is not None and taken is not None:
                title = condition_title(attack)
                found.append((title, arm, after, taken, analysis.test(gap, arm)))
    return found


def _shares(
    study: Study,
) -> list[tuple[str, list[str], list[ShareRow]]]:
    """A table for each target and condition: kinds of output by arm."""
    tables = []
    for target in study.targets:
        conditions = dict.fromkeys(
            condition
            for scored in target.scores.values()
            for condition in scored.shares
        )
        for condition in conditions:
            values: dict[tuple[str, str], dict[str, list[float]]] = {}
            for (arm, _), scored in sorted(target.scores.items()):
                for language, shares in scored.shares.get(condition, {}).items():
                    for kind, share in shares.items():
                        own = values.setdefault((arm, kind), {})
                        own.setdefault(language, []).append(share)
            kinds = [k for k in _OUTPUTS if any(kind == k for _, kind in values)]
            if not kinds:
                continue
            rows = [
                ShareRow(arm, tuple(_share(values.get((arm, k), {})) for k in kinds))
                for arm in study.arms
                if any(own == arm for own, _ in values)
            ]
            title = f"{target.title}, {condition_title(condition)}"
            tables.append((title, [_OUTPUTS[kind] for kind in kinds], rows))
    return tables


def _share(by_language: dict[str, list[float]]) -> tuple[float, float, str] | None:
    if not by_language:
        return None
    means = {code: statistics.fmean(each) for code, each in by_language.items()}
    worst = max(sorted(means), key=means.__getitem__)
    return statistics.fmean(means.values()), means[worst], worst
