"""What readers of multiple choice share: a raw row, and its check.

A file without labels is refused as unlabelled; so is one whose labels are all the same,
because XTREME strips XCOPA's test labels by writing 0 in every row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from xtl_jax.data.readers.checks import field_of, short
from xtl_jax.data.readers.records import Record
from xtl_jax.data.rows import ChoiceRow
from xtl_jax.errors import UnlabelledError, UserError

_SAME = 50  # rows from which on one label for all of them is no chance


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """A row as it stands in the file; None where the format has no such text."""

    id: str = ""  # "": the place is one
    context: str | None = None
    question: str | None = None
    options: tuple[str, ...]
    label: Any  # None or "" where there is none


def choices_of(
    records: Iterable[tuple[str, Record]], read: Callable[..., Choice], *, name: str
) -> Iterator[tuple[str, Choice]]:
    """Raw rows of records; `read` takes one, and `name` and `place` for errors."""
    for place, record in records:
        yield place, read(record, name=name, place=place)


def id_of(record: Record, field: str) -> str:
    """A record's id as text; "" where it has none."""
    value = record.get(field)
    return "" if value is None else str(value)


def text_of(record: Record, field: str, *, name: str, place: str) -> str:
    """A text field of a record."""
    return field_of(record, field, str, name=name, place=place)


def texts_of(
    record: Record, fields: Iterable[str], *, name: str, place: str
) -> tuple[str, ...]:
    """The texts of several fields."""
    return tuple(text_of(record, field, name=name, place=place) for field in fields)


def rows(
    found: Iterable[tuple[str, Choice]], *, name: str, split: str, labels: str
) -> Iterator[ChoiceRow]:
    """Rows with the answer's index; texts, ids and labels checked.

    Args:
        found: raw rows with their places.
        name: of the file.
        split: named in errors.
        labels: one character an option, in the options' order.

    Raises:
        UserError: the first defect, with its place.
    """
    kept: list[ChoiceRow] = []
    seen: set[str] = set()
    for place, choice in found:
        id = choice.id or place
        if id in seen:
            raise UserError(
                f"{name}: {place}: id {id!r} is there a second time; ids must differ"
            )
        seen.add(id)
        if len(choice.options) != len(labels):
            raise UserError(
                f"{name}: {place}: has {len(choice.options)} options, {len(labels)} "
                "are needed"
            )
        for text in (choice.context, choice.question, *choice.options):
            if text is not None and not text.strip():
                raise UserError(f"{name}: {place}: an option or another text is blank")
        kept.append(
            ChoiceRow(
                id=id,
                context=choice.context or "",
                question=choice.question or "",
                options=choice.options,
                answer=_answer(
                    choice.label, labels=labels, name=name, split=split, place=place
                ),
            )
        )
    if not kept:
        raise UserError(
            f"{name}: holds no row of the split {split!r}; check that the file is the "
            "release's"
        )
    if len(kept) >= _SAME and len({row.answer for row in kept}) == 1:
        raise UnlabelledError(
            f"{name}: the split {split!r} is unlabelled (all {len(kept):,} labels are "
            f"{labels[kept[0].answer]}, as XTREME writes them), so it can be neither "
            "trained on nor scored; take the original release"
        )
    yield from kept


def _answer(label: Any, *, labels: str, name: str, split: str, place: str) -> int:
    if label is None or label == "":
        raise UnlabelledError(
            f"{name}: the split {split!r} is unlabelled ({place} has no label), so it "
            "can be neither trained on nor scored; take a labelled file and name it "
            "with --file"
        )
    written = "" if isinstance(label, bool) else str(label)
    if len(written) != 1 or written not in labels:
        raise UserError(
            f"{name}: {place}: unknown label {short(label)}; allowed: "
            f"{', '.join(labels)}"
        )
    return labels.index(written)
