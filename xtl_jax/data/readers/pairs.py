"""Labelled pairs of texts: inference, paraphrase, duplicate questions.

Each kind comes in several layouts (`records.py`): the one of a file is told by its name
and first line. Rows whose annotators did not agree (label `-`) are left out, as the
releases say, and counted.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any

from xtl_jax.data.prompts import DUPLICATE_WORDS, NLI_WORDS, PARAPHRASE_WORDS
from xtl_jax.data.readers import records
from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions, short
from xtl_jax.data.rows import PairRow
from xtl_jax.errors import UnlabelledError, UserError

_NO_GOLD = "-"  # MultiNLI's and SNLI's label where annotators did not agree
# MultiNLI's training rows stop after the first annotator's label.
_MAY_LACK = ("label1", "label2", "label3", "label4", "label5")
_ID_FIELDS = ("pairID", "uid", "index", "id")
_TRANSLATED_NAMES = ("translated_train.tsv", "-translated.tsv")
# Columns of XTREME's translations: the English pair, the translated one, the label.
_TRANSLATION = 5
# Quora's own release, which alone has the rules of CSV in a file named .tsv.
_QUORA = "quora_duplicate_questions.tsv"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Format:
    """How files of one kind of pairs look."""

    columns: tuple[tuple[str, str, str], ...]  # two texts and label, by release
    headless: tuple[str, str, str]  # what the three columns without header are
    words: Mapping[str, str]  # label as it is written -> label word
    allowed: str  # for error messages


_NLI = _Format(
    columns=(
        ("sentence1", "sentence2", "gold_label"),  # MultiNLI, SNLI, XNLI, GLUE
        ("premise", "hypo", "label"),  # XNLI's translated training files
        ("premise", "hypothesis", "label"),
        ("context", "hypothesis", "label"),  # ANLI
    ),
    headless=("premise", "hypothesis", "label"),
    words={
        **{word: word for word in NLI_WORDS},
        **{str(number): word for number, word in enumerate(NLI_WORDS)},
        **{word[0]: word for word in NLI_WORDS},  # ANLI: e, n, c
        "contradictory": "contradiction",  # XNLI's translated training files
    },
    allowed=f"{', '.join(NLI_WORDS)} (or 0, 1, 2 or e, n, c in this order, or -)",
)
_PARAPHRASE = _Format(
    columns=(("sentence1", "sentence2", "label"),),
    headless=("sentence1", "sentence2", "label"),
    words={str(number): word for number, word in enumerate(PARAPHRASE_WORDS)},
    allowed="0 (different meaning), 1 (paraphrase)",
)
_DUPLICATE = _Format(
    columns=(("question1", "question2", "is_duplicate"),),
    headless=("question1", "question2", "is_duplicate"),
    words={str(number): word for number, word in enumerate(DUPLICATE_WORDS)},
    allowed="0 (not a duplicate), 1 (duplicate)",
)


def nli(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[PairRow]:
    r"""Rows of an inference file, in any of the releases' formats.

    - `.jsonl`: MultiNLI, SNLI and XNLI (sentence1, sentence2, gold_label[, language]),
      ANLI (context, hypothesis, label: e, n or c)
    - `.tsv`/`.txt` with a header: the same columns, or `premise hypo label`
    - `.tsv` without: XTREME's `premise\thypothesis\tlabel`, and its translations, which
      have the English pair before
    - `.csv` with columns premise, hypothesis, label; label 0, 1 or 2

    A file with a column `language` is read for one language. Rows with label `-` are
    dropped and counted.
    """
    name = os.fspath(path)
    counter = collections.Counter() if dropped is None else dropped

    def labelled() -> Iterator[_Pair]:
        for pair in _pairs(name, language=language, split=split, form=_NLI):
            if pair.label == _NO_GOLD:
                counter["no gold label"] += 1
            else:
                yield pair

    yield from _rows(labelled(), name=name, language=language, form=_NLI)


def paraphrase(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[PairRow]:
    r"""Rows of a paraphrase file: 0 for another meaning, 1 for the same.

    - `.tsv` with a header: `id sentence1 sentence2 label`, as PAWS and PAWS-X have it
    - `.tsv` without: XTREME's `sentence1\tsentence2\tlabel`, and its translations,
      which have the English pair before

    Some rows of the machine translations (PAWS-X's `translated_train.tsv`, XTREME's
    `en-*-translated.tsv`) were damaged and have no such label: they are dropped and
    counted.
    """
    name = os.fspath(path)
    counter = collections.Counter() if dropped is None else dropped
    is_translated = records.base_name(name).endswith(_TRANSLATED_NAMES)

    def whole() -> Iterator[_Pair]:
        for pair in _pairs(name, language=language, split=split, form=_PARAPHRASE):
            if is_translated and pair.label not in _PARAPHRASE.words:
                counter["damaged label"] += 1
            else:
                yield pair

    yield from _rows(whole(), name=name, language=language, form=_PARAPHRASE)


def duplicates(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[PairRow]:
    r"""Rows of a file of Quora's question pairs.

    - `.tsv` with a header: GLUE's `id qid1 qid2 question1 question2 is_duplicate`
    - `quora_duplicate_questions.tsv` and `.csv`: Quora's own, by the rules of CSV
    - `.tsv`/`.txt` without: `question1\tquestion2\tis_duplicate`

    Quora's own file has three pairs with a blank question: they are dropped and
    counted, as GLUE's clean release did.
    """
    name = os.fspath(path)
    counter = collections.Counter() if dropped is None else dropped

    def whole() -> Iterator[_Pair]:
        for pair in _pairs(name, language=language, split=split, form=_DUPLICATE):
            if pair.is_quoras and not (pair.first.strip() and pair.second.strip()):
                counter["blank question"] += 1
            else:
                yield pair

    yield from _rows(whole(), name=name, language=language, form=_DUPLICATE)


@dataclasses.dataclass(frozen=True, slots=True)
class _Pair:
    """A row as it stands in the file."""

    place: str
    id: str
    first: str
    second: str
    label: str
    is_quoras: bool = False  # by the rules of CSV


def _rows(
    pairs: Iterator[_Pair], *, name: str, language: str, form: _Format
) -> Iterator[PairRow]:
    """Rows with label words; labels, ids and texts checked."""
    seen: set[str] = set()
    for pair in pairs:
        if pair.label not in form.words:
            raise UserError(
                f"{name}: {pair.place}: unknown label {pair.label!r}; allowed: "
                f"{form.allowed}"
            )
        if pair.id in seen:
            raise UserError(
                f"{name}: {pair.place}: id {pair.id!r} is there a second time; ids "
                "must differ"
            )
        seen.add(pair.id)
        for field, value in (("first text", pair.first), ("second text", pair.second)):
            if not value.strip():
                raise UserError(
                    f"{name}: {pair.place} (id {pair.id!r}): the {field} is blank"
                )
        yield PairRow(
            id=pair.id,
            first=pair.first,
            second=pair.second,
            label=form.words[pair.label],
        )
    if not seen:
        raise UserError(
            f"{name}: holds no labelled row in {language!r}; check that the file is "
            "the release's and the language is right"
        )


def _pairs(name: str, *, language: str, split: str, form: _Format) -> Iterator[_Pair]:
    """Raw pairs of a file whose layout is told by its name and first line."""
    base = records.base_name(name)
    is_csv = base.endswith(".csv") or base == _QUORA
    if base.endswith(".jsonl"):
        found = records.json_lines(name)
    elif is_csv:
        delimiter = "," if base.endswith(".csv") else "\t"
        found = records.quoted_table(name, delimiter=delimiter)
    else:
        lines = records.lines_of(name)
        header = lines[0][1].split("\t") if lines else []
        if not any(set(columns[:2]) <= set(header) for columns in form.columns):
            if len(header) == _TRANSLATION:
                lines = [(number, _translated(line)) for number, line in lines]
            for row, (place, (first, second, label)) in enumerate(
                records.headless(lines, name=name, split=split, columns=form.headless)
            ):
                yield _Pair(place, str(row), first, second, label)
            return
        found = records.table(lines, name=name, may_lack=_MAY_LACK)
    columns = None
    for place, record in found:
        if columns is None:
            columns = _choose_columns(record, name=name, split=split, form=form)
        # A column of codes chooses; one of names ("English") describes.
        code = record.get("language")
        if isinstance(code, str) and len(code) <= 3 and code != language:
            continue
        for column in columns:
            if not isinstance(record.get(column), str):
                raise UserError(
                    f"{name}: {place}: field {column!r} is missing or no text: "
                    f"{short(record.get(column))}"
                )
        first, second, label = (record[column] for column in columns)
        yield _Pair(place, _id(record) or place, first, second, label, is_quoras=is_csv)


def _translated(line: str) -> str:
    """The translated pair and its label; a damaged line gets no label."""
    cells = line.split("\t")
    if len(cells) == _TRANSLATION:
        return "\t".join(cells[2:])
    first, second = (*cells, "", "", "")[2:4]
    return f"{first}\t{second}\t"


def _id(record: Mapping[str, Any]) -> str:
    named = (
        record[field] for field in _ID_FIELDS if record.get(field) not in ("", None)
    )
    return str(next(named, ""))


def _choose_columns(
    record: Mapping[str, Any], *, name: str, split: str, form: _Format
) -> tuple[str, str, str]:
    for columns in form.columns:
        if all(column in record for column in columns):
            return columns
    if any(set(columns[:2]) <= set(record) for columns in form.columns):
        raise UnlabelledError(
            f"{name}: the split {split!r} is unlabelled (fields: "
            f"{', '.join(map(str, record))}), so it can be neither trained on nor "
            "scored; take a labelled file and name it with --file"
        )
    raise UserError(
        f"{name}: has fields {', '.join(map(str, record))}; needed: "
        + " or ".join("/".join(columns) for columns in form.columns)
    )
