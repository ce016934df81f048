"""A study's comparisons: which there are, and what may be said of each.

Every comparison belongs to a *measure* of a target: the score of texts as they are, the
score under an attack, or the *gap* between the two, on the items that the attack
applies to. Arms are compared with the arm `none`, on all languages of the target and,
where it has some, on the low-resource ones: these are the study's *headline*, and
Holm's method is applied to all of them together. Single languages, groups, trends, and
low-resource languages against the rest are further families, each corrected for itself:
they say where an effect is, not whether there is one.

All arms and seeds of a target see the same resampled items.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from xtl_jax.errors import UserError
from xtl_jax.metrics import comparisons, crossed, power
from xtl_jax.metrics.bootstrap import Rows
from xtl_jax.metrics.comparisons import ALL, LANGUAGE, Comparison, Sample
from xtl_jax.metrics.crossed import ALPHA
from xtl_jax.report import study_trends
from xtl_jax.report.study_findings import (
    LOW,
    Contrast,
    Finding,
    Level,
    Measure,
    TrendTest,
)
from xtl_jax.report.study_results import CLEAN, NONE, Scored, Study, Target

RESAMPLES = 1000
# Groups that are compared beside single languages.
SHOWN = ("resource", "mt5", "script", "family", "source")
_ATTACKED = " under attack"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analysis:
    """All that is computed from a study's items."""

    samples: Mapping[Measure, Sample]
    headline: tuple[Finding, ...]
    details: tuple[Finding, ...]  # single languages and groups
    levels: tuple[Level, ...]  # over all languages of a target
    trends: tuple[TrendTest, ...]
    low_against_rest: tuple[Contrast, ...]
    positions: tuple[Contrast, ...]  # of the axis `order`: task by place

    def test(
        self, measure: Measure, arm: str, *, dimension: str = ALL, name: str = ALL
    ) -> Finding | None:
        """One comparison; None where it could not be made."""
        wanted = (measure, arm, dimension, name)
        for each in (*self.headline, *self.details):
            found = each.comparison
            if (each.measure, found.arm, found.dimension, found.name) == wanted:
                return each
        return None

    def level(self, measure: Measure, arm: str) -> Level | None:
        """What an arm reaches; None where it was not run."""
        pairs = ((each.measure, each.arm) for each in self.levels)
        return dict(zip(pairs, self.levels, strict=True)).get((measure, arm))


def analyse(study: Study, *, resamples: int = RESAMPLES) -> Analysis:
    """Everything that is tested.

    Args:
        study: with the scores that are there.
        resamples: of the bootstrap.

    Raises:
        UserError: two arms were scored on other items.
    """
    samples: dict[Measure, Sample] = {}
    for target in study.targets:
        samples |= _samples(target, study.arms, resamples=resamples)
    compared = [
        (measure, each)
        for measure, sample in samples.items()
        if NONE in sample.arms
        for each in _distinct(comparisons.compare(sample, baseline=NONE))
    ]
    head = [pair for pair in compared if _is_headline(pair[1])]
    rest = [pair for pair in compared if not _is_headline(pair[1])]
    matters = study.matters
    return Analysis(
        samples=samples,
        headline=_tested(head, matters=matters),
        details=_tested(rest, matters=matters),
        levels=tuple(
            level
            for measure, sample in samples.items()
            for arm in sample.arms
            if (level := _level(measure, sample, arm)) is not None
        ),
        trends=study_trends.trends(study, samples),
        low_against_rest=study_trends.corrected(
            [
                found
                for measure, sample in samples.items()
                for found in study_trends.low_against_rest(measure, sample)
            ],
            matters=matters,
        ),
        positions=tuple(
            found
            for measure, sample in samples.items()
            for found in study_trends.positions(study, measure, sample)
        ),
    )


def _samples(
    target: Target, arms: Sequence[str], *, resamples: int
) -> dict[Measure, Sample]:
    """The measures of a target, on the arms and seeds that are there."""
    there = {
        arm: {seed: found for (own, seed), found in target.scores.items() if own == arm}
        for arm in arms
    }
    there = {arm: by_seed for arm, by_seed in there.items() if by_seed}
    if not there:
        return {}

    def sample(scores: comparisons.Scores) -> Sample:
        return comparisons.resample(scores, metric=target.metric, resamples=resamples)

    found = {Measure(target.name, CLEAN): sample(_side(there, CLEAN))}
    attacks = dict.fromkeys(
        condition
        for by_seed in there.values()
        for scored in by_seed.values()
        for condition in scored.rows
        if condition != CLEAN
    )
    for attack in attacks:
        attacked = _side(there, attack)
        both = sample(
            _paired(_side(there, CLEAN), attacked)
            | {arm + _ATTACKED: by_seed for arm, by_seed in attacked.items()}
        )
        names = tuple(attacked)
        after = _only(both, [arm + _ATTACKED for arm in names], called=names)
        before = _only(both, names, called=names)
        found[Measure(target.name, attack)] = after
        found[Measure(target.name, attack, gap=True)] = dataclasses.replace(
            before,
            values=before.values - after.values,
            draws=before.draws - after.draws,
        )
    return found


