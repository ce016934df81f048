"""The ways in which files get spoilt: their bytes, their lines, their values.

Each damage is a function of a file's bytes and a number that says where; the same
number does the same.

    >>> DAMAGE["byte dropped"](b"abc", 1)
    b'ac'
    >>> DAMAGE["cut short"](b"abc", 5)
    b'a'
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Damage = Callable[[bytes, int], bytes]
HUGE = 200_000  # characters of a huge line
_LABELS = (b"neutral", b"entailment", b"cause", b"label", b"answer", b"0", b"1", b"NP")
# What counts and sizes in a binary header become.
_NUMBERS = (b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\0\0\0\0\0\x10")
_OTHERS = (
    *(None, True, -1, 0, 10**30, 1.5, 1e308, "", " ", "x", "../x", "\udc00", "\x1b[1m"),
    *([], {}, [[]], [None], {"": None}),
)


def _at(data: bytes, where: int) -> int:
    return where % (len(data) + 1)


def _insert(what: bytes) -> Damage:
    return lambda data, where: data[: (at := _at(data, where))] + what + data[at:]


def _line(change: Callable[[bytes, random.Random], list[bytes]]) -> Damage:
    """Damage to one line; its line end stays."""

    def damage(data: bytes, where: int) -> bytes:
        lines = data.split(b"\n")
        number = where % len(lines)
        lines[number : number + 1] = change(lines[number], random.Random(where))
        return b"\n".join(lines)

    return damage


def _swap_columns(line: bytes, rng: random.Random) -> list[bytes]:
    separator = b"\t" if b"\t" in line else b","
    cells = line.split(separator)
    rng.shuffle(cells)
    return [separator.join(cells)]


def _value(data: bytes, where: int) -> bytes:
    """One value of a JSON document is dropped or replaced by one of another kind."""
    rng = random.Random(where)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if places := list(_places(document)):
        parent, key = rng.choice(places)
        if rng.random() < 0.2 and isinstance(parent, dict):
            del parent[key]
        elif rng.random() < 0.2:
            parent[key] = rng.choice(places)[0]  # may hold itself
        else:
            parent[key] = rng.choice(_OTHERS)
    try:
        return json.dumps(document).encode()
    except ValueError:
        return data


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every value below a node: what holds it, and its key there."""
    items = {dict: dict.items, list: enumerate}.get(type(node), lambda node: ())
    for key, value in list(items(node)):
        yield node, key
        yield from _places(value)


def _number(data: bytes, where: int) -> bytes:
    """Eight bytes become a number that nobody expects."""
    at = _at(data, where // len(_NUMBERS))
    return data[:at] + _NUMBERS[where % len(_NUMBERS)] + data[at + 8 :]


def _bit(data: bytes, where: int) -> bytes:
    at = _at(data, where // 8)
    return (
        data[:at]
        + bytes(each ^ 1 << where % 8 for each in data[at : at + 1])
        + (data[at + 1 :])
    )


DAMAGE: Mapping[str, Damage] = {
    "byte dropped": lambda data, where: data[: _at(data, where)] + data[where + 1 :],
    "byte changed": lambda data, where: (
        data[: (at := _at(data, where))] + bytes([where % 256]) + data[at + 1 :]
    ),
    "bit changed": _bit,
    "number changed": _number,
    "cut short": lambda data, where: data[: _at(data, where)],
    "no start": lambda data, where: data[_at(data, where) :],
    "NUL": _insert(b"\0"),
    "BOM": lambda data, where: b"\xef\xbb\xbf" + data,
    "BOM inside": _insert(b"\xef\xbb\xbf"),
    "BOM alone": lambda data, where: b"\xef\xbb\xbf",
    "UTF-16": lambda data, where: data.decode("utf-8", "replace").encode("utf-16"),
    "not UTF-8": _insert(b"\xff\xfe\xc3("),
    "surrogate in UTF-8": _insert(b"\xed\xb0\x80"),
    "line separator": _insert("\u2028\x85\x0b\x0c\x1c".encode()),
    "no-break space": _insert("\u00a0\u3000\u200b\u200f".encode()),
    "CRLF": lambda data, where: data.replace(b"\n", b"\r\n"),
    "CR alone": lambda data, where: data.replace(b"\n", b"\r"),
    "blank line at the end": lambda data, where: data + b"\n",
    "blank lines at the end": lambda data, where: data + b"\n \n\t\n",
    "blank line": _insert(b"\n\n"),
    "no last line end": lambda data, where: data.rstrip(b"\n"),
    "tab": _insert(b"\t"),
    "tabs": _insert(b"\t\t\t"),
    "quote": _insert(b'"'),
    "quotes": _insert(b'""","'),
    "brace": _insert(b"}"),
    "backslash": _insert(b"\\u12\\"),
    "half a character": _insert(b"\\ud83d"),
    "nested deep": _insert(b"[" * 5000),
    "a number of many digits": _insert(b"9" * 5000),
    "no number": _insert(b"NaN"),
    "entity": _insert(b"&x;"),
    "escape sequence": _insert(b"\x1b]0;x\x07"),
    "huge line": _insert(b"x" * HUGE),
    "huge word": _insert("ü".encode() * HUGE),
    "twice": lambda data, where: data + data,
    "lines shuffled": lambda data, where: b"\n".join(
        random.Random(where).sample(lines := data.split(b"\n"), len(lines))
    ),
    "line twice": _line(lambda line, rng: [line, line]),
    "line dropped": _line(lambda line, rng: []),
    "columns swapped": _line(_swap_columns),
    "column dropped": _line(lambda line, rng: [line.partition(b"\t")[2]]),
    "value of another kind": _value,
    "value in a line of another kind": _line(
        lambda line, rng: [_value(line, rng.randrange(1 << 30))]
    ),
    "label changed": lambda data, where: data.replace(
        (old := _LABELS[where % len(_LABELS)]), b"no" + old
    ),
    "empty": lambda data, where: b"",
    "white space alone": lambda data, where: b" \n\t\n",
}
