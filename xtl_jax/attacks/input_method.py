"""Words typed with the input method off: `ghbdtn` for привет, `dkssud` for 안녕.

Whoever writes two scripts types on one keyboard and at times forgets to switch. What
comes out are the Latin letters on the keys (QWERTY, US) of the word's own letters.
Vietnamese has no keys of its own: in Telex its marks are typed as letters, đ as dd, ê
as ee, and the tone after the word, `Vieetj` for Việt.

A word with a letter that its layout has no key for here, as shifted Arabic ones, stays.
"""

from __future__ import annotations

import functools
import random
import unicodedata

from xtl_jax.attacks import hangul, layouts, scripts, words
from xtl_jax.attacks.attack import Attack
from xtl_jax.attacks.by_word import SHARE_OF_WORDS, ByWord

_QWERTY = ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./")
_LANGUAGES = ("ru", "uk", "kk", "bg", "mn", "el", "ar", "fa", "he", "ko", "vi")
# Jamo that are typed as two keys or with shift.
_COMPOUND = dict(
    zip("ㅘㅙㅚㅝㅞㅟㅢㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ",
        ("ㅗㅏ", "ㅗㅐ", "ㅗㅣ", "ㅜㅓ", "ㅜㅔ", "ㅜㅣ", "ㅡㅣ", "ㄱㅅ", "ㄴㅈ", "ㄴㅎ",
         "ㄹㄱ", "ㄹㅁ", "ㄹㅂ", "ㄹㅅ", "ㄹㅌ", "ㄹㅍ", "ㄹㅎ", "ㅂㅅ"),
        strict=True)
)  # fmt: skip
_SHIFTED_JAMO = dict(zip("ㄲㄸㅃㅆㅉㅒㅖ", "REQTWOP", strict=True))
_TELEX_TONES = dict(zip("\u0301\u0300\u0309\u0303\u0323", "sfrxj", strict=True))
_TELEX_MARKS = {"\u0306": "w", "\u031b": "w"}  # breve and horn; a circumflex doubles
_CIRCUMFLEX = "\u0302"
_TONOS = "\u0301"  # typed as a dead key before its letter


@functools.cache
def _keys(layout: str) -> dict[str, str]:
    """Each letter of a layout to the QWERTY key that it lies on."""
    found = {
        letter: key
        for row, keys in zip(layouts.ROWS[layout], _QWERTY, strict=True)
        for letter, key in zip(row, keys, strict=False)
        if letter != "."
    }
    if layout == "hangul_2set":
        found |= _SHIFTED_JAMO
    return found


def off(word: str, *, around: str, language: str, rng: random.Random) -> str | None:
    """The word as it comes out of the keyboard.

    Example:
        >>> off("привет", around="", language="ru", rng=random.Random(0))
        'ghbdtn'
        >>> off("Việt", around="", language="vi", rng=random.Random(0))
        'Vieetj'
    """
    if words.has_digit(word):
        return None
    if language == "vi":
        return _telex(word)
    if language == "el":
        word = _dead_keys(word)
    if language == "ko":
        word = _jamo(word)
    keys = _keys(layouts.OF_LANGUAGE[language])
    if language == "el":
        keys = {**keys, ";": ";"}
    typed = [
        keys.get(letter) or keys.get(letter.lower(), "").upper() for letter in word
    ]
    return "".join(typed) if all(typed) else None


def _jamo(word: str) -> str:
    """A word as the jamo that are typed, other characters as they are."""
    typed = (
        _COMPOUND.get(each, each)
        for letter in word
        for each in hangul.take_apart(letter) or (letter,)
    )
    return "".join(typed)


def _dead_keys(word: str) -> str:
    """A Greek word whose accents are typed before their letters."""
    found: list[str] = []
    for letter in unicodedata.normalize("NFD", word):
        if letter == _TONOS and found:
            found.insert(-1, ";")
        else:
            found.append(letter)
    return "".join(found)


def _telex(word: str) -> str | None:
    """A Vietnamese word as its keys; None where it has no mark."""
    found, tone = [], ""
    for letter in unicodedata.normalize("NFD", word):
        if letter in _TELEX_TONES:
            tone = _TELEX_TONES[letter]
        elif letter == _CIRCUMFLEX and found:
            found.append(found[-1].lower())
        elif letter in _TELEX_MARKS:
            found.append(_TELEX_MARKS[letter])
        elif letter in "đĐ":
            found += ["d" if letter == "đ" else "D", "d"]
        else:
            found.append(letter)
    typed = "".join(found) + tone
    return None if typed == word else typed


ATTACKS = (
    Attack(
        name="input_method_off",
        group="characters",
        summary="a word comes out in the Latin letters of its keys",
        source="layouts of each language's own keyboard; Telex",
        budget=SHARE_OF_WORDS,
        method=ByWord(off, nothing="no word of it has a key for all of its letters"),
        refuses=scripts.only_languages(
            _LANGUAGES,
            because="has no keys here that lie on those of Latin letters",
        ),
    ),
)
