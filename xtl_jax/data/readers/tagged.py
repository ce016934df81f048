r"""Tagged sentences: a token a line, tabs between its columns, a blank line after each.

- `token\ttag`: XTREME's UDPOS and PAN-X
- `xx:token\ttag`: WikiAnn, from which PAN-X is made; `xx` is the language
- `.iob2`: Universal NER: number, token, tag, and up to two columns of the annotators
- `.conllu`: Universal Dependencies: words are read; ranges (`3-4`), which hold the
  written form of several words, and empty nodes (`3.1`) are not

Ids name the language, `te-0`, because sentence 0 of one language has nothing to do with
sentence 0 of another; where the release has an id (`# sent_id`) it stands in place of
the number. The parallel treebanks (`_pud` in their names) are an exception: their ids
are kept as they are, the same in all languages, so that intervals can be drawn jointly.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Iterator, Sequence

from xtl_jax.data import sources
from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions, short
from xtl_jax.data.readers.records import base_name
from xtl_jax.data.rows import TaggedRow
from xtl_jax.errors import UnlabelledError, UserError

# Universal Dependencies' parts of speech.
UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
ENTITY_TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
# The fourth type of some of Universal NER's treebanks, and a slip of the pen in one:
# its own code (uner_code, prepare_data.py) reads both as O.
_OUTSIDE_TOO = ("B-OTH", "I-OTH", "B-O")
_TAKEN_OUT = "\n"  # stands for a second column that XTREME's test files lack
_NO_TAG = (_TAKEN_OUT, "", "_", "-")
_SENT_ID = re.compile(r"#\s*sent_id\s*=\s*(\S.*)")
_NO_WORD = re.compile(r"[0-9]+(-[0-9]+|\.[0-9]+)")
_PREFIX = re.compile(r"([a-z][a-z-]{1,11}):.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Layout:
    """Which columns a format has."""

    columns: str  # as errors name them
    widths: Collection[int]
    token: int
    tag: int
    is_numbered: bool = False  # numbers first, and comments before each sentence


_PLAIN = _Layout(columns="token, tag", widths=(2,), token=0, tag=1)
_IOB2 = _Layout(
    columns="number, token, tag, two of the annotators",
    widths=(3, 4, 5),
    token=1,
    tag=2,
    is_numbered=True,
)
_CONLLU = _Layout(
    columns="number, form, lemma, part of speech, …",
    widths=(10,),
    token=1,
    tag=3,
    is_numbered=True,
)


@dataclasses.dataclass(kw_only=True)
class _Sentence:
    id: str = ""
    lines: list[int] = dataclasses.field(default_factory=list)  # of each token, from 1
    tokens: list[str] = dataclasses.field(default_factory=list)
    tags: list[str] = dataclasses.field(default_factory=list)


def parts_of_speech(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[TaggedRow]:
    r"""Sentences with universal parts of speech: `token\tTAG`, or `.conllu`.

    Args:
        path: the file.
        language: goes into ids.
        split: named in errors.
        options: not used.
        dropped: not used; sentences are never left out.

    Raises:
        UserError: another number of columns, a blank token, an unknown tag, a number
            out of order, or no sentence at all; also an unlabelled file.
    """
    name = os.fspath(path)
    layout = _CONLLU if base_name(name).endswith(".conllu") else _PLAIN
    sentences = _sentences(name, layout=layout, split=split)
    yield from _rows(sentences, name=name, tags=UPOS, language=language)


def named_entities(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[TaggedRow]:
    r"""Sentences with persons, places and organisations: `token\tTAG`, or `.iob2`.

    Args and errors as `parts_of_speech`; also a WikiAnn file of another language.
    Entities of Universal NER's type OTH count as none.
    """
    name = os.fspath(path)
    layout = _IOB2 if base_name(name).endswith(".iob2") else _PLAIN
    sentences = _sentences(name, layout=layout, split=split)
    if layout is _PLAIN:
        _drop_prefix(sentences, name=name, language=language)
    else:
        for sentence in sentences:
            sentence.tags = [
                "O" if tag in _OUTSIDE_TOO else tag for tag in sentence.tags
            ]
    yield from _rows(sentences, name=name, tags=ENTITY_TAGS, language=language)


def _sentences(name: str, *, layout: _Layout, split: str) -> list[_Sentence]:
    """Sentences of a file, columns and numbers checked."""
    found = [_Sentence()]
    for number, line in sources.read_lines(name):
        if not line.strip():
            if found[-1].tokens:
                found.append(_Sentence())
            continue
        if layout.is_numbered and line.startswith("#"):
            match = _SENT_ID.match(line)
            found[-1].id = match[1].strip() if match else found[-1].id
            continue
        cells = line.split("\t")
        if layout is _PLAIN and len(cells) == 1:
            cells = [line, _TAKEN_OUT]
        if len(cells) not in layout.widths:
            _raise_columns(name, number, found=len(cells), layout=layout)
        if layout.is_numbered and not _is_next(
            cells[0], after=len(found[-1].tokens), name=name, line=number
        ):
            continue
        found[-1].lines.append(number)
        found[-1].tokens.append(cells[layout.token])
        found[-1].tags.append(cells[layout.tag])
    sentences = [sentence for sentence in found if sentence.tokens]
    if not sentences:
        raise UserError(f"{name}: holds no sentence; check that it is the release's")
    if all(tag in _NO_TAG for sentence in sentences for tag in sentence.tags):
        raise UnlabelledError(
            f"{name}: the split {split!r} is unlabelled (no token has a tag; columns: "
            f"{layout.columns}), so it can be neither trained on nor scored; take a "
            "labelled file and name it with --file, or hand predictions in with "
            "`xtl submit`"
        )
    for sentence in sentences:
        if _TAKEN_OUT in sentence.tags:
            line = sentence.lines[sentence.tags.index(_TAKEN_OUT)]
            _raise_columns(name, line, found=1, layout=layout)
    return sentences


def _raise_columns(name: str, number: int, *, found: int, layout: _Layout) -> None:
    wanted = " or ".join(map(str, layout.widths))
    raise UserError(
        f"{name}: line {number}: has {found} columns, {wanted} are needed "
        f"({layout.columns}); a tab or a line end may be missing or inside a token"
    )


def _is_next(number: str, *, after: int, name: str, line: int) -> bool:
    """Whether a line is a word, not a range or an empty node; words count from 1."""
    if _NO_WORD.fullmatch(number):
        return False
    if number != str(after + 1):
        raise UserError(
            f"{name}: line {line}: the token's number is {short(number)}, {after + 1} "
            "comes next; a line or the blank line between two sentences may be missing"
        )
    return True


def _drop_prefix(sentences: Sequence[_Sentence], *, name: str, language: str) -> None:
    """Take WikiAnn's `xx:` from tokens, if all have one; it must be the language."""
    tokens = [token for sentence in sentences for token in sentence.tokens]
    codes = {match[1] if (match := _PREFIX.match(token)) else "" for token in tokens}
    if len(codes) != 1 or "" in codes:
        return
    (code,) = codes
    if code != language:
        raise UserError(
            f"{name}: its tokens begin with {code + ':'!r}, so it is in {code!r}, not "
            f"in {language!r}; name the file of that language"
        )
    for sentence in sentences:
        sentence.tokens = [token[len(code) + 1 :] for token in sentence.tokens]


def _rows(
    sentences: Sequence[_Sentence],
    *,
    name: str,
    tags: Collection[str],
    language: str,
) -> Iterator[TaggedRow]:
    """Rows, tokens, tags and ids checked."""
    seen: set[str] = set()
    is_parallel = "_pud-" in base_name(name)
    for number, sentence in enumerate(sentences):
        id = sentence.id
        if not id or not is_parallel:
            id = f"{language}-{id or number}"
        if id in seen:
            raise UserError(
                f"{name}: line {sentence.lines[0]}: the sentence id {id!r} is there a "
                "second time; ids must differ, predictions are matched by them"
            )
        seen.add(id)
        for line, token, tag in zip(
            sentence.lines, sentence.tokens, sentence.tags, strict=True
        ):
            if not token.strip():
                raise UserError(f"{name}: line {line}: the token is blank: {token!r}")
            if tag not in tags:
                raise UserError(
                    f"{name}: line {line}: unknown tag {short(tag)} of token "
                    f"{short(token)}; allowed: {', '.join(tags)}"
                )
        yield TaggedRow(id=id, tokens=tuple(sentence.tokens), tags=tuple(sentence.tags))
