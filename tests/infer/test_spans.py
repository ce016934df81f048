"""One answer from the logits of windows, as the official scripts choose it."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

from xtl_jax.errors import UserError
from xtl_jax.infer.spans import Rules, Window, best_answer, widest_here

# Random logits of contexts cut into windows, with the answers and probabilities that
# compute_predictions_logits of transformers 4.57.6 gives: without and with "no answer",
# thresholds, few positions, short limits, equal logits, words that occur twice.
REFERENCE = pathlib.Path(__file__).with_name("spans_reference.jsonl")
CASES = [json.loads(line) for line in REFERENCE.read_text("utf-8").splitlines()]


def _characters(words):
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    return np.stack([ends - [len(word) for word in words], ends], axis=1)


def _windows(case):
    spans = _characters(case["doc"])
    return [
        Window(
            start=np.array(each["start"]),
            end=np.array(each["end"]),
            first=each["first"],
            spans=spans[each["offset"] : each["offset"] + each["count"]],
            offset=each["offset"],
        )
        for each in case["windows"]
    ]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_answers_and_probabilities_are_the_references(case):
    found = best_answer(
        _windows(case),
        context=" ".join(case["doc"]),
        rules=Rules(
            n_best=case["n_best"],
            longest=case["longest"],
            null_threshold=case["threshold"],
        ),
    )
    assert found.text == case["answer"]
    assert np.exp(found.log_probability) == pytest.approx(case["probs"][found.text])
    if case["threshold"] is None:
        assert found.no_answer is None
    else:
        assert found.no_answer is not None
        assert np.exp(found.no_answer) == pytest.approx(case["probs"][""])


def test_the_reference_has_all_sorts_of_cases():
    answers = {case["answer"] for case in CASES}
    assert {"", "empty"} < answers
    assert any(len(case["windows"]) > 2 for case in CASES)


def _window(start, end, *, words=("a", "b", "c"), first=1, offset=0):
    return Window(np.array(start), np.array(end), first, _characters(words), offset)


def test_an_answer_is_not_longer_than_allowed():
    window = _window([0.0, 9.0, 0.0, 1.0], [0.0, 0.0, 0.0, 9.0])
    assert best_answer([window], context="a b c").text == "a b c"
    assert best_answer([window], context="a b c", rules=Rules(longest=2)).text == "c"


def test_a_question_is_no_answer():
    """Positions before the context are never in an answer, however likely."""
    window = _window(
        [0.0, 0.0, 9.0, 9.0, 1.0, 0.0, 1.0, 9.0],
        [0.0, 0.0, 9.0, 9.0, 0.0, 2.0, 1.0, 9.0],
        first=4,
    )
    assert best_answer([window], context="a b c").text == "a b"


def test_a_token_of_an_overlap_counts_where_it_stands_in_the_middle():
    parts = [
        _window([0.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 5.0], words="abc"),
        _window([0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 3.0, 0.0], words="abc", offset=1),
    ]
    parts[1] = parts[1]._replace(spans=_characters("abcd")[1:])
    # The first window is sure of c, but c has its widest surroundings in the second.
    assert [each.tolist() for each in widest_here(parts)] == [
        [True, True, False],
        [False, True, True],
    ]
    assert best_answer(parts, context="a b c d").text == "c"
    parts[1].start[2] = -3.0
    assert best_answer(parts, context="a b c d").text != "c"


def test_no_answer_needs_every_window_to_doubt():
    sure = _window([9.0, 1.0, 0.0, 0.0], [9.0, 1.0, 0.0, 0.0])
    doubt = _window([2.0, 0.0, 0.0, 1.0], [2.0, 0.0, 0.0, 1.0], offset=0)
    rules = Rules(null_threshold=0.0)
    assert best_answer([sure], context="a b c", rules=rules).text == ""
    assert best_answer([sure, doubt], context="a b c", rules=rules).text == ""
    loose = Rules(null_threshold=2.5)  # no answer is 4, the best span 2
    assert best_answer([sure, doubt], context="a b c", rules=loose).text == "a"
    assert best_answer([sure], context="a b c", rules=loose).text == ""


def test_an_answer_has_no_white_space_at_its_ends():
    spans = np.array([[0, 5], [5, 10]])  # a piece may begin with its space
    window = Window(np.array([0.0, 0.0, 4.0]), np.array([0.0, 0.0, 4.0]), 1, spans)
    assert best_answer([window], context="Augus Byron").text == "Byro"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_logit_that_is_no_number_is_an_error(bad):
    window = _window([0.0, bad, 0.0, 0.0], [0.0] * 4)
    with pytest.raises(UserError, match="not finite"):
        best_answer([window], context="a b c")
    with pytest.raises(UserError, match="window"):
        best_answer([], context="a b c")
