"""Which task: each alone, all together, with plain text beside, translated."""

from __future__ import annotations

from xtl_jax.studies import arms as making
from xtl_jax.studies import language_mix
from xtl_jax.studies.arms import Arm
from xtl_jax.studies.config import StudyConfig

TOGETHER = "together"


def arms(config: StudyConfig) -> tuple[Arm, ...]:
    """None, every task, the mixture of all, those with text, and the sets.

    Raises:
        UserError: no task, or text beside one that is no arm.
    """
    if not config.tasks:
        config.refuse("tasks", "is empty; name at least one")
    groups: dict[str, tuple[str, ...]] = {task: (task,) for task in config.tasks}
    if config.together:
        groups[TOGETHER] = config.tasks
    extra = sorted(set(config.with_text) - set(groups))
    if extra:
        config.refuse("with_text", f"names {', '.join(extra)}, which is no arm")
    taken = sorted(set(config.sets) & set(groups))
    if taken:
        config.refuse("sets", f"names {', '.join(taken)}, which is an arm already")
    beside = {config.text: config.text_ratio}
    return making.distinct(
        (
            making.NONE,
            *(
                making.together(config, tasks, name=name, place={"tasks": name})
                for name, tasks in groups.items()
            ),
            *(
                making.together(
                    config,
                    groups[name],
                    name=f"{name} with text",
                    place={"tasks": name, "text": config.text_ratio},
                    beside=beside,
                )
                for name in config.with_text
            ),
            *language_mix.sets(config),
        )
    )
