"""The texts of a row that may be attacked, and a row with edits in them.

    >>> row = QuestionRow(id="1", question="Who?", context="It was Ada.",
    ...                   answers=("Ada",), answer_starts=(7,))
    >>> [(text.field, text.value, text.fixed) for text in texts(row)]
    [('question', 'Who?', ()), ('context', 'It was Ada.', ((7, 10),))]
    >>> edited(row, [Edit("context", 0, 0, 2, "There")]).answer_starts
    (10,)

Never attacked: labels, tags, options (a changed option could equal another), titles,
ids, and COPA's `cause` and `effect`, which name a relation rather than ask. A retrieved
sentence and the paragraph around it are attacked each by itself.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from xtl_jax.attacks.attack import Attacked, Edit
from xtl_jax.data.rows import (
    ChoiceRow,
    PairRow,
    QuestionRow,
    RetrievalRow,
    Row,
    TaggedRow,
    TextRow,
)
from xtl_jax.errors import UserError, near

RELATIONS = ("cause", "effect")  # the questions of COPA


# The fields of each kind of row that may be attacked.
FIELDS: dict[type, tuple[str, ...]] = {
    QuestionRow: ("question", "context"),
    PairRow: ("first", "second"),
    ChoiceRow: ("context", "question"),
    TaggedRow: ("tokens",),
    RetrievalRow: ("text", "context"),
    TextRow: ("text",),
}


class Text(NamedTuple):
    """One text of a row."""

    field: str
    index: int  # of the token; 0 in fields that hold one text
    value: str
    fixed: tuple[tuple[int, int], ...] = ()  # stretches that no edit may touch


def texts(row: Row, *, fields: Sequence[str] = ()) -> list[Text]:
    """The texts of a row that may be attacked; only those of `fields` if it has any.

    Raises:
        UserError: a field is none of the row's that may be attacked.
    """
    found = _texts(row)
    known = FIELDS[type(row)]
    for field in fields:
        if field not in known:
            raise UserError(
                f"field {field!r} of a {type(row).__name__} cannot be attacked; there "
                f"are: {', '.join(known)}; near: {near(field, known)}"
            )
    return [text for text in found if text.value and (text.field in (fields or known))]


def _texts(row: Row) -> list[Text]:
    if isinstance(row, TaggedRow):
        return [Text("tokens", index, token) for index, token in enumerate(row.tokens)]
    found = [Text(field, 0, getattr(row, field)) for field in FIELDS[type(row)]]
    if isinstance(row, QuestionRow):
        found[1] = found[1]._replace(fixed=fixed(row))
    if isinstance(row, ChoiceRow) and row.question in RELATIONS:
        return found[:1]
    return found


def fixed(row: QuestionRow) -> tuple[tuple[int, int], ...]:
    """Where the gold answers stand, in order and without doubles."""
    spans = {
        (start, start + len(answer))
        for answer, start in zip(row.answers, row.answer_starts, strict=True)
    }
    return tuple(sorted(spans))


def edited(row: Row, edits: Iterable[Edit]) -> Row:
    """The row with its edits, answers at their new offsets.

    Edits must not overlap each other or a gold answer.
    """
    groups: dict[tuple[str, int], list[Edit]] = {}
    for edit in sorted(edits):
        groups.setdefault((edit.field, edit.index), []).append(edit)
    if not groups:
        return row
    if isinstance(row, TaggedRow):
        tokens = list(row.tokens)
        for (_, index), group in groups.items():
            tokens[index] = _spliced(tokens[index], group)
        return dataclasses.replace(row, tokens=tuple(tokens))
    values = {
        field: _spliced(getattr(row, field), group)
        for (field, _), group in groups.items()
    }
    if isinstance(row, QuestionRow) and ("context", 0) in groups:
        starts = _moved(row.answer_starts, groups["context", 0])
        row = dataclasses.replace(row, answer_starts=starts)
    return checked(dataclasses.replace(row, **values))


def checked(row: Row) -> Row:
    """The row, whose gold answers stand where it says.

    Raises:
        AssertionError: they do not; a defect of an attack.
    """
    if isinstance(row, QuestionRow):
        for answer, start in zip(row.answers, row.answer_starts, strict=True):
            if not row.context.startswith(answer, start):
                raise AssertionError(f"row {row.id!r}: {answer!r} is not at {start}")
    return row


def changed(row: Row, edits: Sequence[Edit], *, otherwise: str) -> Attacked:
    """The row with its edits; where there are none, the reason `otherwise`."""
    if not edits:
        return Attacked(row=row, not_applied=otherwise)
    return Attacked(row=edited(row, edits), edits=tuple(edits))


def _spliced(text: str, edits: Sequence[Edit]) -> str:
    """A text with its edits, which are in order."""
    pieces, done = [], 0
    for edit in edits:
        pieces += [text[done : edit.start], edit.text]
        done = edit.end
    return "".join([*pieces, text[done:]])


def _moved(offsets: Sequence[int], edits: Sequence[Edit]) -> tuple[int, ...]:
    """Offsets after edits that are in order; an insertion at an offset moves it."""
    ends = [edit.end for edit in edits]
    growths = (len(edit.text) - (edit.end - edit.start) for edit in edits)
    shifts = [0, *itertools.accumulate(growths)]
    return tuple(
        offset + shifts[bisect.bisect_right(ends, offset)] for offset in offsets
    )
