"""What is trained on together, as plain values, and the rates that follow.

A mixture names tasks and says where their rates come from:

    proportional   numbers of examples, none counted above `cap`
    temperature    the same to the power 1 / `temperature`
    equal          every task alike
    explicit       `weights`
    varying        `schedule`: weights at stated steps

`beside` adds tasks at a ratio to all of the others: {"span_corruption": 0.01} is one
text for a hundred of their examples. `examples` are budgets: how many of a task's
examples are used at all.

Wherever a task is named, a family may be: it stands for each of its languages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from xtl_jax.errors import UserError, near
from xtl_jax.fields import defaults, is_number, is_whole

if TYPE_CHECKING:  # mixtures are listed without numpy
    from xtl_jax.data.varying import Varying

Between = Literal["hold", "linear"]
Rates = Literal["proportional", "temperature", "equal", "explicit", "varying"]
# The fields that each kind of rates reads, besides those that all of them do.
_READ: Mapping[str, frozenset[str]] = {
    "proportional": frozenset({"cap", "beside"}),
    "temperature": frozenset({"cap", "temperature", "beside"}),
    "equal": frozenset({"beside"}),
    "explicit": frozenset({"weights", "beside"}),
    "varying": frozenset({"schedule", "between"}),
}
_NEEDED = {"explicit": "weights", "varying": "schedule"}
_OPTIONAL = frozenset().union(*_READ.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixtureConfig:
    """Tasks that are trained on together.

    Attributes:
        name: how runs and commands call it: the value of `RunConfig.task`.
        tasks: tasks or families.
        rates: where rates come from.
        cap: most examples of a task that count; 0 is no cap. 131072 (2^17) in Phang et
            al. (2020), 2097152 (2^21) for large sets.
        temperature: 1 is proportional, larger is flatter.
        weights: task or family to a positive number: its rate before scaling.
        beside: task or family to its examples for one example of all `tasks`.
        schedule: step to weights of the tasks that are drawn from then on.
        between: "hold" keeps the rates until the next stated step, "linear" draws a
            line to it.
        examples: task or family to the number of its examples that are used.
    """

    name: str
    tasks: tuple[str, ...] = ()
    rates: Rates = "proportional"
    cap: int = 0
    temperature: float = 1.0
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    beside: Mapping[str, float] = dataclasses.field(default_factory=dict)
    schedule: Mapping[int, Mapping[str, float]] = dataclasses.field(
        default_factory=dict
    )
    between: Between = "hold"
    examples: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self._choice("rates", get_args(Rates))
        self._choice("between", get_args(Between))
        if not self.tasks:
            self._refuse("tasks", "names no task; give at least one task or family")
        twice = sorted({task for task in self.tasks if self.tasks.count(task) > 1})
        if twice:
            self._refuse("tasks", f"names {', '.join(twice)} twice; name a task once")
        if not is_whole(self.cap, least=0):
            self._refuse(
                "cap", f"must be a whole number of at least 0, got {self.cap!r}"
            )
        if not (is_number(self.temperature) and self.temperature > 0):
            self._refuse("temperature", f"must be positive, got {self.temperature!r}")
        for field in ("weights", "beside"):
            for task, value in getattr(self, field).items():
                if not (is_number(value) and value > 0):
                    self._refuse(
                        f"{field}[{task!r}]",
                        f"must be a positive number, got {value!r}",
                    )
        for task, value in self.examples.items():
            if not is_whole(value, least=1):
                self._refuse(
                    f"examples[{task!r}]",
                    f"must be a whole number of at least 1, got {value!r}",
                )
        for step, weights in self.schedule.items():
            if not is_whole(step, least=0) or not isinstance(weights, Mapping):
                self._refuse(
                    "schedule",
                    "must be steps with weights, such as {0: {'squad_v1': 1}, 1000: "
                    f"{{'mnli': 1}}}}, got {{{step!r}: {weights!r}}}",
                )
            for task, value in weights.items():
                if not (is_number(value) and value >= 0):
                    self._refuse(
                        f"schedule[{step}][{task!r}]",
                        f"must be a number of at least 0, got {value!r}",
                    )
        both = [task for task in self.beside if task in self.tasks]
        if both:
            self._refuse(
                "beside",
                f"names {', '.join(both)}, which MixtureConfig.tasks names too; a task "
                "is either one of the tasks or beside them",
            )
        self._check_read()

    def _check_read(self) -> None:
        """Every setting that is given must be one that the rates depend on."""
        for field in sorted(_OPTIONAL - _READ[self.rates]):
            value = getattr(self, field)
            if value != defaults(MixtureConfig)[field]:
                kinds = [kind for kind, read in _READ.items() if field in read]
                self._refuse(
                    field,
                    f"is set, which changes nothing with rates={self.rates!r}; leave "
                    f"it out, or take rates={' or '.join(map(repr, kinds))}",
                )
        needed = _NEEDED.get(self.rates)
        if needed and not getattr(self, needed):
            self._refuse(needed, f"is needed with rates={self.rates!r}")

    def _choice(self, field: str, allowed: tuple[str, ...]) -> None:
        value = getattr(self, field)
        if value not in allowed:
            self._refuse(
                field,
                f"must be one of {', '.join(allowed)}, got {value!r}; near: "
                f"{near(str(value), allowed)}",
            )

    def _refuse(self, field: str, why: str) -> None:
        raise UserError(f"mixture {self.name!r}: MixtureConfig.{field} {why}")

    @property
    def members(self) -> tuple[str, ...]:
        """The tasks and what is beside them, in the order of their numbers."""
        return (*self.tasks, *self.beside)

    @property
    def is_static(self) -> bool:
        """Whether the rates are the same at every step."""
        return self.rates != "varying"

    @property
    def depends_on_sizes(self) -> bool:
        """Whether the numbers of examples decide the rates."""
        return self.rates in ("proportional", "temperature")

    def changed(self, values: Mapping[str, Any]) -> MixtureConfig:
        """This mixture with other values; with other `rates`, what these do not read
        is as if it had never been set.

        Example:
            >>> large = MixtureConfig(name="two", tasks=("qa", "nli"), cap=131072)
            >>> large.changed({"rates": "equal"}).cap
            0
        """
        kind = values.get("rates", self.rates)
        dropped = _OPTIONAL - _READ.get(kind, _OPTIONAL)
        return dataclasses.replace(
            self,
            **{field: defaults(MixtureConfig)[field] for field in dropped}
            | dict(values),
        )

    def resolve(self, sizes: Mapping[str, int]) -> dict[str, float] | Varying:
        """What a feed draws by: shares, or shares that change; see `shares`."""
        from xtl_jax.data.varying import Varying

        if self.is_static:
            return self.shares(sizes)
        return Varying.of(self.schedule, tasks=self.tasks, between=self.between)

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """The share of each task; all names must be of tasks, no family among them.

        Args:
            sizes: examples of each task that `rates` counts; others are not looked at.

        Raises:
            UserError: a task without a weight, or a weight without its task.

        Example:
            >>> mixture = MixtureConfig(
            ...     name="nli_with_text", tasks=("mnli", "copa"), cap=600,
            ...     beside={"span_corruption": 0.25})
            >>> mixture.shares({"mnli": 392702, "copa": 200})
            {'mnli': 0.6, 'copa': 0.2, 'span_corruption': 0.2}
        """
        from xtl_jax.data import mixing

        cap = self.cap or None
        if self.rates == "proportional":
            shares = mixing.proportional(self._counted(sizes), cap=cap)
        elif self.rates == "temperature":
            shares = mixing.temperature(
                self._counted(sizes), temperature=self.temperature, cap=cap
            )
        elif self.rates == "equal":
            shares = mixing.equal(self.tasks)
        elif self.rates == "explicit":
            shares = mixing.explicit(self.weights, tasks=self.tasks)
        else:
            raise ValueError(f"mixture {self.name!r}: its rates change, see resolve")
        if not self.beside:
            return shares
        return mixing.explicit({**shares, **self.beside})

    def _counted(self, sizes: Mapping[str, int]) -> dict[str, int]:
        return {
            task: min(sizes[task], self.examples.get(task, sizes[task]))
            for task in self.tasks
        }

    def summary(self) -> str:
        """The rule behind the rates, in words.

        Example:
            >>> MixtureConfig(name="two", tasks=("qa", "nli"), cap=131072,
            ...               beside={"text": 0.01}).summary()
            'proportional to examples, at most 131,072 a task; text at 0.01 to 1'
        """
        words = {
            "proportional": "proportional to examples",
            "temperature": f"proportional to examples^(1/{self.temperature:g})",
            "equal": "equal",
            "explicit": "explicit",
            "varying": f"varying at steps {', '.join(map(str, sorted(self.schedule)))}",
        }[self.rates]
        if self.rates == "varying":
            words += " (linear between)" if self.between == "linear" else ""
        if self.cap:
            words += f", at most {self.cap:,} a task"
        for task, ratio in self.beside.items():
            words += f"; {task} at {ratio:g} to 1"
        if self.examples:
            words += "; examples limited"
        return words
