"""How many tasks: subsets of a list, of several sizes.

Of each size there are the first tasks of the list, so that these *nested* subsets grow
one out of another, and some *random* ones: else the number of tasks could not be told
from which tasks they are.

    tasks a b c d, sizes 0 1 2 4, draws 1
    none | a | a b | a b c d      nested
         | c | b d                random
"""

from __future__ import annotations

import hashlib
import math

from xtl_jax.studies import arms as making
from xtl_jax.studies.arms import Arm
from xtl_jax.studies.config import StudyConfig


def arms(config: StudyConfig) -> tuple[Arm, ...]:
    """None, and for each size the nested subset and the random ones.

    Raises:
        UserError: no size, or one above the number of tasks.
    """
    tasks = config.tasks
    if not any(config.sizes):
        config.refuse("sizes", "needs a size above 0")
    if max(config.sizes) > len(tasks):
        config.refuse("sizes", f"has a size above the {len(tasks)} tasks")
    found = [making.NONE]
    for size in sorted(set(config.sizes) - {0}):
        subsets = [("nested", tasks[:size])]
        subsets += [("random", each) for each in _random(config, size)]
        for kind, subset in subsets:
            name = "all" if len(subset) == len(tasks) else "+".join(subset)
            place = {"size": size, "kind": kind}
            found.append(making.together(config, subset, name=name, place=place))
    return making.distinct(found)


def _random(config: StudyConfig, size: int) -> list[tuple[str, ...]]:
    """Different subsets of one size, none of them the nested one."""
    tasks = config.tasks
    wanted = min(config.draws, math.comb(len(tasks), size) - 1)
    found: list[tuple[str, ...]] = []
    draw = 0
    while len(found) < wanted:
        chosen = sorted(tasks, key=lambda task: _draw(config, size, draw, task))[:size]
        subset = tuple(task for task in tasks if task in chosen)
        if subset != tasks[:size] and subset not in found:
            found.append(subset)
        draw += 1
    return found


def _draw(config: StudyConfig, size: int, draw: int, task: str) -> str:
    """A number that looks random and is the same on every machine."""
    text = f"{config.subset_seed}/{size}/{draw}/{task}"
    return hashlib.sha256(text.encode()).hexdigest()
