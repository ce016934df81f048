"""Averages over languages: all of them, all but English, groups of them.

The numbers are those of `scores/summary.json`: a report never averages languages anew.
Only the differences between arms are made here, from the scores of the examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xtl_jax.metrics.languages import SOURCE
from xtl_jax.report.cells import AverageRow, Cell, GroupTable, LanguageRow
from xtl_jax.report.differences import Differences
from xtl_jax.report.results import FamilySummary, Interval, RunResults

Arms = Sequence[RunResults]
Paired = Sequence[Differences | None]  # by arm; None for the baseline

# The dimension of English and of all others, which stand among the averages.
_SHOWN_ELSEWHERE = "source"


def averages(
    family: str,
    arms: Arms,
    *,
    rows: Sequence[LanguageRow],
    keys: Sequence[str],
    paired: Paired,
) -> list[AverageRow]:
    """Macro average, the average without English, and the transfer gap."""
    averaged = tuple(row.language for row in rows if row.averaged)
    if len(averaged) < 2:
        return []
    others = tuple(language for language in averaged if language != SOURCE)
    summaries = [arm.summary.get(family) for arm in arms]

    def row(
        name: str, title: str, languages: tuple[str, ...], *, differs: bool = True
    ) -> AverageRow:
        return AverageRow(
            name=name,
            title=title,
            languages=languages,
            cells=tuple(_cells(each, name, keys) for each in summaries),
            missing=tuple(
                tuple(lang for lang in languages if arm.score(family, lang) is None)
                for arm in arms
            ),
            differences=_differences(languages, paired)
            if differs
            else (None,) * len(arms),
        )

    made = [row("macro", f"Average of {len(averaged)} languages", averaged)]
    if SOURCE in averaged and others:
        made += [
            row("others", f"Average of the {len(others)} others", others),
            row("transfer_gap", "Transfer gap", averaged, differs=False),
        ]
    return made


def group_tables(
    family: str, arms: Arms, *, keys: Sequence[str], paired: Paired
) -> tuple[GroupTable, ...]:
    """The groups that any arm's summary has, an average a group."""
    summaries = [arm.summary.get(family) for arm in arms]
    known: dict[str, dict[str, None]] = {}  # dimension to names, in the files' order
    titles: dict[str, str] = {}
    for summary in summaries:
        for dimension in summary.groups if summary is not None else ():
            titles[dimension.name] = dimension.title
            names = known.setdefault(dimension.name, {})
            names.update(dict.fromkeys(group.name for group in dimension.groups))
    return tuple(
        GroupTable(
            name=dimension,
            title=titles[dimension],
            rows=tuple(
                _group_row(dimension, name, summaries, keys=keys, paired=paired)
                for name in names
            ),
        )
        for dimension, names in known.items()
        if dimension != _SHOWN_ELSEWHERE
    )


def _group_row(
    dimension: str,
    name: str,
    summaries: Sequence[FamilySummary | None],
    *,
    keys: Sequence[str],
    paired: Paired,
) -> AverageRow:
    found = [
        None if summary is None else summary.group(dimension, name)
        for summary in summaries
    ]
    first = next(group for group in found if group is not None)
    return AverageRow(
        name=name,
        title=first.title,
        languages=first.languages,
        cells=tuple(
            {} if group is None else _pairs(group.values, group.intervals, keys)
            for group in found
        ),
        missing=tuple(
            first.languages if group is None else group.missing_languages
            for group in found
        ),
        differences=_differences(first.languages, paired),
    )


def _cells(
    summary: FamilySummary | None, name: str, keys: Sequence[str]
) -> dict[str, Cell]:
    if summary is None:
        return {}
    values, intervals = {
        "macro": (summary.macro, summary.intervals),
        "others": (summary.non_english, summary.non_english_intervals),
        "transfer_gap": (summary.transfer_gap, summary.transfer_gap_intervals),
    }[name]
    return _pairs(values, intervals, keys)


def _pairs(
    values: Mapping[str, float | None],
    intervals: Mapping[str, Interval],
    keys: Sequence[str],
) -> dict[str, Cell]:
    return {
        key: Cell(value=values.get(key), interval=intervals.get(key)) for key in keys
    }


def _differences(languages: Sequence[str], paired: Paired) -> tuple[Cell | None, ...]:
    return tuple(
        None if each is None else difference(each, languages) for each in paired
    )


def difference(paired: Differences, languages: Sequence[str]) -> Cell | None:
    """The difference of a mean over languages, as a cell."""
    found = paired.mean(languages)
    return None if found is None else Cell(value=found[0], interval=found[1])
