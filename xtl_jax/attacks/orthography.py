"""Spelling as people relax it: no diacritics, one form of a letter for several.

Each language has its own way. German without its dots writes ae, oe, ue and ss; Spanish
drops the accent; Arabic texts mostly have no vowel signs and often plain alef for every
alef; Hindi drops the dot under borrowed letters and writes anusvara for candrabindu.

    >>> plain_letters("Straße", around="", language="de", rng=random.Random(0))
    'Strasse'
    >>> plain_letters("Đức", around="", language="vi", rng=random.Random(0))
    'Duc'
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

import regex

from xtl_jax.attacks import scripts
from xtl_jax.attacks.attack import Attack, Budget
from xtl_jax.attacks.by_word import ALL_WORDS, SHARE_OF_WORDS, ByWord

# Letters that decomposition does not take apart.
_STROKES = str.maketrans(
    dict(zip("đĐłŁøØıħĦŋŊɓɗƙƴƁƊƘ", "dDlLoOihHnNbdkyBDK", strict=True))
    | {"æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ß": "ss", "ə": "e", "Ə": "E"}
)
_WRITTEN_OUT = {
    "de": {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"},
    "da": {"å": "aa", "Å": "Aa", "ø": "oe", "Ø": "Oe"},
    "no": {"å": "aa", "Å": "Aa", "ø": "oe", "Ø": "Oe"},
}
# Cyrillic letters that are commonly written plain; й and ї are letters of their own.
_CYRILLIC = {
    "ru": {"ё": "е", "Ё": "Е"},
    "uk": {"ґ": "г", "Ґ": "Г"},
    "kk": dict(zip("әғқңөұүһіӘҒҚҢӨҰҮҺІ", "агкноуухиАГКНОУУХИ", strict=True)),
    "mn": dict(zip("өүӨҮ", "оуОУ", strict=True)),
}
# Candrabindu as anusvara, and the dot dropped that borrowed letters have; Hindi's own ड़
# and ढ़ keep theirs.
_BORROWED = regex.compile("(?<=[कखगजफ])\u093c")
_DEVANAGARI = str.maketrans(
    dict(zip("\u0958\u0959\u095a\u095b\u095e\u0901", "कखगजफ\u0902", strict=True))
)
_ARABIC = dict(zip("أإآٱىةؤئ", "ااااي" + "هوي", strict=True))
_LETTERS = {
    "ar": _ARABIC,
    "fa": {"ی": "ي", "ک": "ك", "آ": "ا", "أ": "ا", "ؤ": "و", "ئ": "ی", "ۀ": "ه"},
    "ur": {"ی": "ي", "ک": "ك", "ہ": "ه", "ؤ": "و", "آ": "ا"},
    "ps": {"ی": "ي", "ک": "ك"},
}  # fmt: skip
_ENGLISH_LIKE = (
    "en",
    "id",
    "ms",
    "jv",
    "sw",
    "so",
    "xh",
    "zu",
    "ht",
    "om",
    "ceb",
    "tl",
    "fil",
)


def plain_letters(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """The word without its diacritics, in the way of its language."""
    table = _CYRILLIC.get(language)
    if table is not None:
        return word.translate(str.maketrans(table))
    if scripts.of(language) == "Devanagari":
        return _BORROWED.sub("", word.translate(_DEVANAGARI))
    if table := _WRITTEN_OUT.get(language):
        word = unicodedata.normalize("NFC", word).translate(str.maketrans(table))
    apart = unicodedata.normalize("NFD", word.translate(_STROKES))
    plain = "".join(each for each in apart if not unicodedata.combining(each))
    return unicodedata.normalize("NFC", plain)


def without_vowel_signs(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """The word without tashkeel or niqqud.

    Example:
        >>> without_vowel_signs("كِتَابٌ", around="", language="ar", rng=random.Random(0))
        'كتاب'
    """
    return "".join(letter for letter in word if not _vowel_sign(letter)) or None


def _vowel_sign(letter: str) -> bool:
    code = ord(letter)
    return (
        0x064B <= code <= 0x0652  # Arabic: fathatan to sukun
        or code == 0x0670  # superscript alef
        or (0x0591 <= code <= 0x05C7 and unicodedata.category(letter) == "Mn")
    )


def one_letter_for_several(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """The word in plainer Arabic letters: bare alef, ه for ة, ي for ى, and their like.

    Example:
        >>> say = one_letter_for_several
        >>> say("مدرسة", around="", language="ar", rng=random.Random(0))
        'مدرسه'
    """
    return word.translate(str.maketrans(_LETTERS[language]))


def stretched(
    word: str, *, around: str, language: str, rng: random.Random
) -> str | None:
    """The word with one kashida between two letters that join.

    Example:
        >>> stretched("بيت", around="", language="ar", rng=random.Random(1))
        'بـيت'
    """
    possible = [
        at
        for at in range(1, len(word))
        if word[at - 1] in _JOINING and word[at].isalpha() and word[at] not in "ءـ"
    ]
    if not possible:
        return None
    at = rng.choice(possible)
    return word[:at] + "\u0640" + word[at:]


# Arabic letters that join the next one.
_JOINING = frozenset("بتثجحخسشصضطظعغفقكلمنهيئپچکگیہھٹ")


def _plain_refuses(language: str) -> str:
    script = scripts.of(language)
    if script == "Greek" or language in _CYRILLIC or script == "Devanagari":
        return ""
    if script == "Latin" and language not in _ENGLISH_LIKE:
        return ""
    return f"{language!r} is written without diacritics that could be dropped"


def _attack(
    name: str,
    summary: str,
    method: ByWord,
    refuses: Callable[[str], str],
    source: str,
    budget: Budget = ALL_WORDS,
) -> Attack:
    return Attack(
        name=name,
        group="spelling",
        summary=summary,
        source=source,
        budget=budget,
        method=method,
        refuses=refuses,
    )


ATTACKS = (
    _attack(
        "diacritics",
        "a word loses its diacritics, as its language writes it without",
        ByWord(plain_letters, nothing="none of its words has a diacritic to lose"),
        _plain_refuses,
        "Náplava et al. 2018 restore them; here by language",
    ),
    _attack(
        "tashkeel",
        "a word loses its vowel signs",
        ByWord(without_vowel_signs, nothing="none of its words has vowel signs"),
        scripts.only_scripts("Arabic", "Hebrew", because="has no optional vowel signs"),
        "common preprocessing of Arabic and Hebrew",
    ),
    _attack(
        "arabic_letters",
        "plain alef, ه for ة, ي for ى, or Arabic forms of Persian and Urdu letters",
        ByWord(one_letter_for_several, nothing="none of its words has such a letter"),
        scripts.only_languages(_LETTERS, because="has no such habit"),
        "the unification that Arabic preprocessing commonly does",
    ),
    _attack(
        "kashida",
        "a word is stretched by one kashida",
        ByWord(stretched, nothing="none of its words has letters that join"),
        scripts.only_scripts("Arabic", because="has no kashida"),
        "Arabic typesetting (tatweel)",
        SHARE_OF_WORDS,
    ),
)
