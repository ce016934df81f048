"""Punctuation left out, doubled, or written with the other set of marks.

A mark between digits or inside a word is none of these: `2,850` and `U.S.` stay.
"""

from __future__ import annotations

import random

from xtl_jax.attacks import words
from xtl_jax.attacks.attack import RUNNING_TEXT, Attack, Budget
from xtl_jax.attacks.by_word import ByWord

_MARKS = Budget(
    means="the share of each field's punctuation marks, at least one mark",
    default=1.0,
    largest=1.0,
)
_ASCII = str.maketrans(
    dict(
        zip(
            "。、，！？；：「」『』《》（）؟،؛۔।॥“”„«»",
            '.,,!?;:""""""()?,;..."""""',
            strict=True,
        )
    )
    | {"…": "..."}
)


def dropped(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """Nothing where the mark stood."""
    return ""


def doubled(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """The mark once more, where it ends or parts a sentence."""
    return word * 2 if word in ".,!?;:。，！？؟،۔।" else None


def plain(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """The mark of ASCII that does its work.

    Example:
        >>> plain("؟", around="", language="ar", rng=random.Random(0))
        '?'
    """
    return word.translate(_ASCII)


def _attack(name: str, summary: str, method: ByWord) -> Attack:
    return Attack(
        name=name,
        group="spelling",
        summary=summary,
        source="Ribeiro et al. 2020 (CheckList: punctuation)",
        budget=_MARKS,
        method=method,
        kinds=RUNNING_TEXT,
    )


ATTACKS = (
    _attack(
        "punctuation_dropped",
        "punctuation marks are left out",
        ByWord(dropped, find=words.punctuation, nothing="it has no punctuation mark"),
    ),
    _attack(
        "punctuation_doubled",
        "punctuation marks are typed twice",
        ByWord(doubled, find=words.punctuation, nothing="it has no mark to double"),
    ),
    _attack(
        "punctuation_plain",
        "marks of the script give way to those of ASCII",
        ByWord(plain, find=words.punctuation, nothing="all of its marks are ASCII"),
    ),
)
