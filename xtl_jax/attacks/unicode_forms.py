"""Texts that look the same and are other code points: forms, joiners, marks, spaces.

*Forms* are Unicode's four normal forms, of which a text may be in any: NFD takes é
apart into e and an accent, NFC puts them together, NFKC also replaces ligatures, wide
letters and their like. *Zero-width* characters and *bidi marks* are put between
grapheme clusters or around words, where a reader sees nothing: joiners that change how
letters join are not used, and marks have the direction of the text.
"""

from __future__ import annotations

import random
import unicodedata
from typing import Literal

from xtl_jax.attacks import scripts, words
from xtl_jax.attacks.attack import ALL_KINDS, RUNNING_TEXT, Attack, Budget
from xtl_jax.attacks.by_word import (
    ALL_WORDS,
    SHARE_OF_WORDS,
    Alter,
    ByWord,
)

WORD_JOINER, ZERO_WIDTH_SPACE = "\u2060", "\u200b"
LEFT_TO_RIGHT, RIGHT_TO_LEFT = "\u200e", "\u200f"
ISOLATE, END_OF_ISOLATE = "\u2068", "\u2069"


def _form(form: Literal["NFC", "NFD", "NFKC"]) -> Alter:
    def alter(
        word: str, *, around: str, language: str, rng: random.Random
    ) -> str | None:
        return unicodedata.normalize(form, word)

    return alter


def zero_width(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """An invisible character between two clusters of the word.

    A word joiner where letters join (Arabic script), else it or a zero-width space.

    Example:
        >>> zero_width("नदी", around="", language="hi", rng=random.Random(1))
        'न\\u2060दी'
    """
    pieces = words.clusters(word)
    if len(pieces) < 2:
        return None
    joins = scripts.of(language) == "Arabic"
    mark = WORD_JOINER if joins else rng.choice((WORD_JOINER, ZERO_WIDTH_SPACE))
    pieces.insert(rng.randrange(1, len(pieces)), mark)
    return "".join(pieces)


def bidi(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """A mark of the text's direction before or after the word, or an isolate around it.

    Example:
        >>> bidi("نهر", around="", language="ar", rng=random.Random(0))
        'نهر\\u200f'
    """
    right = scripts.of(language) in ("Arabic", "Hebrew")
    mark = RIGHT_TO_LEFT if right else LEFT_TO_RIGHT
    return rng.choice((mark + word, word + mark, ISOLATE + word + END_OF_ISOLATE))


def no_break(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """A no-break space for a space."""
    return "\u00a0"


def _attack(
    name: str,
    summary: str,
    method: ByWord,
    *,
    budget: Budget = SHARE_OF_WORDS,
    source: str = "Boucher et al. 2021, Bad Characters",
) -> Attack:
    return Attack(
        name=name,
        group="unicode",
        summary=summary,
        source=source,
        budget=budget,
        method=method,
        kinds=RUNNING_TEXT if method.find is words.spaces else ALL_KINDS,
    )


def _form_attack(name: str, form: Literal["NFC", "NFD", "NFKC"], what: str) -> Attack:
    nothing = f"all of its words are in {form} already"
    return _attack(
        name,
        f"words in {form}: {what}",
        ByWord(_form(form), nothing=nothing),
        budget=ALL_WORDS,
        source="Unicode Standard Annex 15",
    )


ATTACKS = (
    _form_attack("unicode_nfd", "NFD", "letters and their marks apart"),
    _form_attack("unicode_nfc", "NFC", "letters and their marks in one"),
    _form_attack("unicode_nfkc", "NFKC", "compatibility characters replaced"),
    _attack(
        "zero_width",
        "an invisible character inside a word",
        ByWord(zero_width, nothing="none of its words has two characters"),
    ),
    _attack(
        "bidi_marks",
        "a mark of the text's own direction at a word",
        ByWord(bidi, nothing="it has no word"),
    ),
    _attack(
        "no_break_space",
        "no-break spaces for spaces",
        ByWord(no_break, find=words.spaces, nothing="it has no space between words"),
    ),
)
