"""Prediction files: one JSON object a line, with all that a scorer or auditor needs.

`RUN/predictions/TASK.LANGUAGE.jsonl` has one line an example, in the order of the
evaluation split. A line tells what went in (`inputs` and its SHA-256), what came out as
decoded (`prediction_raw`) and as scored (`prediction`), what was right (`references`),
how sure the model was (`log_probability`, in nats, summed over the generated tokens)
and what made it (`checkpoint`, `step`, `decoding`). So a number can be scored again, or
doubted, without the model.

Where targets were scored rather than, or beside, a decoded answer, `options` has the
likelihood of each. Of retrieval `prediction` is the ids that were found, best first,
one space between them, and `similarities` has the number that each was ranked by.

Attacked predictions have a file of their own, `TASK.LANGUAGE@ATTACK.jsonl`. There
`inputs` is what the model was given, and `attack` tells the attack with its settings,
each text that it changed before and after, and its cost (`cli/predict_attacked.py`).

A file is written whole or not at all, and read strictly: whatever is wrong is named by
file and line before anything is scored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from xtl_jax import storage
from xtl_jax.errors import UserError, near
from xtl_jax.storage import replace

MAKE_AGAIN = "make it again with `xtl predict`"
RESTORE = "it was damaged, or written by another version: restore it from a copy"
EXPECTED = "expected.json"  # beside the prediction files: what should be there
ATTACKED = "@"  # in a file's name: what stands before it was attacked


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """A target whose likelihood was asked for."""

    text: str
    log_probability: float  # nats, summed over its tokens
    tokens: int  # the end id included


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """One prediction."""

    task: str  # "mlqa.ar"
    family: str  # "mlqa"
    language: str  # "ar"
    split: str
    id: str
    inputs: str  # the prompt
    inputs_sha256: str  # of the prompt's UTF-8 bytes
    prediction_raw: str  # as decoded
    prediction: str  # after post-processing: what is scored
    references: tuple[str, ...]
    context: str | None  # what an extractive answer has to come from
    log_probability: float | None  # nats, summed over generated tokens
    checkpoint: str
    step: int
    decoding: Mapping[str, Any]  # method, max_length, ...
    options: tuple[Option, ...] = ()  # scored targets; not written where there is none
    similarities: tuple[float, ...] = ()  # of the ids found; likewise
    attack: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # likewise
    # Of a vote under noise: radius, lower bound and votes (`smooth.py`); likewise.
    certificate: Mapping[str, Any] = dataclasses.field(default_factory=dict)


_FIELDS = tuple(field.name for field in dataclasses.fields(Record))
# Fields that a line may lack.
_ABSENT = ("options", "similarities", "attack", "certificate")
_OPTIONAL = ("context", "log_probability")
_LISTS = {
    "references": "a list of texts",
    "similarities": "a list of numbers",
    "options": "a list of objects with text, log_probability and tokens",
}
_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(_LISTS, (list,)),
    "log_probability": (float, int),
    "step": (int,),
    "decoding": (dict,),
    "attack": (dict,),
    "certificate": (dict,),
}
_TYPE_NAMES = {
    str: "a text",
    dict: "an object",
    int: "a number",
}


def prompt_sha256(inputs: str) -> str:
    """The hash by which a prompt is recognised.

    Example:
        >>> prompt_sha256("question: ?")[:12]
        'b39466234fcf'
    """
    return hashlib.sha256(inputs.encode("utf-8")).hexdigest()


def read(path: str | os.PathLike[str]) -> list[Record]:
    """All records of a prediction file, in its order.

    Raises:
        UserError: the file is missing, empty, not UTF-8, cut off in its last line, or a
            line is no JSON, lacks a field, has one of another type or of another name,
            holds a prompt that does not have its hash, or an id that was there before.
    """
    name, data = os.fspath(path), _bytes(path, line=False)
    records: list[Record] = []
    lines: dict[str, int] = {}  # id to the line it stands in
    # Not str.splitlines, which also cuts at U+2028 and other marks inside texts.
    parts = data.split(b"\n")
    rest = parts.pop()  # what stands after the last line end: nothing, in a whole file
    for number, line in enumerate([*parts, rest] if rest else parts, start=1):
        place = f"{name}, line {number}"
        record = _record(line, place=place)
        if record.id in lines:
            raise UserError(
                f"{place}: the id {record.id!r} is in line {lines[record.id]} already; "
                f"each example is predicted once; {MAKE_AGAIN}"
            )
        lines[record.id] = number
        records.append(record)
    if rest:
        raise UserError(
            f"{name}: line {len(records)} has no line end, so the file may be cut off "
            f"there; {MAKE_AGAIN}"
        )
    return records


def first(path: str | os.PathLike[str]) -> Record:
    """The first record of a prediction file, of which no more is read.

    Raises:
        UserError: as `read`, of the first line.
    """
    return _record(_bytes(path, line=True), place=f"{os.fspath(path)}, line 1")


def _bytes(path: str | os.PathLike[str], *, line: bool) -> bytes:
    """What a prediction file holds, or its first line."""
    name = os.fspath(path)
    try:
        file = storage.at(path)
        with storage.told(file), file.open("rb") as opened:
            data = opened.readline() if line else opened.read()
    except FileNotFoundError:
        raise UserError(f"{name}: no such prediction file; {MAKE_AGAIN}") from None
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from None
    if not data:
        raise UserError(f"{name}: the file is empty; {MAKE_AGAIN}")
    return data


def read_document(path: Any) -> dict[str, Any]:
    """The JSON object in a file of a run, such as `run.json`.

    Args:
        path: a `pathlib.Path`, or an `epath.Path` that may be remote.

    Raises:
        UserError: it is no complete JSON object.
    """
    try:
        found = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not complete JSON ({error}); {RESTORE}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} must hold a JSON object; {RESTORE}")
    return found


@contextlib.contextmanager
def understood(path: Any) -> Iterator[None]:
    """Around code that takes a document of ours apart: what it lacks is told.

    Raises:
        UserError: a key is missing, or something else than it must be.
    """
    try:
        yield
    except UserError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is not what this version writes ({type(error).__name__}: "
            f"{str(error)[:200]}); {RESTORE}"
        ) from error


def write(path: str | os.PathLike[str], records: Iterable[Record]) -> None:
    """Write a prediction file, whole or not at all.

    Raises:
        UserError: an id occurs twice, a log-probability is not finite, or the file
            cannot be written.
    """
    lines: list[str] = []
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise UserError(f"{os.fspath(path)}: two records have the id {record.id!r}")
        seen.add(record.id)
        values = dataclasses.asdict(record)
        for name in _ABSENT:
            if not values[name]:
                del values[name]
        try:
            lines.append(json.dumps(values, ensure_ascii=False, allow_nan=False))
        except ValueError as error:
            raise UserError(
                f"{os.fspath(path)}: the record of {record.id!r} cannot be written as "
                f"JSON ({error}); its log-probability is {record.log_probability!r}"
            ) from None
    replace(path, "".join(f"{line}\n" for line in lines))


def _record(line: bytes, *, place: str) -> Record:
    """One line as a record; `place` names it in errors."""
    try:
        values = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{place}: byte {error.start} is 0x{line[error.start]:02x}, which is not "
            f"UTF-8; save the file as UTF-8 or {MAKE_AGAIN}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: is no JSON ({error}); {MAKE_AGAIN}") from None
    if not isinstance(values, dict):
        raise UserError(f"{place}: must be an object, is {line[:40]!r}; {MAKE_AGAIN}")
    if b"\\u" in line:
        _check_characters(values, place=place)
    for name in values:
        if name not in _FIELDS:
            raise UserError(
                f"{place}: unknown field {name!r}; near: {near(name, _FIELDS)}; the "
                f"fields are {', '.join(_FIELDS)}"
            )
    for name in _FIELDS:
        if name not in values:
            if name in _ABSENT:
                continue
            raise UserError(f"{place}: has no field {name!r}; {MAKE_AGAIN}")
        _check(name, values[name], place=place)
    if prompt_sha256(values["inputs"]) != values["inputs_sha256"]:
        raise UserError(
            f"{place}: inputs_sha256 is not the hash of inputs, so one of them was "
            f"changed (id {values['id']!r}); {MAKE_AGAIN}"
        )
    values["references"] = tuple(values["references"])
    values["similarities"] = tuple(values.get("similarities", ()))
    values["options"] = tuple(Option(**option) for option in values.get("options", ()))
    return Record(**values)


def _check_characters(values: dict[str, Any], *, place: str) -> None:
    """Refuse texts that no file can hold: one half of a character's escaped pair."""
    try:
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"{place}: holds one half of an escaped character alone, "
            f"\\u{ord(error.object[error.start]):04x}; {MAKE_AGAIN}"
        ) from None


def _check(name: str, value: Any, *, place: str) -> None:
    if value is None and name in _OPTIONAL:
        return
    types = _TYPES.get(name, (str,))
    right = isinstance(value, types) and not isinstance(value, bool)
    if right and isinstance(value, list):
        right = all(map(_ITEMS[name], value))
    if not right:
        wanted = _LISTS.get(name) or _TYPE_NAMES[types[-1]]
        or_null = " or null" if name in _OPTIONAL else ""
        shown = json.dumps(value, ensure_ascii=False)[:60]
        raise UserError(
            f"{place}: field {name!r} must be {wanted}{or_null}, is {shown}; "
            f"{MAKE_AGAIN}"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_option(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {field.name for field in dataclasses.fields(Option)}
        and isinstance(value["text"], str)
        and _is_number(value["log_probability"])
        and type(value["tokens"]) is int
    )


# What the items of a field that is a list must be.
_ITEMS: Mapping[str, Callable[[Any], bool]] = {
    "references": lambda value: isinstance(value, str),
    "similarities": _is_number,
    "options": _is_option,
}


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON has")
