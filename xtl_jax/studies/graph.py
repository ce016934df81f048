"""From a study to its stages, each with an id that everything decides.

    kind       does                                       parents
    train      one phase, the target's, or pre-training   what it begins with
    predict    a target, clean and under each attack      what answers
    score      the predictions of one target              those

A stage's id is a hash of what its settings decide (by `describe`, which `cli` gives:
settings without paths, checksums of data, versions of code), and of its parents' ids
with the step that is taken from them. So stages that do the same from the same have
one id and are one stage, whichever arms they belong to; a change of a scorer changes
score stages alone; a change of a task changes its own stages and those behind them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from xtl_jax.errors import UserError
from xtl_jax.studies import axes, zero_shot
from xtl_jax.studies.arms import MIXTURE, Arm, Phase
from xtl_jax.studies.config import StudyConfig, Target
from xtl_jax.studies.oracle import MARK, saved

Kind = Literal["train", "predict", "score"]
# Learning rates that do not depend on how many steps there are in all.
_STEADY = ("constant", "rsqrt")


class Parent(NamedTuple):
    """What a stage begins with."""

    id: str
    take: int | None  # the step of its checkpoint; None: the best on English dev


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """A stage before it is described: which gin files, and what is set over them.

    Attributes:
        kind: what it does.
        title: for people.
        files: gin files, later ones win.
        values: `OWNER.FIELD` to its value, over the files.
        initial: the checkpoint from outside that it begins with; "" where a parent is
            begun with, or nothing.
        keeps_all: every checkpoint that it saves is begun with later, and stays.
    """

    kind: Kind
    title: str
    files: tuple[str, ...]
    values: Mapping[str, Any]
    initial: str = ""
    keeps_all: bool = False


class Described(NamedTuple):
    """What is known of a draft."""

    settings: Mapping[str, Any]  # resolved fields, as JSON
    decides: Mapping[str, Any]  # what makes it another stage, as JSON, without paths
    tasks: tuple[str, ...]  # of the catalogue, that it trains on or scores


Describe = Callable[[Draft], Described]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage.

    Attributes:
        id: 16 hexadecimal digits.
        kind: what it does.
        title: for people.
        draft: what it was made of.
        parents: what it begins with, first; none: from outside.
        settings: resolved fields.
        seed: of its training; None for pre-training, which all seeds share, and for
            what follows from that alone.
        arms: names of the arms that need it.
        target: what it trains for or scores; "" before any target.
        marks: what readers of its results must be told, its parents' included.
        oracle: the step of a target's training that oracle selection looks at here;
            None: not of oracle selection.
    """

    id: str
    kind: Kind
    title: str
    draft: Draft
    parents: tuple[Parent, ...]
    settings: Mapping[str, Any]
    seed: int | None
    arms: tuple[str, ...]
    target: str
    marks: tuple[str, ...] = ()
    oracle: int | None = None


@dataclasses.dataclass(frozen=True)
class Graph:
    """A study's stages, parents before children."""

    config: StudyConfig
    arms: tuple[Arm, ...]
    stages: tuple[Stage, ...]

    def counts(self) -> dict[str, int]:
        """Stages of each kind."""
        kinds: tuple[Kind, ...] = ("train", "predict", "score")
        return {
            kind: sum(stage.kind == kind for stage in self.stages) for kind in kinds
        }

    def unshared(self) -> int:
        """Training stages that there would be if nothing were shared."""
        trained = sum(bool(each.train) for each in self.config.parsed_targets())
        phases = sum(len(arm.phases) for arm in self.arms)
        first = self.config.begins_with_training
        runs = phases + len(self.arms) * (trained + first)
        return runs * len(self.config.seeds)

    def marks(self) -> tuple[str, ...]:
        """Everything that readers must be told, each once."""
        every = (mark for stage in self.stages for mark in stage.marks)
        return tuple(dict.fromkeys(every))


