"""A study's numbers as CSV for other programs and as LaTeX for a paper.

    comparisons.csv       arm minus none: all languages, groups, single languages
    levels.csv            what each arm reaches over all languages of a target
    trends.csv            slopes over the number of tasks or steps
    low_against_rest.csv  differences in low-resource languages minus those in the rest
    positions.csv         of orders: task by place
    oracle.csv            beside the headline: the checkpoint that is best on the scored
                          languages, which is not zero-shot
    shares.csv            outputs that are no answer, by arm and language
    stages.csv            every stage with its id and state
    tables.tex            the delta tables and the trends, for `booktabs`

Numbers in CSV have full precision; empty cells are what is not there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from xtl_jax.metrics.crossed import Estimate
from xtl_jax.report import study_oracle, wording
from xtl_jax.report.study_figures import conditions, is_significant
from xtl_jax.report.study_findings import Measure, TrendTest
from xtl_jax.report.study_results import NONE, Study
from xtl_jax.report.study_tests import Analysis
from xtl_jax.report.study_wording import interval, measure_title
from xtl_jax.report.tabular import escape
from xtl_jax.report.text import one_line, visible


def all_tables(study: Study, analysis: Analysis) -> dict[str, str]:
    """Every file by its name; those that would be empty are left out."""
    tables = {
        "comparisons.csv": _comparisons(analysis),
        "levels.csv": _levels(analysis),
        "trends.csv": _trends(analysis),
        "low_against_rest.csv": _contrasts(analysis.low_against_rest, column="what"),
        "positions.csv": _contrasts(analysis.positions, column="place"),
        "oracle.csv": study_oracle.csv_rows(study),
        "shares.csv": _shares(study),
        "stages.csv": _stages(study),
    }
    found = {name: _csv(rows) for name, rows in tables.items() if rows}
    return found | {"tables.tex": _latex(study, analysis)}


Row = Mapping[str, object]


def _csv(rows: Sequence[Row]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: visible(v) if isinstance(v, str) else v for k, v in row.items()}
        )
    return file.getvalue()


def _measure(measure: Measure) -> Row:
    return {
        "target": measure.target,
        "condition": measure.condition or "clean",
        "measure": "gap" if measure.gap else "score",
    }


def _estimate(found: Estimate | None) -> Row:
    if found is None:
        return dict.fromkeys(("points", "low", "high", "standard_error", "p"), "")
    low, high = found.interval
    return {
        "points": found.points,
        "low": low,
        "high": high,
        "standard_error": found.standard_error,
        "p": _or_empty(found.p),
    }


def _or_empty(value: float | None) -> object:
    return "" if value is None else value


def _seeds(seeds: Iterable[int]) -> str:
    return " ".join(map(str, seeds))


def _comparisons(analysis: Analysis) -> list[Row]:
    rows = []
    for family, tests in (
        ("headline", analysis.headline),
        ("details", analysis.details),
    ):
        for test in tests:
            found = test.comparison
            general = found.general
            rows.append(
                {
                    **_measure(test.measure),
                    "arm": found.arm,
                    "family": family,
                    "dimension": found.dimension,
                    "name": found.name,
                    "languages": " ".join(found.languages),
                    "seeds": _seeds(found.seeds),
                    "none": found.baseline_value,
                    "value": found.value,
                    **_estimate(found.estimate),
                    "adjusted_p": _or_empty(found.adjusted_p),
                    "conclusion": test.conclusion,
                    "detectable": test.detectable,
                    "power_for_what_matters": test.chance,
                    "hedges_g": _or_empty(found.standardised),
                    "error_reduction_percent": _or_empty(found.error_reduction),
                    **{
                        f"languages_like_these_{key}": value
                        for key, value in _estimate(general).items()
                        if key in ("low", "high", "p")
                    },
                }
            )
    return rows


def _levels(analysis: Analysis) -> list[Row]:
    return [
        {
            **_measure(each.measure),
            "arm": each.arm,
            "seeds": _seeds(each.seeds),
            **{k: v for k, v in _estimate(each.estimate).items() if k != "p"},
        }
        for each in analysis.levels
    ]


def _trends(analysis: Analysis) -> list[Row]:
    rows = []
    for each in analysis.trends:
        fits = each.trend
        order = fits.order if fits else None
        rows.append(
            {
                **_measure(each.measure),
                "over": each.line,
                "languages": each.part[1],
                "for_each": each.unit,
                "seeds": _seeds(fits.seeds) if fits else "",
                "numbers": " ".join(f"{n:g}" for n in fits.numbers) if fits else "",
                "values": " ".join(map(str, fits.values)) if fits else "",
                **_estimate(fits.slope if fits else None),
                "adjusted_p": _or_empty(each.adjusted_p),
                "conclusion": each.conclusion or f"lacks {', '.join(each.lacking)}",
                "page_rises": "" if order is None else order.rises,
                "page_p": "" if order is None else order.p,
            }
        )
    return rows


def _contrasts(found: Sequence, *, column: str) -> list[Row]:
    return [
        {
            **_measure(each.measure),
            "row": each.row,
            column: each.column,
            "arms": each.arms,
            "of_arms": each.of_arms,
            "seeds": _seeds(each.seeds),
            **_estimate(each.estimate),
            "adjusted_p": _or_empty(each.adjusted_p),
            "conclusion": each.conclusion or "not tested",
        }
        for each in found
    ]


def _shares(study: Study) -> list[Row]:
    return [
        {
            "target": target.name,
            "condition": condition or "clean",
            "arm": arm,
            "seed": seed,
            "language": language,
            "output": kind,
            "percent": share,
        }
        for target in study.targets
        for (arm, seed), scored in sorted(target.scores.items())
        for condition, by_language in scored.shares.items()
        for language, shares in by_language.items()
        for kind, share in shares.items()
    ]


def _stages(study: Study) -> list[Row]:
    return [
        {
            "id": stage.id,
            "kind": stage.kind,
            "title": stage.title,
            "seed": _or_empty(stage.seed),
            "target": stage.target,
            "arms": "; ".join(stage.arms),
            "parents": " ".join(stage.parents),
            "marks": "; ".join(stage.marks),
            "state": stage.state,
            "error": one_line(stage.error, limit=300),
        }
        for stage in study.stages
    ]


def _latex(study: Study, analysis: Analysis) -> str:
    parts = []
    for condition, gap in conditions(study):
        body = {}
        for arm in study.arms:
            if arm == NONE:
                measures = [Measure(t.name, condition, gap) for t in study.targets]
                levels = [analysis.level(measure, NONE) for measure in measures]
                body["none (score)"] = [
                    "--" if level is None else f"{level.estimate.points:.1f}"
                    for level in levels
                ]
                continue
            body[arm] = [
                _latex_cell(analysis, Measure(target.name, condition, gap), arm)
                for target in study.targets
            ]
        what = measure_title(condition, gap=gap)
        parts.append(
            _tabular(
                f"{study.config['name']}, {study.config['scale']}: {what}, difference "
                "to none in points with 95 % intervals; * p of at most 0.05 after Holm;"
                " -- was not run",
                heads=[target.title for target in study.targets],
                rows=body,
            )
        )
    if analysis.trends:
        parts.append(
            _tabular(
                "trends: points for each unit with 95 % intervals",
                heads=["slope", "p (Holm)", "p (Page)"],
                rows={_trend_name(each): _trend(each) for each in analysis.trends},
            )
        )
    return "\n".join(parts)


def _trend_name(each: TrendTest) -> str:
    where = measure_title(each.measure.condition, gap=each.measure.gap)
    return f"{each.measure.target}, {where}, {each.line}, {each.part[1]}"


def _trend(each: TrendTest) -> list[str]:
    if each.trend is None:
        return ["--", "--", "--"]
    slope, order = each.trend.slope, each.trend.order
    low, high = slope.interval
    return [
        f"{slope.points:+.2f} [{low:+.2f}, {high:+.2f}]",
        "--" if each.adjusted_p is None else f"{each.adjusted_p:.3f}",
        "--" if order is None else f"{order.p:.3f}",
    ]


def _latex_cell(analysis: Analysis, measure: Measure, arm: str) -> str:
    test = analysis.test(measure, arm)
    if test is None:
        return "--"
    found = test.comparison.estimate
    star = r"$^{*}$" if is_significant(test) else ""
    text = f"{wording.signed(found.points)}{star} {interval(found)}"
    return text.replace("\u2212", "$-$")


def _tabular(
    comment: str, *, heads: Sequence[str], rows: Mapping[str, Sequence[str]]
) -> str:
    top = [escape(one_line(head)) for head in heads]
    return "\n".join(
        [
            f"% {one_line(comment, limit=300)}",
            r"\begin{tabular}{l" + "r" * len(top) + "}",
            r"\toprule",
            " & ".join(["", *top]) + r" \\",
            r"\midrule",
            *(
                " & ".join([escape(one_line(name)), *texts]) + r" \\"
                for name, texts in rows.items()
            ),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
