"""Labelled pairs of texts: inference and paraphrase, in each release's format.

Tabs separate columns and quotes mean nothing, except in `.csv`. Rows whose annotators
did not agree (label `-`) are left out, as the releases say, and counted.
"""

from __future__ import annotations

import collections
import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xtl_jax.data import sources
from xtl_jax.data.prompts import NLI_WORDS, PARAPHRASE_WORDS
from xtl_jax.data.readers.checks import (
    DEFAULT,
    Dropped,
    ReadOptions,
    parse_json,
    short,
)
from xtl_jax.data.rows import PairRow
from xtl_jax.errors import UnlabelledError, UserError

# XNLI's translated training files write one label another way.
_NLI_ALIASES = {"contradictory": "contradiction"}
_NLI_BY_DIGIT: Mapping[str, str] = dict(zip(("0", "1", "2"), NLI_WORDS, strict=True))
_NO_GOLD = "-"  # MultiNLI's and SNLI's label where annotators did not agree
# Column names of premise, hypothesis and label, by release.
_NLI_COLUMNS = (
    ("sentence1", "sentence2", "gold_label"),  # MultiNLI, XNLI, GLUE
    ("premise", "hypo", "label"),  # XNLI's translated training files
    ("premise", "hypothesis", "label"),
)
# MultiNLI's training rows stop after the first annotator's label.
_OPTIONAL_COLUMNS = ("label2", "label3", "label4", "label5")
_XTREME_NLI = ("premise", "hypothesis", "label")


