"""Multiple choice: HellaSwag, Cosmos QA, CommonsenseQA and Social IQa."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence

from xtl_jax.data.readers import records
from xtl_jax.data.readers.checks import DEFAULT, Dropped, ReadOptions, field_of, short
from xtl_jax.data.readers.options import (
    Choice,
    choices_of,
    id_of,
    rows,
    text_of,
    texts_of,
)
from xtl_jax.data.readers.records import Record
from xtl_jax.data.rows import ChoiceRow
from xtl_jax.errors import UserError

Path = str | os.PathLike[str]
_LETTERS = "ABCDE"


def hellaswag(
    path: Path,
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[ChoiceRow]:
    """Rows of HellaSwag's `.jsonl`: ind, ctx (or context), endings, label.

    WikiHow's marks ([header], [title], [step]) stay in the texts.
    """
    name = os.fspath(path)
    found = choices_of(records.json_lines(name), _hellaswag, name=name)
    return rows(found, name=name, split=split, labels="0123")


def _hellaswag(record: Record, *, name: str, place: str) -> Choice:
    field = "context" if "context" in record else "ctx"
    endings = field_of(record, "endings", list, name=name, place=place)
    if not all(isinstance(text, str) for text in endings):
        raise UserError(
            f"{name}: {place}: field 'endings' must hold texts, got {short(endings)}"
        )
    return Choice(
        id=id_of(record, "ind"),
        context=text_of(record, field, name=name, place=place),
        options=tuple(endings),
        label=record.get("label"),
    )


def cosmos_qa(
    path: Path,
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[ChoiceRow]:
    """Rows of Cosmos QA's `.csv` or `.jsonl`: id, context, question, answer0-3, label.

    The right option may be `None of the above choices .`.
    """
    name = os.fspath(path)
    is_csv = records.base_name(name).endswith(".csv")
    read = functools.partial(
        _answers,
        id="id",
        label="label",
        answers=("answer0", "answer1", "answer2", "answer3"),
    )
    raw = records.quoted_table(name) if is_csv else records.json_lines(name)
    found = choices_of(raw, read, name=name)
    return rows(found, name=name, split=split, labels="0123")


def _answers(
    record: Record,
    *,
    name: str,
    place: str,
    id: str,
    label: str,
    answers: Sequence[str],
) -> Choice:
    """A record with context, question and one field an option."""
    return Choice(
        id=id_of(record, id),
        context=text_of(record, "context", name=name, place=place),
        question=text_of(record, "question", name=name, place=place),
        options=texts_of(record, answers, name=name, place=place),
        label=record.get(label),
    )


def commonsense_qa(
    path: Path,
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[ChoiceRow]:
    """Rows of CommonsenseQA's `.jsonl`: id, question (stem, choices), answerKey."""
    name = os.fspath(path)
    found = choices_of(records.json_lines(name), _commonsense_qa, name=name)
    return rows(found, name=name, split=split, labels=_LETTERS)


def _commonsense_qa(record: Record, *, name: str, place: str) -> Choice:
    question = field_of(record, "question", dict, name=name, place=place)
    listed = field_of(question, "choices", list, name=name, place=place)
    letters = [text_of(each, "label", name=name, place=place) for each in listed]
    if letters != list(_LETTERS):
        raise UserError(
            f"{name}: {place}: choices are labelled {short(letters)}; needed: "
            f"{', '.join(_LETTERS)}, in this order"
        )
    return Choice(
        id=id_of(record, "id"),
        question=text_of(question, "stem", name=name, place=place),
        options=tuple(text_of(each, "text", name=name, place=place) for each in listed),
        label=record.get("answerKey"),
    )


def social_iqa(
    paths: Sequence[Path],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[ChoiceRow]:
    """Rows of Social IQa, which has no ids: the line is one.

    Args:
        paths: one `.jsonl` (context, question, answerA-C, correct: A, B or C), as in
            version 1.4; or one without `correct` and a `.lst` with its labels 1, 2 or
            3, one a line, as in the first version.
        language: not used: the release is English.
        split: named in errors.
        options: not used.
        dropped: not used: no row is left out.
    """
    names = [os.fspath(path) for path in paths]
    labels = [each for each in names if records.base_name(each).endswith(".lst")]
    texts = [each for each in names if each not in labels]
    if len(texts) != 1 or len(labels) > 1:
        raise UserError(
            f"{', '.join(names)}: needed is one .jsonl, and if it has no labels one "
            ".lst with them: 'train.jsonl + train-labels.lst'"
        )
    (name,) = texts
    raw = list(records.json_lines(name))
    if labels:
        raw = _with_labels(raw, name=name, labels=labels[0])
    read = functools.partial(
        _answers, id="", label="correct", answers=("answerA", "answerB", "answerC")
    )
    found = choices_of(raw, read, name=name)
    return rows(found, name=name, split=split, labels="ABC")


def _with_labels(
    raw: Sequence[tuple[str, Record]], *, name: str, labels: str
) -> list[tuple[str, Record]]:
    """Records with `correct` from the file beside: 1, 2, 3 are A, B, C."""
    numbers = [line.strip() for _, line in records.lines_of(labels)]
    if len(numbers) != len(raw):
        raise UserError(
            f"{labels}: has {len(numbers):,} labels and {name} has {len(raw):,} rows; "
            "they belong to different splits, or one is cut short"
        )
    joined = []
    for line, (number, (place, record)) in enumerate(
        zip(numbers, raw, strict=True), start=1
    ):
        if number not in ("1", "2", "3"):
            raise UserError(
                f"{labels}: line {line}: unknown label {number!r}; allowed: 1, 2, 3"
            )
        letter = _LETTERS[int(number) - 1]
        if record.get("correct", letter) != letter:
            raise UserError(
                f"{labels}: line {line}: label {number} is not the one in {name}, "
                f"{place}: {short(record['correct'])}; name the .jsonl alone"
            )
        joined.append((place, {**record, "correct": letter}))
    return joined
