"""Every attack, in the order in which lists show them."""

from __future__ import annotations

from xtl_jax.attacks import (
    case,
    characters,
    code_mixing,
    confusions,
    digits,
    distractors,
    input_method,
    keyboard,
    order,
    orthography,
    pair_order,
    punctuation,
    question_language,
    tautologies,
    unicode_forms,
)
from xtl_jax.attacks.attack import Attack
from xtl_jax.errors import UserError, near

ATTACKS: tuple[Attack, ...] = (
    *characters.ATTACKS,
    *keyboard.ATTACKS,
    *input_method.ATTACKS,
    confusions.MISREAD,
    *orthography.ATTACKS,
    *case.ATTACKS,
    *punctuation.ATTACKS,
    *digits.ATTACKS,
    *unicode_forms.ATTACKS,
    confusions.HOMOGLYPH,
    *distractors.ATTACKS,
    *order.ATTACKS,
    *question_language.ATTACKS,
    *code_mixing.ATTACKS,
    *tautologies.ATTACKS,
    *pair_order.ATTACKS,
)
GROUPS = {
    "characters": "slips of fingers and machines",
    "spelling": "spelling, case, punctuation and digits",
    "unicode": "what is seen stays, code points change",
    "context": "contexts of questions",
    "languages": "other languages",
    "pairs": "pairs of texts",
}


def names() -> tuple[str, ...]:
    """The names of all attacks."""
    return tuple(attack.name for attack in ATTACKS)


def find(name: str) -> Attack:
    """The attack of a name.

    Raises:
        UserError: there is none; the message names those most like it.
    """
    for attack in ATTACKS:
        if attack.name == name:
            return attack
    raise UserError(
        f"no attack named {name!r} among {len(ATTACKS)}; near: {near(name, names())}; "
        "`xtl attacks` lists them"
    )
