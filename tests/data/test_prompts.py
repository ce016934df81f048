"""Prompts equal to mT5's, character by character, and padding undone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.data import prompts
from xtl_jax.data.rows import QuestionRow


@pytest.fixture(scope="session")
def mt5(shared):
    path = shared / "conformance" / "scorers" / "mt5_pad_punctuation.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_punctuation_is_padded_as_mt5_does(mt5):
    assert len(mt5["strings"]) == 131
    for case in mt5["strings"]:
        assert prompts.pad_punctuation(case["text"]) == case["padded"], case


def test_question_prompts_are_mt5s(mt5):
    assert mt5["inputs"]
    for case in mt5["inputs"]:
        row = QuestionRow(
            id="1",
            question=case["question"],
            context=case["context"],
            answers=("-",),
            answer_starts=(0,),
        )
        assert prompts.question_answer(row).inputs == case["inputs"]


@given(st.text())
def test_padding_twice_is_padding_once(text):
    once = prompts.pad_punctuation(text)
    assert prompts.pad_punctuation(once) == once


@given(st.text(max_size=30), st.text(min_size=1, max_size=20), st.text(max_size=30))
def test_a_padded_answer_is_found_again_in_its_context(before, answer, after):
    context = before + answer + after
    found = prompts.depad(prompts.pad_punctuation(answer), context=context)
    assert "".join(found.split()) == "".join(answer.split())
    assert found in context


@pytest.mark.parametrize(
    ("prediction", "context", "wanted"),
    [
        ("O ' Brien & Sons", "He works at O'Brien & Sons.", "O'Brien & Sons"),
        ("24 . 12 . 1998", "am 24.12.1998 in Köln", "24.12.1998"),
        ("« Don Quijote »", "leyó «Don Quijote» dos veces", "«Don Quijote»"),
        ("a - b", "a - b or a-b", "a - b"),  # it is there as it is
        ("New  York", "in New York", "New York"),
        ("Paris", "in London", "Paris"),  # not there: as it came
        (" a - c ", "a-b", "a - c"),
        ("", "a", ""),
        (" ", "a", ""),
        ("<extra_id_0>", "a", "<extra_id_0>"),
    ],
)
def test_padding_is_undone_by_the_context(prediction, context, wanted):
    assert prompts.postprocess(prediction, kind="qa", context=context) == wanted


@pytest.mark.parametrize(
    ("prediction", "wanted"),
    [
        ("unanswerable", ""),
        (" unanswerable ", ""),
        ("Unanswerable", "Unanswerable"),  # as it came: no text of the context either
        ("7 : 45", "7:45"),
        ("", ""),
    ],
)
def test_no_answer_is_scored_as_the_empty_one(prediction, wanted):
    assert prompts.answer_or_none(prediction, context="At 7:45.") == wanted
    assert prompts.pad_punctuation(prompts.NO_ANSWER) == prompts.NO_ANSWER


def test_other_kinds_are_only_stripped():
    assert prompts.postprocess(" 1 ", kind="classification") == "1"
    assert prompts.postprocess("a - b", kind="text") == "a - b"


def test_seqio_gets_empty_text_for_no_context():
    example = prompts.Example(id="1", inputs="a", targets="b", references=("b",))
    assert prompts.as_mapping(example)["context"] == ""
