r"""Text from data, made safe to look at.

A prediction may hold anything: a terminal escape sequence, a character that turns the
reading direction of the rest of the page, half a surrogate pair that no file can store.
None of it may act; all of it should be seen. `visible` replaces what would act by a
picture of it and leaves every letter, accent, joiner and plain direction mark alone:

    "\x1b[31mred"  ->  "␛[31mred"        "\u202eabc"  ->  "⟨U+202E⟩abc"

Escaping for HTML is not done here: the page template escapes every value by itself.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# C0 and C1 controls except tab and newline; embeddings, overrides and isolates; line
# and paragraph separators; lone surrogates. U+200C..U+200F stay: scripts need them.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return f"⟨U+{code:04X}⟩"


def visible(text: object) -> str:
    r"""`text` with every character that would act replaced by a picture of it.

    Example:
        >>> visible("a\x1b[31mb\u202ec")
        'a␛[31mb⟨U+202E⟩c'
    """
    return _ACTING.sub(_picture, str(text))


def one_line(text: object, *, limit: int = 60) -> str:
    r"""`visible`, on one line, at most `limit` characters.

    Example:
        >>> one_line("two\nlines", limit=7)
        'two␊li…'
    """
    flat = visible(text).replace("\n", "\u240a").replace("\t", "\u2409")
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


class Piece(NamedTuple):
    """A stretch of text and what it is: `plain`, `reference` or `left_out`."""

    text: str
    kind: str


def excerpt(text: str, *, references: tuple[str, ...], limit: int) -> tuple[Piece, ...]:
    """At most about `limit` characters of `text`, its head and where the answer is.

    The first reference that occurs in `text` is marked; where the text is too long,
    the piece around that occurrence is kept, and a `left_out` piece says how many
    characters are gone.

    Example:
        >>> [tuple(p) for p in excerpt("who? I am Ada.", references=("Ada",), limit=99)]
        [('who? I am ', 'plain'), ('Ada', 'reference'), ('.', 'plain')]
    """
    start, end = _answer(text, references)
    if len(text) <= limit:
        keep = [(0, len(text))]
    elif not end:
        keep = [(0, limit)]
    else:
        keep = [(0, limit // 2)]
        first, last = max(0, start - limit // 4), min(len(text), end + limit // 4)
        if first <= limit // 2:
            keep = [(0, max(limit // 2, last))]
        else:
            keep.append((first, last))
    pieces: list[Piece] = []
    position = 0
    for first, last in keep:
        pieces.append(_left_out(first - position))
        pieces.append(Piece(text[first : min(start, last)], "plain"))
        pieces.append(Piece(text[max(start, first) : min(end, last)], "reference"))
        pieces.append(Piece(text[max(end, first) : last], "plain"))
        position = last
    pieces.append(_left_out(len(text) - position))
    return tuple(Piece(visible(p.text), p.kind) for p in pieces if p.text)


_FIELD = re.compile(
    r"(?:^|(?<=\s))(question|context|premise|hypothesis|sentence[12]?|title|answer):\s"
)


def fields(prompt: str) -> list[tuple[str, str]]:
    """A prompt cut at its field names, each field to be shown by itself.

    A prompt starts with an English word in every language; cut, its Arabic part starts
    with Arabic and is laid out from right to left.

    Example:
        >>> fields("xnli: premise: Tom eats. hypothesis: Tom sleeps.")
        [('', 'xnli:'), ('premise', 'Tom eats.'), ('hypothesis', 'Tom sleeps.')]
    """
    first, *rest = _FIELD.split(prompt)
    named = [("", first), *zip(rest[::2], rest[1::2], strict=True)]
    return [(name, text.strip()) for name, text in named if name or text.strip()]


def _answer(text: str, references: tuple[str, ...]) -> tuple[int, int]:
    """Span of the first reference that occurs; (0, 0) where none does."""
    for reference in references:
        # The last occurrence: in `question: … context: …` that is the context's.
        if reference.strip() and (start := text.rfind(reference)) >= 0:
            return start, start + len(reference)
    return 0, 0


def _left_out(count: int) -> Piece:
    text = f" … {count:,} characters left out … " if count else ""
    return Piece(text, "left_out")
