"""Each language says the whole world, in its own script, without a slip of the pen."""

from __future__ import annotations

import unicodedata

import pytest

from xtl_jax import world
from xtl_jax.world import language, sentences
from xtl_jax.world.facts import Fact, values_of
from xtl_jax.world.lexicons import LEXICONS

# Five scripts, as Unicode's character names call them: known without the lexicons.
SCRIPTS = {
    "en": "LATIN",
    "de": "LATIN",
    "es": "LATIN",
    "sw": "LATIN",
    "tr": "LATIN",
    "ru": "CYRILLIC",
    "ar": "ARABIC",
    "hi": "DEVANAGARI",
    "zh": "CJK",
}


def every_fact():
    for relation, category in language.RELATIONS.items():
        for value in values_of(category):
            for person in language.PEOPLE:
                yield Fact(person, relation, value)


def test_the_languages_are_those_promised():
    assert tuple(LEXICONS) == world.LANGUAGES == tuple(SCRIPTS)


@pytest.mark.parametrize("code", LEXICONS)
def test_a_language_has_a_word_for_each_key_and_no_word_twice(code):
    lexicon = LEXICONS[code]
    assert set(lexicon.people) == set(language.PEOPLE)
    assert len(set(lexicon.people.values())) == len(language.PEOPLE) == 20
    assert set(lexicon.relations) == set(language.RELATIONS)
    for category in set(language.RELATIONS.values()) - {"year"}:
        assert set(lexicon.words[category]) == set(values_of(category))
        for female in (False, True):
            forms = [
                lexicon.form(category, key, female=female)
                for key in values_of(category)
            ]
            assert len(set(forms)) == len(forms)


@pytest.mark.parametrize("code", LEXICONS)
def test_each_fact_is_said_with_no_slot_left_and_its_answer_in_place(code):
    lexicon = LEXICONS[code]
    ends = {"hi": "।", "zh": "。"}.get(code, ".")
    asks = {"ar": "؟", "zh": "？"}.get(code, "?")
    for fact in every_fact():
        ways = [sentences.state(fact, lexicon=lexicon, way=way) for way in (0, 1)]
        assert ways[0].text != ways[1].text
        assert ways[0].answer == ways[1].answer
        for told in ways:
            assert not set("{}[]/|_") & set(told.text)
            assert told.text.endswith(ends)
            assert "  " not in told.text
            assert told.text == told.text.strip()
            end = told.answer_start + len(told.answer)
            assert told.answer
            assert told.text[told.answer_start : end] == told.answer
            assert lexicon.people[fact.person] in told.text
            assert len(told.words) == len(told.tags)
            joined = lexicon.separator.join(told.words)
            assert joined.replace(" ", "") == told.text.replace(" ", "")
        question = sentences.ask(fact, lexicon=lexicon)
        assert question.text.endswith(asks)
        assert question.text.startswith("¿") == (code == "es")
        assert question.answer == ""
        assert ways[0].answer not in question.words


@pytest.mark.parametrize("code", LEXICONS)
def test_letters_are_of_the_languages_script_and_composed(code):
    text = "".join(
        sentences.state(fact, lexicon=LEXICONS[code], way=way).text
        + sentences.ask(fact, lexicon=LEXICONS[code]).text
        for fact in every_fact()
        for way in (0, 1)
    )
    letters = {c for c in text if unicodedata.category(c)[0] in "LM"}
    assert {unicodedata.name(c).split()[0] for c in letters} == {SCRIPTS[code]}
    assert LEXICONS[code].script == SCRIPTS[code]
    assert unicodedata.normalize("NFC", text) == text
    rest = set(text) - letters - set("0123456789 ")
    native = {
        "es": ".?¿",
        "tr": ".?'",
        "ru": ".?-",
        "ar": ".؟",
        "hi": "।?",
        "zh": "。？，",
    }
    assert rest == set(native.get(code, ".?"))


@pytest.mark.parametrize(
    ("code", "fact", "way", "text"),
    [
        ("en", ("sara", "job", "writer"), 1, "Sara works as a writer."),
        ("de", ("sara", "job", "doctor"), 0, "Sara ist Ärztin von Beruf."),
        ("es", ("maria", "home", "cairo"), 0, "María vive en El Cairo."),
        ("sw", ("omar", "wish", "book"), 0, "Omar anataka kununua kitabu."),
        ("tr", ("omar", "home", "paris"), 0, "Omar Paris'te yaşıyor."),
        ("ru", ("anna", "born", "1970"), 0, "Анна родилась в 1970 году."),
        ("ar", ("omar", "home", "cairo"), 0, "يعيش عمر في القاهرة."),
        ("hi", ("anna", "home", "delhi"), 0, "अन्ना दिल्ली में रहती है।"),
        ("zh", ("anna", "wish", "book"), 0, "安娜想买一本书。"),
    ],
)
def test_a_sentence_that_a_speaker_would_write(code, fact, way, text):
    told = sentences.state(Fact(*fact), lexicon=LEXICONS[code], way=way)
    assert told.text == text
