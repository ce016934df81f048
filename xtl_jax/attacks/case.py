"""Words in other case: lower, upper, or each letter by chance.

Turkish and Azerbaijani keep their two i apart; Greek capitals lose the accent, as Greek
writes them. Georgian has capitals in Unicode that nobody uses in running text: it
counts as caseless here.
"""

from __future__ import annotations

import random
import unicodedata

from xtl_jax.attacks import scripts
from xtl_jax.attacks.attack import Attack
from xtl_jax.attacks.by_word import ALL_WORDS, ByWord

_TURKIC = ("tr", "az")
_TONOS = "\u0301"


def lower(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """The word in small letters.

    Example:
        >>> lower("ISPARTA", around="", language="tr", rng=random.Random(0))
        'ısparta'
    """
    if language in _TURKIC:
        word = word.replace("İ", "i").replace("I", "ı")
    return word.lower()


def upper(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """The word in capitals.

    Example:
        >>> upper("Εκβάλλει", around="", language="el", rng=random.Random(0))
        'ΕΚΒΑΛΛΕΙ'
        >>> upper("izmir", around="", language="tr", rng=random.Random(0))
        'İZMİR'
    """
    if language in _TURKIC:
        word = word.replace("i", "İ").replace("ı", "I")
    if language == "el":
        apart = unicodedata.normalize("NFD", word).replace(_TONOS, "")
        word = unicodedata.normalize("NFC", apart)
    return word.upper()


def mixed(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """Each letter of the word in a case drawn for it alone."""
    letters = [
        (upper if rng.random() < 0.5 else lower)(
            letter, around=around, language=language, rng=rng
        )
        for letter in word
    ]
    return "".join(letter for letter in letters if letter)


_refuses = scripts.only_scripts(*scripts.CASED, because="has no capitals")


def _attack(name: str, summary: str, method: ByWord) -> Attack:
    return Attack(
        name=name,
        group="spelling",
        summary=summary,
        source="Xue et al. 2022 (ByT5), section 5",
        budget=ALL_WORDS,
        method=method,
        refuses=_refuses,
    )


ATTACKS = (
    _attack(
        "lower_case",
        "words in small letters",
        ByWord(lower, nothing="none of its words has a capital"),
    ),
    _attack(
        "upper_case",
        "words in capitals",
        ByWord(upper, nothing="none of its words has a small letter"),
    ),
    _attack(
        "random_case",
        "each letter in a case of its own",
        ByWord(mixed, nothing="none of its words came out different"),
    ),
)
