"""Words, grapheme clusters and other places of a text, in every script.

A *grapheme cluster* is what a reader takes for one character: `हि` is two code points,
`หนู` three in two clusters. Attacks cut texts between clusters only.

    >>> clusters("हिन्दी")
    ['हि', 'न्दी']

They are Unicode's extended grapheme clusters, but signs that Unicode lets stand alone,
as the Burmese vowel ာ, stay with their letter.

A *word* is a run of letters, marks and digits, with apostrophes inside. Chinese,
Japanese, Thai, Lao, Khmer and Burmese put no spaces between words. Words proper would
need a dictionary, so a run of theirs is cut into pieces of about a word's length: 2
clusters of Han, 3 of Hiragana, a whole run of Katakana, 4 of Thai and Lao, 3 of Khmer
and Burmese. A budget is counted in these pieces there.

    >>> [text for text in _cut("多瑙河发源于德国。", "zh")]
    ['多瑙', '河发', '源于', '德国']
"""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from collections.abc import Iterator

# Languages written without spaces between words, and the lengths of their pieces.
_PIECES = {
    "zh": r"(?:(?=\p{Han})\X\p{M}*+){1,2}",
    "ja": r"(?:(?=\p{Han})\X\p{M}*+){1,2}|(?:(?=\p{Hiragana})\X\p{M}*+){1,3}"
    r"|(?:(?=[\p{Katakana}ー])\X\p{M}*+)+",
    "th": r"(?:(?=\p{Thai})\X\p{M}*+){1,4}",
    "lo": r"(?:(?=\p{Lao})\X\p{M}*+){1,4}",
    "km": r"(?:(?=\p{Khmer})\X\p{M}*+){1,3}",
    "my": r"(?:(?=\p{Myanmar})\X\p{M}*+){1,3}",
}
UNSPACED = frozenset(_PIECES)
_WITHOUT_SPACES = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
)
_INNER = r"[\p{L}\p{N}\p{M}\u200c\u200d]|['’](?=\p{L})"

_SPACED_WORD = regex.compile(rf"[\p{{L}}\p{{N}}](?:{_INNER})*+")
_CLUSTER = regex.compile(r"\X\p{M}*+")
_NUMBER = regex.compile(r"\p{Nd}(?:[.,٫٬:/-]?\p{Nd})*+")
# Marks that end or part sentences. After a digit and before another they are part of a
# number; between letters of an abbreviation; both are left out by what must follow.
_PUNCTUATION = regex.compile(
    r"[,;:.!?…\"“”„«»¿¡؟،؛۔।॥](?=[\s\p{P}]|$)|[。、，！？；：「」『』《》（）]|(?<=^|\s)[\"“„«¿¡]"
)
_SPACE = regex.compile(r"(?<=\S) (?=\S)")
# Letters that can stand anywhere: no vowel signs, and of Indic letters only consonants,
# since an independent vowel inside a word is no slip of the finger.
_BASE = regex.compile(r"(?V1)[\p{L}&&[\p{InSC=Other}\p{InSC=Consonant}]]")


@functools.cache
def _word_pattern(language: str) -> regex.Pattern[str]:
    if language not in _PIECES:
        return _SPACED_WORD
    first = rf"(?!{_WITHOUT_SPACES})[\p{{L}}\p{{N}}]"
    others = f"(?:(?!{_WITHOUT_SPACES})(?:{_INNER}))*+"
    return regex.compile(f"{_PIECES[language]}|{first}{others}")


def words(text: str, language: str) -> list[tuple[int, int]]:
    """The spans of the words of a text, or of pieces where words are not spaced."""
    return [match.span() for match in _word_pattern(language).finditer(text)]


def numbers(text: str, language: str) -> list[tuple[int, int]]:
    """The spans of numbers, separators inside: `2,850` is one."""
    del language
    return [match.span() for match in _NUMBER.finditer(text)]


def punctuation(text: str, language: str) -> list[tuple[int, int]]:
    """The spans of punctuation marks that no word and no number holds together."""
    del language
    return [match.span() for match in _PUNCTUATION.finditer(text)]


def spaces(text: str, language: str) -> list[tuple[int, int]]:
    """The spans of single spaces between other characters."""
    del language
    return [match.span() for match in _SPACE.finditer(text)]


def runs(text: str, language: str) -> list[tuple[int, int]]:
    """The spans between white space."""
    del language
    return [match.span() for match in regex.finditer(r"\S+", text)]


def _cut(text: str, language: str) -> Iterator[str]:
    for start, end in words(text, language):
        yield text[start:end]


def clusters(text: str) -> list[str]:
    """The grapheme clusters of a text."""
    if text.isascii():
        return list(text)
    return _CLUSTER.findall(text)


@functools.lru_cache(maxsize=8192)
def script(character: str) -> str:
    """The script of a letter, as the first word of its Unicode name; "" without one.

    Example:
        >>> script("ж"), script("字"), script("ي")
        ('CYRILLIC', 'CJK', 'ARABIC')
    """
    return unicodedata.name(character, "").partition(" ")[0]


@functools.lru_cache(maxsize=8192)
def is_base(character: str) -> bool:
    """Whether a letter can stand by itself anywhere in a word.

    Example:
        >>> [is_base(character) for character in ("b", "ब", "आ", "ก", "า", "5")]
        [True, True, False, True, False, False]
    """
    return _BASE.match(character) is not None


def has_digit(word: str) -> bool:
    """Whether a word has a digit: a fact, which attacks on letters leave alone."""
    return any(map(str.isdigit, word))
