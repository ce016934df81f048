"""From a fact to a sentence of a language, with its words, tags and answer.

>>> from xtl_jax.world.facts import Fact
>>> from xtl_jax.world.lexicons import LEXICONS
>>> fact = Fact("anna", "home", "istanbul")
>>> sentence = state(fact, lexicon=LEXICONS["tr"], way=0)
>>> sentence.text, sentence.answer, sentence.answer_start
("Anna İstanbul'da yaşıyor.", 'İstanbul', 5)
>>> sentence.words
('Anna', "İstanbul'da", 'yaşıyor', '.')
>>> sentence.tags
('PROPN', 'PROPN', 'VERB', 'PUNCT')
>>> ask(fact, lexicon=LEXICONS["zh"]).text
'安娜住在哪里？'
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from xtl_jax.world.facts import Fact
from xtl_jax.world.language import CATEGORY_TAGS, FEMALE, Lexicon, gendered
from xtl_jax.world.lexicons import LEXICONS

CLINGS_TO_THE_LEFT = frozenset(".?؟،。，？।")
CLINGS_TO_THE_RIGHT = frozenset("¿")
MARKS = dict.fromkeys(LEXICONS, ".?")
MARKS |= {"es": ".?¿", "ar": ".؟", "hi": "।?", "zh": "。？，", "tr": ".?'"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence as running text and as words."""

    text: str
    answer: str  # what a question about the fact wants quoted; "" in a question
    answer_start: int  # in characters of `text`; -1 in a question
    words: tuple[str, ...]
    tags: tuple[str, ...]  # universal parts of speech, one a word


def state(fact: Fact, *, lexicon: Lexicon, way: int) -> Sentence:
    """The fact as a statement, in the first (0) or second (1) of its two ways."""
    return _fill(lexicon.language, fact, way)


def ask(fact: Fact, *, lexicon: Lexicon) -> Sentence:
    """The question whose answer is the value of the fact."""
    return _fill(lexicon.language, fact, None)


def text(sentences: Sequence[Sentence], *, lexicon: Lexicon) -> str:
    """Sentences as one running text."""
    return lexicon.separator.join(sentence.text for sentence in sentences)


def spaced(words: Sequence[str], *, separator: str) -> str:
    """Words as running text: punctuation clings to its neighbour.

    Example:
        >>> spaced(["¿", "Dónde", "vive", "Anna", "?"], separator=" ")
        '¿Dónde vive Anna?'
    """
    pieces: list[str] = []
    for i, word in enumerate(words):
        clings = word in CLINGS_TO_THE_LEFT or (
            i > 0 and words[i - 1] in CLINGS_TO_THE_RIGHT
        )
        pieces.append(word if i == 0 or clings else separator + word)
    return "".join(pieces)


@functools.cache  # a world has few thousand facts and says each many times
def _fill(language: str, fact: Fact, way: int | None) -> Sentence:
    lexicon = LEXICONS[language]
    templates = lexicon.relations[fact.relation]
    template = templates.question if way is None else templates.statements[way]
    female = fact.person in FEMALE
    tag = CATEGORY_TAGS[fact.category]
    if fact.category == "tongue":
        tag = lexicon.tongue_tag
    words: list[str] = []
    tags: list[str] = []
    for slot in template.split():
        if slot == "{person}":
            words.append(lexicon.people[fact.person])
            tags.append("PROPN")
        elif slot == "{value}":
            form = lexicon.form(fact.category, fact.value, female=female)
            for word in form.split():
                words.append(word)
                tags.append(lexicon.tags.get(word.strip("[]"), tag))
        else:
            words.append(gendered(slot, female=female))
            tags.append(lexicon.tags[words[-1]])
    marked = spaced(words, separator=lexicon.separator)
    start, end = marked.find("["), marked.find("]")
    answer = marked[start + 1 : end] if start >= 0 else ""
    return Sentence(
        text=marked.replace("[", "").replace("]", ""),
        answer=answer,
        answer_start=start,
        words=tuple(word.replace("[", "").replace("]", "") for word in words),
        tags=tuple(tags),
    )
