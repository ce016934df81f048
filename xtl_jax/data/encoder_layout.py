"""Where texts stand in an encoder's input, and what is cut when they are too long.

    <s> A </s>                     one text
    <s> A </s> </s> B </s>         two

An input has at most `length` tokens, special ones included. Of two texts the longer one
is cut first, as Hugging Face's fast tokenizers do: the shorter one stays whole while it
takes no more than half of the room; if both take more, each gets half.

    >>> longest_first(10, 100, room=40)
    (10, 30)
    >>> longest_first(60, 50, room=41)
    (21, 20)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from xtl_jax.data.encoder_vocabulary import EncoderVocabulary
from xtl_jax.errors import UserError

SEPARATOR = " </s> </s> "  # between two texts in listings and records
SINGLE = 2  # special tokens around one text
PAIR = 4  # and around two
SHORTEST = 8  # tokens of an input: two texts of two tokens


class Joined(NamedTuple):
    """An input with its special tokens."""

    tokens: list[int]
    texts: int  # tokens of text that there were
    is_cut: bool


def longest_first(first: int, second: int, *, room: int) -> tuple[int, int]:
    """Tokens that two texts keep, which are at most `room` together."""
    if first + second <= room:
        return first, second
    shorter, longer = sorted((first, second))
    longer = room - shorter
    if longer < shorter:
        shorter, longer = room // 2, room - room // 2
    return (shorter, longer) if first <= second else (longer, shorter)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """How examples become inputs.

    Attributes:
        vocabulary: cuts texts into tokens.
        length: tokens of an input at most.
        stride: context tokens that two windows of a question share.
        question_length: tokens of a question at most.
        tagged_piece: which piece of a word has its tag: "first", or the first "text".
    """

    vocabulary: EncoderVocabulary
    length: int
    stride: int = 128
    question_length: int = 64
    tagged_piece: str = "first"

    def __post_init__(self) -> None:
        if self.length < SHORTEST:
            raise UserError(
                f"an encoder's length is {self.length} tokens; it must be at least "
                f"{SHORTEST} (two short texts and four special tokens): "
                "--gin.TASK_FEATURE_LENGTHS=\"{'inputs': 128, 'targets': 2}\""
            )

    def single(self, text: Sequence[int]) -> Joined:
        """An input of one text's tokens."""
        ids = self.vocabulary
        kept = text[: self.length - SINGLE]
        tokens = [ids.start_id, *kept, ids.end_id]
        return Joined(tokens, texts=len(text), is_cut=len(kept) < len(text))

    def pair(self, first: Sequence[int], second: Sequence[int]) -> Joined:
        """An input of two texts' tokens."""
        keep, keep_too = longest_first(len(first), len(second), room=self.length - PAIR)
        texts = len(first) + len(second)
        return Joined(
            self.joined(first[:keep], second[:keep_too]),
            texts=texts,
            is_cut=keep + keep_too < texts,
        )

    def joined(self, first: Sequence[int], second: Sequence[int]) -> list[int]:
        """Two texts' tokens with special ones around them, nothing cut."""
        start, end = self.vocabulary.start_id, self.vocabulary.end_id
        return [start, *first, end, end, *second, end]
