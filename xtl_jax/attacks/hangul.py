"""Hangul syllables taken apart into the jamo of the keyboard, and put together.

    >>> take_apart("한")
    ('ㅎ', 'ㅏ', 'ㄴ')
    >>> put_together(("ㅎ", "ㅏ", "ㄴ"))
    '한'
    >>> put_together(("ㅏ", "ㅎ", "ㄴ")) is None
    True

A syllable is initial consonant, vowel and, in most, final consonant; Unicode orders
the 11,172 of them by these three (The Unicode Standard, section 3.12).
"""

from __future__ import annotations

from collections.abc import Sequence

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
FIRST, LAST = 0xAC00, 0xD7A3


def take_apart(syllable: str) -> tuple[str, ...] | None:
    """The two or three jamo of a syllable; None where it is no Hangul syllable."""
    if not FIRST <= ord(syllable) <= LAST:
        return None
    rest, final = divmod(ord(syllable) - FIRST, len(FINALS))
    initial, vowel = divmod(rest, len(VOWELS))
    jamo = (INITIALS[initial], VOWELS[vowel])
    return (*jamo, FINALS[final]) if final else jamo


def put_together(jamo: Sequence[str]) -> str | None:
    """The syllable of two or three jamo; None where they make none."""
    initial, vowel = INITIALS.find(jamo[0]), VOWELS.find(jamo[1])
    final = FINALS.find(jamo[2]) if len(jamo) > 2 else 0
    if min(initial, vowel, final) < 0:
        return None
    return chr(FIRST + (initial * len(VOWELS) + vowel) * len(FINALS) + final)
