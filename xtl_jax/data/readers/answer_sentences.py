"""LAReQA's XQuAD-R: questions whose answers are sentences, in eleven languages at once.

The files are SQuAD's JSON with `sentence_breaks`, the begin and end of each sentence of
a context. As XTREME builds the task from them:

- every sentence of a context that has a question is a candidate; its id is
  `LANGUAGE_PARAGRAPH_SENTENCE`, the paragraph counted over the file from 1, the
  sentence within its paragraph from 0: `ar_17_3`;
- a question's right sentence is the one in which its answer begins; where another
  sentence of the same context reads the same, it is right too;
- what is right for a question in one language is right for it in all: its id without
  language tells. So each of the 13,090 questions has eleven or more right candidates;
- a question whose answer begins in no sentence is left out and counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from xtl_jax.data import sources
from xtl_jax.data.readers.checks import (
    DEFAULT,
    Dropped,
    ReadOptions,
    field_of,
    parse_json,
    short,
)
from xtl_jax.data.readers.retrieval import POOL
from xtl_jax.data.rows import RetrievalRow
from xtl_jax.errors import UserError


class Document(NamedTuple):
    """One language's file."""

    questions: list[tuple[str, str, str]]  # id of the row, text, id over languages
    candidates: list[RetrievalRow]
    right: dict[str, list[str]]  # id over languages -> ids of candidates


def lareqa(
    paths: Sequence[str],
    *,
    language: str,
    split: str,
    options: ReadOptions = DEFAULT,
    dropped: Dropped | None = None,
) -> Iterator[RetrievalRow]:
    """Queries of one language, or the candidates of all for the language `pool`.

    Args:
        paths: the files of all languages, each named by its own: `ar.json`.
        language: of the queries.
        split: named in errors.
        options: not used.
        dropped: counts questions whose answer begins in no sentence.

    Raises:
        UserError: no file of the language, or a file that is not XQuAD-R's.
    """
    documents = {
        code: document(path, language=code, dropped=dropped)
        for path in paths
        for code in (os.path.basename(path).partition(".")[0],)
    }
    if language == POOL:
        for each in documents.values():
            yield from each.candidates
        return
    if language not in documents:
        raise UserError(
            f"{', '.join(paths)}: none is the file of {language!r}; they are named "
            f"LANGUAGE.json: {language}.json is needed"
        )
    for id, text, shared in documents[language].questions:
        answers = (
            candidate
            for each in documents.values()
            for candidate in each.right.get(shared, ())
        )
        yield RetrievalRow(id=id, text=text, side="query", answers=tuple(answers))


def document(path: str, *, language: str, dropped: Dropped | None = None) -> Document:
    """Questions and candidates of one file.

    Raises:
        UserError: it is no XQuAD-R file, or a question is there twice or has not
            exactly one answer.
    """
    parsed = parse_json(sources.read_text(path), name=path)
    found = Document([], [], {})
    number = 0
    for a, article in enumerate(
        field_of(parsed, "data", list, name=path, place="top level")
    ):
        place = f"data[{a}]"
        for p, paragraph in enumerate(
            field_of(article, "paragraphs", list, name=path, place=place)
        ):
            number += 1
            _add_paragraph(
                found,
                paragraph,
                id=f"{language}_{number}",
                language=language,
                dropped=dropped,
                name=path,
                place=f"{place}.paragraphs[{p}]",
            )
    if not found.questions:
        raise UserError(
            f"{path}: holds no question; is it the release's {language}.json?"
        )
    return found


def _add_paragraph(
    found: Document,
    paragraph: Any,
    *,
    id: str,
    language: str,
    dropped: Dropped | None,
    name: str,
    place: str,
) -> None:
    context = field_of(paragraph, "context", str, name=name, place=place)
    breaks = _breaks(paragraph, context=context, name=name, place=place)
    sentences = [context[begin:end] for begin, end in breaks]
    is_asked = False
    for q, raw in enumerate(field_of(paragraph, "qas", list, name=name, place=place)):
        at = f"{place}.qas[{q}]"
        shared = field_of(raw, "id", str, name=name, place=at)
        at = f"{at} (id {shared!r})"
        text = field_of(raw, "question", str, name=name, place=at)
        if not text.strip():
            raise UserError(f"{name}: {at}: field 'question' is blank")
        start, answer = _answer(raw, name=name, place=at)
        if shared in found.right:
            raise UserError(
                f"{name}: {at}: this question is there a second time; ids must differ, "
                "they tell which questions are the same in all languages"
            )
        holding = [
            place for place, (begin, end) in enumerate(breaks) if begin <= start < end
        ]
        if not holding:
            if dropped is not None:
                dropped["answer begins in no sentence"] += 1
            continue
        if context[start : start + len(answer)] != answer:
            raise UserError(
                f"{name}: {at}: the context has not {short(answer)} at {start}, but "
                f"{short(context[start : start + len(answer)])}; count characters, not "
                "bytes"
            )
        is_asked = True
        sentence = sentences[holding[0]]
        found.questions.append((f"{shared}_{language}", text, shared))
        found.right[shared] = [
            f"{id}_{place}"
            for place, other in enumerate(sentences)
            if other == sentence
        ]
    if is_asked:
        found.candidates.extend(
            RetrievalRow(
                id=f"{id}_{place}", text=sentence, side="candidate", context=context
            )
            for place, sentence in enumerate(sentences)
        )


def _breaks(
    paragraph: Any, *, context: str, name: str, place: str
) -> list[tuple[int, int]]:
    """Begin and end of each sentence, checked to lie in the context."""
    found = []
    for n, pair in enumerate(
        field_of(paragraph, "sentence_breaks", list, name=name, place=place)
    ):
        is_pair = isinstance(pair, list) and [type(each) for each in pair] == [int, int]
        if not is_pair or not 0 <= pair[0] < pair[1] <= len(context):
            raise UserError(
                f"{name}: {place}.sentence_breaks[{n}] is {short(pair)}; it must be "
                f"[begin, end] with 0 <= begin < end <= {len(context)}"
            )
        if not context[pair[0] : pair[1]].strip():
            raise UserError(f"{name}: {place}.sentence_breaks[{n}]: a blank sentence")
        found.append((pair[0], pair[1]))
    return found


def _answer(raw: Any, *, name: str, place: str) -> tuple[int, str]:
    """Where the one answer begins, and its text."""
    answers = field_of(raw, "answers", list, name=name, place=place)
    if len(answers) != 1:
        raise UserError(
            f"{name}: {place}: has {len(answers)} answers; XQuAD-R has exactly one "
            "each, whose sentence is to be found"
        )
    at = f"{place}, answers[0]"
    text = field_of(answers[0], "text", str, name=name, place=at)
    if not text.strip():
        raise UserError(f"{name}: {at}: field 'text' is blank: {text!r}")
    return field_of(answers[0], "answer_start", int, name=name, place=at), text
