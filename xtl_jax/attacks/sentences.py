"""Sentences of a text, and a pool of them to draw distractors from.

A sentence ends at a mark of its script that white space, or in Chinese and Japanese
anything, follows. After a point, it does not end where what stands before is an
abbreviation by its looks: one or two letters with a capital, letters with points, or a
number of one or two digits (`Dr.`, `U.S.`, the German `3. Oktober`). Thai and Lao mark
no ends of sentences: their phrases stand between spaces and are not called sentences.

    >>> [text for text in parts("Dr. Roe met Ann. She smiled.", "en")]
    ['Dr. Roe met Ann. ', 'She smiled.']
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import random
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import regex

from xtl_jax.attacks import words
from xtl_jax.data.rows import QuestionRow, Row

WITHOUT_ENDS = ("th", "lo")  # languages that mark no ends of sentences
COMMON = 0.2  # share of sentences or questions from which on a word says nothing
MANY = 100  # sentences of a pool from which on such words are passed over
SHORTEST = 12  # characters of a sentence or phrase that can distract

_CLOSING = r"[\"'”’»)\]」』）]*"
_END = regex.compile(rf"[.!?…؟۔।॥።။។]+{_CLOSING}(?=\s)\s+|[。！？]+{_CLOSING}\s*|\n+")
_ABBREVIATION = regex.compile(
    r"(?:^|[\s(])(?:\p{Lu}\p{L}?|(?:\p{L}\.)+\p{L}|\p{N}{1,2})$"
)
_PARTS_OF_WORDS = regex.compile(r"[\p{L}\p{N}\p{M}]+")  # `river's` has two
_GAP = regex.compile(r"(?<=\S)\s+(?=\S)")


def spans(text: str, language: str) -> list[tuple[int, int]]:
    """The spans of the sentences, or of Thai and Lao phrases; they cover the text.

    White space after a sentence belongs to it.
    """
    pattern = _GAP if language in WITHOUT_ENDS else _END
    found, start = [], 0
    for match in pattern.finditer(text):
        before = text[start : match.start()]
        is_point = match.group().startswith(".")
        if is_point and _ABBREVIATION.search(before):
            continue
        if match.end() < len(text):
            found.append((start, match.end()))
            start = match.end()
    if text:
        found.append((start, len(text)))
    return found


def parts(text: str, language: str) -> list[str]:
    """The sentences themselves; together they are the text."""
    return [text[start:end] for start, end in spans(text, language)]


def joined(first: str, second: str, language: str) -> str:
    """Two sentences after each other, with a space where the language has one."""
    if not first or not second or first[-1].isspace():
        return first + second
    return first + ("" if language in ("zh", "ja") else " ") + second


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One sentence of a pool."""

    text: str
    ids: frozenset[str]  # the rows of its context
    length: int  # in features


@dataclasses.dataclass(frozen=True, eq=False)
class SentencePool:
    """Sentences of a set's contexts in one language, found by the words they share."""

    language: str
    sentences: tuple[Sentence, ...]
    having: dict[str, tuple[int, ...]]  # word to the sentences that have it
    asked: dict[str, float]  # word to the share of the set's questions that have it

    def near(
        self,
        question: str,
        *,
        not_of: str,
        without: Collection[str],
        most: int,
    ) -> list[str]:
        """The sentences that share most words with a question, the nearest first.

        A shared word counts the more the rarer it is, in the pool's sentences and in
        the set's questions (question words are rare in sentences alone), and the
        shorter the sentence: one of mean length gets half. Among equals the earlier
        sentence is nearer.

        Args:
            question: whose words are looked for.
            not_of: a row's id; the sentences of its context are left out.
            without: texts that no sentence may contain, in any case: gold answers.
            most: how many to return; all sentences are looked at if few share a word.
        """
        scores: dict[int, float] = {}
        count = len(self.sentences)
        mean = sum(each.length for each in self.sentences) / max(1, count)
        for word in set(features(question, self.language)):
            places = self.having.get(word, ())
            common = max(len(places) / (1 + count), self.asked.get(word, 0.0))
            if common >= COMMON and count >= MANY:
                continue
            for place in places:
                rarity = -math.log(common)
                share = rarity / (1 + self.sentences[place].length / mean)
                scores[place] = scores.get(place, 0.0) + share
        order = sorted(scores, key=lambda place: (-scores[place], place))
        rest = (place for place in range(len(self.sentences)) if place not in scores)
        found = []
        for place in (*order, *rest):
            sentence = self.sentences[place]
            if not_of not in sentence.ids and not has_any(sentence.text, without):
                found.append(sentence.text)
                if len(found) == most:
                    break
        return found


def pool(rows: Iterable[Row], *, language: str) -> SentencePool:
    """A pool of the contexts of question rows; other rows are passed over."""
    contexts: dict[str, set[str]] = {}
    asked: Counter[str] = Counter()
    questions = 0
    for row in rows:
        if isinstance(row, QuestionRow):
            contexts.setdefault(row.context, set()).add(row.id)
            asked.update(set(features(row.question, language)))
            questions += 1
    sentences = tuple(
        Sentence(part.strip(), frozenset(ids), len(features(part, language)))
        for context, ids in contexts.items()
        for part in parts(context, language)
        if len(part.strip()) >= SHORTEST
    )
    having: dict[str, list[int]] = {}
    for place, sentence in enumerate(sentences):
        for word in dict.fromkeys(features(sentence.text, language)):
            having.setdefault(word, []).append(place)
    return SentencePool(
        language=language,
        sentences=sentences,
        having={word: tuple(at) for word, at in having.items()},
        asked={word: each / questions for word, each in asked.items()},
    )


def features(text: str, language: str) -> list[str]:
    """What texts are compared by: words, or pairs of clusters where none are spaced."""
    folded = text.casefold()
    if language not in words.UNSPACED:
        return _PARTS_OF_WORDS.findall(folded)
    pieces = words.clusters(folded)
    return [
        first + second
        for first, second in itertools.pairwise(pieces)
        if first[0].isalnum() and second[0].isalnum()
    ]


@functools.lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    return text.casefold()


def has_any(text: str, answers: Collection[str]) -> bool:
    """Whether a text contains one of the answers, in any case."""
    folded = _folded(text)
    return any(answer and _folded(answer) in folded for answer in answers)


def drawn(texts: Sequence[str], *, count: int, rng: random.Random) -> list[str]:
    """`count` of the texts, or all of fewer, in random order."""
    return rng.sample(texts, min(count, len(texts)))
