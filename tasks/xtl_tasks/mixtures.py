"""Tasks trained together, by name.

    FAMILY_all               every standard language of a target, scored by one name
    FAMILY_translate_train   English and its machine translations, languages alike
    intermediate_all         the nine intermediate tasks as Phang et al. (2020) mix them
    A_and_B                  tasks, each alike
    A_with_text              the same with one text for a hundred of its examples

Any field of a mixture can be set in a run (`--gin.MixtureConfig.cap=2097152`), and a
run can name tasks of its own (`MixtureConfig.tasks`), so only what has a name in the
field is listed here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from xtl_jax.data.mixture import MixtureConfig
from xtl_jax.errors import UserError, near
from xtl_tasks import catalog
from xtl_tasks.family import Family

# The intermediate tasks of Phang et al. (2020), and the cap of their mixture.
NINE = (
    *("anli_plus", "mnli", "qqp", "squad_v2", "squad_v1", "hellaswag", "ccg"),
    *("cosmos_qa", "commonsense_qa"),
)
CAP = 2**17
# One text for a hundred examples keeps a model from answering in English whatever the
# language is: the ratio of mT5's experiments (Xue et al. 2021, section 5).
TEXT = {"span_corruption": 0.01}


def _with_text(task: str) -> MixtureConfig:
    return MixtureConfig(
        name=f"{task}_with_text", tasks=(task,), rates="equal", beside=TEXT
    )


def _all_languages(family: Family) -> MixtureConfig:
    return MixtureConfig(
        name=f"{family.name}_all",
        tasks=tuple(map(family.task_name, family.standard_languages)),
        rates="equal",
    )


def _translate_train(target: str, english: str, *translations: str) -> MixtureConfig:
    return MixtureConfig(
        name=f"{target}_translate_train",
        tasks=(english, *translations),
        rates="equal",  # as mT5: every language alike, whatever its size
    )


MIXTURES: tuple[MixtureConfig, ...] = (
    # intermediate tasks together, and beside plain text
    MixtureConfig(name="intermediate_all", tasks=NINE, rates="proportional", cap=CAP),
    MixtureConfig(
        name="intermediate_all_with_text",
        tasks=NINE,
        rates="proportional",
        cap=CAP,
        beside=TEXT,
    ),
    MixtureConfig(name="squad_v1_and_mnli", tasks=("squad_v1", "mnli"), rates="equal"),
    *map(_with_text, NINE),
    # English and machine translations
    _translate_train("xnli", "xnli.en", "xnli_translated"),
    _translate_train("pawsx", "pawsx.en", "pawsx_translated"),
    _translate_train("xquad", "squad_v1", "squad_translated"),
    _translate_train(
        *("mlqa", "squad_v1"),
        *(f"squad_translated.{each}" for each in ("ar", "de", "es", "hi", "vi", "zh")),
    ),
    _translate_train("tydiqa_goldp", "tydiqa_goldp.en", "tydiqa_goldp_translated"),
    # all standard languages of a target, and of a family of the toy world
    *(
        _all_languages(family)
        for family in catalog.FAMILIES
        if (family.role == "target" or family.card.toy)
        and len(family.standard_languages) > 1
    ),
)


def names() -> list[str]:
    """Every mixture that has a name."""
    return [mixture.name for mixture in MIXTURES]


def mixture(name: str) -> MixtureConfig:
    """The mixture of that name.

    Raises:
        UserError: there is none; names the near ones.
    """
    for candidate in MIXTURES:
        if candidate.name == name:
            return candidate
    raise UserError(
        f"no mixture {name!r} among {len(names())}; near: {near(name, names())}; see "
        "`xtl tasks`"
    )


def expand(given: MixtureConfig) -> MixtureConfig:
    """A mixture whose families are replaced by their tasks.

    In `tasks` and `beside` a family stands for the standard languages that it can be
    trained in (for all of them, if that is none); in the other fields for those of its
    tasks that the mixture has. What is said of a task beats what is said of its family.

    Raises:
        UserError: a name that is neither a task nor a family, or not in the mixture.
    """
    tasks = tuple(task for name in given.tasks for task in _tasks(name))
    beside = {
        task: ratio for name, ratio in given.beside.items() for task in _tasks(name)
    }
    members = (*tasks, *beside)

    def spread(field: str, values: Mapping[str, Any]) -> dict[str, Any]:
        return _spread(values, members=members, what=f"mixture {given.name!r}: {field}")

    return dataclasses.replace(
        given,
        tasks=tasks,
        beside=beside,
        weights=spread("weights", given.weights),
        examples=spread("examples", given.examples),
        schedule={
            step: spread(f"schedule[{step}]", weights)
            for step, weights in given.schedule.items()
        },
    )


def _tasks(name: str) -> Iterable[str]:
    """The tasks that a name stands for."""
    if name in {family.name for family in catalog.FAMILIES}:
        family = catalog.family(name)
        languages = family.standard_languages
        trained = [each for each in languages if "train" in family.splits_of(each)]
        return [family.task_name(each) for each in trained or languages]
    family, language = catalog.find(name)
    return [family.task_name(language)]


def _spread(
    values: Mapping[str, Any], *, members: tuple[str, ...], what: str
) -> dict[str, Any]:
    """What is said of families and tasks, said of tasks."""
    found: dict[str, Any] = {}
    families = {task: catalog.find(task)[0].name for task in members}
    for name in values:
        if name not in members and name not in families.values():
            known = [*members, *families.values()]
            raise UserError(
                f"{what} names {name!r}, which is not in the mixture; near: "
                f"{near(name, known)}; it has: {', '.join(members[:20])}"
            )
    for task, family in families.items():
        if task in values:
            found[task] = values[task]
        elif family in values:
            found[task] = values[family]
    return found
