"""Layouts, look-alikes and spellings against what is known of the scripts."""

from __future__ import annotations

import itertools
import random
import unicodedata

import pytest

from xtl_jax.attacks import (
    catalog,
    confusions,
    digits,
    hangul,
    keyboard,
    layouts,
    orthography,
)
from xtl_jax.data.rows import TextRow
from xtl_jax.metrics import languages


def attack(name, text, language, **settings):
    row = TextRow(id="1", text=text)
    return catalog.find(name).perturb(row, language=language, seed=0, **settings)


@pytest.mark.parametrize(
    ("layout", "key", "near", "far"),
    [
        ("qwerty", "s", "awedzx", "pq"),
        ("qwertz_de", "z", "tuh", "x"),
        ("azerty", "q", "azsw", "e"),
        ("qwerty_tr", "ı", "uo", "i"),
        ("йцукен", "ы", "фцв", "и"),
        ("arabic_101", "ب", "يل", "ض"),
        ("inscript_devanagari", "क", "रत", "म"),
        ("inscript_bengali", "ক", "রত", "ম"),
        ("thai_kedmanee", "ก", "หด", "น"),
        ("hangul_2set", "ㅎ", "ㄹㅗ", "ㅂ"),
        ("greek", "α", "σζ", "ω"),
        ("hebrew", "ש", "דז", "ל"),
        ("kana_flick", "か", "きくけこ", "さ"),
    ],
)
def test_keys_lie_beside_those_that_they_lie_beside(layout, key, near, far):
    assert set(near) <= set(layouts.NEIGHBOURS[layout][key])
    assert not set(far) & set(layouts.NEIGHBOURS[layout][key])


def test_neighbours_are_mutual_and_assigned():
    for layout, table in layouts.NEIGHBOURS.items():
        for key, others in table.items():
            assert all(key in table[other] for other in others), (layout, key)
            assert all(unicodedata.name(other, "") for other in others)


def test_every_layout_of_a_language_has_its_letters():
    assert set(layouts.OF_LANGUAGE.values()) <= set(layouts.NEIGHBOURS)
    assert set(layouts.OF_LANGUAGE) <= set(languages.LANGUAGES)


def test_a_vowel_sign_gives_way_to_a_vowel_sign_alone():
    rng = random.Random(0)
    for _ in range(200):
        new = keyboard.neighbour("नदी", around="", language="hi", rng=rng)
        kinds = [unicodedata.category(letter)[0] for letter in new]
        assert kinds == ["L", "L", "M"]


def test_thai_tone_marks_give_way_to_tone_marks():
    rng = random.Random(0)
    for _ in range(200):
        new = keyboard.neighbour("น้ำ", around="", language="th", rng=rng)
        assert unicodedata.combining(new[1]) == 107
        assert new[2] == "\u0e33"


def test_hangul_is_taken_apart_as_unicode_does():
    conjoining = {"ㅎ": "\u1112", "ㅏ": "\u1161", "ㄴ": "\u11ab"}
    apart = hangul.take_apart("한")
    assert "".join(conjoining[each] for each in apart) == unicodedata.normalize(
        "NFD", "한"
    )
    for code in range(hangul.FIRST, hangul.LAST + 1, 97):
        assert hangul.put_together(hangul.take_apart(chr(code))) == chr(code)
    assert hangul.take_apart("a") is None


def test_chinese_has_no_keys_and_says_so():
    assert "by sound" in attack("keyboard", "德国", "zh").not_applied
    assert "no keyboard layout" in attack("keyboard", "ክፍል", "am").not_applied


def test_homoglyphs_are_other_letters_and_misread_ones_of_the_same_script():
    for letter, others in confusions._homoglyphs().items():
        assert letter not in others
    for script, sets in confusions._MISREAD_SETS.items():
        for group in sets:
            assert len(set(group)) == len(group) > 1, (script, group)


def test_kangxi_radicals_fold_back_to_their_characters():
    table = confusions._homoglyphs()
    radicals = [
        each for each in table["一"] if unicodedata.normalize("NFKC", each) == "一"
    ]
    assert radicals == ["⼀"]


