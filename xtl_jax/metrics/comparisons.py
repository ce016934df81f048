"""Each arm of a study minus the baseline: by language, by group of languages, over all.

An *arm* is what was done before the target task; seeds are shared by all arms, and all
answered the same items. So arm and baseline are paired three times over: the difference
is taken for each seed, in each language, on the same items, which are drawn once for
all arms and seeds, and once for all languages that share them.

    >>> from xtl_jax.metrics import accuracy
    >>> right, wrong = ({"total": 1.0, "correct": float(c)} for c in (1, 0))
    >>> scores = {
    ...     "none": {
    ...         0: {"sw": {"a": wrong, "b": right}},
    ...         1: {"sw": {"a": wrong, "b": wrong}},
    ...     },
    ...     "qa": {
    ...         0: {"sw": {"a": right, "b": right}},
    ...         1: {"sw": {"a": right, "b": wrong}},
    ...     },
    ... }
    >>> sample = resample(scores, metric=accuracy.METRIC)
    >>> found = compare(sample, baseline="none")[0]
    >>> found.arm, found.name, found.baseline_value, found.value, found.estimate.points
    ('qa', 'sw', 25.0, 75.0, 50.0)

A group's value is the plain mean over its languages. Its difference is tested twice:
for *these languages*, and for *languages like these*, where languages are drawn from a
larger number of them too, as a claim about low-resource languages needs.

Only seeds that both arms have are used, so a study may be looked at before its end. A
group of which a language is missing has no difference.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from xtl_jax.errors import UserError, near
from xtl_jax.metrics import bootstrap, corrections, crossed, effect, groups, languages
from xtl_jax.metrics.bootstrap import Rows
from xtl_jax.metrics.crossed import Estimate
from xtl_jax.metrics.metric import Metric, add, percent

Scores = Mapping[str, Mapping[int, Mapping[str, Rows]]]  # arm, seed, language to rows

# Where only values of items are known: that of all is their mean.
MEAN = Metric(
    name="mean",
    primary="value",
    keys=("value",),
    counts=lambda value, **_: {"total": 1.0, "value": value},
    combine=lambda sums: {"value": percent(sums["value"], total=sums["total"])},
)
LANGUAGE, ALL = "language", "all"  # dimensions beside those of `groups.DIMENSIONS`


def rows_of(values: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    """Rows of `MEAN` from the value of each item, 0 to 1, by id."""
    return {id_: MEAN.counts(value) for id_, value in values.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """All values of one target, and the same on resampled items. NaN: not there."""

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    languages: tuple[str, ...]
    items: tuple[int, ...]  # by language
    values: Float[np.ndarray, "arms seeds languages"]  # percent
    draws: Float[np.ndarray, "resamples arms seeds languages"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """One arm minus the baseline, over some languages; points and percent."""

    arm: str
    baseline: str
    dimension: str  # LANGUAGE, ALL or one of `groups.DIMENSIONS`
    name: str  # of the language or group
    title: str
    languages: tuple[str, ...]
    seeds: tuple[int, ...]  # that both arms have
    baseline_value: float  # over these seeds
    value: float
    by_seed: tuple[float, ...]  # the difference of each
    estimate: Estimate  # for these languages
    general: Estimate | None  # for languages like these; None: there is but one
    standardised: float | None  # Hedges' g over seeds
    error_reduction: float | None  # percent of the baseline's errors
    adjusted_p: float | None = None  # of `estimate`, by Holm; None: not adjusted


def resample(
    scores: Scores,
    *,
    metric: Metric,
    key: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Sample:
    """Values of all arms, seeds and languages, and of resampled items.

    Args:
        scores: counts of each item, by arm, seed, language and id.
        metric: what made the counts.
        key: of the metric's values; its primary one if None.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        UserError: two arms or seeds have other items in a language.
        ValueError: nothing to resample.
    """
    seeds = sorted({each for by_seed in scores.values() for each in by_seed})
    ids = _ids(scores)
    if not ids or resamples < 2:
        raise ValueError(f"{len(ids)} languages and {resamples} resamples: too few")
    names = tuple(ids)
    shape = (len(scores), len(seeds), len(names))
    sample = Sample(
        arms=tuple(scores),
        seeds=tuple(seeds),
        languages=names,
        items=tuple(len(each) for each in ids.values()),
        values=np.full(shape, np.nan),
        draws=np.full((resamples, *shape), np.nan),
    )
    key = key or metric.primary
    for group in bootstrap.sharing_ids(ids):
        members = {language: ids[language] for language in group}
        for i, by_seed in enumerate(scores.values()):
            cells = {
                (seeds.index(number), names.index(language)): by_seed[number][language]
                for number in by_seed
                for language in group
                if language in by_seed[number]
            }
            if not cells:
                continue
            # The same state for each arm: the same items are drawn.
            rng = np.random.default_rng([seed, zlib.crc32(group[0].encode())])
            drawn = _draw(
                cells, members, metric=metric, key=key, resamples=resamples, rng=rng
            )
            for (j, k), rows in cells.items():
                sample.values[i, j, k] = metric.combine(add(rows.values()))[key]
                sample.draws[:, i, j, k] = drawn[j, k]
    return sample


def compare(sample: Sample, *, baseline: str) -> tuple[Comparison, ...]:
    """All differences to the baseline that can be given, arm by arm.

    For each arm: every language, all languages, and every group.

    Raises:
        UserError: no such arm.
    """
    if baseline not in sample.arms:
        raise UserError(
            f"no arm {baseline!r} to compare with; have {', '.join(sample.arms)} "
            f"(near: {near(baseline, sample.arms)})"
        )
    return tuple(
        found
        for arm in sample.arms
        if arm != baseline
        for part in parts(sample.languages)
        if (found := _compare(sample, arm, baseline=baseline, part=part)) is not None
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguagePart:
    """Some languages that have a mean of their own."""

    dimension: str
    name: str
    title: str
    languages: tuple[str, ...]


def parts(names: Sequence[str]) -> tuple[LanguagePart, ...]:
    """Each language, all of them, and the groups that have a member."""

    def title(language: str) -> str:
        facts = languages.find(language)
        return language if facts is None else facts.name

    return (
        *(
            LanguagePart(dimension=LANGUAGE, name=n, title=title(n), languages=(n,))
            for n in names
        ),
        LanguagePart(
            dimension=ALL, name=ALL, title="All languages", languages=tuple(names)
        ),
        *(
            LanguagePart(
                dimension=group.dimension,
                name=group.name,
                title=group.title,
                languages=group.languages,
            )
            for group in groups.of_languages({}, draws={}, languages=tuple(names))
            if group.languages
        ),
    )


def contrast(
    sample: Sample, weights: Mapping[str, float], *, languages: Sequence[str]
) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """A weighted sum of arms: the seeds that all of them have, its values and draws.

    Args:
        sample: of one target.
        weights: by arm, such as 1 and -1 for a difference; other arms do not matter.
        languages: all must be there for a seed to be used.

    Returns:
        Seeds; values [seeds, languages]; draws [resamples, seeds, languages].
    """
    rows = [sample.arms.index(arm) for arm in weights]
    columns = [sample.languages.index(language) for language in languages]
    values = sample.values[rows][:, :, columns]
    there = np.asarray(np.isfinite(values).all(axis=(0, 2)))
    draws = sample.draws[:, rows][:, :, there][..., columns]
    factors = np.array(list(weights.values()))
    return (
        tuple(seed for seed, kept in zip(sample.seeds, there, strict=True) if kept),
        np.tensordot(factors, values[:, there], axes=1),
        np.tensordot(draws, factors, axes=([1], [0])),
    )


def items_of(sample: Sample, languages: Sequence[str]) -> list[int]:
    """How many items each language has."""
    return [sample.items[sample.languages.index(language)] for language in languages]


def with_holm(found: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons as one family, with adjusted p-values."""
    family = tuple(found)
    adjusted = corrections.holm({i: each.estimate.p for i, each in enumerate(family)})
    return tuple(
        dataclasses.replace(each, adjusted_p=adjusted[i])
        for i, each in enumerate(family)
    )


