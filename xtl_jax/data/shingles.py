"""Runs of words as 64-bit numbers, to find text that stands inside other text.

Texts are compared as *units*: compatibility forms united, case folded, everything but
letters, digits and their marks taken for a space; then words, or single characters
where a script puts no spaces between words (Chinese, Japanese, Thai, Lao, Khmer,
Burmese). A *run* is 13 words on end, as is usual in checks for contamination, or 32
units of which half or more are such characters. Each is hashed to a number, so sets of
text are compared as sorted arrays:

    "The Norman dynasty had a major political …"  ->  [0x8c1f…, 0x02d7…, …]

Two runs of equal number are taken for equal: with 10 million of them against 10
million others, the chance of one wrong pair is 5 in 1,000,000.
"""

from __future__ import annotations

import hashlib
import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

WORDS = 13  # in a run
UNSPACED = 32  # units in a run of a script without spaces
# First and last code points of scripts without spaces between words.
_RANGES = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF)),
    *((0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)),
    (0x20000, 0x3FFFF),
)
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd: no bit of a unit is lost
_MOST_CODES = 2_000_000  # distinct units remembered, about 250 MB


class Runs(NamedTuple):
    """All runs of some texts."""

    hashes: np.ndarray  # [run] uint64
    owners: np.ndarray  # [run] int64: which of the texts
    starts: np.ndarray  # [run] int64: its first unit's number in that text
    sizes: np.ndarray  # [run] int64: units in it


class _Cut(dict[int, str]):
    """Code point to what it becomes before a text is split at spaces."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Cf":  # joiners, direction marks, soft hyphens: not to be seen
            cut = ""
        elif category[0] not in "LNM":
            cut = " "
        elif any(first <= code <= last for first, last in _RANGES):
            cut = f" {character} "
        else:
            cut = character
        self[code] = cut
        return cut


_CUT = _Cut()


def units(text: str) -> list[str]:
    """Words, and single characters of scripts without spaces.

    Example:
        >>> units("  “Where is Ａda’s HOUSE?” 在北京")
        ['where', 'is', 'ada', 's', 'house', '在', '北', '京']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.casefold().translate(_CUT).split()


def spelled(cut: Sequence[str]) -> str:
    """Units as a text again, to show them.

    Example:
        >>> spelled(["in", "2008", "在", "北", "京"])
        'in 2008 在北京'
    """
    text = ""
    for unit, before in zip(cut, ("", *cut), strict=False):
        text += "" if _unspaced(unit) and _unspaced(before) else " "
        text += unit
    return text.strip()


def _unspaced(unit: str) -> bool:
    """Whether a unit is a character of a script without spaces."""
    return len(unit) == 1 and _CUT[ord(unit)] != unit


class _Codes(dict[str, int]):
    """Unit to a random-looking number whose lowest bit says: script without spaces."""

    def __missing__(self, unit: str) -> int:
        if len(self) >= _MOST_CODES:
            self.clear()
        code = digest(unit) & ~1
        code |= _unspaced(unit)
        self[unit] = code
        return code


def digest(text: str) -> int:
    """64 bits of a text's BLAKE2 hash: the same on every machine."""
    raw = text.encode("utf-8", errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


class Hasher:
    """Hashes runs; remembers the units it has met."""

    def __init__(self) -> None:
        self._codes = _Codes()

    def runs(self, texts: Sequence[Sequence[str]]) -> Runs:
        """Every run of every text, given as units; a text too short has none."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        total = int(lengths.sum())
        codes = np.fromiter(
            map(self._codes.__getitem__, itertools.chain.from_iterable(texts)),
            np.uint64,
            total,
        )
        owners = np.repeat(np.arange(len(texts)), lengths)
        begins = np.cumsum(lengths) - lengths
        unspaced = np.concatenate([[0], np.cumsum(codes & np.uint64(1))])
        found = []
        for hashes, kept, size in self._windows(codes, owners, unspaced):
            at = np.flatnonzero(kept)
            found.append(
                Runs(
                    hashes[at],
                    owners[at],
                    at - begins[owners[at]],
                    np.full(len(at), size),
                )
            )
        return Runs(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _windows(
        self, codes: np.ndarray, owners: np.ndarray, unspaced: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """Hash of the window at each position, and whether it is a run of one text."""
        for size in (WORDS, UNSPACED):
            count = len(codes) - size + 1
            if count < 1 or (size == UNSPACED and not unspaced[-1]):
                yield np.zeros(0, np.uint64), np.zeros(0, bool), size
                continue
            hashes = codes[:count].copy()
            for offset in range(1, size):
                hashes *= _BASE
                hashes += codes[offset : offset + count]
            characters = unspaced[size:] - unspaced[:-size]
            mixed = characters == 0 if size == WORDS else 2 * characters >= size
            yield hashes, mixed & (owners[:count] == owners[size - 1 :]), size
