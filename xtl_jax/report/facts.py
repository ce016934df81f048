"""What was run, on what: the head of a report and its configuration table.

All of it is read from `run.json`. A key that a run does not have is left out rather
than guessed:

    >>> flat({"run": {"task": "squad_v1", "lengths": {"inputs": 512}}})
    {'run.task': 'squad_v1', 'run.lengths.inputs': '512'}
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.report.results import RunResults

# Title of a fact, and the keys of run.json that may hold it: the first there counts.
_FACTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Trained on", ("run.task", "run.mixture", "run.mixture_or_task_name")),
    ("Model", ("model.name", "model.size", "run.model")),
    ("Steps", ("run.steps", "run.train_steps")),
    ("Batch size", ("run.batch_size",)),
    ("Seed", ("run.seed",)),
    ("Started from", ("run.initial_checkpoint", "run.initial_checkpoint_path")),
    ("Vocabulary", ("run.vocabulary", "model.vocabulary")),
    ("Device", ("environment.device", "environment.devices", "environment.platform")),
    ("xtl_jax", ("version", "environment.xtl_jax", "environment.versions.xtl_jax")),
    ("jax", ("environment.jax", "environment.versions.jax")),
)

_COMMAND = ("environment.command", "environment.argv", "run.command")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """One value of the configuration, in every arm."""

    name: str
    values: tuple[str | None, ...]  # None: the arm has no such key

    @property
    def differs(self) -> bool:
        """Whether the arms disagree."""
        return len(set(self.values)) > 1


def flat(config: Mapping[str, Any], *, prefix: str = "") -> dict[str, str]:
    """Nested values as `section.field`, written as people write them."""
    values: dict[str, str] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            values |= flat(value, prefix=f"{name}.")
        else:
            values[name] = _written(value)
    return values


def headline(arms: Sequence[RunResults]) -> list[Setting]:
    """The facts that stand at the head of the page."""
    tables = [flat(arm.config) for arm in arms]
    made = []
    for title, keys in _FACTS:
        values = tuple(
            next((t[key] for key in keys if t.get(key)), None) for t in tables
        )
        if any(values):
            made.append(Setting(name=title, values=values))
    scored = tuple(_scored(arm) for arm in arms)
    return [*made, Setting(name="Scored checkpoint", values=scored)]


def settings(arms: Sequence[RunResults]) -> list[Setting]:
    """The whole configuration, in the order of the files."""
    tables = [flat(arm.config) for arm in arms]
    names = dict.fromkeys(name for table in tables for name in table)
    return [
        Setting(name=name, values=tuple(table.get(name) for table in tables))
        for name in names
    ]


def is_toy(arms: Sequence[RunResults]) -> bool:
    """Whether any arm is trained or scored on the embedded toy world."""
    words = [score.family for arm in arms for score in arm.scores]
    for arm in arms:
        table = flat(arm.config)
        words += [table.get(key, "") for key in _FACTS[0][1]]
        if table.get("run.toy") == "true":
            return True
    return any(word.startswith("world") for word in words)


def command(arm: RunResults) -> str | None:
    """The command that made the run, if it was kept."""
    for key in _COMMAND:
        value: Any = arm.config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, list | tuple) and value:
            return shlex.join(map(str, value))
        if isinstance(value, str) and value:
            return value
    return None


def _scored(arm: RunResults) -> str | None:
    steps = sorted({score.step for score in arm.scores if score.step is not None})
    return ", ".join(f"step {step}" for step in steps) or None


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
