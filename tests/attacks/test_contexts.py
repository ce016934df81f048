"""Distractors, shuffled sentences, other languages, pairs."""

from __future__ import annotations

import dataclasses

import pytest

from tests.attacks import real_rows
from xtl_jax.attacks import catalog, examples, sentences
from xtl_jax.attacks.attack import Resources
from xtl_jax.attacks.lexicon import Lexicon
from xtl_jax.data.rows import PairRow, QuestionRow, TaggedRow
from xtl_jax.errors import UserError


def test_sentences_cover_the_text_and_end_where_they_should():
    text = 'Mr. X came on 3. Mai to the U.S. in 1990. He left! "Why?" Nobody asked.'
    parts = sentences.parts(text, "en")
    assert "".join(parts) == text
    assert [part.strip() for part in parts] == [
        "Mr. X came on 3. Mai to the U.S. in 1990.",
        "He left!",
        '"Why?"',
        "Nobody asked.",
    ]
    assert sentences.parts("发源。它长。", "zh") == ["发源。", "它长。"]
    assert sentences.parts("वह है। यह है।", "hi") == ["वह है। ", "यह है।"]


def test_a_distractor_is_a_sentence_of_another_context_without_the_answer(shared):
    rows = real_rows.questions(shared / "data", "de")
    pool = sentences.pool(rows, language="de")
    attack = catalog.find("distractor")
    for row in rows[:200:7]:
        attacked = attack.perturb(
            row, language="de", seed=1, resources=Resources(sentences=pool)
        )
        (edit,) = attacked.edits
        added = edit.text.strip()
        assert added not in row.context
        assert row.answers[0].casefold() not in added.casefold()
        assert any(added in other.context for other in rows)
        assert len(attacked.row.context) == len(row.context) + len(edit.text)


def test_distractors_share_words_with_the_question():
    row = QuestionRow(
        id="q", question="Does Ann live?", context="x", answers=(), answer_starts=()
    )
    far, near = "Cats are quite soft animals.", "Ann and Bob live in Rome."
    others = [
        dataclasses.replace(row, id=str(number), context=text)
        for number, text in enumerate((far, near))
    ]
    pool = sentences.pool(others, language="en")

    def found(*, not_of="q", without=()):
        return pool.near(row.question, not_of=not_of, without=without, most=2)

    assert found() == [near, far]
    assert found(not_of="1") == [far]
    assert found(without=("ROME",)) == [far]


def test_sentences_of_another_language_are_not_taken_for_one_s_own():
    row = examples.question("ru")
    attack = catalog.find("distractor")
    resources = examples.resources("en")
    attacked = attack.perturb(row, language="ru", seed=0, resources=resources)
    assert "of 'en', not of 'ru'" in attacked.not_applied


def test_a_foreign_distractor_has_neither_answer(shared):
    folder = shared / "data"
    ours, theirs = (real_rows.questions(folder, each) for each in ("en", "ru"))
    resources = Resources(
        foreign_sentences={"ru": sentences.pool(theirs, language="ru")},
        parallel={"ru": {row.id: row for row in theirs}},
    )
    attack = catalog.find("distractor_foreign")
    for row in ours[:100:9]:
        attacked = attack.perturb(row, language="en", seed=0, resources=resources)
        twin = resources.parallel["ru"][row.id]
        (edit,) = attacked.edits
        assert twin.answers[0].casefold() not in edit.text.casefold()
        assert edit.text.strip() not in twin.context


def test_shuffled_sentences_are_the_same_sentences(shared):
    attack = catalog.find("sentences_shuffled")
    for row in real_rows.questions(shared / "data", "el")[:120:5]:
        attacked = attack.perturb(row, language="el", seed=0)
        if not attacked.not_applied:
            assert sorted(attacked.row.context) == sorted(row.context)
            assert attacked.row.context != row.context


def test_an_answer_over_two_sentences_keeps_them_together():
    context = "One a. Two b. Three c."
    row = QuestionRow(
        id="1", question="", context=context, answers=("a. Two",), answer_starts=(4,)
    )
    attacked = catalog.find("sentences_shuffled").perturb(row, language="en", seed=0)
    assert attacked.row.context == "Three c. One a. Two b."
    assert attacked.row.answer_starts == (13,)


