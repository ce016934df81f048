"""The tables that `xtl score` shows: a row a language, missing ones too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.metrics import scoring, summary

if TYPE_CHECKING:
    from rich.table import Table

MISSING = "missing"


def family_table(
    name: str, found: summary.Summary, *, scores: Sequence[scoring.Score]
) -> Table:
    """One family: a row a language, missing ones too, then the means and the gap."""
    from rich.table import Table

    keys = list(scores[0].values)
    step = f", step {scores[0].step}" if scores[0].step is not None else ""
    table = Table(
        title=f"{name} ({scores[0].split}{step}): percent", title_style="bold"
    )
    shares = ["empty", "sentinel"]
    shares += [
        share
        for share in ("illegal", "not_in_context")
        if any(score.shares_percent[share] is not None for score in scores)
    ]
    chance = scores[0].chance_percent
    header = ["language", "n", "missing", *(key.replace("_", " ") for key in keys)]
    header += [
        f"95% of {found.primary}",
        *(share.replace("_", " ") for share in shares),
    ]
    for i, column in enumerate(header):
        table.add_column(column, justify="left" if i == 0 else "right")
    by_language = {score.language: score for score in scores}
    for language in [*found.languages, *found.missing_languages]:
        if language in by_language:
            table.add_row(*_language_cells(by_language[language], shares=shares))
        else:
            table.add_row(language, *[MISSING] * (2 + len(keys)), style="yellow")
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
        mean_row("mean without en", found.non_english)
        if found.english is not None or summary.SOURCE in found.missing_languages:
            mean_row("transfer gap", found.transfer_gap, found.transfer_gap_intervals)
    if chance is not None:
        table.add_row("chance", "", "", _number(chance))
    if found.other_languages:
        table.add_section()
        for language in found.other_languages:
            table.add_row(*_language_cells(by_language[language], shares=shares))
    if found.missing_languages:
        table.caption = (
            f"{len(found.missing_languages)} languages have no predictions, so means "
            "over all languages are missing"
        )
    return table


def _language_cells(score: scoring.Score, *, shares: Sequence[str]) -> list[str]:
    return [
        score.language,
        str(score.total),
        str(score.missing),
        *(_number(value) for value in score.values.values()),
        _interval(score.intervals[score.primary]),
        *(_number(score.shares_percent[share]) for share in shares),
    ]


def files_table(document: Mapping[str, Any], *, title: str) -> Table:
    """The values of one pair of files."""
    from rich.table import Table

    table = Table(title=title)
    for column in ("value", "percent", "95%"):
        table.add_column(column, justify="left" if column == "value" else "right")
    for key, pair in document["intervals"].items():
        table.add_row(key, _number(document[key]), _interval(pair))
    table.caption = document["signature"]
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _interval(pair: Sequence[float] | None) -> str:
    return "" if pair is None else f"{pair[0]:.2f} to {pair[1]:.2f}"
