r"""Sentences with CCG categories: CCGbank's derivations, and a sentence a line.

CCGbank's `.auto` files have two lines a sentence, its id and its derivation, whose
leaves hold category, two parts of speech, word and dependency category:

    ID=wsj_0001.2 PARSER=GOLD NUMPARSE=1
    (<T S[dcl] 0 2> (<T NP 0 2> (<L NP[nb]/N DT DT The NP[nb]_1/N_1>) (<L N NN …>)) …)

Everything else is read as `word|POS|category` or `word|category`, spaces between, one
sentence a line, as the C&C parser writes and reads it. Categories are kept as they are
spelled: any text without white space is one, since a training set never holds all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from xtl_jax.data import sources
from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions, short
from xtl_jax.data.readers.records import base_name
from xtl_jax.data.rows import TaggedRow
from xtl_jax.errors import UnlabelledError, UserError

_ID = re.compile(r"ID=(\S+)( .*)?")
_LEAF = re.compile(r"\(<L ([^<>]*)>\)")
_LEAF_FIELDS = 5  # category, part of speech twice, word, category with dependencies


def supertags(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[TaggedRow]:
    """Sentences with one CCG category a word, from `.auto` or `word|POS|category`.

    Args:
        path: the file.
        language: goes into ids, where the file has none.
        split: named in errors.
        options: not used.
        dropped: not used; sentences are never left out.

    Raises:
        UserError: a derivation or a word that is not complete, an id that is there
            twice, or no sentence at all; also words without categories.
    """
    name = os.fspath(path)
    lines = [
        (number, line) for number, line in sources.read_lines(name) if line.strip()
    ]
    for number, line in lines:
        if "\t" in line:
            raise UserError(
                f"{name}: line {number}: holds a tab, which no format of CCG has; "
                "needed are .auto files, or word|POS|category with spaces between"
            )
    if not lines:
        raise UserError(f"{name}: holds no sentence; check that it is the release's")
    if base_name(name).endswith(".auto"):
        yield from _derivations(lines, name=name)
    else:
        yield from _piped(lines, name=name, language=language, split=split)


def _derivations(lines: Sequence[tuple[int, str]], *, name: str) -> Iterator[TaggedRow]:
    seen: set[str] = set()
    if len(lines) % 2:
        raise UserError(
            f"{name}: line {lines[-1][0]}: an id without its derivation; the file is "
            "cut short"
        )
    for (id_line, header), (line, derivation) in zip(
        lines[::2], lines[1::2], strict=True
    ):
        match = _ID.fullmatch(header.strip())
        if match is None:
            raise UserError(
                f"{name}: line {id_line}: needed is an id such as ID=wsj_0001.1, got "
                f"{short(header)}; each derivation is one line below its id"
            )
        id = match[1]
        if id in seen:
            raise UserError(
                f"{name}: line {id_line}: id {id!r} is there a second time; ids must "
                "differ"
            )
        seen.add(id)
        words, categories = _leaves(derivation, name=name, line=line)
        yield TaggedRow(id=id, tokens=words, tags=categories)


def _leaves(
    derivation: str, *, name: str, line: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words and lexical categories of a derivation, from left to right."""
    leaves = [leaf.split(" ") for leaf in _LEAF.findall(derivation)]
    whole = (
        leaves
        and derivation.count("(<L ") == len(leaves)
        and derivation.count("(<") == derivation.count(">")
    )
    if not whole or any(len(leaf) != _LEAF_FIELDS or not all(leaf) for leaf in leaves):
        raise UserError(
            f"{name}: line {line}: is no whole derivation: {short(derivation)}; its "
            "leaves are (<L CATEGORY POS POS WORD CATEGORY>); the file may be cut short"
        )
    return tuple(leaf[3] for leaf in leaves), tuple(leaf[0] for leaf in leaves)


def _piped(
    lines: Sequence[tuple[int, str]], *, name: str, language: str, split: str
) -> Iterator[TaggedRow]:
    # A word may hold a bar itself, so the least number of bars tells the columns.
    bars = min(word.count("|") for _, line in lines for word in line.split())
    if not bars and not any("|" in line for _, line in lines):
        raise UnlabelledError(
            f"{name}: the split {split!r} is unlabelled (no word has a category: "
            "word|POS|category), so it can be neither trained on nor scored; take a "
            "labelled file and name it with --file"
        )
    for row, (number, line) in enumerate(lines):
        words, categories = [], []
        for item in line.split():
            cells = item.rsplit("|", 2 if bars > 1 else 1)
            if len(cells) < 2 or not cells[0] or not cells[-1]:
                raise UserError(
                    f"{name}: line {number}: {short(item)} must be word|POS|category "
                    "or word|category, none of them empty"
                )
            words.append(cells[0])
            categories.append(cells[-1])
        yield TaggedRow(
            id=f"{language}-{row}", tokens=tuple(words), tags=tuple(categories)
        )