def _side(
    there: Mapping[str, Mapping[int, Scored]], condition: str
) -> dict[str, dict[int, Mapping[str, Rows]]]:
    found = {
        arm: {
            seed: scored.rows[condition]
            for seed, scored in by_seed.items()
            if condition in scored.rows
        }
        for arm, by_seed in there.items()
    }
    return {arm: by_seed for arm, by_seed in found.items() if by_seed}


def _paired(
    clean: Mapping[str, Mapping[int, Mapping[str, Rows]]],
    attacked: Mapping[str, Mapping[int, Mapping[str, Rows]]],
) -> dict[str, dict[int, Mapping[str, Rows]]]:
    """The clean side on the items that were attacked."""
    found: dict[str, dict[int, Mapping[str, Rows]]] = {}
    for arm, by_seed in attacked.items():
        found[arm] = {}
        for seed, by_language in by_seed.items():
            whole = clean[arm][seed]
            lost = [each for each in by_language if each not in whole]
            if lost:
                raise UserError(
                    f"{arm}, seed {seed}: {lost[0]} was scored under attack and not "
                    "clean; delete the stage's folder and run the study again"
                )
            found[arm][seed] = {
                language: {id_: whole[language][id_] for id_ in rows}
                for language, rows in by_language.items()
            }
    return found


def _only(sample: Sample, arms: Sequence[str], *, called: tuple[str, ...]) -> Sample:
    places = [sample.arms.index(arm) for arm in arms]
    return dataclasses.replace(
        sample,
        arms=called,
        values=sample.values[places],
        draws=sample.draws[:, places],
    )


def _distinct(found: Sequence[Comparison]) -> list[Comparison]:
    """Without groups of one language, and groups that are another one again."""
    kept: dict[tuple[str, tuple[str, ...]], Comparison] = {}
    for each in found:
        if each.dimension not in (LANGUAGE, ALL, *SHOWN):
            continue
        group = each.dimension not in (LANGUAGE, ALL)
        if group and not _is_headline(each) and len(each.languages) == 1:
            continue
        if each.dimension == LANGUAGE:
            kept[each.arm + LANGUAGE, each.languages] = each
        else:
            kept.setdefault((each.arm, tuple(sorted(each.languages))), each)
    return list(kept.values())


def _is_headline(found: Comparison) -> bool:
    return (found.dimension, found.name) in ((ALL, ALL), LOW)


def _tested(
    family: Sequence[tuple[Measure, Comparison]], *, matters: float
) -> tuple[Finding, ...]:
    adjusted = comparisons.with_holm(each for _, each in family)
    size = max(1, sum(each.estimate.p is not None for each in adjusted))
    return tuple(
        _test(measure, each, matters=matters, size=size)
        for (measure, _), each in zip(family, adjusted, strict=True)
    )


def _test(measure: Measure, found: Comparison, *, matters: float, size: int) -> Finding:
    estimate = found.estimate
    conclusion = power.conclude(
        estimate, p=found.adjusted_p, matters=matters, comparisons=size
    )
    detectable = power.minimum_detectable(estimate.uncertainty, alpha=ALPHA / size)
    chance = power.of(matters, estimate.uncertainty, alpha=ALPHA / size)
    if estimate.standard_error == 0 and conclusion == "not enough power":
        # No answer changed in any seed: the spread is not 0, it was not seen.
        detectable, chance = math.inf, 0.0
    return Finding(
        measure=measure,
        comparison=found,
        conclusion=conclusion,
        detectable=detectable,
        chance=chance,
    )


def _level(measure: Measure, sample: Sample, arm: str) -> Level | None:
    seeds, values, draws = comparisons.contrast(
        sample, {arm: 1.0}, languages=sample.languages
    )
    if not seeds:
        return None
    estimate = crossed.estimate(values, draws, items=sample.items)
    return Level(measure=measure, arm=arm, seeds=seeds, estimate=estimate)
