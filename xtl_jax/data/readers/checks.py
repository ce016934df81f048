"""What all readers share: options, typed fields, JSON with the place of its error."""

from __future__ import annotations

import collections
import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeVar, get_args

from xtl_jax.errors import UserError

Offsets = Literal["check", "first_occurrence", "ignore"]
Dropped = collections.Counter  # reason -> rows left out
RowT = TypeVar("RowT")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How strictly a file is read."""

    answer_offsets: Offsets = "check"

    def __post_init__(self) -> None:
        if self.answer_offsets not in get_args(Offsets):
            raise UserError(
                f"answer_offsets is {self.answer_offsets!r}; allowed: "
                f"{', '.join(map(repr, get_args(Offsets)))}"
            )


DEFAULT = ReadOptions()


def parse_json(text: str, *, name: str) -> Any:
    """A JSON document; an error names the place where it stops being one."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        at_end = " (its end: the file is cut short)" if error.pos >= len(text) else ""
        raise UserError(
            f"{name}: is not JSON: {error.msg} at line {error.lineno}, column "
            f"{error.colno}, character {error.pos} of {len(text)}{at_end}"
        ) from None
    except RecursionError:
        raise UserError(
            f"{name}: is not JSON of this format: nested too deep"
        ) from None
    except ValueError as error:  # a number of thousands of digits
        raise UserError(f"{name}: is not JSON of this format: {error}") from None
    if _SURROGATE.search(text):
        _check_characters(document, name=name)
    return document


def _check_characters(document: Any, *, name: str) -> None:
    """Refuse texts that no encoding has: one half of a character's escaped pair."""
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise UserError(
            f"{name}: holds {half} alone, one half of an escaped character; write the "
            "character itself, or both halves"
        ) from None


def field_of(record: Any, field: str, kind: type, *, name: str, place: str) -> Any:
    """A field of a JSON object, with its type checked."""
    if not isinstance(record, dict):
        raise UserError(
            f"{name}: {place}: a JSON object is needed, got {short(record)}"
        )
    if field not in record:
        raise UserError(
            f"{name}: {place}: field {field!r} is missing; there are: "
            f"{', '.join(map(str, record)) or 'none'}"
        )
    value = record[field]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        wanted = {
            dict: "an object",
            list: "a list",
            str: "a text",
            int: "a whole number",
        }[kind]
        raise UserError(
            f"{name}: {place}: field {field!r} must be {wanted}, got {short(value)}"
        )
    return value


def short(value: object) -> str:
    """A value for an error message: its start is enough to find it."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"


def check_count(
    rows: Iterable[RowT], *, expected: int, name: str, what: str
) -> Iterator[RowT]:
    """Pass rows on and raise at the end if their number is not the published one."""
    found = 0
    for row in rows:
        found += 1
        yield row
    if found != expected:
        raise UserError(
            f"{name}: {what} has {found:,} rows, the release has {expected:,}; the "
            "file is cut short or another one; a subset on purpose is named with --file"
        )
