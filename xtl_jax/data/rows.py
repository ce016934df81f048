"""Rows as the releases mean them, before any prompt.

A reader turns a file into rows, a prompt turns a row into an `Example`. Three kinds
cover the catalogue: a question about a context, a labelled pair of texts, a text.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuestionRow:
    """A question whose answers are spans of its context (SQuAD and its family)."""

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
class TextRow:
    """Plain text, for objectives that need no label."""

    id: str
    text: str


Row = QuestionRow | PairRow | TextRow
