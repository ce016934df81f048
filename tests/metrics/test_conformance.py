"""Every case of the official scorers: counts, corpus values, normalised texts."""

from __future__ import annotations

import functools
import json

import pytest

from xtl_jax.errors import UserError
from xtl_jax.metrics import accuracy, mlqa, qa, summary
from xtl_jax.metrics.metric import add

NEAR = functools.partial(pytest.approx, abs=1e-9, rel=0)
KEYS = ("exact_match", "f1")


@pytest.fixture(scope="module")
def golden(shared):
    def load(name):
        path = shared / "conformance" / "scorers" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    return load


def check_language(kit, *, metric, language, normalize):
    rows = []
    for case in kit["cases"]:
        counts = metric.counts(
            case["prediction"], references=case["answers"], language=language
        )
        for key in KEYS:
            assert counts[key] == NEAR(case["expected"][key]), case["id"]
        rows.append(counts)
    for text in kit["normalization"]:
        assert normalize(text["text"]) == text["normalized"]
    values = metric.combine(add(rows))
    assert values == NEAR(kit["expected"])
    return values


def check_macro(values, expected):
    macro = summary.mean_values(values)
    assert macro["exact_match"] == NEAR(expected["avg_exact_match"])
    assert macro["f1"] == NEAR(expected["avg_f1"])
    if "avg_metric" in expected:
        assert summary.xtreme_metric(macro, primary="f1") == NEAR(
            expected["avg_metric"]
        )


def test_mlqa_agrees_case_by_case_and_over_the_seven_languages(golden):
    kit = golden("qa_mlqa")
    assert set(kit["languages"]) == set(mlqa.LANGUAGES)
    values = {
        language: check_language(
            cases,
            metric=mlqa.METRIC,
            language=language,
            normalize=functools.partial(mlqa.normalize, language=language),
        )
        for language, cases in kit["languages"].items()
    }
    check_macro(values, kit["expected_macro"])


def test_xquad_agrees_with_and_without_romanian(golden):
    kit = golden("qa_xquad")
    values = {
        language: check_language(
            cases, metric=qa.METRIC, language=language, normalize=qa.normalize
        )
        for language, cases in kit["languages"].items()
    }
    check_macro(values, kit["expected_macro"]["xtreme_r_12_languages"])
    del values["ro"]
    check_macro(values, kit["expected_macro"]["xtreme_11_languages"])


def test_tydiqa_agrees_with_and_without_english(golden):
    kit = golden("qa_tydiqa_goldp")
    values = {
        language: check_language(
            cases, metric=qa.METRIC, language=language, normalize=qa.normalize
        )
        for language, cases in kit["languages"].items()
    }
    check_macro(values, kit["expected_macro"])
    del values["en"]
    check_macro(values, kit["expected_macro_tydiqa_readme_non_english"])


def test_squad_agrees(golden):
    kit = golden("qa_squad_v1")
    check_language(kit, metric=qa.METRIC, language="en", normalize=qa.normalize)


def test_classification_agrees_with_t5(golden):
    sets = golden("classification_t5")["sets"]
    assert len(sets) == 21
    for kit in sets:
        metric = accuracy.METRIC
        if "f1" in kit["expected"]:
            metric = accuracy.with_f1(positive="1", negative="0")
        rows = [
            metric.counts(str(said), references=(str(label),), language="en")
            for label, said in zip(kit["targets"], kit["predictions"], strict=True)
        ]
        assert metric.combine(add(rows)) == NEAR(kit["expected"]), kit["task"]


def test_malformed_input_raises_where_the_official_scripts_raise():
    for metric in (qa.METRIC, mlqa.METRIC):
        with pytest.raises(UserError, match="no reference answer"):
            metric.counts("x", references=[], language="en")
        with pytest.raises(ValueError, match="no examples"):
            metric.combine({"total": 0.0, "exact_match": 0.0, "f1": 0.0})
    for unknown in ("fr", "", "EN"):
        with pytest.raises(UserError, match="MLQA scores no language"):
            mlqa.normalize("x", language=unknown)
    with pytest.raises(UserError, match="exactly one reference"):
        accuracy.METRIC.counts("x", references=("x", "y"), language="en")
    with pytest.raises(UserError, match="neither"):
        accuracy.with_f1(positive="1", negative="0").counts(
            "1", references=("2",), language="en"
        )


def test_a_pair_is_scored_in_the_language_of_its_context():
    german = mlqa.METRIC.counts("die Brücke", references=["Brücke"], language="de-en")
    english = mlqa.METRIC.counts("die Brücke", references=["Brücke"], language="en-de")
    assert german["exact_match"] == 1.0  # "die" is an article of German only
    assert english["exact_match"] == 0.0


def test_a_missing_prediction_scores_0_and_stays_in_the_total():
    for metric in (qa.METRIC, mlqa.METRIC):
        assert metric.counts(None, references=[""], language="en") == {
            "total": 1.0,
            "exact_match": 0.0,
            "f1": 0.0,
        }
    assert accuracy.METRIC.counts(None, references=("a",), language="en") == {
        "total": 1.0,
        "correct": 0.0,
    }
