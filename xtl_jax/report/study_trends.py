"""Tests of more than one arm, or of languages against others, of a study.

Trends over the number of tasks or steps; an arm's difference in low-resource languages
minus that in the rest; of orders, the mean over those that have a task at a place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from xtl_jax.metrics import comparisons, corrections, crossed, power, trend
from xtl_jax.metrics.comparisons import ALL, Sample
from xtl_jax.metrics.power import Conclusion
from xtl_jax.report.study_findings import LOW, REST, Contrast, Measure, TrendTest
from xtl_jax.report.study_results import NONE, Study


def _parts(sample: Sample, *wanted: tuple[str, str]) -> list[comparisons.LanguagePart]:
    return [
        part
        for part in comparisons.parts(sample.languages)
        if (part.dimension, part.name) in wanted
    ]


def _lines(study: Study) -> list[tuple[str, str, str, dict[str, float]]]:
    """Name, unit, scale and numbers of each trend that the axis has."""
    axis, arms = study.config["axis"], study.arms
    if axis == "subsets":
        numbers = {arm: float(study.place(arm).get("size", 0)) for arm in arms}
        return [("number of tasks", "task", "linear", numbers)]
    if axis == "steps":
        tasks = dict.fromkeys(study.place(arm)["task"] for arm in arms if arm != NONE)
        return [
            (
                task,
                "doubling of the steps",
                "doublings",
                {
                    arm: float(study.place(arm).get("steps", 0))
                    for arm in arms
                    if study.place(arm).get("task", task) == task
                },
            )
            for task in tasks
        ]
    return []


def trends(study: Study, samples: Mapping[Measure, Sample]) -> tuple[TrendTest, ...]:
    """The trends of an axis that has a number, as one family; none for others."""
    found: list[TrendTest] = []
    for measure, sample in samples.items():
        for line, unit, scale, numbers in _lines(study):
            lacking = tuple(arm for arm in numbers if arm not in sample.arms)
            if len(set(numbers.values())) < 3:
                continue
            for part in _parts(sample, (ALL, ALL), LOW):
                same = part.languages == sample.languages
                if part.dimension != ALL and (same or not part.languages):
                    continue
                fits = None
                if not lacking:
                    fits = trend.of(
                        sample, numbers, languages=part.languages, scale=scale
                    )
                found.append(
                    TrendTest(
                        measure=measure,
                        line=line,
                        part=(part.dimension, part.name),
                        unit=unit,
                        trend=fits,
                        lacking=lacking,
                        adjusted_p=None,
                        conclusion=None,
                    )
                )
    adjusted = corrections.holm(
        {i: each.trend and each.trend.slope.p for i, each in enumerate(found)}
    )
    size = max(1, sum(p is not None for p in adjusted.values()))

    def conclusion(each: TrendTest, p: float | None) -> Conclusion | None:
        if each.trend is None:
            return None
        # What matters from the first level to the last, for each unit of the slope.
        steps = _span(each)
        return power.conclude(
            each.trend.slope, p=p, matters=study.matters / steps, comparisons=size
        )

    return tuple(
        dataclasses.replace(
            each, adjusted_p=adjusted[i], conclusion=conclusion(each, adjusted[i])
        )
        for i, each in enumerate(found)
    )


def _span(each: TrendTest) -> float:
    """How many units of the slope lie between the first level and the last."""
    assert each.trend is not None
    numbers = each.trend.numbers
    if each.unit == "task":
        return numbers[-1] - numbers[0]
    positive = [number for number in numbers if number > 0]
    doublings = float(np.log2(positive[-1] / positive[0]))
    return doublings + (numbers[0] == 0)


def low_against_rest(measure: Measure, sample: Sample) -> list[Contrast]:
    """An arm's difference in low-resource languages minus that in the others."""
    parts = {part.name: part.languages for part in _parts(sample, LOW, REST)}
    low, rest = parts.get("low", ()), parts.get("high", ())
    if not low or not rest or NONE not in sample.arms:
        return []
    both = (*low, *rest)
    # The mean of these is the mean over `low` minus the mean over `rest`.
    weights = np.array(
        [len(both) / len(low)] * len(low) + [-len(both) / len(rest)] * len(rest)
    )
    found = []
    for arm in sample.arms:
        if arm == NONE:
            continue
        seeds, values, draws = comparisons.contrast(
            sample, {arm: 1.0, NONE: -1.0}, languages=both
        )
        if seeds:
            estimate = crossed.estimate(
                values * weights,
                draws * weights,
                items=comparisons.items_of(sample, both),
            )
            found.append(
                Contrast(
                    measure=measure,
                    row=arm,
                    column="low-resource minus the rest",
                    arms=1,
                    of_arms=1,
                    seeds=seeds,
                    estimate=estimate,
                )
            )
    return found


def positions(study: Study, measure: Measure, sample: Sample) -> list[Contrast]:
    """Mean difference to `none` over the orders that have a task at a place."""
    orders = {
        arm: tuple(study.place(arm)["tasks"])
        for arm in study.arms
        if "tasks" in study.place(arm) and study.config["axis"] == "order"
    }
    if not orders or NONE not in sample.arms:
        return []
    tasks = study.config["tasks"]
    found = []
    for task in tasks:
        for place in range(len(tasks)):
            every = [arm for arm, order in orders.items() if order[place] == task]
            chosen = [arm for arm in every if arm in sample.arms]
            if not chosen:
                continue
            seeds, values, draws = comparisons.contrast(
                sample,
                {**dict.fromkeys(chosen, 1.0 / len(chosen)), NONE: -1.0},
                languages=sample.languages,
            )
            if not seeds:
                continue
            found.append(
                Contrast(
                    measure=measure,
                    row=task,
                    column=str(place + 1),
                    arms=len(chosen),
                    of_arms=len(every),
                    seeds=seeds,
                    estimate=crossed.estimate(values, draws, items=sample.items),
                )
            )
    return found


def corrected(found: Sequence[Contrast], *, matters: float) -> tuple[Contrast, ...]:
    """The contrasts as one family, with what may be said of each."""
    adjusted = corrections.holm({i: each.estimate.p for i, each in enumerate(found)})
    size = max(1, sum(p is not None for p in adjusted.values()))
    return tuple(
        dataclasses.replace(
            each,
            adjusted_p=adjusted[i],
            conclusion=power.conclude(
                each.estimate, p=adjusted[i], matters=matters, comparisons=size
            ),
        )
        for i, each in enumerate(found)
    )
