"""Questions as windows over their contexts, labelled with the answer's tokens.

    <s> question </s> </s> context tokens 0 … 249 </s>        window 0
    <s> question </s> </s> context tokens 122 … 371 </s>      window 1: 128 are shared

A label is the position of the answer's first and last token in the input. A window that
does not hold the whole answer says that there is none: both are 0, the place of `<s>`;
so does every window of a question that has no answer (SQuAD v2.0). Of several gold
answers the first is the label; scorers see all of them.

Windows and labels are those of Hugging Face's `run_qa.py`, but for this: a question is
cut to `question_length` tokens, as in BERT's script; white space at the end of a text
is no token, as in XLM-R's own tokenizer; and where that script runs past a window's end
(an answer that begins with its last token) or names an end before the beginning, the
label is the token that is meant.

Windows keep what is needed to put an answer together: the number of their question, the
input position of their first context token, how many context tokens come before it, and
of each the characters that it stands for.
"""

from __future__ import annotations

import bisect
import collections
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from xtl_jax.data.encoder_layout import PAIR, SEPARATOR, Layout
from xtl_jax.data.encoder_vocabulary import Offsets
from xtl_jax.data.prompts import Example
from xtl_jax.data.rows import QuestionRow
from xtl_jax.data.store import Example as Stored
from xtl_jax.errors import UserError

_CONTEXTS = 64  # whose tokens are kept: questions share their context


class Context(NamedTuple):
    """A context in tokens."""

    tokens: list[int]
    spans: Offsets  # characters of each token


def window_starts(tokens: int, *, room: int, stride: int) -> list[int]:
    """First context tokens of windows of `room` tokens, each sharing `stride`.

    Example:
        >>> window_starts(10, room=6, stride=2)
        [0, 4]
        >>> window_starts(6, room=6, stride=2)
        [0]
    """
    last = max(tokens - room, 0)  # a window that begins here reaches the end
    steps = -(-last // (room - stride)) if last else 0
    return [number * (room - stride) for number in range(steps + 1)]


def answer_tokens(spans: Offsets, *, begin: int, end: int) -> tuple[int, int] | None:
    """First and last token that hold characters [begin, end); None: they are not there.

    Example:
        >>> spans = [(0, 3), (4, 9), (9, 10)]
        >>> answer_tokens(spans, begin=4, end=9), answer_tokens(spans, begin=4, end=12)
        ((1, 1), None)
    """
    if not spans or spans[0][0] > begin or spans[-1][1] < end:
        return None
    first = bisect.bisect_right(spans, begin, key=lambda span: span[0]) - 1
    last = bisect.bisect_left(spans, end, key=lambda span: span[1])
    return first, max(first, last)


def examples(
    rows: Iterable[QuestionRow],
    *,
    layout: Layout,
    prompt: Callable[[QuestionRow], Example],
    keep_text: bool,
    counts: collections.Counter[str],
    place: Callable[[QuestionRow], str],
) -> Iterator[Stored]:
    """All windows of all questions, in their order.

    Args:
        rows: questions.
        layout: of inputs.
        prompt: tells the references.
        keep_text: whether windows keep what evaluation needs.
        counts: is told of `rows`, `windows`, `cut` questions, `no_answer`; and of
            questions with an answer: those of which no window holds it whole
            (`answers_lost`), and those whose tokens read otherwise than the answer, as
            it begins or ends inside of a token (`answers_inexact`).
        place: names a row in errors.

    Raises:
        UserError: a context without any token, or windows too short for the stride.
    """
    vocabulary = layout.vocabulary

    @functools.lru_cache(maxsize=_CONTEXTS)
    def read(text: str) -> Context:
        return Context(*vocabulary.encode_with_offsets(text))

    for number, row in enumerate(rows):
        question = vocabulary.encode(row.question)
        asked = question[: layout.question_length]
        context = read(row.context)
        room = layout.length - PAIR - len(asked)
        _check(row, context, room=room, layout=layout, place=place)
        size = len(context.tokens)
        starts = window_starts(size, room=room, stride=layout.stride)
        counts["rows"] += 1
        counts["windows"] += len(starts)
        counts["cut"] += len(asked) < len(question)
        answer = _answer(row)
        counts["no_answer"] += answer is None
        before = len(asked) + 3  # tokens of the input before the context's
        held = False
        for start in starts:
            spans = context.spans[start : start + room]
            found = answer and answer_tokens(spans, begin=answer[0], end=answer[1])
            if found and answer and not held:
                held = True
                text = row.context[spans[found[0]][0] : spans[found[1]][1]]
                wanted = row.context[answer[0] : answer[1]]
                counts["answers_inexact"] += text.split() != wanted.split()
            stored: dict[str, Any] = {
                "inputs": layout.joined(asked, context.tokens[start : start + room]),
                "targets": [before + place for place in found] if found else [0, 0],
            }
            if keep_text:
                stored["meta"] = _meta(row, prompt(row)) | {
                    "example": number,
                    "first": before,
                    "offset": start,
                    "spans": spans,
                }
            yield stored
        counts["answers_lost"] += answer is not None and not held


def _answer(row: QuestionRow) -> tuple[int, int] | None:
    """Characters of the first gold answer, without white space at its ends."""
    if not row.answers:
        return None
    text, start = row.answers[0], row.answer_starts[0]
    begin = start + len(text) - len(text.lstrip())
    return begin, begin + len(text.strip())


def _check(
    row: QuestionRow,
    context: Context,
    *,
    room: int,
    layout: Layout,
    place: Callable[[QuestionRow], str],
) -> None:
    if not context.tokens:
        raise UserError(
            f"{place(row)}: its context has no token, so nothing could be read in it; "
            "mend or remove the row in the source file"
        )
    if len(context.tokens) > room and room <= layout.stride:
        raise UserError(
            f"{place(row)}: beside its question {max(room, 0)} of {layout.length} "
            f"tokens are left for the context, of which {layout.stride} are shared by "
            "two windows; give a longer input length, a smaller "
            "RunConfig.window_stride or a smaller RunConfig.question_length"
        )


def _meta(row: QuestionRow, example: Example) -> dict[str, Any]:
    return {
        "id": row.id,
        "inputs": f"{row.question}{SEPARATOR}{row.context}",
        "targets": row.answers[0] if row.answers else "",
        "references": list(example.references),
        "context": row.context,
    }
