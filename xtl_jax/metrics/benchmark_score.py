"""From values of languages to one number of a benchmark.

A *task* has values in each of its languages. Its score is the plain mean over exactly
those languages; a question answering task has two such means, exact match and F1, and
its score is their mean. A *group* is the plain mean of its tasks' scores, and so is the
number over all tasks:

    >>> tasks = BENCHMARKS["xtreme"].tasks
    >>> values = {
    ...     task.name: {code: {"accuracy": 80.0 - 5 * i} for code in task.languages}
    ...     for i, task in enumerate(tasks[:2])
    ... }
    >>> found = score("xtreme", values)
    >>> found.groups[0].name, found.groups[0].score, found.all_tasks.score
    ('classification', 77.5, None)
    >>> found.all_tasks.missing_tasks
    ('panx', 'udpos', 'bucc2018', 'tatoeba', 'xquad', 'mlqa', 'tydiqa')

What is missing is listed, and every mean it belongs to is `None`: XTREME's script does
not print such a mean, and a mean over fewer tasks would be another number.

The script never prints XTREME-R's number over all tasks, since it cannot score LAReQA:
that number is ours and marked so. (LAReQA's mean is over questions, not over languages;
its languages have equally many, so the two are one.)

TyDi QA's own README averages the eight languages without English, XTREME all nine: a
task's mean without English stands beside its score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from xtl_jax.errors import UserError
from xtl_jax.metrics.benchmark import BENCHMARKS, Benchmark, Group, Task
from xtl_jax.metrics.languages import SOURCE
from xtl_jax.metrics.metric import Values, mean_values

_NAMED = 8  # languages that are named one by one where they are missing

Languages = Mapping[str, Values]  # language to key of a metric to percent


class Scored(Protocol):
    """One language of one family, as `scoring.Score` and a score file have it."""

    @property
    def family(self) -> str:
        """Its name in the catalogue."""
        ...

    @property
    def language(self) -> str:
        """Its code."""
        ...

    @property
    def split(self) -> str:
        """What was scored."""
        ...

    @property
    def values(self) -> Values:
        """Percent by key."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskScore:
    """One task's means over its languages; `None` where a language is missing."""

    task: Task
    score: float | None
    averages: Values | None  # by key, over all its languages
    non_english: Values | None  # the same without English
    missing_languages: tuple[str, ...]
    other_split: str | None = None  # what was scored in place of the task's split

    @property
    def is_there(self) -> bool:
        """Whether any of its languages was scored, on whatever split."""
        return self.other_split is not None or not self._lacks_all

    @property
    def lacking(self) -> str:
        """What the score would need, in words; nothing where it is there."""
        if self.other_split is not None:
            return f"scored on {self.other_split}, not {self.task.split}"
        if self._lacks_all:
            return "all languages"
        names = self.missing_languages
        more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
        return ", ".join(names[:_NAMED]) + more

    @property
    def _lacks_all(self) -> bool:
        return len(self.missing_languages) == len(self.task.languages)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanScore:
    """The mean of several tasks' scores; `None` where a task has none."""

    name: str
    title: str
    score: float | None
    tasks: tuple[str, ...]
    missing_tasks: tuple[str, ...]
    ours: bool  # `evaluate.py` does not print it


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkScore:
    """One system's scores on a benchmark."""

    benchmark: Benchmark
    tasks: tuple[TaskScore, ...]
    groups: tuple[MeanScore, ...]
    all_tasks: MeanScore

    def to_json(self) -> dict[str, Any]:
        """The entry of a benchmark in `scores/summary.json`."""
        return {
            "all_task": _mean_json(self.all_tasks),  # named as the script names it
            "groups": {mean.name: _mean_json(mean) for mean in self.groups},
            "tasks": {
                found.task.name: {
                    "score": found.score,
                    "averages": found.averages,
                    "non_english": found.non_english,
                    "languages": list(found.task.languages),
                    "missing_languages": list(found.missing_languages),
                    "other_split": found.other_split,
                    "ours": found.task.ours,
                }
                for found in self.tasks
            },
        }


