"""What choosing checkpoints by the scored languages would bring: not zero-shot.

The headline has the checkpoint of a target's training with the best English dev score.
Of the checkpoints that the training saved, two further choices are made for each arm
and seed, clean:

    over the mean   one checkpoint: the best plain mean over the target's languages
    by language     for each language the one that is best in it

Items that are chosen by are those that are scored, so both are the most that a choice
could bring, luck included. Nothing here is tested, and no conclusion is drawn from it.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from xtl_jax.metrics.bootstrap import Rows
from xtl_jax.metrics.metric import Metric, add
from xtl_jax.report.study_results import CLEAN, Study, Target

MARK = "not zero-shot: chosen with target-language labels"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """One arm and seed whose checkpoints are all scored. Values are percent."""

    arm: str
    seed: int
    headline: Mapping[str, float]  # by language
    by_step: Mapping[int, Mapping[str, float]]  # step to the same languages

    @property
    def step(self) -> int:
        """The best over the mean; of equals the newest, as on English dev."""
        return max(
            self.by_step, key=lambda n: (statistics.fmean(self.by_step[n].values()), n)
        )

    def step_of(self, language: str) -> int:
        """The best in a language, likewise."""
        return max(self.by_step, key=lambda n: (self.by_step[n][language], n))


class OracleRow(NamedTuple):
    """An arm: means over the seeds that are there, and languages. Percent."""

    arm: str
    seeds: tuple[int, ...]
    steps: tuple[int, ...]  # of each seed, over the mean
    headline: float
    over_mean: float
    by_language: float


def choices(study: Study, target: Target) -> list[Choice]:
    """Each arm and seed of a target that has its headline and all its checkpoints."""
    wanted: dict[tuple[str, int], set[int]] = {}
    for stage in study.stages:
        if (stage.kind, stage.target) == ("score", target.name) and stage.oracle:
            assert stage.seed is not None, "a target was trained"
            for arm in stage.arms:
                wanted.setdefault((arm, stage.seed), set()).add(stage.oracle)
    found = []
    for (arm, seed), steps in sorted(wanted.items(), key=lambda e: _place(study, e[0])):
        there = target.oracle.get((arm, seed), {})
        if steps != there.keys() or (arm, seed) not in target.scores:
            continue
        headline = _values(target.scores[arm, seed].rows[CLEAN], metric=target.metric)
        by_step = {
            step: _values(there[step], metric=target.metric) for step in sorted(steps)
        }
        common = [n for n in headline if all(n in each for each in by_step.values())]
        if common:
            found.append(
                Choice(
                    arm=arm,
                    seed=seed,
                    headline={n: headline[n] for n in common},
                    by_step={
                        step: {n: values[n] for n in common}
                        for step, values in by_step.items()
                    },
                )
            )
    return found


def _place(study: Study, key: tuple[str, int]) -> tuple[int, int]:
    return study.arms.index(key[0]), key[1]


def _values(by_language: Mapping[str, Rows], *, metric: Metric) -> dict[str, float]:
    return {
        language: metric.combine(add(rows.values()))[metric.primary]
        for language, rows in by_language.items()
    }


def tables(study: Study) -> list[tuple[Target, list[OracleRow]]]:
    """The rows of each target that has some."""
    found = []
    for target in study.targets:
        made = choices(study, target)
        arms = dict.fromkeys(each.arm for each in made)
        rows = [_row([each for each in made if each.arm == arm]) for arm in arms]
        if rows:
            found.append((target, rows))
    return found


def _row(made: list[Choice]) -> OracleRow:
    return OracleRow(
        arm=made[0].arm,
        seeds=tuple(each.seed for each in made),
        steps=tuple(each.step for each in made),
        headline=_mean(each.headline for each in made),
        over_mean=_mean(each.by_step[each.step] for each in made),
        by_language=_mean(
            {n: each.by_step[each.step_of(n)][n] for n in each.headline}
            for each in made
        ),
    )


def _mean(by_seed: Iterable[Mapping[str, float]]) -> float:
    return statistics.fmean(statistics.fmean(each.values()) for each in by_seed)


def csv_rows(study: Study) -> list[Mapping[str, object]]:
    """A row for each target, arm, seed and language."""
    return [
        {
            "target": target.name,
            "arm": each.arm,
            "seed": each.seed,
            "language": language,
            "english_dev": each.headline[language],
            "oracle_over_mean": each.by_step[each.step][language],
            "oracle_over_mean_step": each.step,
            "oracle_by_language": each.by_step[each.step_of(language)][language],
            "oracle_by_language_step": each.step_of(language),
            "oracle_is": MARK,
        }
        for target in study.targets
        for each in choices(study, target)
        for language in each.headline
    ]
