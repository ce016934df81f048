"""What a study's report is made from: its declaration, its stages, counts of items.

    study.json                         the declaration: `Study.document`
    stages/ID/done.json, failed.json   how far each stage is: `Stage`
    stages/ID/items/*.json             counts of each item: `Scored`
    stages/ID/scores, robustness       shares of outputs that are no answer

`cli/study_results.py` opens the files. A stage that is not done is a value too: nothing
is shown as if it had not been asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from xtl_jax.errors import UserError
from xtl_jax.metrics.bootstrap import Rows
from xtl_jax.metrics.metric import Metric

State = Literal["done", "running", "failed", "blocked", "ready", "waiting"]
# In the order in which a page tells them, and in a reader's words.
STATES: Mapping[State, str] = {
    "done": "done",
    "running": "being worked at",
    "failed": "failed",
    "blocked": "blocked by one that failed",
    "ready": "not begun",
    "waiting": "waiting for another",
}
NONE = "none"  # the arm that all others are compared with
CLEAN = ""  # the condition of texts as they are; else the file part of an attack


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage and how far it is."""

    id: str
    kind: str
    title: str
    seed: int | None
    target: str
    arms: tuple[str, ...]
    parents: tuple[str, ...]
    marks: tuple[str, ...]
    state: State
    oracle: int | None = None  # the step that oracle selection looks at here
    error: str = ""
    seconds: float | None = None
    attempts: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scored:
    """One score stage that is done.

    Attributes:
        rows: condition to language to counts by item.
        shares: condition to language to shares in percent, by kind of output.
        not_applied: attack to language to items that it has no meaning for.
    """

    rows: Mapping[str, Mapping[str, Rows]]
    shares: Mapping[str, Mapping[str, Mapping[str, float]]]
    not_applied: Mapping[str, Mapping[str, int]] = dataclasses.field(
        default_factory=dict
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """One target of the study, with what the catalogue says of it."""

    name: str  # "squad_v1>mlqa"
    train: str
    family: str
    metric: Metric
    languages: tuple[str, ...]  # that should be scored
    scores: Mapping[tuple[str, int], Scored]  # by arm and seed
    # By arm and seed: a step of the target's training to clean items by language. For
    # oracle selection alone: what is chosen by them is not zero-shot.
    oracle: Mapping[tuple[str, int], Mapping[int, Mapping[str, Rows]]] = (
        dataclasses.field(default_factory=dict)
    )

    @property
    def title(self) -> str:
        """What is scored, and what was trained for it where that is another family.

        Example:
            >>> from xtl_jax.metrics import accuracy
            >>> common = dict(metric=accuracy.METRIC, languages=("en",), scores={})
            >>> Target(name="", train="squad_v1", family="mlqa", **common).title
            'mlqa (after squad_v1)'
        """
        if not self.train:
            return f"{self.family} (nothing trained)"
        if self.train.partition(".")[0] == self.family.partition(".")[0]:
            return self.family
        return f"{self.family} (after {self.train})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """Everything that a study's report knows."""

    document: Mapping[str, Any]  # as `xtl study show --json` has it
    stages: tuple[Stage, ...]
    targets: tuple[Target, ...]
    notes: tuple[str, ...] = ()

    @property
    def config(self) -> Mapping[str, Any]:
        """Fields of `StudyConfig`."""
        return self.document["study"]

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms, the baseline first."""
        return tuple(arm["name"] for arm in self.document["arms"])

    @property
    def seeds(self) -> tuple[int, ...]:
        """All that were asked for."""
        return tuple(self.config["seeds"])

    @property
    def attacks(self) -> tuple[str, ...]:
        """Attacks that any target was scored under, in the order of the files."""
        found = (
            condition
            for target in self.targets
            for scored in target.scores.values()
            for condition in scored.rows
            if condition != CLEAN
        )
        return tuple(dict.fromkeys(found))

    @property
    def complete(self) -> bool:
        """Whether every stage is done."""
        return all(stage.state == "done" for stage in self.stages)

    @property
    def toy(self) -> bool:
        """Whether the study is one of the embedded world."""
        return self.config["scale"] == "world"

    @property
    def matters(self) -> float:
        """The smallest difference that matters, in points."""
        return float(self.config["smallest_difference"])

    def short(self, arm: str) -> str:
        """An arm's name for a figure: its tasks without what all of them share."""
        tasks = sorted(
            {t for a in self.document["arms"] for p in a["phases"] for t in p["tasks"]},
            key=lambda task: (-len(task), task),
        )
        heads = {task.partition("_")[0] + "_" for task in tasks}
        alike = len(heads) == 1 and len(tasks) > 1
        prefix = heads.pop() if alike else ""
        ends = {task.partition(".")[2] for task in tasks}
        end = f".{ends.pop()}" if len(ends) == 1 else ""
        for task in tasks:
            arm = arm.replace(task, task.removeprefix(prefix).removesuffix(end or " "))
        return arm

    def place(self, arm: str) -> Mapping[str, Any]:
        """Where an arm lies on the study's axis."""
        found = next(each for each in self.document["arms"] if each["name"] == arm)
        return found["place"]


def items(document: Any, *, metric: Metric, source: str) -> Rows:
    """`items/TASK.LANGUAGE[@ATTACK].json` as counts by item.

    Args:
        document: the parsed JSON.
        metric: of the family.
        source: name of the file, for errors.

    Raises:
        UserError: it is of another metric, or not what `xtl study run` writes.

    Example:
        >>> from xtl_jax.metrics import accuracy
        >>> rows = {"metric": "accuracy", "keys": ["total", "correct"],
        ...         "rows": {"a": [1, 0]}}
        >>> items(rows, metric=accuracy.METRIC, source="x.json")
        {'a': {'total': 1.0, 'correct': 0.0}}
    """
    try:
        if document["metric"] != metric.name:
            raise UserError(
                f"{source} was counted by {document['metric']!r}, and the task is "
                f"scored by {metric.name!r} now: run the study again, which scores "
                "without the model"
            )
        keys = [str(key) for key in document["keys"]]
        rows = {
            str(id_): dict(zip(keys, map(float, counts), strict=True))
            for id_, counts in document["rows"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{source} is not what this version writes ({type(error).__name__}: "
            f"{error}): delete the stage's folder and run the study again"
        ) from None
    if not rows:
        raise UserError(f"{source} has no item: delete the stage and run it again")
    return rows
