"""Lexicons: words of one language and their translations, read from the usual files.

MUSE's files have one pair a line, `cat Katze`, with a space or a tab; CoSDA's are the
same. A word may have several lines. A line with more than two fields (a translation of
several words, a score) needs tabs between them.

    >>> lexicon = parse(["cat Katze", "cat Kater"], source="en", target="de")
    >>> lexicon.entries["cat"]
    ('Katze', 'Kater')
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from xtl_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """Translations of single words."""

    source: str  # language of the words
    target: str  # of their translations
    entries: Mapping[str, tuple[str, ...]]  # words in small letters


def parse(
    lines: Iterable[str], *, source: str, target: str, name: str = "lexicon"
) -> Lexicon:
    """A lexicon from the lines of a file.

    Pairs of a word with itself are left out: names, mostly, which would change nothing.

    Args:
        lines: of the file, with or without line ends.
        source: language of the first column.
        target: of the second.
        name: what errors call the file.

    Raises:
        UserError: a line has no two fields, or there is no pair at all.
    """
    entries: dict[str, dict[str, None]] = {}
    for number, line in enumerate(lines, start=1):
        line = line.strip("\ufeff\r\n")
        if not line.strip():
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        fields = [field.strip() for field in fields]
        if len(fields) < 2 or not fields[0] or not fields[1]:
            raise UserError(
                f"{name}, line {number}: {line!r} is no pair of words; wanted is a "
                "word and its translation with a tab or a space between them"
            )
        if len(fields) > 2 and "\t" not in line:
            raise UserError(
                f"{name}, line {number}: {line!r} has {len(fields)} words; put a tab "
                "between the word and its translation"
            )
        word, translation = fields[0].lower(), fields[1]
        if word != translation.lower():
            entries.setdefault(word, {})[translation] = None
    if not entries:
        raise UserError(f"{name}: there is no pair of different words in it")
    return Lexicon(
        source, target, {word: tuple(found) for word, found in entries.items()}
    )


def lines(lexicon: Lexicon) -> list[str]:
    """A lexicon as the lines of a file that `parse` reads.

    Example:
        >>> lines(Lexicon("en", "de", {"cat": ("Katze",)}))
        ['cat\\tKatze']
    """
    return [
        f"{word}\t{translation}"
        for word, translations in lexicon.entries.items()
        for translation in translations
    ]
