"""How long: one trajectory of each task, gone on from at several steps.

A task is trained once, for `phase_steps` updates, and an arm takes the checkpoint at
one step of the grid. That is the same as a run of so many updates only if the learning
rate at a step does not depend on how many there are in all: `graph` refuses it
otherwise.
"""

from __future__ import annotations

import math

from xtl_jax.studies import arms as making
from xtl_jax.studies.arms import Arm
from xtl_jax.studies.config import StudyConfig


def arms(config: StudyConfig) -> tuple[Arm, ...]:
    """None, and each task at each step of the grid.

    Raises:
        UserError: no task, no step, or a grid that does not end at `phase_steps`.
    """
    if not config.tasks:
        config.refuse("tasks", "is empty; name at least one")
    grid = sorted(set(config.step_grid) - {0})
    if not grid or grid[-1] != config.phase_steps:
        config.refuse("step_grid", f"must end at phase_steps = {config.phase_steps}")
    period = math.gcd(*grid)
    kept = {"save_period": period, "keep": config.phase_steps // period}
    found = [making.NONE]
    for task in config.tasks:
        only = making.phase(config, (task,), steps=config.phase_steps, run=kept)
        found += [
            Arm(
                name=f"{task} at {step}",
                phases=(only,),
                place={"task": task, "steps": step},
                take=step,
            )
            for step in grid
        ]
    return making.distinct(found)
