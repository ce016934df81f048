"""Arms and their phases, and how a phase is made from tasks.

>>> from xtl_jax.studies import arms
>>> arms.NONE.name, arms.NONE.phases
('none', ())
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xtl_jax.studies.config import StudyConfig

# How a phase of several tasks is called in `RunConfig.task`.
MIXTURE = "study_mixture"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """One training stage of an arm.

    Attributes:
        tasks: what is trained on.
        steps: updates.
        mixture: fields of `MixtureConfig`.
        run: further fields of `RunConfig`.
    """

    tasks: tuple[str, ...]
    steps: int
    mixture: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    run: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """What is done between the initial checkpoint and a target.

    Attributes:
        name: of the arm, one in a study.
        phases: in their order; none: the baseline.
        place: where the arm lies on the study's axis: `{"size": 2, "kind": "random"}`.
        take: the step of the last phase that is gone on from; None takes its last.
    """

    name: str
    phases: tuple[Phase, ...]
    place: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    take: int | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """All that it trains on, each once, in the order of phases."""
        each = (task for phase in self.phases for task in phase.tasks)
        return tuple(dict.fromkeys(each))


NONE = Arm(name="none", phases=())


def phase(
    config: StudyConfig,
    tasks: Sequence[str],
    *,
    steps: int,
    share: float = 1.0,
    mixture: Mapping[str, Any] | None = None,
    beside: Mapping[str, float] | None = None,
    run: Mapping[str, Any] | None = None,
) -> Phase:
    """A phase on some tasks, with the study's constraint.

    Args:
        config: says what arms have alike, and rates.
        tasks: trained together.
        steps: updates.
        share: of the arm's budget of examples that this phase has.
        mixture: rates of several tasks; None takes the study's.
        beside: plain text to its ratio.
        run: further fields of a run.
    """
    fields: dict[str, Any] = {}
    if len(tasks) > 1 or beside:
        fields["tasks"] = tuple(tasks)
        fields |= _rates(config, tasks) if mixture is None else mixture
    if beside:
        fields["beside"] = dict(beside)
    if config.examples:
        weights = {task: config.weights.get(task, 1.0) for task in tasks}
        whole = sum(weights.values())
        fields["examples"] = {
            task: max(1, int(config.examples * share * weight / whole))
            for task, weight in weights.items()
        }
    packed = {"examples": {"pack": False}, "tokens": {"pack": True}}
    return Phase(
        tasks=(*tasks, *(beside or ())),
        steps=steps,
        mixture=fields,
        run={**packed.get(config.equal, {}), **(run or {})},
    )


def _rates(config: StudyConfig, tasks: Sequence[str]) -> dict[str, Any]:
    if config.rates == "equal" or len(tasks) == 1:
        return {"rates": "equal"}
    return {"rates": config.rates, "cap": config.cap}


def together(
    config: StudyConfig,
    tasks: Sequence[str],
    *,
    name: str,
    place: Mapping[str, Any],
    mixture: Mapping[str, Any] | None = None,
    beside: Mapping[str, float] | None = None,
) -> Arm:
    """An arm of one phase, which has the whole budget; see `phase`."""
    only = phase(
        config, tasks, steps=config.phase_steps, mixture=mixture, beside=beside
    )
    return Arm(name=name, phases=(only,), place=place)


def distinct(found: Iterable[Arm]) -> tuple[Arm, ...]:
    """The arms without those that do the same as one before them."""
    kept: list[Arm] = []
    for arm in found:
        if all((arm.phases, arm.take) != (each.phases, each.take) for each in kept):
            kept.append(arm)
    return tuple(kept)
