"""Which labels a training stage may see.

Zero-shot transfer trains on English labels and scores other languages. A stage that
trains on labels in a language that a target after it is scored in breaks that, whatever
the task: it is refused unless the study says otherwise, and then it is marked. Text
without labels may be in any language. Families that are never trained on are refused
always, their translations with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from xtl_jax.errors import UserError
from xtl_jax.studies.config import StudyConfig

ENGLISH = "en"


class Task(NamedTuple):
    """What must be known of a task here."""

    family: str
    language: str
    labelled: bool
    head: str  # the family whose question it asks: a translation's is the original's


# (task of the catalogue) -> what it is, (family or task) -> languages it is scored in
Describe = Callable[[str], Task]
Languages = Callable[[str], Sequence[str]]


def marks(
    config: StudyConfig,
    tasks: Iterable[str],
    *,
    stage: str,
    scored: Iterable[str],
    describe: Describe,
    languages: Languages,
) -> tuple[str, ...]:
    """What readers of a stage's results must be told; nothing if it is zero-shot.

    Args:
        config: what the study allows.
        tasks: that the stage trains on, each of the catalogue.
        stage: its title, for errors.
        scored: families or tasks that are scored after it.
        describe: of tasks.
        languages: of what is scored.

    Raises:
        UserError: target-language labels that the study does not allow, or a family
            that it never trains on.
    """
    found: list[str] = []
    targets = {each: set(languages(each)) for each in scored}
    for name in tasks:
        task = describe(name)
        if not task.labelled:
            continue
        if {task.family, task.head} & set(config.never_trained):
            raise UserError(
                f"study {config.name!r}, {stage}: trains on {name}, and "
                f"StudyConfig.never_trained names {', '.join(config.never_trained)}: "
                "take another task, or change that field"
            )
        hit = [each for each, spoken in targets.items() if task.language in spoken]
        if task.language == ENGLISH or not hit:
            continue
        if not config.allow_target_language_labels:
            raise UserError(
                f"study {config.name!r}, {stage}: target-language labels in a training "
                f"stage: {name} is labelled in {task.language}, which "
                f"{', '.join(hit)} {'is' if len(hit) == 1 else 'are'} scored in, so "
                "the transfer would not be zero-shot. Take English data, or say "
                "StudyConfig.allow_target_language_labels = True: the results are "
                "marked then"
            )
        found.append(f"not zero-shot: labels in {task.language} ({name})")
    return tuple(found)
