"""COPA and XCOPA: which option is the premise's cause, or its effect."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from xml.etree import ElementTree

from xtl_jax.data import sources
from xtl_jax.data.readers import records
from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions, short
from xtl_jax.data.readers.options import (
    Choice,
    choices_of,
    id_of,
    rows,
    text_of,
    texts_of,
)
from xtl_jax.data.readers.records import Record
from xtl_jax.data.rows import ChoiceRow
from xtl_jax.errors import UserError

QUESTIONS = ("cause", "effect")
# Ids of the original, and SuperGLUE's splits of them.
_IDS = {
    "train": range(1, 401),
    "validation": range(401, 501),
    "test": range(501, 1001),
}
_ID = re.compile("[0-9]{1,6}")
_TWIN = 1000  # Balanced COPA adds this to the id of a question for its mirrored twin


def copa(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[ChoiceRow]:
    """Rows of one split.

    - `.jsonl`: SuperGLUE's and XCOPA's (idx, premise, choice1, choice2, question, label
      0 or 1)
    - `.xml`: the original, of whose ids SuperGLUE made its splits: 1 to 400 are train,
      401 to 500 validation, 501 to 1000 test; rows of other splits are passed over. The
      twins of Balanced COPA (1001 to 1500) go with their questions.
    """
    name = os.fspath(path)
    if records.base_name(name).endswith(".xml"):
        return rows(_items(name, split=split), name=name, split=split, labels="12")
    found = choices_of(records.json_lines(name), _choice, name=name)
    return rows(found, name=name, split=split, labels="01")


def _choice(record: Record, *, name: str, place: str) -> Choice:
    asked = text_of(record, "question", name=name, place=place)
    return Choice(
        id=id_of(record, "idx"),
        context=text_of(record, "premise", name=name, place=place),
        question=_checked(asked, name=name, place=place),
        options=texts_of(record, ("choice1", "choice2"), name=name, place=place),
        label=record.get("label"),
    )


def _items(name: str, *, split: str) -> Iterator[tuple[str, Choice]]:
    try:
        root = ElementTree.fromstring(sources.read_text(name))
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(
            f"{name}: is not XML ({error}); the file may be cut short"
        ) from None
    for number, item in enumerate(root.iter("item"), start=1):
        place = f"item {number}"
        values: dict[str, str] = {}
        for field in ("id", "asks-for", "p", "a1", "a2"):
            value = item.get(field) or item.findtext(field)
            if not value:
                raise UserError(f"{name}: {place}: {field!r} is missing or empty")
            values[field] = value
        if not _ID.fullmatch(values["id"]):
            raise UserError(f"{name}: {place}: id {short(values['id'])} is no number")
        original = int(values["id"])
        if original > _IDS["test"][-1]:
            original -= _TWIN
        if original in _IDS[split]:
            place = f"{place} (id {values['id']})"
            choice = Choice(
                id=values["id"],
                context=values["p"],
                question=_checked(values["asks-for"], name=name, place=place),
                options=(values["a1"], values["a2"]),
                label=item.get("most-plausible-alternative"),
            )
            yield place, choice


def _checked(question: str, *, name: str, place: str) -> str:
    if question not in QUESTIONS:
        raise UserError(
            f"{name}: {place}: asks for {question!r}; allowed: {', '.join(QUESTIONS)}"
        )
    return question