def test_arabic_is_not_misread_as_persian():
    persian = set("پچڈژڑگک")
    table = confusions._misread("Arabic", "ar")
    assert not persian & set(itertools.chain(*table.values()))


@pytest.mark.parametrize(
    ("name", "language", "text", "wanted"),
    [
        ("diacritics", "de", "Größe", "Groesse"),
        ("diacritics", "vi", "Việt", "Viet"),
        ("diacritics", "es", "año", "ano"),
        ("diacritics", "pl", "łódź", "lodz"),
        ("diacritics", "tr", "ışığı", "isigi"),
        ("diacritics", "ro", "știință", "stiinta"),
        ("diacritics", "el", "Πού", "Που"),
        ("diacritics", "ru", "чёрный", "черный"),
        ("diacritics", "hi", "ज़मीन", "जमीन"),
        ("diacritics", "hi", "\u095bमीन", "जमीन"),
        ("diacritics", "hi", "लड़काँ", "लड़कां"),
        ("input_method_off", "ru", "Привет", "Ghbdtn"),
        ("input_method_off", "uk", "привіт", "ghbdsn"),
        ("input_method_off", "ko", "안녕", "dkssud"),
        ("input_method_off", "ko", "꽃", "Rhc"),
        ("input_method_off", "ko", "없다", "djqtek"),
        ("input_method_off", "he", "שלום", "akuo"),
        ("input_method_off", "ar", "مرحبا", "lvpfh"),
        ("input_method_off", "el", "καλημέρα", "kalhm;era"),
        ("input_method_off", "vi", "được", "dduwowcj"),
        ("input_method_off", "vi", "tiếng", "tieengs"),
        ("tashkeel", "ar", "مُحَمَّد", "محمد"),
        ("tashkeel", "he", "שָׁלוֹם", "שלום"),
        ("arabic_letters", "ar", "إلى", "الي"),
        ("upper_case", "tr", "istanbul", "İSTANBUL"),
        ("upper_case", "de", "straße", "STRASSE"),
        ("upper_case", "el", "Δούναβης", "ΔΟΥΝΑΒΗΣ"),
        ("lower_case", "tr", "IŞIK", "ışık"),
        ("native_digits", "ar", "1999", "١٩٩٩"),
        ("native_digits", "fa", "1999", "۱۹۹۹"),
        ("native_digits", "th", "๑๒", "12"),
        ("full_width", "zh", "GDP", "ＧＤＰ"),
        ("half_width", "ja", "パリ", "ﾊﾟﾘ"),
        ("punctuation_dropped", "en", "A, b: 2,850 U.S. x.", "A b 2,850 U.S x"),
        ("punctuation_plain", "zh", "好。", "好."),
        ("unicode_nfd", "vi", "ế", "e\u0302\u0301"),
        ("unicode_nfkc", "en", "ﬁne", "fine"),
        ("no_break_space", "en", "a b", "a\u00a0b"),
    ],
)
def test_spellings(name, language, text, wanted):
    assert attack(name, text, language).row.text == wanted


def test_a_language_s_digits_are_decimal_digits():
    for language, zero in digits.ZEROS.items():
        found = [unicodedata.decimal(chr(zero + value)) for value in range(10)]
        assert found == list(range(10)), language


def test_half_width_folds_back():
    text = "ガギグゲゴパピプペポアイウエオヴァー"
    half = attack("half_width", text, "ja").row.text
    assert half != text
    assert unicodedata.normalize("NFKC", half) == text


def test_kashida_stands_between_joining_letters_alone():
    rng = random.Random(0)
    assert orthography.stretched("دار", around="", language="ar", rng=rng) is None
    for _ in range(20):
        new = orthography.stretched("بيت", around="", language="ar", rng=rng)
        assert new in ("بـيت", "بيـت")


@pytest.mark.parametrize("name", ["zero_width", "bidi_marks"])
def test_invisible_characters_are_all_that_is_new(name):
    text = "ينبع نهر الدانوب"
    new = attack(name, text, "ar", budget=1.0).row.text
    assert new != text
    invisible = "".join(each for each in new if unicodedata.category(each) == "Cf")
    assert new.translate({ord(each): None for each in invisible}) == text
    assert "\u200e" not in new
