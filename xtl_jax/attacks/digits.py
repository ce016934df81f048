"""Numbers and Latin letters in other shapes: native digits, full and half width.

>>> native("2850", around="", language="hi", rng=random.Random(0))
'२८५०'
"""

from __future__ import annotations

import random
import unicodedata

from xtl_jax.attacks import scripts, words
from xtl_jax.attacks.attack import Attack, Budget
from xtl_jax.attacks.by_word import ALL_WORDS, ByWord

# The zero of each language's own digits.
ZEROS = {
    "ar": 0x0660, "fa": 0x06F0, "ur": 0x06F0, "ps": 0x06F0, "hi": 0x0966,
    "mr": 0x0966, "ne": 0x0966, "bn": 0x09E6, "pa": 0x0A66, "gu": 0x0AE6,
    "te": 0x0C66, "kn": 0x0CE6, "ml": 0x0D66, "th": 0x0E50, "lo": 0x0ED0,
    "my": 0x1040, "km": 0x17E0,
}  # fmt: skip
_NUMBERS = Budget(
    means="the share of each field's numbers, at least one number",
    default=1.0,
    largest=1.0,
)
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def native(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """ASCII digits as the language's own, or its own as ASCII."""
    zero = ZEROS[language]
    return "".join(
        chr(zero + ord(letter) - 0x30)
        if "0" <= letter <= "9"
        else chr(0x30 + ord(letter) - zero)
        if zero <= ord(letter) < zero + 10
        else letter
        for letter in word
    )


def full_width(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """ASCII letters and digits as wide as a Han character.

    Example:
        >>> full_width("GDP", around="", language="ja", rng=random.Random(0))
        'ＧＤＰ'
    """
    return word.translate(_WIDE)


def half_width(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """Katakana in half width, voicing marks apart.

    Example:
        >>> half_width("ドイツ", around="", language="ja", rng=random.Random(0))
        'ﾄﾞｲﾂ'
    """
    apart = unicodedata.normalize("NFD", word) if _katakana(word) else word
    return "".join(_HALF.get(letter, letter) for letter in apart)


def _katakana(word: str) -> bool:
    return any("ァ" <= letter <= "ヺ" for letter in word)


_HALF = {
    unicodedata.normalize("NFKC", chr(code)): chr(code)
    for code in range(0xFF65, 0xFFA0)
}


ATTACKS = (
    Attack(
        name="native_digits",
        group="spelling",
        summary="numbers change between ASCII digits and the language's own",
        source="Unicode decimal digits; both are in use in these languages",
        budget=_NUMBERS,
        method=ByWord(native, find=words.numbers, nothing="it has no number to change"),
        refuses=scripts.only_languages(ZEROS, because="has no digits of its own"),
    ),
    Attack(
        name="full_width",
        group="spelling",
        summary="ASCII letters and digits as wide as Han characters",
        source="JIS and GB input methods; NFKC undoes it",
        budget=ALL_WORDS,
        method=ByWord(full_width, nothing="it has no ASCII letter or digit"),
        refuses=scripts.only_scripts(
            "Han", "Japanese", "Hangul", because="is not written in full width"
        ),
    ),
    Attack(
        name="half_width",
        group="spelling",
        summary="Katakana in half width",
        source="JIS X 0201; NFKC undoes it",
        budget=ALL_WORDS,
        method=ByWord(half_width, nothing="it has no Katakana"),
        refuses=scripts.only_languages(("ja",), because="is not written in Katakana"),
    ),
)
