"""From `log.jsonl` to learning curves.

Lines of kind `train` give loss and accuracy over steps; lines of kind `eval` give the
development metric of a task. One panel a quantity, one curve an arm:

    {"step": 10, "kind": "train", "loss": 4.2, "accuracy_percent": 10.0}
    {"step": 100, "kind": "eval", "task": "squad_v1", "f1": 31.5, "exact_match": 20.0}

A restarted run may log a step twice; the later line counts. A value that is not finite
is left out of the curve and named in the notes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.report import plots
from xtl_jax.report.cells import metric_title
from xtl_jax.report.results import RunResults

_TRAIN = {
    "loss": "Training loss, nats per token",
    "accuracy_percent": "Training accuracy, percent of tokens",
}
_PREFERRED = ("f1", "accuracy", "exact_match")
MOST_PANELS = 12
MOST_POINTS = 300


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot: a quantity over steps, a line an arm."""

    title: str
    note: str
    percent: bool
    lines: tuple[plots.Line, ...]


def panels(arms: Sequence[RunResults]) -> tuple[Panel, ...]:
    """Loss and accuracy in training, then the development metric of each task."""
    made = [_panel(title, "train", key, arms) for key, title in _TRAIN.items()]
    tasks = dict.fromkeys(
        str(line["task"])
        for arm in arms
        for line in arm.log
        if line.get("kind") == "eval" and "task" in line
    )
    for task in tasks:
        keys = [key for key in _PREFERRED if _has(arms, task, key)]
        titled = [(key, metric_title(key)) for key in keys[:1]]
        if not keys and _has(arms, task, "loss"):
            titled = [("loss", "loss, nats per token")]
        made += [
            _panel(f"Development {title}: {task}", "eval", key, arms, task=task)
            for key, title in titled
        ]
    return tuple(panel for panel in made if panel is not None)[:MOST_PANELS]


def _has(arms: Sequence[RunResults], task: str, key: str) -> bool:
    return any(
        line.get("kind") == "eval" and line.get("task") == task and key in line
        for arm in arms
        for line in arm.log
    )


def _panel(
    title: str,
    kind: str,
    key: str,
    arms: Sequence[RunResults],
    *,
    task: str | None = None,
) -> Panel | None:
    lines, merged = [], False
    for index, arm in enumerate(arms):
        points = _points(arm.log, kind=kind, key=key, task=task)
        thin = plots.thinned(points, most=MOST_POINTS)
        merged |= len(thin) < len(points)
        if points:
            lines.append(plots.Line(label=arm.label, arm=index, points=thin))
    if not lines:
        return None
    return Panel(
        title=title,
        note="neighbouring steps averaged" if merged else "",
        percent=key != "loss",
        lines=tuple(lines),
    )


def _points(
    log: Sequence[Mapping[str, Any]], *, kind: str, key: str, task: str | None
) -> list[tuple[float, float]]:
    values: dict[float, float] = {}
    for line in log:
        if line.get("kind") != kind or (task is not None and line.get("task") != task):
            continue
        step, value = line.get("step"), line.get(key)
        if isinstance(step, int) and isinstance(value, int | float):
            values.pop(step, None)
            if math.isfinite(value):
                values[step] = float(value)
    return sorted(values.items())
