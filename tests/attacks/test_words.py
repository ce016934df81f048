"""Words and clusters in every script, and edits between them."""

from __future__ import annotations

import random

import pytest

from xtl_jax.attacks import catalog, characters, texts, words
from xtl_jax.attacks.attack import Edit
from xtl_jax.data.rows import ChoiceRow, QuestionRow, TaggedRow, TextRow
from xtl_jax.errors import UserError


def cut(text, language):
    return [text[start:end] for start, end in words.words(text, language)]


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("en", "It's Ada's, isn't it?", ["It's", "Ada's", "isn't", "it"]),
        ("hi", "हिन्दी में है।", ["हिन्दी", "में", "है"]),
        ("ar", "كِتَابٌ جديد؟", ["كِتَابٌ", "جديد"]),
        ("fa", "می‌گیرد", ["می‌گیرد"]),
        ("zh", "德国2850公里", ["德国", "2850", "公里"]),
        ("ja", "ドナウ川は", ["ドナウ", "川", "は"]),
        ("th", "ไทย GDP", ["ไทย", "GDP"]),
        ("my", "မြန်မာ", ["မြန်မာ"]),
    ],
)
def test_words_are_not_torn_at_vowel_signs(language, text, wanted):
    assert cut(text, language) == wanted


def test_words_of_a_text_and_what_is_between_are_the_text():
    text = "แม่น้ำดานูบมีต้นกำเนิด"
    assert "".join(cut(text, "th")) == text


def test_an_edit_moves_the_answers_behind_it_and_no_other():
    row = QuestionRow(
        id="1",
        question="?",
        context="aa bb cc bb",
        answers=("bb", "bb"),
        answer_starts=(3, 9),
    )
    edits = [Edit("context", 0, 0, 2, "x"), Edit("context", 0, 6, 8, "longer")]
    changed = texts.edited(row, edits)
    assert changed.context == "x bb longer bb"
    assert changed.answer_starts == (2, 12)
    inserted = texts.edited(row, [Edit("context", 0, 3, 3, "!")])
    assert (inserted.context, inserted.answer_starts[0]) == ("aa !bb cc bb", 4)


def test_a_wrong_offset_is_a_defect_and_is_caught():
    row = QuestionRow(
        id="1", question="?", context="ab", answers=("b",), answer_starts=(0,)
    )
    with pytest.raises(AssertionError, match="'b' is not at 0"):
        texts.checked(row)


def test_words_of_answers_are_not_touched_even_in_part():
    context = "Almanya'da doğar"
    row = QuestionRow(
        id="1", question="", context=context, answers=("Almanya",), answer_starts=(0,)
    )
    attack = catalog.find("upper_case")
    assert attack.perturb(row, language="tr", seed=0).row.context == "Almanya'da DOĞAR"
    assert [place.start for place in attack.places(row, language="tr")] == [11]


def test_the_relation_of_copa_is_no_question():
    row = ChoiceRow(
        id="1", context="It rained.", question="cause", options=("a", "b"), answer=0
    )
    changed = catalog.find("upper_case").perturb(row, language="en", seed=0).row
    assert (changed.context, changed.question) == ("IT RAINED.", "cause")


def test_a_field_that_cannot_be_attacked_is_refused():
    row = TextRow(id="1", text="a b")
    with pytest.raises(UserError, match=r"'texts' of a TextRow.*near: text"):
        catalog.find("upper_case").perturb(
            row, language="en", seed=0, fields=("texts",)
        )


def test_fields_keep_an_attack_from_the_others():
    row = QuestionRow(
        id="1", question="who is it", context="it is", answers=(), answer_starts=()
    )
    attacked = catalog.find("upper_case").perturb(
        row, language="en", seed=0, fields=("question",)
    )
    assert (attacked.row.question, attacked.row.context) == ("WHO IS IT", "it is")
    assert attacked.changed_fields == ("question",)


@pytest.mark.parametrize("budget", [0, -1, 1.5, float("nan")])
def test_a_budget_out_of_range_is_refused(budget):
    row = TextRow(id="1", text="a b")
    with pytest.raises(UserError, match="above 0 and at most 1"):
        catalog.find("character_noise").perturb(
            row, language="en", seed=0, budget=budget
        )


def test_an_unknown_language_and_a_wrong_kind_are_named():
    attack = catalog.find("tautology")
    row = TextRow(id="1", text="a b")
    assert "language 'qq'" in attack.perturb(row, language="qq", seed=0).not_applied
    assert "TextRow" in attack.perturb(row, language="en", seed=0).not_applied


def test_a_misspelt_attack_suggests_the_near_one():
    with pytest.raises(UserError, match="near: keyboard"):
        catalog.find("keybord")


def test_names_are_unique_and_every_group_has_a_title():
    assert len(set(catalog.names())) == len(catalog.ATTACKS)
    assert {attack.group for attack in catalog.ATTACKS} == set(catalog.GROUPS)


def test_slips_leave_numbers_and_first_letters_of_long_words():
    rng = random.Random(0)
    for slip in (characters.swap, characters.delete, characters.noise):
        assert slip("2850km", around="km", language="en", rng=rng) is None
        for _ in range(30):
            assert slip("Danube", around="river", language="en", rng=rng)[0] == "D"


def test_a_deletion_never_empties_a_word_and_swaps_exchange_two_clusters():
    rng = random.Random(0)
    assert characters.delete("हि", around="", language="hi", rng=rng) is None
    swapped = {
        characters.swap("abc", around="", language="en", rng=rng) for _ in "xxxxx"
    }
    assert swapped <= {"bac", "acb"}


def test_inserted_letters_are_of_the_word_s_script():
    rng = random.Random(0)
    around = "Дунай Danube 2850"
    for _ in range(40):
        new = characters.insert("река", around=around, language="ru", rng=rng)
        assert new is None or all("а" <= letter <= "я" for letter in new)


def test_candidates_at_a_word_change_it_alone():
    row = TaggedRow(id="1", tokens=("Ada", "lived", "here"), tags=("B-PER", "O", "O"))
    attack = catalog.find("character_noise")
    place = attack.places(row, language="en")[1]
    found = attack.candidates_at(row, place, language="en", seed=0, k=5)
    assert len({each.row for each in found}) == 5
    for each in found:
        assert each.row.tokens[::2] == ("Ada", "here")
        assert each.row.tokens[1] != "lived"
