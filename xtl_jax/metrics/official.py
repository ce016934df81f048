"""JSON files of the official scorers, as rows: questions, and ranked ids.

Extractive questions: the gold file is SQuAD's JSON, `{"data": [...]}` or the bare list;
the prediction file is one object, question id to answer text. Retrieval by ids
(Mewsli-X, LAReQA): both files are one object, id to a list of ids; of the gold file the
right ones, of the prediction file what was found, best first.

    >>> gold = '[{"paragraphs": [{"context": "a b", "qas": [{"id": "1", "question": ' \\
    ...     '"?", "answers": [{"text": "b", "answer_start": 2}]}]}]}]'
    >>> rows = questions(gold, source="gold.json")
    >>> said = answers('{"1": "a b", "2": "c"}', source="pred.json")
    >>> answer(rows, said, source="pred.json")[0].prediction
    'a b'

Kept as the scripts have it: a prediction whose id is not in the gold file is ignored; a
question without a prediction scores 0; two questions may have the same id, and then the
one prediction counts for both; gold ids of a ranking are stripped of white space, found
ones are not. SQuAD v2.0's questions may be without an answer: then there are no
references. Files of lines are in `official_lines.py`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from xtl_jax.errors import UserError
from xtl_jax.metrics.official_lines import one_word
from xtl_jax.metrics.scoring import Row

_LARGEST = 1e300  # of a no-answer score: a whole number above it is no float


def questions(
    text: str, *, source: str, unanswerable: Literal["refuse", "keep"] = "refuse"
) -> list[Row]:
    """Rows of a SQuAD gold file, without predictions.

    Args:
        text: the file's text.
        source: its name, for error messages.
        unanswerable: what to do with a question that has no answer. SQuAD v2.0 keeps
            it: its row has no reference.

    Raises:
        UserError: bad JSON, a part that is missing or of another type (with its place),
            no question, a question without an answer that is not kept, or a file whose
            answers were all taken out.
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
                place = f"{inner}.qas[{k}]"
                row = _question(question, context=context, place=place)
                if not row.references and unanswerable == "refuse":
                    raise UserError(
                        f"{place} (id {row.id!r}): the list of answers is empty; SQuAD "
                        "v1.1 and MLQA score no question without an answer: leave it "
                        "out of the gold file"
                    )
                rows.append(row)
    if not rows:
        raise UserError(f"{source}: holds no question, so there is nothing to score")
    answered = [row for row in rows if row.references]
    if answered and not any(any(row.references or ()) for row in answered):
        raise UserError(
            f"{source}: all {len(answered)} answers are empty: this split was "
            "published without its answers and cannot be scored; use a labelled one"
        )
    return rows


def _question(question: Any, *, context: str, place: str) -> Row:
    id_ = _part(question, "id", kind=str, place=place)
    place = f"{place} (id {id_!r})"
    given = _part(question, "answers", kind=list, place=place)
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


def answer(
    gold: Sequence[Row], predictions: Mapping[str, str], *, source: str
) -> list[Row]:
    """Gold rows with their predictions, as the scripts pair them.

    Args:
        gold: rows.
        predictions: by id.
        source: what errors call their file.

    Raises:
        UserError: there are predictions and none is for any question.
    """
    rows = [
        dataclasses.replace(row, prediction=predictions.get(row.id)) for row in gold
    ]
    if predictions and all(row.prediction is None for row in rows):
        raise UserError(
            f"{source}: none of the {len(predictions)} predictions has the id of one "
            f"of the {len(rows)} questions; the first ids are "
            f"{next(iter(predictions))!r} and {rows[0].id!r}: are both files of the "
            "same task, language and split?"
        )
    return rows


def rankings(text: str, *, source: str) -> dict[str, list[str]]:
    """Lists of ids by id: of a gold file the right ones, else what was found.

    Raises:
        UserError: bad JSON, an id given twice, or not a list of texts for each id.
    """
    document = _parse(text, source=source)
    if not isinstance(document, dict):
        raise UserError(
            f'{source}: must be one object {{"id": ["Q1", ...], ...}}, not '
            f"{_shown(document)}"
        )
    for id_, found in document.items():
        if not isinstance(found, list) or not all(isinstance(i, str) for i in found):
            raise UserError(
                f"{source}: for {id_!r} a list of ids (texts) is needed, not "
                f"{_shown(found)}; give an empty list where nothing was found"
            )
    return document


def ranking_rows(gold: Mapping[str, Sequence[str]], *, source: str) -> list[Row]:
    """Rows with the right ids of a gold file, without predictions.

    Raises:
        UserError: there is nothing to find, or all right ids were taken out.
    """
    if not gold:
        raise UserError(f"{source}: holds no example, so there is nothing to score")
    rows = [
        Row(id=id_, references=tuple(one_word(each.strip()) for each in right))
        for id_, right in gold.items()
    ]
    if not any(any(row.references or ()) for row in rows):
        raise UserError(
            f"{source}: all {len(rows)} examples are without a right id: this split "
            "was published without them and cannot be scored; use a labelled one"
        )
    return rows


def joined(found: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Rankings as predictions: ids, best first, joined by single spaces.

    Example:
        >>> joined({"ar-1": ["Q7", "Q1"], "ar-2": []})
        {'ar-1': 'Q7 Q1', 'ar-2': ''}
    """
    return {id_: " ".join(map(one_word, ids)) for id_, ids in found.items()}


def probabilities(text: str, *, source: str) -> dict[str, float]:
    """No-answer probabilities of SQuAD v2.0, by question id, in the file's order.

    Raises:
        UserError: bad JSON, an id given twice, or a value that is no number.
    """
    document = _parse(text, source=source)
    if not isinstance(document, dict):
        raise UserError(
            f'{source}: must be one object {{"id": 0.5, ...}}, not {_shown(document)}'
        )
    found = {}
    for id_, value in document.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or abs(value) > _LARGEST:
            raise UserError(
                f"{source}: the no-answer probability of {id_!r} is {_shown(value)}; "
                "it must be a number such as 0.5"
            )
        found[id_] = float(value)
    return found


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
    except ValueError as error:  # a number of thousands of digits
        raise UserError(f"{source}: cannot be read ({error})") from None


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
