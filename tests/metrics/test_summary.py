"""Macro average, split and gap by hand; what is missing stays missing."""

from __future__ import annotations

import pytest

from xtl_jax.metrics import accuracy, summary

STANDARD = ("en", "ar", "zh")


def counts(right, of=100, *, prefix=""):
    return {
        f"{prefix}{i}": {"total": 1.0, "correct": float(i < right)} for i in range(of)
    }


def summarise(languages, **changes):
    return summary.summarise(
        languages,
        metric=accuracy.METRIC,
        **{"standard_languages": STANDARD, **changes},
    )


def test_means_count_languages_not_examples():
    found = summarise({"en": counts(80), "ar": counts(50), "zh": counts(300, of=500)})
    assert found.macro == {"accuracy": pytest.approx((80 + 50 + 60) / 3)}
    assert found.non_english == {"accuracy": pytest.approx(55)}
    assert found.english == {"accuracy": 80.0}
    assert found.transfer_gap == {"accuracy": pytest.approx(25)}
    assert found.xtreme_metric == found.macro["accuracy"]
    assert found.missing_languages == ()
    low, high = found.intervals["accuracy"]
    assert low < found.macro["accuracy"] < high
    low, high = found.transfer_gap_intervals["accuracy"]
    assert 10 < low < 25 < high < 40


def test_a_missing_language_takes_every_mean_it_is_in():
    found = summarise({"en": counts(80), "ar": counts(50)})
    assert found.missing_languages == ("zh",)
    assert found.macro is None
    assert found.transfer_gap is None
    assert found.non_english is None
    assert found.intervals is None
    assert found.languages == {"en": {"accuracy": 80.0}, "ar": {"accuracy": 50.0}}
    document = found.to_json()
    assert document["macro"] == {"accuracy": None}
    assert document["transfer_gap"] == {"accuracy": None}
    assert document["intervals"] == {}
    assert document["missing_languages"] == ["zh"]


def test_without_english_the_rest_still_has_its_mean():
    found = summarise({"ar": counts(50), "zh": counts(60)})
    assert found.missing_languages == ("en",)
    assert found.macro is None
    assert found.non_english == {"accuracy": 55.0}
    assert found.transfer_gap is None


def test_languages_beside_the_standard_ones_are_in_no_mean():
    languages = {"en": counts(80), "ar": counts(50), "zh": counts(60)}
    alone = summarise(languages)
    beside = summarise({"en-ar": counts(10, prefix="x"), **languages})
    assert beside.macro == alone.macro
    assert beside.intervals == alone.intervals
    assert beside.other_languages == {"en-ar": {"accuracy": 10.0}}
    assert "en-ar" not in beside.languages


def test_a_family_of_one_language_has_a_mean_and_no_gap():
    found = summarise({"en": counts(80)}, standard_languages=("en",))
    assert found.macro == {"accuracy": 80.0}
    assert found.transfer_gap is None
    assert found.non_english is None
    assert found.to_json()["transfer_gap"] == {"accuracy": None}


def test_a_family_without_english_has_no_gap():
    found = summarise(
        {"ar": counts(50), "zh": counts(60)}, standard_languages=("ar", "zh")
    )
    assert found.macro == {"accuracy": 55.0}
    assert found.transfer_gap is None


def test_the_gap_of_equal_parallel_languages_is_0_without_width():
    found = summarise({language: counts(70) for language in STANDARD})
    assert found.transfer_gap == {"accuracy": 0.0}
    low, high = found.transfer_gap_intervals["accuracy"]
    assert (low, high) == pytest.approx((0.0, 0.0), abs=1e-9)
