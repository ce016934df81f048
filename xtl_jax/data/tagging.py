r"""Tagged sentences as text, and the text back to one tag a token.

Two formats. *Indexed* (Raman et al. 2022, their best of 14) numbers the tokens with
sentinels and answers each number with a tag, so that a tag finds its token whatever
else went wrong:

    >>> words = {"tokens": ("New", "York", "!"), "tags": ("B-LOC", "I-LOC", "O")}
    >>> row = TaggedRow(id="1", **words)
    >>> NER.prompt(row).inputs
    'ner: <extra_id_0> New <extra_id_1> York <extra_id_2> !'
    >>> NER.prompt(row).targets
    '<extra_id_0> B-LOC <extra_id_1> I-LOC <extra_id_2> O'
    >>> NER.place("<extra_id_1> I-LOC <extra_id_0> B-LOC", context="New\tYork\t!")
    Placed(tags=('B-LOC', 'I-LOC', 'O'), unplaced=1, total=3)

Every token is answered, those outside of entities too. Naming only the others would cut
the targets of English UNER to an eighth (from 30 tokens a sentence to 3.7), but then a
token that was left out could not be told from one that is O, and sentences that reuse
sentinels could not be read back.

*Spans* are mT5's for named entities. The text does not say where an entity stands:

    >>> SPANS.prompt(row).inputs, SPANS.prompt(row).targets
    ('tag: New York !', 'LOC: New York')
    >>> SPANS.place("LOC: York", context="New\tYork\t!")
    Placed(tags=('O', 'B-LOC', 'O'), unplaced=0, total=1)

`place` gives as many tags as there are tokens, whatever was written, and counts what
could not be placed. A tag is never invented: a token without one gets the format's
*filler*.

A change of these texts needs another `prompts.VERSION`.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from xtl_jax.data.prompts import Example
from xtl_jax.data.rows import TaggedRow

SENTINELS = 100  # T5's number; longer sentences use them again
NO_TAG = "_"  # no part of speech and no CCG category is called so: it is never right
OUTSIDE = "O"

_SENTINEL = re.compile(r"<extra_id_([0-9]{1,2})>")
_DELIMITER = " $$ "
_NONE = "None"  # what mT5's data says of a sentence without entities
# Before a type only: a text may hold "$$".
_PIECE_END = re.compile(r"\s*\$\$\s*(?=[A-Z]+\s*:|$)")
_VANISHING = ("Zs", "Zl", "Zp", "Cc", "Cf")  # white space, controls, joiners
_ENTITY = re.compile(r"\s*([A-Z]+)\s*:(.*)", re.DOTALL)


class Placed(NamedTuple):
    """Tags of a sentence, and how much of what was written found no place."""

    tags: tuple[str, ...]  # one a token
    unplaced: int  # parts without a place
    total: int  # parts: tokens and surplus tags, or the entities that were written


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """A text format of tagged sentences and its inverse."""

    prompt: Callable[[TaggedRow], Example]
    place: Callable[..., Placed]  # (raw prediction, *, context: tokens, tabs between)

    def postprocess(self, prediction_raw: str, *, context: str) -> str:
        """What is scored: one tag a token, single spaces between."""
        return " ".join(self.place(prediction_raw, context=context).tags)


def _example(row: TaggedRow, *, inputs: str, targets: str) -> Example:
    return Example(
        id=row.id,
        inputs=inputs,
        targets=targets,
        references=(" ".join(row.tags),),
        context="\t".join(row.tokens),
    )


# --- indexed --------------------------------------------------------------------------


def _numbered(words: Sequence[str]) -> str:
    return " ".join(
        f"<extra_id_{place % SENTINELS}> {word}" for place, word in enumerate(words)
    )


def _indexed_prompt(row: TaggedRow, *, word: str) -> Example:
    return _example(
        row, inputs=f"{word}: {_numbered(row.tokens)}", targets=_numbered(row.tags)
    )


def _indexed_place(prediction_raw: str, *, context: str, filler: str) -> Placed:
    """Tags by sentinel.

    The k-th time that `<extra_id_N>` is written it stands for token N + 100 (k - 1). So
    in a sentence of up to 100 tokens the first answer counts and a second has no place.
    Of several words after a sentinel the first is its tag. Order does not matter.
    """
    tags: list[str | None] = [None] * len(context.split("\t"))
    written: collections.Counter[int] = collections.Counter()
    before, *parts = _SENTINEL.split(prediction_raw)
    surplus = len(before.split())
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        place = int(number) + SENTINELS * written[int(number)]
        written[int(number)] += 1
        words = text.split()
        if words and place < len(tags):
            tags[place] = words.pop(0)
        surplus += len(words)
    return Placed(
        tags=tuple(filler if tag is None else tag for tag in tags),
        unplaced=tags.count(None) + surplus,
        total=len(tags) + surplus,
    )


def _indexed(word: str, *, filler: str) -> Format:
    """The format with a task word before the sentence."""
    return Format(
        prompt=functools.partial(_indexed_prompt, word=word),
        place=functools.partial(_indexed_place, filler=filler),
    )


POS = _indexed("pos", filler=NO_TAG)
NER = _indexed("ner", filler=OUTSIDE)
# Categories are spelled as they are, `(S[dcl]\NP)/NP`, rather than numbered: a number
# needs a list of categories that another training file would change, has none for a
# category that is new, and hides that `(S[b]\NP)/NP` differs in its feature only.
CCG = _indexed("ccg", filler=NO_TAG)


# --- spans ----------------------------------------------------------------------------


def entities(tags: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Entities of a sentence from left to right: type, first token, end.

    An I- that follows O or another type opens an entity, as in mT5's data and for the
    scorer.

    Example:
        >>> list(entities(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"]))
        [('PER', 0, 2), ('LOC', 3, 4), ('LOC', 4, 5)]
    """
    start, current = 0, ""
    for place, tag in enumerate((*tags, OUTSIDE)):
        prefix, _, kind = tag.partition("-")
        if current and (prefix != "I" or kind != current):
            yield current, start, place
            current = ""
        if prefix != OUTSIDE and not current:
            start, current = place, kind


