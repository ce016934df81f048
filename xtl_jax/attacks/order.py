"""Contexts with their sentences in another order, or with the question repeated.

A sentence that a gold answer stands in, or the stretch of sentences that one reaches
over, moves as a whole.
"""

from __future__ import annotations

import dataclasses
import random

from xtl_jax.attacks import sentences, texts
from xtl_jax.attacks.attack import Attack, Attacked, Budget, Edit, Resources
from xtl_jax.attacks.by_row import ByRow
from xtl_jax.data.rows import QuestionRow, Row


def shuffle(
    row: Row,
    *,
    language: str,
    rng: random.Random,
    budget: float,
    resources: Resources,
) -> Attacked:
    """A share of the sentences change places with each other."""
    assert isinstance(row, QuestionRow)
    spans = _whole(sentences.spans(row.context, language), texts.fixed(row))
    chosen = rng.sample(range(len(spans)), int(budget * len(spans)))
    if len(chosen) < 2:
        why = "it has fewer than two sentences that could change places"
        return Attacked(row=row, not_applied=why)
    order = list(range(len(spans)))
    # A cycle over the chosen ones: each of them leaves its place.
    for place, comes in zip(chosen, chosen[1:] + chosen[:1], strict=True):
        order[place] = comes
    return _reordered(row, spans, order)


def _reordered(
    row: QuestionRow, spans: list[tuple[int, int]], order: list[int]
) -> Attacked:
    """The row with its sentences in another order; the gaps between them stay."""
    bodies = [_body(row, span) for span in spans]
    pieces: list[str] = []
    edits, starts, length = [], {}, 0
    for place, which in enumerate(order):
        body, gap = bodies[which], row.context[bodies[place][1] : spans[place][1]]
        text = row.context[slice(*body)]
        starts[which] = length
        pieces += [text, gap]
        length += len(text) + len(gap)
        if place != which:
            edits.append(Edit("context", 0, *bodies[place], text=text))
    moved = dataclasses.replace(
        row,
        context="".join(pieces),
        answer_starts=tuple(
            begin - start + starts[which]
            for begin in row.answer_starts
            for which, (start, end) in enumerate(spans)
            if start <= begin < end
        ),
    )
    return Attacked(row=texts.checked(moved), edits=tuple(edits))


def _body(row: QuestionRow, span: tuple[int, int]) -> tuple[int, int]:
    """A sentence's span without the white space after it, unless an answer has it."""
    start, end = span
    body = start + len(row.context[start:end].rstrip())
    answers = [last for first, last in texts.fixed(row) if start <= first < end]
    return start, max([body, *answers])


def _whole(
    spans: list[tuple[int, int]], fixed: tuple[tuple[int, int], ...]
) -> list[tuple[int, int]]:
    """Spans of which no answer reaches over the end: those are put together."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        if found and any(first < start < last for first, last in fixed):
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def repeat_question(
    row: Row,
    *,
    language: str,
    rng: random.Random,
    budget: float,
    resources: Resources,
) -> Attacked:
    """The question before the context, or after it, as the seed decides."""
    assert isinstance(row, QuestionRow)
    end = len(row.context)
    edits = []
    copies = [rng.random() < 0.5 for _ in range(int(budget))]
    if before := sum(copies):
        text = _times(row.question, before, language)
        gap = sentences.joined("x", "y", language)[1:-1]
        edits.append(Edit("context", 0, 0, 0, text + gap))
    if after := len(copies) - before:
        text = _times(row.question, after, language)
        new = sentences.joined(row.context, text, language)[end:]
        edits.append(Edit("context", 0, end, end, new))
    return texts.changed(row, edits, otherwise="its question is empty")


def _times(text: str, count: int, language: str) -> str:
    found = ""
    for _ in range(count):
        found = sentences.joined(found, text, language)
    return found


def _no_ends(language: str) -> str:
    if language in sentences.WITHOUT_ENDS:
        return f"{language!r} marks no ends of sentences"
    return ""


ATTACKS = (
    Attack(
        name="sentences_shuffled",
        group="context",
        summary="sentences of the context change places, answers with their sentence",
        source="Sugawara et al. 2020, sentence shuffling",
        budget=Budget(
            means="the share of sentences that change places, rounded down",
            default=1.0,
            largest=1.0,
        ),
        method=ByRow(shuffle),
        kinds=(QuestionRow,),
        refuses=_no_ends,
    ),
    Attack(
        name="question_repeated",
        group="context",
        summary="the question itself before or after the context",
        source="a distractor with every word of the question, after Jia and Liang 2017",
        budget=Budget(means="the number of copies", default=1, largest=10, whole=True),
        method=ByRow(repeat_question),
        kinds=(QuestionRow,),
    ),
)
