"""An attack with its settings in one text, as commands and runs name it.

    character_noise                     one draw of an attack of the catalogue
    character_noise:budget=0.2:seed=3   with settings of its own
    worst_of:character_noise:k=8        of 8 draws the one that hurts most
    greedy:character_noise:k=4          word by word, the most important ones first
    hotflip                             pieces exchanged by the gradient's advice
    universal_trigger:budget=3          3 words before every text, found on dev rows
    pgd:norm=l2:steps=5                 the input's vectors moved, no text

The parts stand between colons: the search, the attack that it searches with, settings.
What is left out has the run's value (`RunConfig.attack_budget`, `attack_seed`) or the
default:

    >>> named = parse("greedy:keyboard:fields=second", seed=7)
    >>> named.method, named.attack, named.fields, named.k, named.seed
    ('greedy', 'keyboard', ('second',), 4, 7)
    >>> str(named)
    'greedy:keyboard:fields=second:k=4:places=32:budget=0.1:seed=7'
    >>> named.file_part
    'greedy,keyboard,fields=second,k=4,places=32,budget=0.1,seed=7'
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from xtl_jax.attacks import catalog
from xtl_jax.attacks.attack import Attack, Budget
from xtl_jax.attacks.by_word import SHARE_OF_WORDS
from xtl_jax.errors import UserError, near

DRAW = "draw"  # the method of an attack that is named alone
CHOICES = {"norm": ("l2", "linf"), "over": ("token", "example")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """A way to attack a model rather than a text."""

    name: str
    summary: str
    source: str
    settings: Mapping[str, Any]  # with their defaults; beside budget and seed
    budget: Budget | None = None  # None: the attack's that it searches with
    gradients: bool = False


METHODS = (
    Method(
        name=DRAW,
        summary="an attack of the catalogue with one seed; the model is not asked",
        source="see the attack",
        settings={"fields": ()},
    ),
    Method(
        name="worst_of",
        summary="of k seeds of an attack the one that the model bears worst",
        source="random search; Jia and Liang 2017 (AddSent) take the worst so",
        settings={"fields": (), "k": 8},
    ),
    Method(
        name="greedy",
        summary="places in the order of what the model loses without them; at each "
        "the worst of k candidates is kept where it hurts",
        source="Jin et al. 2020 (TextFooler), Gao et al. 2018 (DeepWordBug)",
        settings={"fields": (), "k": 4, "places": 32},
    ),
    Method(
        name="hotflip",
        summary="pieces of words exchanged for pieces of the same script that the "
        "gradient names; each text is asked about, and tokenises into what was meant",
        source="Ebrahimi et al. 2018 (HotFlip); here with texts that exist",
        settings={"fields": (), "k": 16},
        budget=SHARE_OF_WORDS,
        gradients=True,
    ),
    Method(
        name="universal_trigger",
        summary="the same words before every text of a field, found on dev rows",
        source="Wallace et al. 2019",
        settings={"fields": (), "k": 8, "rows": 32, "rounds": 2},
        budget=Budget(means="the number of words", default=3, largest=20, whole=True),
        gradients=True,
    ),
    Method(
        name="pgd",
        summary="vectors of the input's tokens moved up the loss, within a ball around "
        "each token's (`over=token`) or around all of an example's together",
        source="Madry et al. 2018 on embeddings (Miyato et al. 2017)",
        settings={"norm": "l2", "over": "token", "steps": 5},
        budget=Budget(
            means="the ball's radius, in mean lengths of the input's token vectors",
            default=0.5,
            largest=100,
        ),
        gradients=True,
    ),
)
_LEAST = {"k": 1, "places": 1, "rows": 1, "rounds": 1, "steps": 1}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Named:
    """One attack with all its settings."""

    method: str
    attack: str = ""  # of the catalogue, where the method needs one
    budget: float
    seed: int
    fields: tuple[str, ...] = ()
    k: int = 0
    places: int = 0
    rows: int = 0
    rounds: int = 0
    norm: str = ""
    over: str = ""  # whose length the norm is: each token's, or the whole example's
    steps: int = 0

    def __str__(self) -> str:
        heads = [self.attack] if self.method == DRAW else [self.method, self.attack]
        settings = []
        for name in method(self.method).settings:
            value = getattr(self, name)
            if name == "fields":
                value = "+".join(value)
            if value != "":
                settings.append(f"{name}={value}")
        settings += [f"budget={self.budget:g}", f"seed={self.seed}"]
        return ":".join([*filter(None, heads), *settings])

    @property
    def file_part(self) -> str:
        """The same as a part of a file's name."""
        return str(self).replace(":", ",")

    @property
    def title(self) -> str:
        """With the settings that are not the defaults, for tables.

        Example:
            >>> parse("worst_of:keyboard:k=3").title, parse("keyboard:budget=0.1").title
            ('worst_of:keyboard:k=3', 'keyboard')
        """
        name = _joined("" if self.method == DRAW else self.method, self.attack)
        settings = str(self).removeprefix(name).split(":")[1:]
        default = str(parse(name)).split(":")
        return ":".join([name, *(each for each in settings if each not in default)])

    @property
    def strength(self) -> int:
        """The place of its method in lists: what knows more comes later."""
        return [each.name for each in METHODS].index(self.method)

    @property
    def of_catalogue(self) -> Attack:
        """The attack that texts are changed by."""
        return catalog.find(self.attack)

    @property
    def needs_gradients(self) -> bool:
        """Whether the model must give gradients."""
        return method(self.method).gradients


