"""Slips of the finger: clusters swapped, deleted, doubled, inserted.

One slip a word. Words with a digit are left alone, as their change would be a change of
fact. Of words of four clusters and more the first cluster stays: readers, and typists,
hold on to it. Where words are not spaced, pieces take their place (`words`).
"""

from __future__ import annotations

import random

from xtl_jax.attacks import words
from xtl_jax.attacks.attack import Attack
from xtl_jax.attacks.by_word import SHARE_OF_WORDS, Alter, ByWord

KEEPS_FIRST = 4  # clusters from which on a word keeps its first
TRIES = 12  # draws of a letter to insert


def _split(word: str) -> tuple[list[str], int] | None:
    """A word's clusters and the first one that may change; None with digits in it."""
    if words.has_digit(word):
        return None
    pieces = words.clusters(word)
    return pieces, int(len(pieces) >= KEEPS_FIRST)


def swap(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """Two neighbouring letters of one case changed places.

    Example:
        >>> swap("नदी", around="", language="hi", rng=random.Random(0))
        'दीन'
    """
    split = _split(word)
    if split is None:
        return None
    pieces, first = split
    possible = [
        index
        for index in range(first, len(pieces) - 1)
        if pieces[index] != pieces[index + 1]
        and pieces[index][0].isalpha()
        and pieces[index + 1][0].isalpha()
        and pieces[index].isupper() == pieces[index + 1].isupper()
    ]
    if not possible:
        return None
    index = rng.choice(possible)
    pieces[index : index + 2] = pieces[index + 1], pieces[index]
    return "".join(pieces)


def delete(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """One letter left out; never the only one.

    Example:
        >>> delete("हिन्दी", around="", language="hi", rng=random.Random(0))
        'हि'
    """
    split = _split(word)
    if split is None:
        return None
    pieces, first = split
    possible = _letters(pieces, first)
    if not possible or len(pieces) < 2:
        return None
    del pieces[rng.choice(possible)]
    return "".join(pieces)


def duplicate(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """One letter typed twice.

    Example:
        >>> duplicate("на", around="", language="ru", rng=random.Random(0))
        'наа'
    """
    split = _split(word)
    if split is None:
        return None
    pieces, first = split
    possible = _letters(pieces, first)
    if not possible:
        return None
    index = rng.choice(possible)
    pieces.insert(index, pieces[index])
    return "".join(pieces)


def insert(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """One letter too many, drawn from the letters of the text in the same script.

    Frequent letters are inserted more often, and no language gets another's letters.
    A letter of the same case is taken, and of scripts with vowel signs a consonant.
    """
    split = _split(word)
    if split is None:
        return None
    pieces, first = split
    possible = _letters(pieces, first)
    if not possible or not around:
        return None
    index = rng.choice(possible)
    beside = pieces[index][0]
    letter = _letter_like(beside, around=around, rng=rng)
    if letter is None:
        return None
    pieces.insert(index + 1, letter)
    return "".join(pieces)


def noise(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """One of the four slips; another where the first cannot be made."""
    slips = [swap, delete, duplicate, insert]
    rng.shuffle(slips)
    for slip in slips:
        new = slip(word, around=around, language=language, rng=rng)
        if new is not None:
            return new
    return None


def _letters(pieces: list[str], first: int) -> list[int]:
    return [index for index in range(first, len(pieces)) if pieces[index][0].isalpha()]


def _letter_like(beside: str, *, around: str, rng: random.Random) -> str | None:
    """A letter of the text in the script and case of `beside`, or None."""
    script, upper = words.script(beside), beside.isupper()
    for _ in range(TRIES):
        letter = around[int(rng.random() * len(around))]
        if (
            words.script(letter) == script
            and words.is_base(letter)
            and letter.isupper() == upper
        ):
            return letter
    return None


_SOURCE = "Pruthi et al. 2019; Belinkov and Bisk 2018; here on grapheme clusters"


def _attack(name: str, summary: str, alter: Alter) -> Attack:
    return Attack(
        name=name,
        group="characters",
        summary=summary,
        source=_SOURCE,
        budget=SHARE_OF_WORDS,
        method=ByWord(alter, nothing="it has no word of letters to change"),
    )


ATTACKS = (
    _attack("character_swap", "two neighbouring letters change places", swap),
    _attack("character_delete", "a letter is left out", delete),
    _attack("character_duplicate", "a letter is typed twice", duplicate),
    _attack("character_insert", "a letter of the text's own is put in", insert),
    _attack("character_noise", "one of the four slips, by chance", noise),
)
