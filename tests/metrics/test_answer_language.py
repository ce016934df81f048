"""Answers in another language: scripts first, identification on what remains."""

from __future__ import annotations

import pytest

from xtl_jax.attacks import examples
from xtl_jax.metrics import answer_language
from xtl_jax.metrics.answer_language import Answer


@pytest.mark.parametrize("language", examples.LANGUAGES)
def test_an_answer_in_the_context_s_own_words_is_never_confused(language):
    row = examples.question(language)
    rows = [Answer(prediction=row.answers[0], context=row.context)]
    found = answer_language.shares(rows, language=language)
    assert found["wrong_script"] == 0.0


@pytest.mark.parametrize("language", ["ru", "ar", "hi", "th", "zh", "el", "ko", "ja"])
def test_english_words_in_another_script_are(language):
    row = examples.question(language)
    rows = [Answer(prediction="Germany", context=row.context)]
    assert answer_language.shares(rows, language=language)["wrong_script"] == 100.0


def test_latin_names_of_the_context_or_the_references_are_let_pass():
    rows = [
        Answer(prediction="NASA", context="Это сделало NASA."),
        Answer(prediction="NASA", context="Это сделали там.", references=("ESA",)),
        Answer(prediction="1984", context="В том году."),
        Answer(prediction="", context="В том году."),
    ]
    assert answer_language.shares(rows, language="ru")["wrong_script"] == 0.0


def test_an_identifier_is_asked_about_the_rest_only():
    asked = []

    def identify(text):
        asked.append(text)
        return {"Deutschland": "de", "Germany": "en"}.get(text)

    rows = [
        Answer(prediction=text) for text in ("Deutschland", "Germany", "x", "Дунай")
    ]
    found = answer_language.shares(rows, language="de", identify=identify)
    assert found == {
        "wrong_script": 25.0,
        "wrong_language": 25.0,
        "not_identified": 25.0,
    }
    assert asked == ["Deutschland", "Germany", "x"]


def test_without_answers_or_facts_there_is_no_share():
    nothing = dict.fromkeys(("wrong_script", "wrong_language", "not_identified"))
    assert answer_language.shares([], language="de") == nothing
    rows = [Answer(prediction="x")]
    assert answer_language.shares(rows, language="qq") == nothing