def test_one_sentence_cannot_be_shuffled():
    row = QuestionRow(id="1", question="", context="One.", answers=(), answer_starts=())
    attacked = catalog.find("sentences_shuffled").perturb(row, language="en", seed=0)
    assert "fewer than two sentences" in attacked.not_applied
    assert attacked.row is row


def test_a_translated_question_is_the_other_set_s(shared):
    ours, theirs = (real_rows.questions(shared / "data", each) for each in ("en", "th"))
    resources = Resources(parallel={"th": {row.id: row for row in theirs}})
    attacked = catalog.find("question_translated").perturb(
        ours[0], language="en", seed=0, resources=resources
    )
    assert attacked.row.question == theirs[0].question
    assert attacked.row.context == ours[0].context


def test_a_translation_with_another_label_is_not_used():
    row = PairRow(id="1", first="a", second="b", label="paraphrase")
    twin = dataclasses.replace(row, second="c", label="different_meaning")
    attacked = catalog.find("question_translated").perturb(
        row, language="en", seed=0, resources=Resources(parallel={"de": {"1": twin}})
    )
    assert "'different_meaning'" in attacked.not_applied


@pytest.mark.parametrize(
    "name", [attack.name for attack in catalog.ATTACKS if attack.needs]
)
def test_a_missing_resource_is_an_error_and_not_a_clean_row(name):
    with pytest.raises(UserError, match=f"attack '{name}' needs"):
        catalog.find(name).perturb(examples.question("en"), language="en", seed=0)


def test_code_mixing_carries_case_and_keeps_tokens_one():
    lexicon = Lexicon("en", "de", {"cat": ("Katze",), "new": ("ganz neu",)})
    resources = Resources(lexicons={"de": lexicon})
    row = TaggedRow(id="1", tokens=("CAT", "new", "x"), tags=("O", "O", "O"))
    attack = catalog.find("code_mixed")
    attacked = attack.perturb(
        row, language="en", seed=0, budget=1.0, resources=resources
    )
    assert attacked.row.tokens == ("KATZE", "new", "x")
    place = attack.places(row, language="en", resources=resources)[0]
    (found,) = attack.candidates_at(
        row, place, language="en", seed=0, k=3, resources=resources
    )
    assert found.row.tokens[0] == "KATZE"
    other = attack.perturb(row, language="fr", seed=0, resources=resources)
    assert other.not_applied == "no lexicon from 'fr'; given: en to de"


def test_longest_entries_are_found_in_a_text_without_spaces():
    lexicon = Lexicon("zh", "en", {"中国": ("China",), "中国人": ("Chinese",)})
    row = dataclasses.replace(
        examples.question("zh"), context="中国人在中国。", answers=(), answer_starts=()
    )
    attacked = catalog.find("code_mixed").perturb(
        row,
        language="zh",
        seed=0,
        budget=1.0,
        resources=Resources(lexicons={"en": lexicon}),
    )
    assert attacked.row.context == "Chinese在China。"


def test_pairs_change_places_where_the_relation_is_symmetric():
    row = PairRow(id="1", first="a", second="b", label="paraphrase")
    attack = catalog.find("pair_swapped")
    swapped = attack.perturb(row, language="en", seed=0).row
    assert (swapped.first, swapped.second, swapped.label) == ("b", "a", "paraphrase")
    row = dataclasses.replace(row, label="entailment")
    assert "one direction" in attack.perturb(row, language="en", seed=0).not_applied


def test_tautologies_end_before_the_last_mark():
    attack = catalog.find("tautology")
    for language in examples.LANGUAGES:
        row = examples.pair(language)
        changed = attack.perturb(row, language=language, seed=0, budget=2).row
        assert changed.first == row.first
        assert changed.second[-1] == row.second[-1] or language == "th"
        assert changed.second.startswith(row.second.rstrip(".。।"))


def test_shuffled_words_are_the_same_words():
    row = PairRow(id="1", first="a", second="one two three.", label="paraphrase")
    attacked = catalog.find("words_shuffled").perturb(row, language="en", seed=0)
    assert sorted(attacked.row.second) == sorted(row.second)
    assert attacked.row.second.endswith(".")
    assert not catalog.find("words_shuffled").keeps_label
