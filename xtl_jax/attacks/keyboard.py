"""The key beside the right one, on the keyboard of the language.

A letter gives way to a neighbour of its own class: a consonant sign to a letter, a
vowel sign to a vowel sign, a tone mark to a tone mark, since no input method lets two
vowel signs stand on one consonant. Case is kept. Hangul syllables are taken apart into
their jamo and put together again; Japanese is typed by flick, where the slip is another
kana of the same consonant. Chinese is typed by sound and chosen from a list, so that a
slip is another word: it has no layout here.
"""

from __future__ import annotations

import functools
import random
import unicodedata

from xtl_jax.attacks import hangul, layouts, words
from xtl_jax.attacks.attack import Attack
from xtl_jax.attacks.by_word import SHARE_OF_WORDS, ByWord
from xtl_jax.metrics import languages


def refuses(language: str) -> str:
    """Why a language has no neighbouring keys here; "" where it has."""
    facts = languages.find(language)
    if facts is not None and layouts.of_language(language, facts.script):
        return ""
    if language == "zh":
        return (
            "Chinese is typed by sound and chosen from a list: a slip is no character"
        )
    return f"no keyboard layout of {language!r} is known here"


def neighbour(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """One letter replaced by one of a neighbouring key.

    Example:
        >>> neighbour("da", around="", language="de", rng=random.Random(3))
        'dw'
    """
    if words.has_digit(word):
        return None
    facts = languages.find(language)
    layout = facts and layouts.of_language(language, facts.script)
    if not layout:
        return None
    if layout == "hangul_2set":
        return _hangul(word, rng=rng)
    return _replaced(word, layout=layout, language=language, rng=rng)


def _replaced(
    word: str, *, layout: str, language: str, rng: random.Random
) -> str | None:
    first = int(len(words.clusters(word)) >= 4)  # as in `characters`
    positions = list(range(first, len(word)))
    rng.shuffle(positions)
    for position in positions:
        letter = word[position]
        lower = _lower(letter, language)
        choices = _choices(layout, lower)
        # A letter under a mark is typed otherwise: é is a key of its own, or none.
        marked = unicodedata.combining(word[position + 1 : position + 2] or " ")
        if not choices or (marked and unicodedata.category(letter) in ("Ll", "Lu")):
            continue
        new = rng.choice(choices)
        if letter != lower:
            new = _upper(new, language)
        return word[:position] + new + word[position + 1 :]
    return None


@functools.lru_cache(maxsize=8192)
def _choices(layout: str, letter: str) -> str:
    """Neighbours of a key that are of its class."""
    near = layouts.NEIGHBOURS[layout].get(letter, "")
    return "".join(other for other in near if _class(other) == _class(letter))


def _class(letter: str) -> tuple[str, int, bool, bool]:
    """What a letter may be exchanged with: the same category, place and use."""
    code = ord(letter)
    return (
        unicodedata.category(letter)[0],
        unicodedata.combining(letter),
        0x0E30 <= code <= 0x0E33,  # Thai vowels after their consonant
        words.is_base(letter),
    )


def _lower(letter: str, language: str) -> str:
    if language in ("tr", "az") and letter in "Iİ":
        return "ı" if letter == "I" else "i"
    lower = letter.lower()
    return lower if len(lower) == 1 else letter


def _upper(letter: str, language: str) -> str:
    if language in ("tr", "az") and letter == "i":
        return "İ"
    upper = letter.upper()
    return upper if len(upper) == 1 else letter


def _hangul(word: str, *, rng: random.Random) -> str | None:
    """One jamo of one syllable replaced by one of a neighbouring key."""
    near = layouts.NEIGHBOURS["hangul_2set"]
    positions = list(range(len(word)))
    rng.shuffle(positions)
    for position in positions:
        jamo = hangul.take_apart(word[position])
        if jamo is None:
            continue
        options = [
            (*jamo[:which], other, *jamo[which + 1 :])
            for which, each in enumerate(jamo)
            for other in near.get(each, "")
        ]
        syllables = [s for option in options if (s := hangul.put_together(option))]
        if syllables:
            return word[:position] + rng.choice(syllables) + word[position + 1 :]
    return None


ATTACKS = (
    Attack(
        name="keyboard",
        group="characters",
        summary="a letter gives way to one of a neighbouring key",
        source="Belinkov and Bisk 2018; layouts of each language's own keyboard",
        budget=SHARE_OF_WORDS,
        method=ByWord(
            neighbour, nothing="none of its words has a letter of the keyboard's"
        ),
        refuses=refuses,
    ),
)
