"""Everything that decides a study, as plain values.

gin fills `StudyConfig` in `cli` only. What holds for every axis is checked here; what
one axis needs is checked in its file.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from xtl_jax.errors import UserError, near
from xtl_jax.fields import defaults, is_number, is_whole

Axis = Literal["subsets", "order", "steps", "language_mix", "source_language", "grid"]
Scale = Literal["world", "real", "small", "full"]
Equal = Literal["steps", "examples", "tokens"]
Rates = Literal["proportional", "equal"]
Order = Literal[
    "given", "reverse", "similar_first", "similar_last", "permutations", "together",
    "varying",
]  # fmt: skip
SEEDS = (0, 1, 2, 3, 4)
# The fields that each axis reads, besides those that all of them do.
_READ: Mapping[str, frozenset[str]] = {
    "subsets": frozenset({"tasks", "sizes", "draws", "subset_seed", "rates", "cap"}),
    "order": frozenset({"tasks", "orders", "similarity", "rates", "cap"}),
    "steps": frozenset({"tasks", "step_grid"}),
    "language_mix": frozenset({"sets", "weights"}),
    "source_language": frozenset({"sets", "weights"}),
    "grid": frozenset(
        {"tasks", "together", "rates", "cap", "with_text", "text", "text_ratio", "sets"}
    ),
}
_OPTIONAL = frozenset().union(*_READ.values())


class Target(NamedTuple):
    """One target: what the last stage trains on, and what is scored."""

    train: str  # a task; "" scores what the arm has left, without training
    family: str  # a family or task of the catalogue

    @property
    def name(self) -> str:
        """As the config has it."""
        return f"{self.train}>{self.family}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """One study at one scale.

    Attributes:
        name: of the study.
        question: what it asks, one sentence.
        axis: what its arms differ in.
        scale: "world" is the toy on a laptop, "real" a real encoder on what data is
            here, "small" mT5-Small, "full" the size in the question.
        model_files: gin files of every stage: model, mesh, vocabulary.
        initial: what all arms begin with: a checkpoint, or the gin file of a
            pre-training stage, which all arms and seeds share. "" is random parameters
            and is refused where a stage would have nothing to learn from.
        initial_seed: of the pre-training stage.
        phase_files: gin files of every phase, after those of the model.
        phase_steps: updates of all phases of an arm together.
        target_files: target to its gin files, several with commas between; "*" is for
            those that are not named.
        target_steps: target to its updates, "*" likewise; where absent, as its files
            say.
        targets: `TRAIN>FAMILY` each: `squad_v1>mlqa` trains on SQuAD and scores MLQA;
            `>tatoeba` trains nothing.
        attacks: that every target is predicted under beside its clean texts.
        evaluate_examples: first examples of each evaluation set, 0 for all.
        oracle: beside the headline, which has the checkpoint with the best English dev
            score, every checkpoint of a target's training is scored, clean; see
            `studies.oracle`. What is chosen so is not zero-shot, and is marked.
        seeds: of all stages behind the initial checkpoint; the same for all arms.
        equal: what arms have alike, `phase_steps` updates of one batch size: "steps"
            says no more; "examples" packs no rows, so that an update reads as many
            examples in every arm; "tokens" packs them, so that every row is full.
        examples: different examples that an arm may draw from, shared out over its
            tasks by `weights`; 0: all there are. With `equal = "examples"` only.
        never_trained: families that no stage may train on, and no translation of them.
        allow_target_language_labels: a stage may train on labels in a language that a
            target is scored in. It is marked everywhere.
        smallest_difference: in points, the smallest that would matter. A difference
            that is not significant is called so only where this one would have been
            found; see `metrics.power.conclude`.
        topology: slice whose time and price are stated, such as "v5e:2x4"; "": none.
        tasks: intermediate tasks.
        rates: where the shares of tasks that are trained together come from.
        cap: most examples of a task that count for `rates`.
        sizes: of subsets; 0 is the arm "none", which is always there.
        draws: random subsets of each size, beside the first tasks as `tasks` has them.
        subset_seed: of the random subsets.
        orders: orders of `tasks`, one phase each. "permutations" are all of them,
            "similar_first" sorts by `similarity`, largest first; "together" trains them
            as one mixture, "varying" as one whose rates move from each to the next.
        similarity: task to its likeness to the targets, for the two sorted orders.
        step_grid: updates after which the one trajectory of a task is gone on from.
        sets: arm to its tasks, trained together: language mixes, source languages,
            translated data.
        weights: task to its weight among those of its set; 1 where it is not named.
        together: an arm that trains all `tasks` as one mixture.
        with_text: tasks, or "together", that have an arm with plain text beside them.
        text: the task of plain text.
        text_ratio: texts for one example.
    """

    name: str
    question: str
    axis: Axis
    scale: Scale
    model_files: tuple[str, ...]
    initial: str
    phase_files: tuple[str, ...]
    phase_steps: int
    target_files: Mapping[str, str]
    targets: tuple[str, ...]
    initial_seed: int = 0
    target_steps: Mapping[str, int] = dataclasses.field(default_factory=dict)
    attacks: tuple[str, ...] = ()
    evaluate_examples: int = 0
    oracle: bool = False
    seeds: tuple[int, ...] = SEEDS
    equal: Equal = "steps"
    examples: int = 0
    never_trained: tuple[str, ...] = ()
    allow_target_language_labels: bool = False
    smallest_difference: float = 1.0
    topology: str = ""
    tasks: tuple[str, ...] = ()
    rates: Rates = "proportional"
    cap: int = 0
    sizes: tuple[int, ...] = ()
    draws: int = 0
    subset_seed: int = 0
    orders: tuple[str, ...] = ()
    similarity: Mapping[str, float] = dataclasses.field(default_factory=dict)
    step_grid: tuple[int, ...] = ()
    sets: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    together: bool = False
    with_text: tuple[str, ...] = ()
    text: str = "span_corruption"
    text_ratio: float = 0.01

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_]+", self.name):
            self.refuse("name", "must be lower-case letters, digits and _")
        for field, allowed in (
            *(("axis", get_args(Axis)), ("scale", get_args(Scale))),
            *(("equal", get_args(Equal)), ("rates", get_args(Rates))),
        ):
            self.choice(field, getattr(self, field), allowed)
        for order in self.orders:
            self.choice("orders", order, get_args(Order))
        for field, least in (
            *(("phase_steps", 1), ("initial_seed", 0), ("evaluate_examples", 0)),
            *(("examples", 0), ("cap", 0), ("draws", 0), ("subset_seed", 0)),
        ):
            if not is_whole(getattr(self, field), least=least):
                self.refuse(field, f"must be a whole number of at least {least}")
        for field, least in (("seeds", 0), ("sizes", 0), ("step_grid", 0)):
            numbers = getattr(self, field)
            if not all(is_whole(number, least=least) for number in numbers):
                self.refuse(field, f"must be whole numbers of at least {least}")
            if len(set(numbers)) < len(numbers):
                self.refuse(field, "names a number twice")
        for field in ("model_files", "phase_files", "targets", "seeds"):
            if not getattr(self, field):
                self.refuse(field, "is empty; name at least one")
        for field in ("tasks", "targets", "attacks", "orders", "with_text"):
            values = getattr(self, field)
            if len(set(values)) < len(values):
                self.refuse(field, "names one of them twice")
        for field in ("similarity", "weights"):
            for task, number in getattr(self, field).items():
                if not is_number(number) or (field == "weights" and number <= 0):
                    self.refuse(f"{field}[{task!r}]", "must be a number above 0")
        for field in ("text_ratio", "smallest_difference"):
            if not (is_number(getattr(self, field)) and getattr(self, field) > 0):
                self.refuse(field, "must be a number above 0")
        if not self.initial:
            self.refuse(
                "initial",
                "is empty: every arm begins with one checkpoint. Give its path, or the "
                "gin file of a pre-training stage",
            )
        if self.examples and self.equal != "examples":
            self.refuse("examples", 'is a budget of equal = "examples"')
        self._check_targets()
        self._check_sets()
        for field in sorted(_OPTIONAL - _READ[self.axis]):
            if getattr(self, field) != defaults(StudyConfig)[field]:
                axes = [axis for axis, read in _READ.items() if field in read]
                self.refuse(
                    field,
                    f"changes nothing with axis = {self.axis!r}; leave it out (it is "
                    f"of {', '.join(axes)})",
                )

    def _check_targets(self) -> None:
        for text in self.targets:
            train, arrow, family = text.partition(">")
            if not arrow or not family or ">" in family:
                self.refuse(
                    "targets",
                    f"must be TRAIN>FAMILY each, such as squad_v1>mlqa, or >tatoeba "
                    f"for no training; got {text!r}",
                )
            if train and not {text, "*"} & set(self.target_files):
                self.refuse("target_files", f"names no file for {text!r}, nor for '*'")
        if self.oracle and not any(target.train for target in self.parsed_targets()):
            self.refuse("oracle", "changes nothing: no target is trained; leave it out")
        for field in ("target_files", "target_steps"):
            for key in getattr(self, field):
                if key not in (*self.targets, "*"):
                    self.refuse(
                        field,
                        f"names {key!r}, which is no target; near: "
                        f"{near(key, self.targets)}",
                    )
        for key, steps in self.target_steps.items():
            if not is_whole(steps, least=1):
                self.refuse(
                    f"target_steps[{key!r}]", "must be a whole number of at least 1"
                )

    def _check_sets(self) -> None:
        for name, tasks in self.sets.items():
            if (
                not isinstance(tasks, (list, tuple))
                or not tasks
                or not all(isinstance(task, str) for task in tasks)
                or len(set(tasks)) < len(tasks)
            ):
                self.refuse(
                    f"sets[{name!r}]", "must be a list of different tasks, one or more"
                )
            if name == "none":
                self.refuse("sets", "names an arm 'none', which is the baseline")

    def choice(self, field: str, value: Any, allowed: tuple[str, ...]) -> None:
        """Refuse a value that is none of those allowed."""
        if value not in allowed:
            raise UserError(
                f"study {self.name!r}: StudyConfig.{field} must be of "
                f"{', '.join(allowed)}, got {value!r}; near: "
                f"{near(str(value), allowed)}"
            )

    def refuse(self, field: str, why: str) -> None:
        """Raise for a field, saying its value."""
        value = getattr(self, field.partition("[")[0])
        raise UserError(
            f"study {self.name!r}: StudyConfig.{field} {why}; got {value!r}"
        )

    def parsed_targets(self) -> tuple[Target, ...]:
        """The targets, each split into what is trained and what is scored.

        Returns:
            In the config's order.
        """
        pairs = (text.partition(">") for text in self.targets)
        return tuple(Target(train, family) for train, _, family in pairs)

    def files_of(self, target: Target) -> tuple[str, ...]:
        """gin files of a target's stages, after those of the model."""
        text = self.target_files.get(target.name, self.target_files.get("*", ""))
        return tuple(part.strip() for part in text.split(",") if part.strip())

    def steps_of(self, target: Target) -> int | None:
        """Updates of a target's training stage; None: as its files say."""
        return self.target_steps.get(target.name, self.target_steps.get("*"))

    @property
    def begins_with_training(self) -> bool:
        """Whether the initial checkpoint is made by a stage of the study."""
        return self.initial.endswith(".gin")