def _joined(first: str, second: str) -> str:
    return ":".join(filter(None, (first, second)))


def method(name: str) -> Method:
    """A method by its name."""
    return next(each for each in METHODS if each.name == name)


def parse(text: str, *, budget: float | None = None, seed: int = 0) -> Named:
    """The attack that a text names.

    Args:
        text: see above.
        budget: where the text has none; None for the attack's default.
        seed: where the text has none.

    Raises:
        UserError: an unknown name or setting, or a value that is not allowed.
    """
    head, *rest = text.split(":")
    searches = [each.name for each in METHODS if each.name != DRAW]
    with_attack = head in ("worst_of", "greedy")
    chosen = method(head if head in searches else DRAW)
    if chosen.name == DRAW and head not in catalog.names():
        known = (*searches, *catalog.names())
        raise UserError(
            f"no attack named {head!r} in {text!r}; near: {near(head, known)}; "
            "`xtl attacks` lists them"
        )
    attack = head if chosen.name == DRAW else ""
    if with_attack:
        if not rest or "=" in rest[0]:
            raise UserError(
                f"{text!r}: {head} needs the name of an attack behind it, such as "
                f"{head}:character_noise"
            )
        attack = catalog.find(rest.pop(0)).name
    values: dict[str, Any] = dict(chosen.settings)
    for part in rest:
        name, equals, value = part.partition("=")
        allowed = (*chosen.settings, "budget", "seed")
        if not equals or name not in allowed:
            raise UserError(
                f"{text!r}: {part!r} is no setting of {head}; near: "
                f"{near(name, allowed)}; it has: {', '.join(allowed)}, each NAME=VALUE"
            )
        values[name] = _value(name, value, text=text)
    if chosen.name == "greedy":
        _check_has_places(catalog.find(attack), text=text)
    unit = chosen.budget or catalog.find(attack).budget
    values["budget"] = unit.check(
        values.get("budget", budget), attack=_joined(chosen.name, attack)
    )
    values.setdefault("seed", seed)
    return Named(method=chosen.name, attack=attack, **values)


def _check_has_places(attack: Attack, *, text: str) -> None:
    from xtl_jax.attacks.by_row import ByRow

    if isinstance(attack.method, ByRow):
        raise UserError(
            f"{text!r}: {attack.name} writes a row anew and has no places to search "
            f"through; take worst_of:{attack.name}"
        )


def _value(name: str, value: str, *, text: str) -> Any:
    if name == "fields":
        return tuple(filter(None, value.split("+")))
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise UserError(
                f"{text!r}: {name} must be one of {', '.join(CHOICES[name])}, got "
                f"{value!r}"
            )
        return value
    try:
        number = float(value) if name == "budget" else int(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < _LEAST.get(name, 0):
        kind = "a number" if name == "budget" else "a whole number"
        raise UserError(
            f"{text!r}: {name} must be {kind} of at least {_LEAST.get(name, 0)}, got "
            f"{value!r}"
        )
    return number
