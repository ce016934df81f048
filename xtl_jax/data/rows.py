"""Rows as the releases mean them, before any prompt.

A reader turns a file into rows, a prompt turns a row into an `Example`. Six kinds cover
the catalogue: a question about a context, a labelled pair of texts, a choice between
options, a tagged sentence, a text to be found or to find others by, a plain text.
"""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuestionRow:
    """A question whose answers are spans of its context (SQuAD and its family).

    SQuAD v2.0 has questions without an answer: their `answers` are empty.
    """

    id: str
    question: str
    context: str
    answers: tuple[str, ...]  # gold answers, verbatim
    answer_starts: tuple[int, ...]  # offset of each in the context, in characters
    title: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairRow:
    """Two texts and the label word of their relation.

    For NLI `first` is the premise, `second` the hypothesis.
    """

    id: str
    first: str
    second: str
    label: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChoiceRow:
    """Options of which one is right, after a context, a question, or both."""

    id: str
    context: str  # "" where there is none
    question: str  # "" where there is none; of COPA `cause` or `effect`
    options: tuple[str, ...]
    answer: int  # index of the right option


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaggedRow:
    """A sentence with one tag a token."""

    id: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...]  # as many


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrievalRow:
    """A text of one of the two sets of a retrieval task."""

    id: str
    text: str
    side: Literal["query", "candidate"]
    # Of a query: ids of the candidates that are right. Empty where none is, or where
    # the release keeps them apart.
    answers: tuple[str, ...] = ()
    context: str = ""  # of a sentence: the paragraph that it stands in


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextRow:
    """Plain text, for objectives that need no label."""

    id: str
    text: str


Row = QuestionRow | PairRow | ChoiceRow | TaggedRow | RetrievalRow | TextRow