class _Builder:
    """Collects stages; those with the same id are one."""

    def __init__(
        self,
        config: StudyConfig,
        describe: Describe,
        *,
        task: zero_shot.Describe,
        languages: zero_shot.Languages,
    ):
        self.config = config
        self.describe = describe
        self.task = task
        self.languages = languages
        self.stages: dict[str, Stage] = {}

    def add(
        self,
        draft: Draft,
        *,
        parent: Parent | None,
        arm: str,
        seed: int | None,
        target: str = "",
        scored: tuple[str, ...] = (),
        oracle: int | None = None,
        after: tuple[Parent, ...] = (),
    ) -> str:
        """The id of a stage, which is there afterwards; `after` is no part of it."""
        described = self.describe(draft)
        parents = () if parent is None else (parent,)
        # What the headline needs is never a stage of oracle selection.
        own = {} if oracle is None else {"oracle": oracle}
        found = _hash(draft.kind, {**described.decides, **own}, parents)
        known = self.stages.get(found)
        if known is not None:
            names = dict.fromkeys((*known.arms, arm))
            self.stages[found] = dataclasses.replace(known, arms=tuple(names))
            return found
        marks = [mark for each in parents for mark in self.stages[each.id].marks]
        if draft.kind == "train":
            marks += zero_shot.marks(
                self.config,
                described.tasks,
                stage=draft.title,
                scored=scored,
                describe=self.task,
                languages=self.languages,
            )
        self.stages[found] = Stage(
            id=found,
            kind=draft.kind,
            title=draft.title,
            draft=draft,
            parents=(*parents, *after),
            settings=described.settings,
            seed=seed,
            arms=(arm,),
            target=target,
            marks=tuple(dict.fromkeys(marks)),
            oracle=oracle,
        )
        return found


def graph(
    config: StudyConfig,
    describe: Describe,
    *,
    task: zero_shot.Describe,
    languages: zero_shot.Languages,
) -> Graph:
    """The stages of a study.

    Args:
        config: the study.
        describe: what decides a stage.
        task: what must be known of a task of the catalogue.
        languages: that a family or task is scored in.

    Raises:
        UserError: the axis cannot be built, a stage is not zero-shot, or a checkpoint
            is taken from the middle of a run whose learning rate looks at its end.
    """
    arms = axes.arms(config)
    builder = _Builder(config, describe, task=task, languages=languages)
    for seed in config.seeds:
        for arm in arms:
            _arm(builder, arm, seed=seed)
    return Graph(config=config, arms=arms, stages=tuple(builder.stages.values()))


def _arm(builder: _Builder, arm: Arm, *, seed: int) -> None:
    config = builder.config
    targets = config.parsed_targets()
    scored = tuple(dict.fromkeys(target.family for target in targets))
    begin: Parent | None = None
    common = {"arm": arm.name, "scored": scored}
    if config.begins_with_training:
        draft = Draft(
            kind="train",
            title="pre-training",
            files=(*config.model_files, config.initial),
            values={"RunConfig.seed": config.initial_seed},
        )
        begin = Parent(builder.add(draft, parent=None, seed=None, **common), None)
    for phase in arm.phases:
        draft = _phase(config, phase, seed=seed, first=begin is None)
        begin = Parent(builder.add(draft, parent=begin, seed=seed, **common), None)
    if arm.take is not None and begin is not None:
        _check_steady(builder, begin.id, take=arm.take)
        begin = Parent(begin.id, arm.take)
    for target in targets:
        _target(builder, arm, target, begin=begin, seed=seed)


