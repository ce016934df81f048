"""What was run, on what: the head of a report and its configuration table.

All of it is read from `run.json`. A key that a run does not have is left out rather
than guessed:

    >>> flat({"run": {"task": "squad_v1", "lengths": {"inputs": 512}}})
    {'run.task': 'squad_v1', 'run.lengths.inputs': '512'}
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.report.results import RunResults

_MODEL = (
    "{model.encoder_layers}+{model.decoder_layers} layers, width {model.embed}, "
    "{model.dtype}"
)
# A title, and how its value is made from keys of run.json.
_FACTS = (
    ("Trained on", "{run.task}"),
    ("Model", _MODEL),
    ("Steps", "{run.steps}"),
    ("Batch size", "{run.batch_size}"),
    ("Seed", "{run.seed}"),
    ("Started from", "{run.initial_checkpoint}"),
    ("Vocabulary", "{run.vocabulary}"),
    ("Device", "{environment.devices} × {environment.device_kind}"),
    ("Versions", "xtl_jax {environment.xtl_jax}, jax {environment.packages.jax}"),
)


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
    for title, pattern in _FACTS:
        values = tuple(_filled(pattern, table) for table in tables)
        if any(values):
            made.append(Setting(name=title, values=values))
    times = tuple(_time(arm) for arm in arms)
    if any(times):
        made.append(Setting(name="Time of training", values=times))
    scored = tuple(_scored(arm) for arm in arms)
    return [*made, Setting(name="Scored checkpoint", values=scored)]


def lede(arms: Sequence[RunResults]) -> str:
    """One sentence: which model, trained on what, for how long."""
    table = flat(arms[0].config)
    first = _filled(f"trained on {{run.task}} for {{run.steps}} steps, {_MODEL}", table)
    joined = any(arm.parts for arm in arms)
    if len(arms) > 1:
        others = len(arms) - 1
        first = (
            f"{len(arms)} {'systems' if joined else 'runs'} side by side; "
            f"“{arms[0].label}” is the baseline that the "
            f"other{'s are' if others > 1 else ' is'} measured against"
        )
    elif joined:
        first = f"{len(arms[0].parts)} runs, shown as one system"
    return f"{first[0].upper()}{first[1:]}." if first else ""


def settings(arms: Sequence[RunResults]) -> list[Setting]:
    """The whole configuration, in the order of the files, but for checksums."""
    tables = [flat(arm.config) for arm in arms]
    names = dict.fromkeys(
        name for table in tables for name in table if "checksums." not in name
    )
    return [
        Setting(name=name, values=tuple(table.get(name) for table in tables))
        for name in names
    ]


def is_toy(arms: Sequence[RunResults]) -> bool:
    """Whether any arm is trained or scored on the embedded toy world."""
    words = [score.family for arm in arms for score in arm.scores]
    for arm in arms:
        words.append(flat(arm.config).get("run.task", ""))
    return any(word.startswith("world") for word in words)


def command(run: RunResults) -> str | None:
    """The command that made the run, if it was kept."""
    environment = run.config.get("environment")
    words = environment.get("command") if isinstance(environment, Mapping) else None
    if not isinstance(words, list):
        return None
    return shlex.join(map(str, words)) or None


def _filled(pattern: str, table: Mapping[str, str]) -> str | None:
    """The pattern with its keys replaced; None where the run lacks one of them."""
    keys = re.findall(r"\{([\w.]+)\}", pattern)
    if not all(table.get(key) for key in keys):
        return None
    return re.sub(r"\{([\w.]+)\}", lambda match: table[match[1]], pattern)


def _scored(arm: RunResults) -> str | None:
    steps = sorted({score.step for score in arm.scores if score.step is not None})
    return ", ".join(f"step {step}" for step in steps) or None


def _time(arm: RunResults) -> str | None:
    """What all its training steps took, waiting for data included."""
    seconds = sum(
        entry["seconds"]
        for run in arm.runs
        for entry in run.log
        if entry.get("kind") == "train" and "seconds" in entry
    )
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not seconds:
        return None
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
