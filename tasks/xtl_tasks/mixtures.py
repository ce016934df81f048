"""Tasks trained together, by name, with the rate of each.

A rate is a weight: a task with rate 100 is drawn a hundred times as often as one with
rate 1. Span corruption beside an intermediate task, at one to a hundred, keeps a model
from answering in English whatever the language is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from xtl_jax.errors import UserError, near
from xtl_tasks import world
from xtl_tasks.family import Family
from xtl_tasks.target import mlqa, tydiqa_goldp, xnli, xquad


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixture:
    """Several tasks and their rates."""

    name: str
    rates: Mapping[str, float]  # task name -> weight, any positive numbers

    def __post_init__(self) -> None:
        bad = {task: rate for task, rate in self.rates.items() if not rate > 0}
        if bad or not self.rates:
            raise ValueError(
                f"Mixture {self.name!r}: rates must be positive, got {bad}"
            )


def _all_languages(family: Family) -> Mapping[str, float]:
    return {family.task_name(language): 1.0 for language in family.standard_languages}


MIXTURES: tuple[Mixture, ...] = (
    # intermediate tasks together, and beside plain text
    Mixture(name="squad_v1_and_mnli", rates={"squad_v1": 1.0, "mnli": 1.0}),
    Mixture(
        name="squad_v1_with_text", rates={"squad_v1": 100.0, "span_corruption": 1.0}
    ),
    Mixture(name="mnli_with_text", rates={"mnli": 100.0, "span_corruption": 1.0}),
    # all standard languages of a target, to be scored by one name
    Mixture(name="xquad_all", rates=_all_languages(xquad.FAMILY)),
    Mixture(name="mlqa_all", rates=_all_languages(mlqa.FAMILY)),
    Mixture(name="tydiqa_goldp_all", rates=_all_languages(tydiqa_goldp.FAMILY)),
    Mixture(name="xnli_all", rates=_all_languages(xnli.FAMILY)),
    # the toy world
    Mixture(name="world_text_all", rates=_all_languages(world.TEXT)),
    Mixture(name="world_qa_all", rates=_all_languages(world.QA)),
    Mixture(name="world_nli_all", rates=_all_languages(world.NLI)),
    Mixture(name="world_paraphrase_all", rates=_all_languages(world.PARAPHRASE)),
)


def mixture(name: str) -> Mixture:
    """The mixture of that name.

    Raises:
        UserError: there is none; names the near ones.
    """
    for candidate in MIXTURES:
        if candidate.name == name:
            return candidate
    names = [candidate.name for candidate in MIXTURES]
    raise UserError(
        f"no mixture {name!r} among {len(names)}; near: {near(name, names)}; see "
        "`xtl tasks`"
    )