def _phase(config: StudyConfig, phase: Phase, *, seed: int, first: bool) -> Draft:
    several = "tasks" in phase.mixture
    values: dict[str, Any] = {
        "RunConfig.task": MIXTURE if several else phase.tasks[0],
        "RunConfig.steps": phase.steps,
        "RunConfig.seed": seed,
        # Mixtures and other languages have no English dev split to choose by: every
        # arm hands on its last checkpoint, so that none has the better of a choice.
        "RunConfig.dev_task": "none",
        **{f"RunConfig.{field}": value for field, value in phase.run.items()},
        **{f"MixtureConfig.{field}": value for field, value in phase.mixture.items()},
    }
    return Draft(
        kind="train",
        title=f"{' + '.join(phase.tasks)}, {phase.steps} steps",
        files=(*config.model_files, *config.phase_files),
        values=values,
        initial=config.initial if first else "",
    )


def _target(
    builder: _Builder, arm: Arm, target: Target, *, begin: Parent | None, seed: int
) -> None:
    config = builder.config
    files = (*config.model_files, *config.files_of(target))
    initial = "" if begin else config.initial
    # What no seed has touched is the same for all of them.
    own = seed if target.train or arm.phases else None
    common = {"arm": arm.name, "target": target.name, "seed": own}
    if target.train:
        values = {"RunConfig.task": target.train, "RunConfig.seed": seed}
        steps = config.steps_of(target)
        if steps is not None:
            values["RunConfig.steps"] = steps
        draft = Draft(
            kind="train",
            title=f"{target.train}, for the target",
            files=files,
            values=values,
            initial=initial,
            keeps_all=config.oracle,
        )
        trained = builder.add(draft, parent=begin, scored=(target.family,), **common)
        begin, initial = Parent(trained, None), ""
    values = {
        "RunConfig.evaluate": (target.family,),
        "RunConfig.evaluate_examples": config.evaluate_examples,
        "RunConfig.attacks": config.attacks,
    }
    under = f" and under {len(config.attacks)} attacks" if config.attacks else ""
    draft = Draft(
        kind="predict",
        title=f"{target.family}, clean{under}",
        files=files,
        values=values,
        initial=initial,
    )
    headline = _answer(builder, draft, parent=begin, **common)
    if not (config.oracle and target.train):
        return
    settings = builder.stages[trained].settings
    steps = saved(steps=settings["steps"], period=settings["save_period"])
    if len(steps) < 2:
        config.refuse(
            "oracle",
            f"has one checkpoint of {target.train!r} to choose from, that of step "
            f"{settings['steps']}; set a smaller RunConfig.save_period",
        )
    clean = dataclasses.replace(draft, values={**values, "RunConfig.attacks": ()})
    for step in steps:
        title = f"{target.family}, clean, step {step} ({MARK})"
        _answer(
            builder,
            dataclasses.replace(clean, title=title),
            parent=Parent(trained, step),
            after=(Parent(headline, None),),
            oracle=step,
            **common,
        )


def _answer(
    builder: _Builder,
    draft: Draft,
    *,
    parent: Parent | None,
    after: tuple[Parent, ...] = (),
    **common: Any,
) -> str:
    """A prediction and its score; the id of the prediction."""
    found = builder.add(draft, parent=parent, after=after, **common)
    title = f"score {draft.title}"
    draft = dataclasses.replace(draft, kind="score", title=title, initial="")
    builder.add(draft, parent=Parent(found, None), **common)
    return found


def _check_steady(builder: _Builder, stage: str, *, take: int) -> None:
    """An earlier step of a run must be what a shorter run would have ended with."""
    settings = builder.stages[stage].settings
    schedule, share = settings.get("schedule"), settings.get("warmup_share")
    if schedule not in _STEADY or share:
        raise UserError(
            f"study {builder.config.name!r}: step {take} is taken from a run whose "
            f"learning rate depends on its number of steps (schedule = {schedule!r}, "
            f"warmup_share = {share!r}): set RunConfig.schedule to one of "
            f"{', '.join(_STEADY)}, and warmup_steps in place of warmup_share"
        )


def _hash(kind: Kind, decides: Mapping[str, Any], parents: tuple[Parent, ...]) -> str:
    text = json.dumps([kind, decides, parents], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
