"""In which languages: sets of tasks, trained together at equal numbers of examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xtl_jax.studies import arms as making
from xtl_jax.studies.arms import Arm
from xtl_jax.studies.config import StudyConfig


def arms(config: StudyConfig) -> tuple[Arm, ...]:
    """None, and each set.

    Raises:
        UserError: fewer than two sets, or arms that have not as many examples.
    """
    if len(config.sets) < 2:
        config.refuse("sets", "needs two arms or more to compare")
    if config.equal != "examples":
        config.refuse("equal", 'must be "examples": mixes differ in language alone')
    return (making.NONE, *sets(config))


def sets(config: StudyConfig) -> tuple[Arm, ...]:
    """An arm of one phase for each set.

    Raises:
        UserError: a weight of a task that no set has.
    """
    known = {task for tasks in config.sets.values() for task in tasks}
    extra = sorted(set(config.weights) - known)
    if extra:
        config.refuse("weights", f"names {', '.join(extra)}, which no set has")
    return tuple(
        making.together(
            *(config, tuple(tasks)),
            name=name,
            place={"set": name},
            mixture=_rates(config, tasks),
        )
        for name, tasks in config.sets.items()
    )


def _rates(config: StudyConfig, tasks: Sequence[str]) -> dict[str, Any]:
    """All alike, unless a task has another weight."""
    weights = {task: config.weights.get(task, 1.0) for task in tasks}
    if len(set(weights.values())) == 1:
        return {"rates": "equal"}
    return {"rates": "explicit", "weights": weights}
