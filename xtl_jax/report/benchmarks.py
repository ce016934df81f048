"""The tables of XTREME and XTREME-R: a row a task, a column an arm.

Scores are made by `metrics/benchmark_score.py` from the scores of the languages. What
an arm lacks is told in place of its score, and means over it are missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from xtl_jax.metrics import benchmark_score
from xtl_jax.metrics.benchmark import BENCHMARKS
from xtl_jax.metrics.benchmark_score import BenchmarkScore, MeanScore, TaskScore
from xtl_jax.report.cells import metric_title
from xtl_jax.report.results import RunResults


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """One arm's score in one row."""

    score: float | None
    lacking: str  # why there is none
    parts: tuple[tuple[str, float], ...]  # title and value of each metric of a task


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkRow:
    """A task, a group of tasks, or all of them."""

    name: str
    title: str
    kind: Literal["task", "own_mean", "group", "all"]
    languages: int | None  # of a task
    ours: bool  # XTREME's script has no such number
    places: tuple[Place, ...]  # by arm

    def difference(self, arm: int) -> float | None:
        """Points against the first arm."""
        first, other = self.places[0].score, self.places[arm].score
        return None if first is None or other is None else other - first


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkTable:
    """One benchmark in every arm."""

    name: str
    title: str
    arms: tuple[str, ...]
    rows: tuple[BenchmarkRow, ...]

    @property
    def has_ours(self) -> bool:
        """Whether any number is ours alone."""
        return any(row.ours for row in self.rows)


def benchmark_tables(arms: Sequence[RunResults]) -> tuple[BenchmarkTable, ...]:
    """A table of each benchmark of which any arm has at least two tasks."""
    enough = {name for arm in arms for name in benchmark_score.of_scores(arm.scores)}
    # An arm with one task or none stands beside the others, with what it lacks.
    found = [benchmark_score.of_scores(arm.scores, at_least=0) for arm in arms]
    return tuple(
        _table(name, arms, [scores[name] for scores in found])
        for name in BENCHMARKS
        if name in enough
    )


def documents(arms: Sequence[RunResults]) -> dict[str, dict[str, Any]]:
    """The same for programs: benchmark to arm to what `xtl score` writes."""
    made: dict[str, dict[str, Any]] = {}
    for arm in arms:
        for name, found in benchmark_score.of_scores(arm.scores).items():
            made.setdefault(name, {})[arm.label] = found.to_json()
    return made


def _table(
    name: str, arms: Sequence[RunResults], scores: Sequence[BenchmarkScore]
) -> BenchmarkTable:
    benchmark = BENCHMARKS[name]
    rows: list[BenchmarkRow] = []
    for index, task in enumerate(benchmark.tasks):
        tasks = [each.tasks[index] for each in scores]
        rows.append(
            BenchmarkRow(
                name=task.name,
                title=task.title,
                kind="task",
                languages=len(task.languages),
                ours=task.ours,
                places=tuple(
                    _place(each.score, each.lacking, each.averages) for each in tasks
                ),
            )
        )
        if task.own_mean:
            rows.append(_own_mean(tasks))
    for index in range(len(benchmark.groups)):
        rows.append(_mean("group", [each.groups[index] for each in scores]))
    rows.append(_mean("all", [each.all_tasks for each in scores]))
    return BenchmarkTable(
        name=name,
        title=benchmark.title,
        arms=tuple(arm.label for arm in arms),
        rows=tuple(rows),
    )


def _own_mean(tasks: Sequence[TaskScore]) -> BenchmarkRow:
    """The mean that the data's own authors ask for: without English."""
    task = tasks[0].task
    return BenchmarkRow(
        name=f"{task.name}_without_english",
        title=f"without English, {task.own_mean}'s own mean",
        kind="own_mean",
        languages=len(task.languages) - 1,
        ours=False,
        places=tuple(
            _place(
                None
                if each.non_english is None
                else sum(each.non_english[key] for key in task.keys) / len(task.keys),
                each.lacking,
                each.non_english,
            )
            for each in tasks
        ),
    )


def _mean(kind: Literal["group", "all"], means: Sequence[MeanScore]) -> BenchmarkRow:
    return BenchmarkRow(
        name=means[0].name,
        title=means[0].title,
        kind=kind,
        languages=None,
        ours=means[0].ours,
        places=tuple(
            _place(mean.score, ", ".join(mean.missing_tasks), None) for mean in means
        ),
    )


def _place(
    score: float | None, lacking: str, averages: Mapping[str, float] | None
) -> Place:
    parts = [(metric_title(key), value) for key, value in (averages or {}).items()]
    return Place(
        score=score,
        lacking="" if score is not None else lacking,
        parts=tuple(parts) if len(parts) > 1 else (),
    )
