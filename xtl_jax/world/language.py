"""What a language has to say about the toy world: words, sentences, questions.

A `Lexicon` is one language. Its words are kept by *category* (city, job, ...) and by
a key that all languages share, so that the city `cairo` is Cairo, Kairo or 开罗. Its
sentences are kept by *relation* (home, job, ...): two ways to state a fact, and the
question that asks for it. Three small notations keep the files readable:

- A form is written in the one inflection that its templates need (Russian cities stand
  in the locative: every template says "in Paris"). Brackets mark what an answer quotes,
  the rest belongs to the sentence only: `[Paris]'te`, `a [doctor]`. No brackets: all.
- A slash gives the masculine and the feminine: `Arzt/Ärztin`, `родился/родилась`. Only
  the person's gender is ever asked for.
- Templates are words separated by spaces, whatever the script; `separator` says what
  stands between words in running text (nothing in Chinese). Punctuation clings.

`tags` names the universal part of speech of every word that is not in a category.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

# Relation -> category of its value. Two relations ask for a city, so that the type of
# an answer does not give the answer away.
RELATIONS: Mapping[str, str] = {
    "home": "city",
    "workplace": "city",
    "job": "job",
    "born": "year",
    "food": "food",
    "tongue": "tongue",
    "wish": "thing",
}
CATEGORY_TAGS: Mapping[str, str] = {
    "city": "PROPN",
    "job": "NOUN",
    "year": "NUM",
    "food": "NOUN",
    "tongue": "NOUN",
    "thing": "NOUN",
}
# A person has one home, one job, ...: another value contradicts. One may wish for many
# things, so a wish never contradicts a wish.
SINGLE_VALUED = ("home", "workplace", "job", "born", "food", "tongue")

YEARS = tuple(str(year) for year in range(1950, 1998, 4))


def _keys(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FEMALE = _keys("""
    anna maria sara layla amina elena olga nina julia sofia
""")
MALE = _keys("""
    omar ali ivan peter paul david daniel adam yusuf hassan
""")
PEOPLE = tuple(sorted(FEMALE + MALE))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Templates:
    """How one relation is said: two statements that mean the same, one question."""

    statements: tuple[str, str]
    question: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lexicon:
    """One language of the world."""

    language: str
    english_name: str
    script: str  # first word of the Unicode names of its letters
    right_to_left: bool = False
    separator: str = " "  # between words, and between sentences
    people: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]]  # category -> key -> form
    relations: Mapping[str, Templates]
    tags: Mapping[str, str]  # word outside the categories -> part of speech
    tongue_tag: str = "PROPN"  # languages are names, nouns or adverbs, by language

    def form(self, category: str, key: str, *, female: bool) -> str:
        """The form of a word for a person of this gender, with answer brackets.

        Example:
            >>> from xtl_jax.world.lexicons import LEXICONS
            >>> LEXICONS["de"].form("thing", "book", female=True)
            'ein [Buch]'
        """
        if category == "year":
            return f"[{key}]"
        form = gendered(self.words[category][key], female=female)
        return form if "[" in form else f"[{form}]"


def gendered(text: str, *, female: bool) -> str:
    """Resolve one masculine/feminine slash.

    Example:
        >>> gendered("Arzt/Ärztin", female=True)
        'Ärztin'
    """
    masculine, _, feminine = text.partition("/")
    return feminine if female and feminine else masculine


def tagged(table: str) -> dict[str, str]:
    """Word -> tag from lines `TAG: word word ...`.

    Example:
        >>> tagged("ADP: in of")
        {'in': 'ADP', 'of': 'ADP'}
    """
    tags = {}
    for line in table.strip().splitlines():
        tag, _, words = line.partition(":")
        tags.update(dict.fromkeys(words.split(), tag.strip()))
    return tags


def table(lines: str) -> dict[str, str]:
    """Key -> form from lines `key form`; the form may hold spaces.

    Example:
        >>> table("doctor a [doctor]")
        {'doctor': 'a [doctor]'}
    """
    rows = (line.strip().partition(" ") for line in lines.strip().splitlines())
    return {key: form.strip() for key, _, form in rows}
