"""mT5's and T5's numbers for questions, with raw and with padded gold answers."""

from __future__ import annotations

import json

import pytest

from xtl_jax.data import prompts
from xtl_jax.metrics import mlqa, padded, qa, scoring
from xtl_jax.metrics.metric import add

FIELDS = {"family": "mlqa", "language": "de", "split": "test"}


def near(value):
    return pytest.approx(value, abs=1e-9, rel=0)


@pytest.fixture(scope="module")
def kit(shared):
    def load(name):
        path = shared / "conformance" / "scorers" / f"{name}.json"
        return json.loads(path.read_text("utf-8"))

    return load


def pad(metric):
    return padded.padded_gold(metric, pad=prompts.pad_punctuation)


@pytest.mark.parametrize(
    ("metric", "cases", "key"),
    [(mlqa.METRIC, "qa_mlqa", "mlqa"), (qa.METRIC, "qa_xquad", "squad")],
    ids=["mlqa", "squad"],
)
def test_t5_and_mt5_agree_with_raw_and_padded_gold_answers(kit, metric, cases, key):
    languages = kit(cases)["languages"]
    variants = {
        "raw_gold_raw_pred": (metric, str),
        "padded_gold_raw_pred": (pad(metric), str),
        "padded_gold_padded_pred": (pad(metric), prompts.pad_punctuation),
    }
    checked = 0
    for language, expected in kit("qa_t5_metrics")[key].items():
        answered = [
            case
            for case in languages[language]["cases"]
            if case["prediction"] is not None
        ]
        assert len(answered) == expected["n"]
        for name, (scorer, written) in variants.items():
            values = scorer.combine(
                add(
                    scorer.counts(
                        written(case["prediction"]),
                        references=case["answers"],
                        language=language,
                    )
                    for case in answered
                )
            )
            assert values["exact_match"] == near(expected[name]["em"]), language
            assert values["f1"] == near(expected[name]["f1"]), language
            checked += 1
    assert checked == 3 * len(languages)


def test_a_padded_gold_answer_by_hand():
    metric = pad(qa.METRIC)

    def f1(said):
        return metric.counts(said, references=("3,5 km",), language="en")["f1"]

    assert f1("3 , 5 km") == 1.0
    assert f1("3,5 km") == pytest.approx(0.4)  # 35 km against 3 5 km
    assert metric.counts(None, references=("3,5",), language="en") == qa.MISSING


def test_the_choice_is_in_the_signature_and_the_rest_is_kept():
    metric = pad(mlqa.METRIC)
    assert (metric.keys, metric.primary) == (mlqa.METRIC.keys, mlqa.METRIC.primary)
    row = scoring.Row(id="1", references=("die Brücke",), prediction="Brücke")
    signatures = [
        scoring.score(each, [row], task="mlqa.de", **FIELDS).signature
        for each in (mlqa.METRIC, metric)
    ]
    assert "|metric:mlqa|norm:mlqa1|gold:raw|" in signatures[0]
    assert "|metric:mlqa_mt5_padded|norm:mlqa1|gold:mt5_padded|" in signatures[1]


def test_text_without_punctuation_scores_the_same():
    for said in ("Ada Lovelace", "Ada", "x", ""):
        one, other = (
            metric.counts(said, references=("Ada Lovelace", "Lovelace"), language="en")
            for metric in (qa.METRIC, pad(qa.METRIC))
        )
        assert one == other
