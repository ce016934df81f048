"""From start and end logits of windows to one answer a question.

A context that is too long for one input is cut into overlapping *windows*. A model says
of each token of each window how well an answer begins there and ends there; a *span* is
scored by the sum of both. The best span of all windows is the answer:

    >>> window = Window(
    ...     start=np.array([0.0, -9.0, 1.0, 5.0]),
    ...     end=np.array([0.0, -9.0, 2.0, 4.0]),
    ...     first=2,
    ...     spans=np.array([[0, 3], [4, 9]]),
    ... )
    >>> best_answer([window], context="Ada Byron").text
    'Byron'

Position 0, the token `<s>`, stands for "no answer in this window". Where questions may
have none (SQuAD v2.0), it is the answer if its score in the window that doubts it most
exceeds the best span's by more than a threshold.

The rules are the official ones of BERT's and XLM-R's scripts, quirks included:

- Only the `n_best` positions with the highest start and end logits of each window are
  paired; a span is in the context, not reversed, and of `longest` tokens at most.
- A span must begin with a token that has its *widest surroundings* in this window:
  that is, of all windows the token is in, the one where it stands farthest from an edge
  of the context part. So a token in an overlap counts once.
- Of spans with one text the best counts. If there is none at all, the answer is the
  text "empty" with score 0.
- Probabilities are those of a softmax over the `n_best` different texts that are left.

What is ours: the text is cut from the context by characters, as the fast tokenizers'
script does. The older one puts it together from words, whose white space it changes.

Reference: compute_predictions_logits in transformers' data/metrics/squad_metrics.py,
_new_check_is_max_context in its data/processors/squad.py, and
postprocess_qa_predictions in its examples/pytorch/question-answering/utils_qa.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xtl_jax.errors import UserError
from xtl_jax.typing import Bool, Float, Int

_NOTHING_FOUND = "empty"  # the official scripts' answer where no span is allowed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """Which spans are considered.

    Attributes:
        n_best: positions of a window that are paired, and texts that are kept.
        longest: tokens of an answer at most.
        null_threshold: how far the score of "no answer" must be above the best span's
            to be the answer; None: every question has an answer.
    """

    n_best: int = 20
    longest: int = 30
    null_threshold: float | None = None


class Window(NamedTuple):
    """A part of a context with a model's logits."""

    start: Float[np.ndarray, " tokens"]  # of all input positions; 0: no answer
    end: Float[np.ndarray, " tokens"]
    first: int  # position of the first context token
    spans: Int[np.ndarray, "context 2"]  # first character of each context token, end
    offset: int = 0  # context tokens before this window's first one


class Answer(NamedTuple):
    """What was found."""

    text: str
    log_probability: float  # nats, among the different texts that were kept
    no_answer: float | None  # the same of "no answer", where that is allowed


class _Candidates(NamedTuple):
    """Spans of some windows, [spans] each."""

    score: np.ndarray
    begin: np.ndarray  # character in the context
    end: np.ndarray


def best_answer(
    windows: Sequence[Window], *, context: str, rules: Rules | None = None
) -> Answer:
    """The answer to one question.

    Args:
        windows: all windows of its context, in order.
        context: that the characters of their spans count in.
        rules: which spans are considered; by default those of SQuAD v1.1.

    Raises:
        UserError: there is no window, or a logit is no number.
    """
    rules = rules or Rules()
    if not windows:
        raise UserError("a question needs at least one window with logits")
    found = [
        _candidates(window, widest=widest, rules=rules)
        for window, widest in zip(windows, widest_here(windows), strict=True)
    ]
    scores = np.concatenate([each.score for each in found])
    begins = np.concatenate([each.begin for each in found])
    ends = np.concatenate([each.end for each in found])
    null = None
    if rules.null_threshold is not None:
        null = min(float(w.start[0]) + float(w.end[0]) for w in windows)
    kept = _different_texts(
        scores, begins=begins, ends=ends, context=context, rules=rules, null=null
    )
    texts, values = list(kept), np.array(list(kept.values()))
    log_probabilities = values - np.logaddexp.reduce(values)
    chosen = next((i for i, text in enumerate(texts) if null is None or text), 0)
    no_answer = None
    if null is not None and rules.null_threshold is not None:
        no_answer = float(log_probabilities[texts.index("")])
        if null - values[chosen] > rules.null_threshold:
            return Answer("", no_answer, no_answer)
    return Answer(texts[chosen], float(log_probabilities[chosen]), no_answer)


def _different_texts(
    scores: np.ndarray,
    *,
    begins: np.ndarray,
    ends: np.ndarray,
    context: str,
    rules: Rules,
    null: float | None,
) -> dict[str, float]:
    """Scores of the best different texts, the best first; "" is "no answer"."""
    if null is not None:
        scores = np.append(scores, null)
    kept: dict[str, float] = {}
    for place in np.argsort(-scores, kind="stable").tolist():
        if len(kept) >= rules.n_best:
            break
        is_null = place == len(begins)
        text = "" if is_null else context[begins[place] : ends[place]].strip()
        if is_null or text:
            kept.setdefault(text, float(scores[place]))
    if null is not None:
        kept.setdefault("", null)
    if not any(kept):
        kept = {_NOTHING_FOUND: 0.0, **kept}
    return kept


def _candidates(
    window: Window, *, widest: Bool[np.ndarray, " context"], rules: Rules
) -> _Candidates:
    """Spans of one window that are allowed, by falling start, then end logit."""
    start, end = (np.asarray(x, np.float64) for x in (window.start, window.end))
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        raise UserError(
            "a start or end logit is not finite, so no answer can be chosen: the "
            "checkpoint is broken, or bfloat16 has overflown; predict in float32"
        )
    starts = np.argsort(-start, kind="stable")[: rules.n_best]
    ends = np.argsort(-end, kind="stable")[: rules.n_best]
    begin, last = (x.reshape(-1) for x in np.meshgrid(starts, ends, indexing="ij"))
    context = len(window.spans)
    inside = (begin >= window.first) & (last < window.first + context)
    allowed = inside & (begin <= last) & (last - begin < rules.longest)
    begin, last = begin[allowed], last[allowed]
    fits = widest[begin - window.first]
    begin, last = begin[fits], last[fits]
    return _Candidates(
        score=start[begin] + end[last],
        begin=window.spans[begin - window.first, 0],
        end=window.spans[last - window.first, 1],
    )


def widest_here(windows: Sequence[Window]) -> list[Bool[np.ndarray, " context"]]:
    """Of each context token of each window: whether it has its widest surroundings.

    They are the tokens to the nearer edge of the window's part of the context, and a
    hundredth of that part's length; of equal windows the first has it.

    Example:
        >>> spans, logits = np.zeros((4, 2), np.int64), np.zeros(5)
        >>> parts = [Window(logits, logits, 1, spans, offset) for offset in (0, 2)]
        >>> [each.tolist() for each in widest_here(parts)]
        [[True, True, True, False], [False, True, True, True]]
    """
    total = max(window.offset + len(window.spans) for window in windows)
    best = np.full(total, -1.0)
    owner = np.full(total, -1)
    for number, window in enumerate(windows):
        length = len(window.spans)
        place = np.arange(length)
        score = np.minimum(place, place[::-1]) + 0.01 * length
        here = slice(window.offset, window.offset + length)
        better = score > best[here]
        best[here] = np.where(better, score, best[here])
        owner[here] = np.where(better, number, owner[here])
    return [
        owner[window.offset : window.offset + len(window.spans)] == number
        for number, window in enumerate(windows)
    ]
