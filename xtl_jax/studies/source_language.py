"""From which language: one set of tasks for each source language, as many examples.

A set is called by the code of its language, and every task in it must be in it.
"""

from __future__ import annotations

from xtl_jax.studies import arms as making
from xtl_jax.studies import language_mix
from xtl_jax.studies.arms import Arm
from xtl_jax.studies.config import StudyConfig

# Tasks whose name has no language are of families with one: English ones.
DEFAULT = "en"


def arms(config: StudyConfig) -> tuple[Arm, ...]:
    """None, and each language.

    Raises:
        UserError: fewer than two languages, English missing, a task of another.
    """
    if config.equal != "examples":
        config.refuse("equal", 'must be "examples": languages differ in size')
    if len(config.sets) < 2 or DEFAULT not in config.sets:
        config.refuse("sets", f"needs the language {DEFAULT!r} and at least another")
    for language, tasks in config.sets.items():
        other = [task for task in tasks if language_of(task) != language]
        if other:
            config.refuse(
                f"sets[{language!r}]",
                f"has tasks in other languages: {', '.join(other)}",
            )
    return (
        making.NONE,
        *(
            Arm(name=arm.name, phases=arm.phases, place={"language": arm.name})
            for arm in language_mix.sets(config)
        ),
    )


def language_of(task: str) -> str:
    """Language of a task by its name.

    Example:
        >>> language_of("xnli_translated.sw"), language_of("mnli")
        ('sw', 'en')
    """
    return task.partition(".")[2] or DEFAULT
