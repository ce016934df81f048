"""Models beside each other under one attack: whose gap is narrower, and how surely.

An *arm* is a way to train, with one run or several that differ in their seed alone. All
runs of all arms answered the same examples, clean and attacked. So clean, attacked and
gap of an arm, and their differences to the first arm, are estimated with seeds and
examples as random factors (`crossed.py`): a difference is taken for each seed and on
the same examples.

    >>> from xtl_jax.metrics import accuracy
    >>> right, wrong = ({"total": 1.0, "correct": float(c)} for c in (1, 0))
    >>> plain = {"en": {"a": (right, wrong), "b": (right, wrong)}}
    >>> against = {"en": {"a": (right, right), "b": (right, wrong)}}
    >>> arms = {"plain": [plain, plain], "against": [against, against]}
    >>> found = compare(arms, metric=accuracy.METRIC)[1]
    >>> found.arm, found.values["gap"].points, found.differences["gap"].points
    ('against', 50.0, -50.0)

A narrower gap alone is not worth much: a model that has learnt nothing has none. Clean
and attacked stand beside it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.errors import UserError
from xtl_jax.metrics import comparisons, crossed
from xtl_jax.metrics.crossed import Estimate
from xtl_jax.metrics.metric import Counts, Metric

KEYS = ("clean", "attacked", "gap")

# Of one run: language to id to counts before and after.
Pairs = Mapping[str, Mapping[str, tuple[Counts, Counts]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm under one attack; percent, and points in `differences`."""

    arm: str
    seeds: int
    languages: tuple[str, ...]
    examples: int  # of all languages, that the attack applies to in every run
    values: Mapping[str, Estimate]  # by `KEYS`
    differences: Mapping[str, Estimate]  # to the first arm; empty for itself

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "seeds": self.seeds,
            "languages": list(self.languages),
            "examples": self.examples,
            "values": {key: _json(found) for key, found in self.values.items()},
            "differences": {
                key: _json(found) for key, found in self.differences.items()
            },
        }


def compare(
    arms: Mapping[str, Sequence[Pairs]],
    *,
    metric: Metric,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Arm, ...]:
    """All arms under one attack, the first being the baseline.

    Languages and examples are those that all runs have.

    Args:
        arms: the runs of each, in the order of their seeds.
        metric: that counted.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        UserError: arms have different numbers of runs, or nothing in common.
    """
    sizes = {name: len(runs) for name, runs in arms.items()}
    if len(set(sizes.values())) != 1:
        raise UserError(
            f"arms must have as many runs each, one a seed, got {sizes}: a difference "
            "is taken seed by seed; give the missing runs, or leave some out"
        )
    kept = _shared([run for runs in arms.values() for run in runs])
    clean, attacked = (
        comparisons.resample(
            {
                name: {
                    number: {
                        language: {id_: run[language][id_][side] for id_ in ids}
                        for language, ids in kept.items()
                    }
                    for number, run in enumerate(runs)
                }
                for name, runs in arms.items()
            },
            metric=metric,
            resamples=resamples,
            seed=seed,
        )
        for side in (0, 1)
    )
    # Both sides have the same ids and totals, so entry i is of the same resample.
    values = {
        "clean": (clean.values, clean.draws),
        "attacked": (attacked.values, attacked.draws),
        "gap": (clean.values - attacked.values, clean.draws - attacked.draws),
    }
    return tuple(
        Arm(
            arm=name,
            seeds=sizes[name],
            languages=tuple(clean.languages),
            examples=sum(clean.items),
            values={
                key: crossed.estimate(of_all[i], draws[:, i], items=clean.items)
                for key, (of_all, draws) in values.items()
            },
            differences={
                key: crossed.estimate(
                    of_all[i] - of_all[0],
                    draws[:, i] - draws[:, 0],
                    items=clean.items,
                )
                for key, (of_all, draws) in values.items()
                if i
            },
        )
        for i, name in enumerate(clean.arms)
    )


def _shared(runs: Sequence[Pairs]) -> dict[str, list[str]]:
    """Languages and ids that all runs have."""
    found: dict[str, list[str]] = {}
    for language in runs[0]:
        if all(language in run for run in runs):
            ids = set.intersection(*(set(run[language]) for run in runs))
            if ids:
                found[language] = sorted(ids)
    if not found:
        raise UserError(
            "the runs have no attacked example in common; predict all of them with the "
            "same --task, --examples and --attack"
        )
    return found


def _json(found: Estimate) -> dict[str, Any]:
    known = math.isfinite(found.standard_error)
    return {
        "points": found.points,
        "interval": list(found.interval) if known else None,
        "p": found.p,
    }