def nli(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[PairRow]:
    r"""Rows of an inference file, in any of the releases' formats.

    - `.jsonl`: MultiNLI and XNLI (sentence1, sentence2, gold_label[, language])
    - `.tsv`/`.txt` with a header: the same columns, or `premise hypo label`
    - `.tsv` without: XTREME's `premise\thypothesis\tlabel`
    - `.csv` with columns premise, hypothesis, label; label 0, 1 or 2

    Tabs separate, quotes mean nothing (except in `.csv`). A file with a column
    `language` is read for one language. Rows with label `-` are dropped and counted.
    """
    name = os.fspath(path)
    counter = collections.Counter() if dropped is None else dropped
    seen: set[str] = set()
    kept = 0
    for place, id, first, second, label in _pairs(name, language=language, split=split):
        if label == _NO_GOLD:
            counter["no gold label"] += 1
            continue
        word = _NLI_BY_DIGIT.get(label, _NLI_ALIASES.get(label, label))
        if word not in NLI_WORDS:
            raise UserError(
                f"{name}: {place}: unknown label {label!r}; allowed: "
                f"{', '.join(NLI_WORDS)} (or 0, 1, 2 in this order, or -)"
            )
        if id in seen:
            raise UserError(
                f"{name}: {place}: id {id!r} is there a second time; ids must differ"
            )
        seen.add(id)
        kept += 1
        yield _pair_row(id, first, second, word, name=name, place=place)
    if not kept:
        raise UserError(
            f"{name}: holds no labelled row in {language!r}; check that the file is "
            "the release's and the language is right"
        )


_Pair = tuple[str, str, str, str, str]  # place, id, first, second, label


def _pairs(name: str, *, language: str, split: str) -> Iterator[_Pair]:
    """Raw pairs of a file whose format is told by its name and first line."""
    base = name
    for suffix in sources.SUFFIXES[1:]:
        base = base.removesuffix(suffix)
    if base.endswith(".jsonl"):
        records = _jsonl_records(name)
    elif base.endswith(".csv"):
        records = _csv_records(name)
    else:
        lines = list(sources.read_lines(name))
        if {"sentence1", "premise"} & set(lines[0][1].split("\t")):
            records = _tsv_records(lines, name=name)
        else:
            yield from _headless(lines, name=name, split=split, columns=_XTREME_NLI)
            return
    columns = None
    for place, record in records:
        if columns is None:
            columns = _choose_columns(record, name=name, split=split)
        # A column of codes chooses; one of names ("English") describes.
        code = record.get("language")
        if isinstance(code, str) and len(code) <= 3 and code != language:
            continue
        values = []
        for column in columns:
            if not isinstance(record.get(column), str):
                raise UserError(
                    f"{name}: {place}: field {column!r} is missing or no text: "
                    f"{short(record.get(column))}"
                )
            values.append(record[column])
        id = str(record.get("pairID") or record.get("index") or record.get("id") or "")
        yield place, id or place, values[0], values[1], values[2]


def _choose_columns(
    record: Mapping[str, Any], *, name: str, split: str
) -> tuple[str, str, str]:
    for columns in _NLI_COLUMNS:
        if all(column in record for column in columns):
            return columns
    if any(set(columns[:2]) <= set(record) for columns in _NLI_COLUMNS):
        raise UnlabelledError(
            f"{name}: the split {split!r} is unlabelled (fields: "
            f"{', '.join(map(str, record))}), so it can be neither trained on nor "
            "scored; take a labelled file and name it with --file"
        )
    raise UserError(
        f"{name}: has fields {', '.join(map(str, record))}; needed: "
        + " or ".join("/".join(columns) for columns in _NLI_COLUMNS)
    )


def _jsonl_records(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in sources.read_lines(name):
        if line.strip():
            record = parse_json(line, name=f"{name}: line {number}")
            if not isinstance(record, dict):
                raise UserError(f"{name}: line {number}: is no JSON object")
            yield f"line {number}", record


def _tsv_records(
    lines: Sequence[tuple[int, str]], *, name: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    header = lines[0][1].split("\t")
    optional = sum(column in _OPTIONAL_COLUMNS for column in header)
    if not header[-1].startswith("label"):
        optional = 0  # only columns at the end of a row may be absent
    for number, line in lines[1:]:
        cells = line.split("\t")
        if not len(header) - optional <= len(cells) <= len(header):
            _raise_columns(
                name, number, found=len(cells), needed=f"{len(header)} ({header[0]}, …)"
            )
        yield f"line {number}", dict(zip(header, cells, strict=False))


def _csv_records(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with io.StringIO(sources.read_text(name), newline="") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            header = next(reader)
            for cells in reader:
                if len(cells) != len(header):
                    _raise_columns(
                        name,
                        reader.line_num,
                        found=len(cells),
                        needed=f"{len(header)} ({', '.join(header)})",
                    )
                yield f"line {reader.line_num}", dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise UserError(
                f"{name}: line {reader.line_num}: is not CSV ({error}); the file may "
                "be cut short"
            ) from None


def _headless(
    lines: Sequence[tuple[int, str]], *, name: str, split: str, columns: Sequence[str]
) -> Iterator[_Pair]:
    """XTREME's three columns; the id is the row's number from 0."""
    if lines and not lines[-1][1]:
        lines = lines[:-1]
    if lines and all(line.count("\t") == 1 for _, line in lines):
        raise UnlabelledError(
            f"{name}: the split {split!r} is unlabelled (2 columns instead of 3: "
            f"{', '.join(columns)}), so it can be neither trained on nor scored; take "
            "a labelled file and name it with --file"
        )
    for row, (number, line) in enumerate(lines):
        cells = line.split("\t")
        if len(cells) != 3:
            _raise_columns(
                name, number, found=len(cells), needed=f"3 ({', '.join(columns)})"
            )
        # Columns pasted to files with Windows line ends leave a \r inside the row.
        first, second, label = (cell.rstrip("\r") for cell in cells)
        yield f"line {number}", str(row), first, second, label


def _raise_columns(name: str, number: int, *, found: int, needed: str) -> None:
    raise UserError(
        f"{name}: line {number}: has {found} columns, {needed} are needed; a tab or a "
        "line end may be missing or inside a text"
    )


def _pair_row(
    id: str, first: str, second: str, label: str, *, name: str, place: str
) -> PairRow:
    for field, value in (("first text", first), ("second text", second)):
        if not value.strip():
            raise UserError(f"{name}: {place} (id {id!r}): the {field} is blank")
    return PairRow(id=id, first=first, second=second, label=label)


def paraphrase(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[PairRow]:
    r"""Rows of `sentence1\tsentence2\tlabel` (0 or 1), as XTREME writes PAWS-X."""
    name = os.fspath(path)
    lines = list(sources.read_lines(name))
    columns = ("sentence1", "sentence2", "label")
    for place, id, first, second, label in _headless(
        lines, name=name, split=split, columns=columns
    ):
        if label not in ("0", "1"):
            raise UserError(
                f"{name}: {place}: unknown label {label!r}; allowed: 0 (different "
                "meaning), 1 (paraphrase)"
            )
        word = PARAPHRASE_WORDS[int(label)]
        yield _pair_row(id, first, second, word, name=name, place=place)
