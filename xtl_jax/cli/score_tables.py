"""The tables that `xtl score` shows: a row a language, missing ones too.

A table of extractive questions fits a terminal of 80 columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.metrics import benchmark_score, scoring, summary

if TYPE_CHECKING:
    from rich.table import Table

MISSING = "missing"
RESOURCES = {  # groups of languages by Joshi class, short enough for a terminal
    "low": "low-resource mean",
    "high": "higher-resource",
    "high_without_english": "the same, no en",
    "unknown": "resources unknown",
}


def family_table(
    name: str, found: summary.Summary, *, scores: Sequence[scoring.Score]
) -> Table:
    """One family: a row a language, missing ones too, then the means and the gap."""
    from rich import box
    from rich.table import Table

    keys = list(scores[0].values)
    step = f", step {scores[0].step}" if scores[0].step is not None else ""
    table = Table(
        title=f"{name} ({scores[0].split}{step}): percent",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    shares = ["empty", "sentinel"]
    shares += [
        share
        for share in ("illegal", "not_in_context", "unplaced")
        if any(score.shares_percent[share] is not None for score in scores)
    ]
    chance = scores[0].chance_percent
    shown = [key.replace("_", "\n") for key in keys]
    header = ["language", "n", "miss-\ning", *shown, f"95% of\n{found.primary}"]
    header += [share.replace("not_in_", "not in\n") for share in shares]
    for i, column in enumerate(header):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    by_language = {score.language: score for score in scores}
    for language in [*found.languages, *found.missing_languages]:
        if language in by_language:
            table.add_row(*_language_cells(by_language[language], shares=shares))
        else:
            table.add_row(language, "", "", *[MISSING] * len(keys), style="yellow")
    table.add_section()

    def mean_row(
        label: str,
        values: Mapping[str, float] | None,
        intervals: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        pair = (intervals or {}).get(found.primary)
        cells = [_number(values[key]) if values else MISSING for key in keys]
        table.add_row(label, "", "", *cells, _interval(pair))

    several = len(found.languages) + len(found.missing_languages) > 1
    if several:
        mean_row("macro average", found.macro, found.intervals)
        mean_row("non-en mean", found.non_english)
        for group in found.groups:
            if group.dimension == "resource" and group.languages:
                mean_row(RESOURCES[group.name], group.values, group.intervals)
        if found.english is not None or summary.SOURCE in found.missing_languages:
            mean_row("transfer gap", found.transfer_gap, found.transfer_gap_intervals)
    if chance is not None:
        table.add_row("chance", "", "", _number(chance))
    if found.other_languages:
        table.add_section()
        for language in found.other_languages:
            table.add_row(*_language_cells(by_language[language], shares=shares))
    if found.missing_languages:
        lacking = ", ".join(found.missing_languages)
        table.caption = f"no predictions for {lacking}: means over them are missing"
    return table


def _language_cells(score: scoring.Score, *, shares: Sequence[str]) -> list[str]:
    return [
        score.language,
        str(score.total),
        str(score.missing),
        *(_number(value) for value in score.values.values()),
        _interval(score.intervals[score.primary]),
        *(_number(score.shares_percent[share], digits=1) for share in shares),
    ]


def benchmark_table(found: benchmark_score.BenchmarkScore) -> Table:
    """One benchmark: a row a task, then the means over tasks; `ours` is marked."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=f"{found.benchmark.title}: percent",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    for column in ("task", "score", "missing"):
        table.add_column(column, justify="right" if column == "score" else "left")

    def row(title: str, score: float | None, lacking: str, *, ours: bool) -> None:
        table.add_row(
            title + " *" * ours,
            MISSING if score is None else _number(score),
            lacking,
            style="yellow" if score is None else None,
        )

    for task in found.tasks:
        row(task.task.title, task.score, task.lacking, ours=task.task.ours)
    table.add_section()
    for mean in (*found.groups, found.all_tasks):
        row(mean.title, mean.score, ", ".join(mean.missing_tasks), ours=mean.ours)
    if any(mean.ours for mean in (*found.groups, found.all_tasks)):
        table.caption = "* ours: XTREME's evaluate.py has no such number"
    return table


def files_table(document: Mapping[str, Any], *, title: str) -> Table:
    """The values of one pair of files."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title))  # a path may look like markup
    for column in ("value", "percent", "95%"):
        table.add_column(column, justify="left" if column == "value" else "right")
    for key, pair in document["intervals"].items():
        table.add_row(key, _number(document[key]), _interval(pair))
    table.caption = Text(document["signature"])
    return table


def _number(value: float | None, *, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _interval(pair: Sequence[float] | None) -> str:
    return "" if pair is None else f"{pair[0]:.1f}..{pair[1]:.1f}"


def robustness_table(name: str, by_attack: Mapping[str, Mapping[str, Any]]) -> Table:
    """One family under attacks: a row an attack, means over the languages attacked."""
    from rich import box
    from rich.table import Table

    first = next(iter(by_attack.values()))
    table = Table(
        title=f"{name} ({first['split']}) under attack: {first['primary']}, percent",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="means over the languages that the attack applies to; success: of the "
        "answers that were right before",
    )
    for i, column in enumerate(
        ("attack", "languages", "clean", "attacked", "gap", "95% of gap", "success")
    ):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i != 0)
    table.add_column("queries an\nexample", justify="right")
    for found in by_attack.values():
        mean = found["mean"]
        values, pair = mean["values"], mean["intervals"].get("gap")
        table.add_row(
            found["attack"]["title"],
            str(len(found["languages"])),
            *(_number(values[key]) for key in ("clean", "attacked", "gap")),
            _interval(tuple(pair) if pair else None),
            MISSING if values["success"] is None else _number(values["success"]),
            f"{mean['queries_per_example']:.1f}",
        )
    return table


def certified_table(name: str, by_language: Mapping[str, Mapping[str, Any]]) -> Table:
    """One family voted on under noise: a row a language, a column a radius."""
    from rich import box
    from rich.table import Table

    first = next(iter(by_language.values()))
    table = Table(
        title=f"{name} ({first['split']}): certified accuracy, percent",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="right, and right wherever the vectors are moved to within so many "
        f"sigmas ({first['sigma']:g}), with a confidence of {first['confidence']:g}",
    )
    table.add_column("language")
    table.add_column("abstained", justify="right")
    for point in first["points"]:
        multiple = point["radius"] / first["sigma"]
        table.add_column(f"{multiple:g} sigma", justify="right")
    for language, found in by_language.items():
        accuracies = [_number(point["accuracy"]) for point in found["points"]]
        table.add_row(language, _number(found["abstained"]), *accuracies)
    return table
