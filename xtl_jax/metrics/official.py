"""Gold and prediction files of the official scorers, as rows.

Extractive questions: the gold file is SQuAD's JSON, `{"data": [...]}` or the bare list;
the prediction file is one object, question id to answer text. Classification: the gold
file has one label a line, or rows of which one column is the label; the prediction file
has one label a line. This is what an XTREME submission consists of.

    >>> gold = '[{"paragraphs": [{"context": "a b", "qas": [{"id": "1", "question": ' \\
    ...     '"?", "answers": [{"text": "b", "answer_start": 2}]}]}]}]'
    >>> rows = questions(gold, source="gold.json")
    >>> said = answers('{"1": "a b", "2": "c"}', source="pred.json")
    >>> answer(rows, said)[0].prediction
    'a b'

Kept as the scripts have it: a prediction whose id is not in the gold file is ignored; a
question without a prediction scores 0; two questions may have the same id, and then the
one prediction counts for both; label lines are stripped of all white space, and a blank
line, at the end too, is one more label.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.errors import UserError
from xtl_jax.metrics.scoring import Row


def questions(text: str, *, source: str) -> list[Row]:
    """Rows of a SQuAD gold file, without predictions.

    Args:
        text: the file's text.
        source: its name, for error messages.

    Raises:
        UserError: bad JSON, a part that is missing or of another type (with its place),
            no question, a question without an answer, or a file whose answers were all
            taken out.
    """
    document = _parse(text, source=source)
    if isinstance(document, dict):
        document = _part(document, "data", kind=list, place=source)
    if not isinstance(document, list):
        raise UserError(
            f'{source}: a SQuAD file is {{"data": [...]}} or the list, not '
            f"{_shown(document)}"
        )
    rows = []
    for i, article in enumerate(document):
        place = f"{source}: data[{i}]"
        for j, paragraph in enumerate(
            _part(article, "paragraphs", kind=list, place=place)
        ):
            inner = f"{place}.paragraphs[{j}]"
            context = _part(paragraph, "context", kind=str, place=inner)
            for k, question in enumerate(
                _part(paragraph, "qas", kind=list, place=inner)
            ):
                rows.append(
                    _question(question, context=context, place=f"{inner}.qas[{k}]")
                )
    if not rows:
        raise UserError(f"{source}: holds no question, so there is nothing to score")
    if not any(any(row.references) for row in rows):
        raise UserError(
            f"{source}: all {len(rows)} answers are empty: this split was published "
            "without its answers and cannot be scored; use a labelled one"
        )
    return rows


def _question(question: Any, *, context: str, place: str) -> Row:
    id_ = _part(question, "id", kind=str, place=place)
    place = f"{place} (id {id_!r})"
    given = _part(question, "answers", kind=list, place=place)
    if not given:
        raise UserError(
            f"{place}: the list of answers is empty; SQuAD v1.1 and MLQA score no "
            "question without an answer: leave it out of the gold file"
        )
    return Row(
        id=id_,
        references=tuple(
            _part(answer, "text", kind=str, place=f"{place}.answers[{n}]")
            for n, answer in enumerate(given)
        ),
        context=context,
    )


def answers(text: str, *, source: str) -> dict[str, str]:
    """Predictions of a submission, by question id.

    Raises:
        UserError: bad JSON, an id given twice, or a prediction that is not a text.
    """
    document = _parse(text, source=source)
    if not isinstance(document, dict):
        raise UserError(
            f'{source}: predictions are one object {{"id": "answer", ...}}, not '
            f"{_shown(document)}"
        )
    for id_, prediction in document.items():
        if not isinstance(prediction, str):
            raise UserError(
                f"{source}: the prediction for {id_!r} is {_shown(prediction)}; it "
                'must be a text; leave the id out, or give "", where there is none'
            )
    return document


def answer(gold: Sequence[Row], predictions: Mapping[str, str]) -> list[Row]:
    """Gold rows with their predictions, as the scripts pair them.

    Raises:
        UserError: there are predictions and none is for any question.
    """
    rows = [
        dataclasses.replace(row, prediction=predictions.get(row.id)) for row in gold
    ]
    if predictions and all(row.prediction is None for row in rows):
        raise UserError(
            f"none of the {len(predictions)} predictions has the id of one of the "
            f"{len(rows)} questions; the first ids are {next(iter(predictions))!r} and "
            f"{rows[0].id!r}: are both files of the same task, language and split?"
        )
    return rows


def labels(text: str) -> list[str]:
    """One label a line, stripped; a blank line is a label that is empty."""
    # newline=None: lines end at \n, \r\n and \r, as in a file opened as text.
    return [line.strip() for line in io.StringIO(text, newline=None)]


def label_rows(text: str, *, source: str, language: str) -> list[Row]:
    """Rows of a label file, without predictions; ids are row numbers from 1.

    Three layouts are known by their columns: one label a line; `premise, hypothesis,
    label` as XTREME distributes XNLI; and XNLI's own table of all languages, whose
    header names `language` and `gold_label`.

    Raises:
        UserError: another number of columns, no label, or no row of the language.
    """
    lines = labels(text)
    if not lines:
        raise UserError(f"{source}: holds no label, so there is nothing to score")
    table = [line.split("\t") for line in lines]
    widths = {len(row) for row in table}
    if widths == {1}:
        column, found = 0, table
    elif {"language", "gold_label"} <= set(table[0]):
        column, where = table[0].index("gold_label"), table[0].index("language")
        width = len(table[0])
        for number, row in enumerate(table[1:], start=2):
            if len(row) != width:
                raise UserError(
                    f"{source}: line {number} has {len(row)} columns, its header has "
                    f"{width}"
                )
        found = [row for row in table[1:] if row[where] == language]
        if not found:
            have = sorted({row[where] for row in table[1:]})
            raise UserError(
                f"{source}: has no row of language {language!r}; it has "
                f"{', '.join(have)}"
            )
    elif widths == {3}:
        column, found = 2, table
    else:
        raise UserError(
            f"{source}: has {' and '.join(map(str, sorted(widths)))} columns; a gold "
            "file has one label a line, or premise, hypothesis and label: a split "
            "published without labels cannot be scored"
        )
    return [
        Row(id=str(number), references=(row[column].strip(),))
        for number, row in enumerate(found, start=1)
    ]


def classify(
    gold: Sequence[Row], predictions: Sequence[str], *, source: str
) -> list[Row]:
    """Gold rows with the labels of a prediction file, line by line.

    Raises:
        UserError: another number of lines.
    """
    if len(predictions) != len(gold):
        hint = ""
        if len(predictions) == len(gold) + 1 and not predictions[-1]:
            hint = "; the last line is blank: remove it"
        raise UserError(
            f"{source}: has {len(predictions)} lines for {len(gold)} examples; give "
            f"exactly one label a line, in the order of the gold file{hint}"
        )
    return [
        dataclasses.replace(row, prediction=said)
        for row, said in zip(gold, predictions, strict=True)
    ]


def _parse(text: str, *, source: str) -> Any:
    """JSON, refusing what Python's reader would let pass: a key given twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise UserError(
                f"{source}: the key {twice!r} is given twice in one object; which of "
                "the two counts cannot be known: remove one"
            )
        return found

    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{source}: is no JSON: line {error.lineno}, column {error.colno}: "
            f"{error.msg}; is the file complete?"
        ) from None
    except RecursionError:
        raise UserError(f"{source}: is nested too deeply to be a SQuAD file") from None


def _part(parent: Any, key: str, *, kind: type, place: str) -> Any:
    if not isinstance(parent, dict) or key not in parent:
        raise UserError(
            f"{place}: has no {key!r}; a gold file is SQuAD's JSON: data, paragraphs, "
            "context, qas, id, answers, text"
        )
    value = parent[key]
    if not isinstance(value, kind):
        wanted = {list: "a list", str: "a text"}[kind]
        raise UserError(f"{place}: {key!r} must be {wanted}, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
