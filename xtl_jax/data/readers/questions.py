"""Questions whose answers are spans of a context: SQuAD's JSON and its family.

`answer_start` counts characters (Unicode code points) from 0, and

    context[answer_start : answer_start + len(text)] == text

must hold. `answer_offsets="first_occurrence"` replaces the stated offset by the first
place where the answer stands, for files whose offsets were counted otherwise; "ignore"
takes answers that stand nowhere too (start -1), as machine-translated training files
may have. Questions of version 2.0 may say that they have no answer (`is_impossible`).
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from xtl_jax.data import sources
from xtl_jax.data.readers.checks import (
    DEFAULT,
    Dropped,
    ReadOptions,
    field_of,
    parse_json,
    short,
)
from xtl_jax.data.rows import QuestionRow
from xtl_jax.errors import UnlabelledError, UserError


def squad(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
    keep_id: Callable[[str], bool] = lambda id: True,
    may_repeat: Callable[[str], bool] = lambda id: False,
    unanswerable: Literal["refuse", "keep"] = "refuse",
) -> Iterator[QuestionRow]:
    """Rows of a file in SQuAD's JSON: SQuAD v1.1, XQuAD, MLQA, TyDi QA GoldP.

    Args:
        path: the file.
        language: named in errors.
        split: named in errors.
        options: whether offsets are checked.
        dropped: not used; questions are never left out.
        keep_id: chooses rows of a file that holds several languages.
        may_repeat: ids that the release numbers by document, so that they repeat; a
            repeated one gets the suffix `#2`, `#3`, ….
        unanswerable: whether questions that are marked as having no answer are rows
            with no `answers` (SQuAD v2.0), or errors.

    Raises:
        UserError: see the module's text; also an unlabelled file.
    """
    name = os.fspath(path)
    questions = [
        (place, raw, context, title)
        for place, raw, context, title in _squad_questions(name)
        if keep_id(str(raw["id"]))
    ]
    if not questions:
        raise UserError(
            f"{name}: holds no question in {language!r}; check that the file is the "
            "release's and the language is right"
        )
    if all(_is_unlabelled(raw) for _, raw, _, _ in questions):
        raise UnlabelledError(
            f"{name}: the split {split!r} is unlabelled (all {len(questions)} answers "
            "are empty), so it can be neither trained on nor scored; take a labelled "
            "file and name it with --file"
        )
    seen: collections.Counter[str] = collections.Counter()
    for place, raw, context, title in questions:
        row = _question_row(
            *(raw, context, title),
            name=name,
            place=place,
            options=options,
            unanswerable=unanswerable,
        )
        seen[row.id] += 1
        if seen[row.id] > 1:
            if not may_repeat(row.id):
                raise UserError(
                    f"{name}: {place}: id {row.id!r} is there a second time; ids must "
                    "differ, predictions are matched by them"
                )
            row = dataclasses.replace(row, id=f"{row.id}#{seen[row.id]}")
        yield row


def squad_v2(
    path: str | os.PathLike[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[QuestionRow]:
    """Rows of SQuAD v2.0: of a question marked `is_impossible`, `answers` is empty.

    Its `plausible_answers` are not read: they are wrong.
    """
    return squad(
        path,
        language=language,
        split=split,
        options=options,
        dropped=dropped,
        unanswerable="keep",
    )


def _squad_questions(name: str) -> Iterator[tuple[str, Mapping[str, Any], str, str]]:
    """(place, question, context, title) of each question, shapes checked."""
    document = parse_json(sources.read_text(name), name=name)
    articles = field_of(document, "data", list, name=name, place="top level")
    if not articles:
        raise UserError(f"{name}: field 'data' is empty; the file holds no article")
    for a, article in enumerate(articles):
        at = f"data[{a}]"
        title = str(article.get("title", "")) if isinstance(article, dict) else ""
        for p, paragraph in enumerate(
            field_of(article, "paragraphs", list, name=name, place=at)
        ):
            at = f"data[{a}].paragraphs[{p}]"
            context = field_of(paragraph, "context", str, name=name, place=at)
            for q, raw in enumerate(
                field_of(paragraph, "qas", list, name=name, place=at)
            ):
                place = f"{at}.qas[{q}]"
                if isinstance(raw, dict) and isinstance(raw.get("id"), int):
                    raw = {**raw, "id": str(raw["id"])}
                field_of(raw, "id", str, name=name, place=place)
                yield place, raw, context, title


def _is_unlabelled(raw: Mapping[str, Any]) -> bool:
    """Stripped releases keep an answer with text "" at offset 0, or no answer."""
    if raw.get("is_impossible"):
        return False
    answers = raw.get("answers")
    if not isinstance(answers, list):
        return answers is None
    return all(
        isinstance(answer, dict) and not answer.get("text") for answer in answers
    )


def _question_row(
    raw: Mapping[str, Any],
    context: str,
    title: str,
    *,
    name: str,
    place: str,
    options: ReadOptions,
    unanswerable: Literal["refuse", "keep"],
) -> QuestionRow:
    question = field_of(raw, "question", str, name=name, place=place)
    place = f"{place} (id {raw['id']!r})"
    for field, value in (("question", question), ("context", context)):
        if not value.strip():
            raise UserError(f"{name}: {place}: field {field!r} is blank")
    answers = field_of(raw, "answers", list, name=name, place=place)
    is_impossible = raw.get("is_impossible", False)
    if not isinstance(is_impossible, bool):
        raise UserError(
            f"{name}: {place}: field 'is_impossible' must be true or false, got "
            f"{short(is_impossible)}"
        )
    if is_impossible and unanswerable == "refuse":
        raise UserError(
            f"{name}: {place}: is marked unanswerable (SQuAD 2.0); this task reads "
            "files in the format of version 1.1"
        )
    if is_impossible and answers:
        raise UserError(
            f"{name}: {place}: is marked unanswerable and has {len(answers)} answers"
        )
    if not answers and not is_impossible:
        raise UserError(f"{name}: {place}: has no answer; each row needs one or more")
    texts, starts = [], []
    for n, answer in enumerate(answers):
        at = f"{place}, answers[{n}]"
        text = field_of(answer, "text", str, name=name, place=at)
        start = field_of(answer, "answer_start", int, name=name, place=at)
        if not text.strip():
            raise UserError(f"{name}: {at}: field 'text' is blank: {text!r}")
        texts.append(text)
        starts.append(
            _checked_start(
                text, start, context=context, name=name, place=at, options=options
            )
        )
    return QuestionRow(
        id=raw["id"],
        question=question,
        context=context,
        answers=tuple(texts),
        answer_starts=tuple(starts),
        title=title,
    )


def _checked_start(
    text: str, start: int, *, context: str, name: str, place: str, options: ReadOptions
) -> int:
    first = context.find(text)
    if options.answer_offsets == "ignore":
        return first
    if first < 0:
        raise UserError(
            f"{name}: {place}: answer {short(text)} is not in its context; answers "
            "must be copied from it character by character"
        )
    if options.answer_offsets == "first_occurrence":
        return first
    if start >= 0 and context[start : start + len(text)] == text:
        return start
    there = short(context[start : start + len(text)] if start >= 0 else "")
    raise UserError(
        f"{name}: {place}: answer_start is {start}, where the context has {there}, but "
        f"the answer is {short(text)}, first found at {first}; count characters, not "
        "bytes, or set answer_offsets to 'first_occurrence'"
    )
