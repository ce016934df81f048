"""All families, by hand: to add one, write its file and its line here."""

from __future__ import annotations

from xtl_jax.errors import UserError, near
from xtl_tasks import parallel, translated, unsupervised, world
from xtl_tasks.family import Family
from xtl_tasks.intermediate import (
    anli,
    anli_plus,
    ccg,
    commonsense_qa,
    copa,
    cosmos_qa,
    hellaswag,
    mnli,
    qqp,
    snli,
    social_iqa,
    squad_v1,
    squad_v2,
)
from xtl_tasks.target import (
    bucc,
    lareqa,
    mewslix,
    mlqa,
    panx,
    pawsx,
    tatoeba,
    tydiqa_goldp,
    udpos,
    uner,
    xcopa,
    xnli,
    xquad,
)

FAMILIES: tuple[Family, ...] = (
    # the nine intermediate tasks, and the parts of the first
    anli_plus.FAMILY,
    snli.FAMILY,
    anli.FAMILY,
    *anli.ROUNDS,
    mnli.FAMILY,
    qqp.FAMILY,
    squad_v2.FAMILY,
    squad_v1.FAMILY,
    hellaswag.FAMILY,
    hellaswag.RANKED,
    ccg.FAMILY,
    cosmos_qa.FAMILY,
    cosmos_qa.RANKED,
    commonsense_qa.FAMILY,
    commonsense_qa.RANKED,
    # English training sets of XCOPA
    social_iqa.FAMILY,
    social_iqa.RANKED,
    copa.FAMILY,
    copa.RANKED,
    # targets
    xquad.FAMILY,
    mlqa.FAMILY,
    tydiqa_goldp.FAMILY,
    xnli.FAMILY,
    pawsx.FAMILY,
    xcopa.FAMILY,
    xcopa.RANKED,
    udpos.FAMILY,
    panx.FAMILY,
    panx.SPANS,
    uner.FAMILY,
    uner.SPANS,
    bucc.FAMILY,
    tatoeba.FAMILY,
    lareqa.FAMILY,
    mewslix.FAMILY,
    # English training sets of targets, translated by machine
    translated.XNLI,
    translated.PAWSX,
    translated.SQUAD,
    translated.TYDIQA,
    # plain and parallel text, and the toy world
    unsupervised.FAMILY,
    parallel.FAMILY,
    world.TEXT,
    world.QA,
    world.NLI,
    world.PARAPHRASE,
    world.TAGGING,
    world.RETRIEVAL,
    world.PARALLEL,
)


def family(name: str) -> Family:
    """The family of that name.

    Raises:
        UserError: there is none; names the near ones.
    """
    for candidate in FAMILIES:
        if candidate.name == name:
            return candidate
    names = [candidate.name for candidate in FAMILIES]
    raise UserError(
        f"no task family {name!r} among {len(names)}; near: {near(name, names)}; see "
        "`xtl tasks`"
    )


def find(task_name: str) -> tuple[Family, str]:
    """Family and language of a task name.

    `FAMILY.LANGUAGE` is understood for families of one language too.

    Raises:
        UserError: no such task; names the near ones.

    Example:
        >>> found, language = find("mlqa.en-ar")
        >>> found.name, language
        ('mlqa', 'en-ar')
    """
    name, dot, language = task_name.partition(".")
    if name not in {candidate.name for candidate in FAMILIES}:
        names = task_names()
        known = [*(candidate.name for candidate in FAMILIES), *names]
        raise UserError(
            f"no task {task_name!r} among {len(names)}; near: "
            f"{near(task_name, known)}; see `xtl tasks`"
        )
    found = family(name)
    if not dot:
        if not found.has_one_language:
            raise UserError(
                f"{name} is a family of {len(found.languages)} languages; name one: "
                f"{', '.join(found.task_name(each) for each in found.languages[:3])}, …"
            )
        return found, found.languages[0]
    found.check_language(language)
    return found, language


def task_names() -> list[str]:
    """Every task, in the catalogue's order."""
    return [
        each.task_name(language) for each in FAMILIES for language in each.languages
    ]


def languages_by_family() -> dict[str, tuple[str, ...]]:
    """Family name to its languages, to check file settings against."""
    return {each.name: each.languages for each in FAMILIES}