class _Sentence:
    """Tokens that take entities from left to right."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tokens
        self.keys = [_key(token) for token in tokens]
        self.free = [True] * len(tokens)
        self.cursor = 0  # end of the entity that was placed last

    def take(self, text: str) -> tuple[int, int] | None:
        """First and end of the tokens that a text is placed on, which are then taken.

        The first free place behind the entity before it; the first of all where there
        is none, for entities that are written out of order.
        """
        found = self.find(text, start=self.cursor) or self.find(text, start=0)
        if found is not None:
            first, end = found
            self.free[first:end] = [False] * (end - first)
            self.cursor = end
        return found

    def find(self, text: str, *, start: int) -> tuple[int, int] | None:
        """The first run of free whole tokens that reads as the text.

        White space and what tokenizers normalise do not count (`_key`). Tokens that
        vanish in it join an entity only if the text has them, character by character.
        """
        wanted = _key(text)
        for first in range(start, len(self.tokens)):
            shortest = None
            read = ""
            for last in range(first, len(self.tokens)):
                read += self.keys[last]
                if not self.free[last] or not wanted.startswith(read):
                    break
                if read == wanted:
                    if " ".join(self.tokens[first : last + 1]) == text:
                        return first, last + 1
                    if shortest is None and self.keys[first]:
                        shortest = first, last + 1
            if shortest is not None:
                return shortest
        return None


@functools.lru_cache(maxsize=100_000)
def _key(text: str) -> str:
    """A text without what mT5's tokenizer changes: NFKC, no white space or controls."""
    return "".join(
        character
        for character in unicodedata.normalize("NFKC", text)
        if unicodedata.category(character) not in _VANISHING
    )


def _spans_prompt(row: TaggedRow) -> Example:
    """mT5's text; where it would be misread, what is passed over is named with type O.

    `Paris met Paris`, the second a place, is `O: Paris $$ LOC: Paris`.
    """
    sentence = _Sentence(row.tokens)
    pieces = []
    for kind, start, end in entities(row.tags):
        text = " ".join(row.tokens[start:end])
        for passed in _passed_over(sentence, text, start=start, end=end):
            pieces.append(f"{OUTSIDE}: {passed}")
        pieces.append(f"{kind}: {text}")
        sentence.cursor = end
    return _example(
        row,
        inputs=f"tag: {' '.join(row.tokens)}",
        targets=_DELIMITER.join(pieces) or _NONE,
    )


def _passed_over(
    sentence: _Sentence, text: str, *, start: int, end: int
) -> Iterator[str]:
    """Texts that move the sentence's cursor so far that `text` is found at `start`."""
    while True:
        found = sentence.find(text, start=sentence.cursor)
        if found is None or found == (start, end) or found[0] >= start:
            return
        # The whole wrong place, or its first token where the right one overlaps it.
        last = found[1] if found[1] <= start else found[0] + 1
        passed = " ".join(sentence.tokens[found[0] : last])
        place = sentence.find(passed, start=sentence.cursor)
        if place is None or place[1] > start:
            return
        sentence.cursor = place[1]
        yield passed


def _spans_place(prediction_raw: str, *, context: str) -> Placed:
    """Tags of the entities that are found, from left to right; all other tokens are O.

    A part that does not begin with a type in capitals and a colon has no place.
    """
    sentence = _Sentence(context.split("\t"))
    tags = [OUTSIDE] * len(sentence.tokens)
    pieces = [piece.strip() for piece in _PIECE_END.split(prediction_raw)]
    pieces = [piece for piece in pieces if piece and piece != _NONE]
    unplaced = 0
    for piece in pieces:
        entity = _ENTITY.fullmatch(piece)
        found = sentence.take(entity[2].strip()) if entity else None
        if entity is None or found is None:
            unplaced += 1
        elif entity[1] != OUTSIDE:
            first, end = found
            tags[first:end] = [f"I-{entity[1]}"] * (end - first)
            tags[first] = f"B-{entity[1]}"
    return Placed(tags=tuple(tags), unplaced=unplaced, total=len(pieces))


SPANS = Format(prompt=_spans_prompt, place=_spans_place)
