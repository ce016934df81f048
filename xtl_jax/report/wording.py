"""How numbers, intervals and warnings are written, the same in every output.

Percent with one decimal, since an interval of a few points makes a second one noise; a
real minus sign; brackets for 95 % intervals; the word "missing" for what is not there.
"""

from __future__ import annotations

from collections.abc import Sequence

from xtl_jax.report import doubts, languages
from xtl_jax.report.cells import Cell
from xtl_jax.report.results import RunResults
from xtl_jax.report.tables import (
    UNHEALTHY,
    UNHEALTHY_PERCENT,
    FamilyTable,
)

MOST_LANGUAGES = 4  # of a family, that notes name one by one


def number(value: float | None, decimals: int = 1) -> str:
    """A value in percent, or the word for its absence.

    Example:
        >>> number(61.84), number(None)
        ('61.8', 'missing')
    """
    if value is None:
        return "missing"
    return f"{value:.{decimals}f}".replace("-", "\u2212")


def signed(value: float | None, decimals: int = 1) -> str:
    """A difference in points, with its sign.

    Example:
        >>> signed(1.26), signed(-3.0), signed(-0.01)
        ('+1.3', '−3.0', '0.0')
    """
    if value is None:
        return "missing"
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else "\u2212") + text


def interval(cell: Cell, *, sign: bool = False) -> str:
    """The 95 % interval of a cell in brackets, or nothing.

    Example:
        >>> interval(Cell(value=1.0, interval=(0.52, 2.0)))
        '[0.5, 2.0]'
    """
    if cell.interval is None:
        return ""
    low, high = cell.interval
    write = signed if sign else number
    return f"[{write(low)}, {write(high)}]"


def title(tables: Sequence[FamilyTable]) -> str:
    """What a report is about, in a few words."""
    names = [table.family for table in tables]
    more = f" and {len(names) - 3} more" if names[3:] else ""
    count = len({row.language for table in tables for row in table.rows})
    return f"{', '.join(names[:3])}{more}: {count} language{'s' * (count != 1)}"


def notes(arms: Sequence[RunResults]) -> list[str]:
    """What a reader must know before trusting a number, prefixed by its run."""
    found = []
    for arm in arms:
        texts = list(arm.notes)
        for run in arm.runs:
            of_run = [*run.notes] if arm.parts else []
            of_run += doubts.of_log(run.log)
            of_run += doubts.of_reading(run.config.get("reading", {}))
            texts += [f"{run.label}: {text}" if arm.parts else text for text in of_run]
        for family, summary in arm.summary.items():
            if summary.missing_languages:
                texts.append(
                    f"{family} has no score for "
                    f"{', '.join(summary.missing_languages)}: its averages are missing"
                )
        texts += [*_missing(arm), *_unhealthy(arm)]
        prefix = f"{arm.label}: " if len(arms) > 1 else ""
        found += [prefix + text for text in texts]
    return found


def _missing(arm: RunResults) -> list[str]:
    """How many predictions are missing, by language, or by family where in many."""
    found = []
    for family in dict.fromkeys(score.family for score in arm.scores):
        scores = [s for s in arm.scores if s.family == family and s.missing]
        if len(scores) > MOST_LANGUAGES:
            found.append(
                f"{family}: {sum(score.missing for score in scores)} of "
                f"{sum(score.total for score in scores)} predictions in {len(scores)} "
                "languages are missing and count as wrong"
            )
            continue
        found += [
            f"{family} in {languages.name(score.language)}: {score.missing} of "
            f"{score.total} predictions are missing and count as wrong"
            for score in scores
        ]
    return found


def _unhealthy(arm: RunResults) -> list[str]:
    """Where many outputs are no answers: the worst language of each family and kind."""
    found = []
    for family in dict.fromkeys(score.family for score in arm.scores):
        for kind in UNHEALTHY:
            share, language = max(
                (score.shares_percent.get(kind, 0.0), score.language)
                for score in arm.scores
                if score.family == family
            )
            if share > UNHEALTHY_PERCENT:
                found.append(
                    f"{family}: up to {number(share)} % of {UNHEALTHY[kind]} "
                    f"({languages.name(language)})"
                )
    return found
