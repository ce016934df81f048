"""In which order: the same tasks one after another, one phase each.

Every task has the same number of updates in every order, and the orders that mix tasks
have as many updates in all. Orders with the same beginning share its stages: of six
permutations of three tasks, 15 stages are trained and not 18.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from xtl_jax.studies import arms as making
from xtl_jax.studies.arms import Arm
from xtl_jax.studies.config import StudyConfig

MOST_PERMUTED = 5  # tasks: 120 orders


def arms(config: StudyConfig) -> tuple[Arm, ...]:
    """None, and each order once, called as the first that asks for it.

    Raises:
        UserError: fewer than two tasks, steps that do not divide, no similarity.
    """
    if len(config.tasks) < 2:
        config.refuse("tasks", "needs two tasks or more to order them")
    if not config.orders:
        config.refuse("orders", "is empty; name at least one")
    if config.phase_steps % len(config.tasks):
        config.refuse("phase_steps", f"must divide by the {len(config.tasks)} tasks")
    found = [making.NONE]
    for order in config.orders:
        if order == "together":
            place = {"order": order}
            found.append(
                making.together(config, config.tasks, name="together", place=place)
            )
        elif order == "varying":
            found.append(_varying(config))
        else:
            found += [_chain(config, each, order) for each in _orders(config, order)]
    return making.distinct(found)


def _orders(config: StudyConfig, order: str) -> Iterator[tuple[str, ...]]:
    tasks = config.tasks
    if order == "permutations":
        if len(tasks) > MOST_PERMUTED:
            config.refuse("orders", f"permutes more than {MOST_PERMUTED} tasks")
        yield from itertools.permutations(tasks)
    elif order == "given":
        yield tasks
    elif order == "reverse":
        yield tasks[::-1]
    else:
        missing = [task for task in tasks if task not in config.similarity]
        if missing:
            config.refuse(
                "similarity",
                f"is needed by the order {order} and says nothing of "
                f"{', '.join(missing)}",
            )
        first = sorted(tasks, key=lambda task: -config.similarity[task])
        yield tuple(first if order == "similar_first" else first[::-1])


def _chain(config: StudyConfig, tasks: Sequence[str], order: str) -> Arm:
    share = 1 / len(tasks)
    steps = config.phase_steps // len(tasks)
    phases = [making.phase(config, (task,), steps=steps, share=share) for task in tasks]
    return Arm(
        name=" then ".join(tasks),
        phases=tuple(phases),
        place={"order": order, "tasks": tuple(tasks)},
    )


def _varying(config: StudyConfig) -> Arm:
    """One phase whose rates move along lines from each task to the next."""
    tasks, last = config.tasks, len(config.tasks) - 1
    schedule = {
        config.phase_steps * number // last: {task: 1.0}
        for number, task in enumerate(tasks)
    }
    mixture = {"rates": "varying", "schedule": schedule, "between": "linear"}
    only = making.phase(config, tasks, steps=config.phase_steps, mixture=mixture)
    return Arm(name="varying", phases=(only,), place={"order": "varying"})
