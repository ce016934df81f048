"""How far a number would move with other examples: 95 % percentile intervals.

A *resample* draws as many examples as there are, with replacement, adds up their rows
of counts and combines the sum. The interval is what 95 % of 1,000 or more resamples
fall into. Counts are resampled, never values: an F1 over spans is made from the sums of
each resample.

Languages of a *parallel* set share their ids: item 7 of XQuAD is the same question in
12 languages. Drawing it once for all of them keeps that; drawing each language by
itself would give the macro average too narrow an interval. So languages that share ids
are drawn together, by id, over all ids that any of them has; languages that share none
are drawn independently. The same holds for two systems on the same examples:

    >>> from xtl_jax.metrics import accuracy
    >>> old = {"a": {"total": 1.0, "correct": 0.0}, "b": {"total": 1.0, "correct": 1.0}}
    >>> new = {"a": {"total": 1.0, "correct": 1.0}, "b": {"total": 1.0, "correct": 1.0}}
    >>> difference_intervals(new, old, metric=accuracy.METRIC)
    {'accuracy': (0.0, 100.0)}

Everything is a pure function of the counts and the seed, whatever the order of rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import numpy as np

from xtl_jax.errors import UserError, near
from xtl_jax.metrics.metric import Counts, Metric

LEVEL_PERCENT = 95.0
_BLOCK = 1_000_000  # weights held at once: 8 MB

Rows = Mapping[str, Counts]  # example id to its counts


def interval(values: np.ndarray) -> tuple[float, float]:
    """Lower and upper end of the middle 95 % of resampled values."""
    tail = (100.0 - LEVEL_PERCENT) / 2
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return float(low), float(high)


def intervals(
    rows: Rows, *, metric: Metric, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """The interval of each value of one language.

    Raises:
        ValueError: no rows, or fewer than 1 resample.
    """
    found = draws({"": rows}, metric=metric, resamples=resamples, seed=seed)[""]
    return {key: interval(values) for key, values in found.items()}


def difference_intervals(
    first: Rows, second: Rows, *, metric: Metric, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """The interval of `first` minus `second`, two systems on the same examples.

    Raises:
        UserError: their ids differ, so that they cannot be paired.
    """
    lonely = first.keys() ^ second.keys()
    if lonely:
        example = min(lonely)
        raise UserError(
            f"a paired difference needs the same ids on both sides; {len(lonely)} of "
            f"{len(first.keys() | second.keys())} are on one side only, such as "
            f"{example!r} (near: {near(example, first.keys() & second.keys())}); score "
            "both systems on the same file"
        )
    found = draws(
        {"first": first, "second": second},
        metric=metric,
        resamples=resamples,
        seed=seed,
    )
    return {
        key: interval(found["first"][key] - found["second"][key]) for key in metric.keys
    }


def draws(
    languages: Mapping[str, Rows], *, metric: Metric, resamples: int, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Resampled values, by language and key: arrays of length `resamples`.

    Entry i of all arrays belongs to the same resample, so means and differences may be
    taken entry by entry.

    Raises:
        ValueError: a language without rows, or fewer than 1 resample.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    empty = [language for language, rows in languages.items() if not rows]
    if empty:
        raise ValueError(f"no rows to resample for {empty}")
    found: dict[str, dict[str, np.ndarray]] = {}
    for group in sharing_ids(languages):
        # A group's draws depend on its own first name only, not on who else is there.
        rng = np.random.default_rng([seed, zlib.crc32(group[0].encode())])
        found |= _draw_together(
            {language: languages[language] for language in group},
            metric=metric,
            resamples=resamples,
            rng=rng,
        )
    return {language: found[language] for language in languages}


def sharing_ids(languages: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Languages in groups: two that share an id are in one group."""
    groups: list[tuple[list[str], set[str]]] = []
    for language, rows in languages.items():
        names, ids = [language], set(rows)
        apart = []
        for group in groups:
            if ids.isdisjoint(group[1]):
                apart.append(group)
            else:
                names, ids = [*group[0], *names], ids | group[1]
        groups = [*apart, (names, ids)]
    return [sorted(names) for names, _ in groups]


def _draw_together(
    languages: Mapping[str, Rows],
    *,
    metric: Metric,
    resamples: int,
    rng: np.random.Generator,
) -> dict[str, dict[str, np.ndarray]]:
    ids = sorted(set().union(*languages.values()))
    names = list(next(iter(next(iter(languages.values())).values())))
    # [id, language * count]: an id that a language lacks adds nothing there.
    table = np.array(
        [
            [
                rows[id_][name] if id_ in rows else 0.0
                for rows in languages.values()
                for name in names
            ]
            for id_ in ids
        ],
        dtype=np.float64,
    )
    sums = resampled_sums(
        table,
        totals=[i * len(names) + names.index("total") for i in range(len(languages))],
        resamples=resamples,
        rng=rng,
    ).reshape(resamples, len(languages), len(names))
    found = {}
    for i, language in enumerate(languages):
        values = [
            metric.combine(dict(zip(names, row, strict=True)))
            for row in sums[:, i].tolist()
        ]
        found[language] = {
            key: np.array([value[key] for value in values]) for key in metric.keys
        }
    return found


def resampled_sums(
    table: np.ndarray, *, totals: list[int], resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Sums of resampled rows, [resamples, columns]; no column of `totals` is 0.

    The number of rows, the columns of `totals` and the generator's state decide which
    rows are drawn: tables that agree in them are drawn alike.

    Where languages share only some ids, a resample may draw none of a small language:
    such a resample has no value and is drawn again.
    """
    size = len(table)
    block = max(1, _BLOCK // size)
    kept: list[np.ndarray] = []
    wanted = resamples
    while wanted:
        count = min(block, wanted)
        drawn = rng.integers(0, size, (count, size))
        drawn += size * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * size)
        sums = weights.reshape(count, size).astype(np.float64) @ table
        sums = sums[(sums[:, totals] > 0).all(axis=1)]
        kept.append(sums)
        wanted -= len(sums)
    return np.concatenate(kept)