def _compare(
    sample: Sample, arm: str, *, baseline: str, part: LanguagePart
) -> Comparison | None:
    seeds, values, draws = contrast(
        sample, {arm: 1.0, baseline: -1.0}, languages=part.languages
    )
    if not seeds:
        return None
    items = items_of(sample, part.languages)
    by_seed = tuple(values.mean(axis=1).tolist())
    before, after = (
        float(
            contrast(sample, {arm: 1.0, other: 0.0}, languages=part.languages)[1].mean()
        )
        for arm, other in ((baseline, arm), (arm, baseline))
    )
    return Comparison(
        arm=arm,
        baseline=baseline,
        dimension=part.dimension,
        name=part.name,
        title=part.title,
        languages=part.languages,
        seeds=seeds,
        baseline_value=before,
        value=after,
        by_seed=by_seed,
        estimate=crossed.estimate(values, draws, items=items),
        general=crossed.estimate(
            values, draws, items=items, over=crossed.LANGUAGES_LIKE_THESE
        )
        if len(part.languages) > 1
        else None,
        standardised=effect.standardised(by_seed),
        error_reduction=effect.error_reduction(before, after),
    )


def _ids(scores: Scores) -> dict[str, tuple[str, ...]]:
    """Sorted ids of each language, the same for all arms and seeds."""
    found: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    for arm, by_seed in scores.items():
        for seed, by_language in by_seed.items():
            for language, rows in by_language.items():
                owner = f"{arm}, seed {seed}"
                known = found.get(language)
                if not rows:
                    raise ValueError(f"no items of {language!r} in {owner}")
                if known is None:
                    found[language], owners[language] = tuple(sorted(rows)), owner
                elif rows.keys() != set(known):
                    lonely = sorted(rows.keys() ^ set(known))
                    raise UserError(
                        f"{language}: {owner} and {owners[language]} do not have the "
                        f"same items: {len(lonely)} are on one side only, such as "
                        f"{lonely[0]!r} (near: {near(lonely[0], known)}); score all "
                        "arms on the same file"
                    )
    return found


def _draw(
    cells: Mapping[tuple[int, int], Rows],
    ids: Mapping[str, Sequence[str]],
    *,
    metric: Metric,
    key: str,
    resamples: int,
    rng: np.random.Generator,
) -> dict[tuple[int, int], np.ndarray]:
    """Resampled values of each cell, of items that are drawn once for all."""
    everything = sorted(set().union(*ids.values()))
    first = next(iter(cells.values()))
    names = list(next(iter(first.values())))
    nothing = dict.fromkeys(names, 0.0)
    columns = [
        # Whether a language has the item: decides which resamples are drawn again,
        # and so must be there whatever an arm lacks.
        *([float(id_ in own) for id_ in everything] for own in map(set, ids.values())),
        *(
            [rows.get(id_, nothing)[name] for id_ in everything]
            for rows in cells.values()
            for name in names
        ),
    ]
    sums = bootstrap.resampled_sums(
        np.array(columns, dtype=np.float64).T,
        totals=list(range(len(ids))),
        resamples=resamples,
        rng=rng,
    )[:, len(ids) :].reshape(resamples, len(cells), len(names))
    return {
        cell: np.array(
            [
                metric.combine(dict(zip(names, row, strict=True)))[key]
                for row in sums[:, i].tolist()
            ]
        )
        for i, cell in enumerate(cells)
    }
