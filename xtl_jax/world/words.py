"""The words of the toy world, laid out so that SentencePiece keeps them whole.

A unigram vocabulary starts from strings that are followed by different characters in
its training text. In text from templates most words never are: में is always followed
by a space, so SentencePiece would only ever see "में " and cut the word into letters
(Hindi came out at three times the tokens it needs). The remedy is this list: each word
at the end of a line, and each word before a full stop. Chinese words come after a full
stop, because in running text no space stands before them.

The words of prompts are among them, so that a prompt does not cost twenty tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xtl_jax.world import language, sentences
from xtl_jax.world.facts import Fact, values_of
from xtl_jax.world.lexicons import LEXICONS

PROMPT_WORDS = ("question", "context", "xnli", "premise", "hypothesis")
PROMPT_WORDS += ("paws", "sentence1", "sentence2")
REPEATS = 10  # SentencePiece needs counts
TEMPLATE_REPEATS = 10


def lines() -> Iterator[str]:
    """Lines to train the vocabulary of the world on, the same for every seed."""
    for _ in range(REPEATS):
        for word in PROMPT_WORDS:
            yield from (word, f"{word}:")
        for year in language.YEARS:
            # Next to another script the digits stay together and free of punctuation.
            yield from (year, f"{year}年", f"于{year}", f"于{year}年")
        for code, lexicon in LEXICONS.items():
            for word, before in words(code).items():
                # Words of templates are the frequent ones.
                for _ in range(TEMPLATE_REPEATS if word in lexicon.tags else 1):
                    for each in before:
                        yield from (f"{each}{word}", f"{each}{word}。")
            for mark in sentences.MARKS[code]:
                yield from (f"{word}{mark}", f"{word} {mark}")


def words(code: str) -> dict[str, dict[str, None]]:
    """Every word of a language, and the marks that may stand right before it.

    Example:
        >>> words("es")["Cuándo"], words("ru")["русски"], words("en")["Paris"]
        ({'¿': None}, {'-': None}, {'': None})
        >>> [word for word in words("zh") if "京" in word]
        ['北京', '东京']
    """
    lexicon = LEXICONS[code]
    start = "" if lexicon.separator else "。"
    found: dict[str, dict[str, None]] = {}
    for fact in _covering_facts():
        told = [sentences.state(fact, lexicon=lexicon, way=way) for way in (0, 1)]
        for sentence in (*told, sentences.ask(fact, lexicon=lexicon)):
            for i, word in enumerate(sentence.words):
                opened = i > 0 and sentence.words[i - 1] == "¿"
                before = "¿" if opened else start
                for part in re.findall(r"[-']?[^-'.?؟。，？।¿]+", word):
                    mark = part[0] if part[0] in "-'" else before
                    found.setdefault(part.lstrip("-'"), {})[mark] = None
    return found


def _covering_facts() -> Iterator[Fact]:
    """Facts that use each person, and each value of a woman and of a man."""
    for relation, category in language.RELATIONS.items():
        first, *_ = values_of(category)
        yield from (Fact(person, relation, first) for person in language.PEOPLE)
        for person in (language.FEMALE[0], language.MALE[0]):
            yield from (Fact(person, relation, value) for value in values_of(category))