def score(name: str, values: Mapping[str, Languages]) -> BenchmarkScore:
    """The scores of one system.

    Args:
        name: of the benchmark, as `xtreme-r`.
        values: by the benchmark's name of a task, percent by language and key; other
            languages than the benchmark's are in no mean.

    Raises:
        UserError: a task that the benchmark does not have, or values without a key
            that makes the task's score.
    """
    benchmark = BENCHMARKS[name]
    for task in values:
        benchmark.task(task)
    return _composed(
        benchmark,
        tuple(_task_score(task, values.get(task.name, {})) for task in benchmark.tasks),
    )


def of_scores(
    scores: Iterable[Scored], *, at_least: int = 2
) -> dict[str, BenchmarkScore]:
    """One system's scores on each benchmark of which it has some tasks.

    A score of another split than the benchmark's counts as missing; the split is told.

    Args:
        scores: of each language of each family, all by one system.
        at_least: how many tasks; one alone is its family's summary over again.
    """
    by_family: dict[str, list[Scored]] = {}
    for each in scores:
        by_family.setdefault(each.family, []).append(each)
    found = {}
    for benchmark in BENCHMARKS.values():
        tasks = tuple(_of_family(task, by_family) for task in benchmark.tasks)
        if sum(task.is_there for task in tasks) >= at_least:
            found[benchmark.name] = _composed(benchmark, tasks)
    return found


def _of_family(task: Task, by_family: Mapping[str, Sequence[Scored]]) -> TaskScore:
    names = (task.family, *task.other_formats)
    there = [score for name in names for score in by_family.get(name, ())]
    usable = [score for score in there if score.split == task.split]
    own = [score for score in usable if score.family == usable[0].family]
    found = _task_score(task, {score.language: score.values for score in own})
    if there and not usable:
        return dataclasses.replace(found, other_split=there[0].split)
    return found


def _task_score(task: Task, values: Languages) -> TaskScore:
    own = {name: values[name] for name in task.languages if name in values}
    for language, row in own.items():
        lacking = [key for key in task.keys if key not in row]
        if lacking:
            raise UserError(
                f"{task.title} in {language!r} has no value {lacking[0]!r}, only "
                f"{', '.join(row) or 'none'}; its score is made from "
                f"{' and '.join(task.keys)}: score its predictions again"
            )
    averages = _mean(own, task.languages)
    rest = [name for name in task.languages if name != SOURCE]
    return TaskScore(
        task=task,
        score=None
        if averages is None
        else sum(averages[key] for key in task.keys) / len(task.keys),
        averages=averages,
        non_english=_mean(own, rest) if len(rest) < len(task.languages) else None,
        missing_languages=tuple(name for name in task.languages if name not in own),
    )


def _mean(values: Languages, languages: Sequence[str]) -> dict[str, float] | None:
    if any(name not in values for name in languages):
        return None
    rows = [values[name] for name in languages]
    shared = [key for key in rows[0] if all(key in row for row in rows)]
    return mean_values(
        {name: {key: values[name][key] for key in shared} for name in languages}
    )


def _composed(benchmark: Benchmark, tasks: tuple[TaskScore, ...]) -> BenchmarkScore:
    scores = {found.task.name: found.score for found in tasks}
    return BenchmarkScore(
        benchmark=benchmark,
        tasks=tasks,
        groups=tuple(_mean_score(group, scores) for group in benchmark.groups),
        all_tasks=_mean_score(
            Group(
                name="all_task",
                title="All tasks",
                tasks=tuple(scores),
                # The script never has them all where it has no score for one.
                ours=any(found.task.ours for found in tasks),
            ),
            scores,
        ),
    )


def _mean_score(group: Group, scores: Mapping[str, float | None]) -> MeanScore:
    known = [scores[name] for name in group.tasks]
    there = [value for value in known if value is not None]
    return MeanScore(
        name=group.name,
        title=group.title,
        score=sum(there) / len(there) if len(there) == len(known) else None,
        tasks=group.tasks,
        missing_tasks=tuple(name for name in group.tasks if scores[name] is None),
        ours=group.ours,
    )


def _mean_json(mean: MeanScore) -> dict[str, Any]:
    return {
        "score": mean.score,
        "tasks": list(mean.tasks),
        "missing_tasks": list(mean.missing_tasks),
        "ours": mean.ours,
    }
