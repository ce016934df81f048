"""Text to token ids and back, laid out as XLM-R has it.

    <s> 0    <pad> 1    </s> 2    <unk> 3    the pieces, from 4 on    <mask> last

This is fairseq's shift: in XLM-R's own SentencePiece file `<unk> <s> </s> , .` the
comma is piece 3, and its id is 4. Here any SentencePiece file will do: the pieces are
those of `vocabulary`, whose layout `<pad> </s> <unk> , .` has each id one lower. So
XLM-R's file of 250,000 pieces gives 250,002 ids; multilingual-e5-small has the same
ones, and 35 more rows in its table that no id leads to. `"bytes"` takes the 256 bytes
of UTF-8 for pieces.

A text cannot write special ids: `</s>` in it is cut into pieces like any other word,
where Hugging Face's tokenizers make the id 2 of it.

    >>> vocabulary = load("bytes")
    >>> vocabulary.encode("añ")
    [101, 199, 181]
    >>> vocabulary.encode_with_offsets("añ")
    ([101, 199, 181], [(0, 1), (1, 2), (1, 2)])
    >>> vocabulary.decode([0, 101, 199, 181, 2, 1, 1])
    'añ'
    >>> vocabulary.size, vocabulary.mask_id
    (261, 260)
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence

import numpy as np

from xtl_jax.data import vocabulary as vocabularies
from xtl_jax.data.vocabulary import Vocabulary

_SHIFT = 1  # from the layout of `vocabulary` to this one
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")

Offsets = list[tuple[int, int]]


def load(spec: str | os.PathLike[str]) -> EncoderVocabulary:
    """A vocabulary from a SentencePiece file or `"bytes"`.

    Args:
        spec: path of a SentencePiece model (plain, `.xz`, `.gz`, `.bz2`; local or
            `gs://`), or `"bytes"`.

    Raises:
        UserError: missing or damaged file.
    """
    return EncoderVocabulary(vocabularies.load(spec))


class EncoderVocabulary:
    """Pieces behind XLM-R's four special ids, and `<mask>` behind them.

    Attributes:
        size: ids; a model may have more rows.
        sha256: of everything that decides what `encode` gives.
        spec: what `load` was given.
    """

    start_id = 0
    pad_id = 1
    end_id = 2
    unk_id = 3
    first_id = 4  # of the pieces

    def __init__(self, pieces: Vocabulary) -> None:
        self._pieces = pieces
        self.spec = pieces.spec
        self.mask_id = pieces.size + _SHIFT
        self.size = self.mask_id + 1
        content = f"<s> <pad> </s> <unk>, {pieces.sha256}, <mask>"
        self.sha256 = hashlib.sha256(content.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without special ones but for `<unk>`."""
        return [token + _SHIFT for token in self._pieces.encode(text)]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, faster than one by one."""
        return [
            [token + _SHIFT for token in tokens]
            for tokens in self._pieces.encode_batch(texts)
        ]

    def encode_with_offsets(self, text: str) -> tuple[list[int], Offsets]:
        """Ids of a text, and the characters that each stands for: first and end.

        White space around a word belongs to no token. A token that stands for nothing
        else has an empty span; tokens that share a character (bytes, or the parts of a
        ligature) have the same one.
        """
        tokens, spans = self._pieces.encode_with_offsets(text)
        return [token + _SHIFT for token in tokens], _characters(text, spans)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of all ids that are not special; what no piece has reads as unknown."""
        kept = (int(token) - _SHIFT for token in ids if token != self.mask_id)
        # What ends a text for the pieces may stand between two texts here.
        return self._pieces.decode(t for t in kept if t >= self.unk_id - _SHIFT)

    def piece(self, token: int) -> str:
        """How one id looks in a listing."""
        if token < len(_SPECIAL):
            return _SPECIAL[token]
        return "<mask>" if token == self.mask_id else self._pieces.piece(token - _SHIFT)


def _characters(text: str, spans: Sequence[tuple[int, int]]) -> Offsets:
    """Spans of UTF-8 bytes as spans of characters, without white space at the ends."""
    if not spans:
        return []
    begins, ends = np.asarray(spans, np.int64).T
    if not text.isascii():
        data = np.frombuffer(text.encode("utf-8"), np.uint8)
        # Of each byte, the number of the character that it is part of.
        character = np.cumsum((data & 0xC0) != 0x80) - 1
        character = np.append(character, len(text))
        empty = begins == ends
        ends = np.where(empty, character[begins], character[ends - 1] + 1)
        begins = character[begins]
    return [
        _stripped(text, begin, end)
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]


def _stripped(text: str, begin: int, end: int) -> tuple[int, int]:
    while begin < end and text[begin].isspace():
        begin += 1
    while begin < end and text[end - 1].isspace():
        end -= 1
    return begin, end
