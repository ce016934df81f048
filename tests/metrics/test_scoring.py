"""From rows to a score: counted, named, refused; and what importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from xtl_jax.errors import UserError
from xtl_jax.metrics import accuracy, mlqa, qa, scoring
from xtl_jax.metrics.metric import add

FIELDS = {"task": "mlqa.ar", "family": "mlqa", "language": "ar", "split": "test"}


def row(id_, prediction, *references, **changes):
    return scoring.Row(
        id=id_, prediction=prediction, references=references or ("x",), **changes
    )


def test_a_score_counts_missing_rows_as_0():
    rows = [
        row("1", "القاهرة", "قاهرة", context="القاهرة"),
        row("2", "مدينة القاهرة", "القاهرة", prediction_raw="<extra_id_0>", context=""),
        row("3", None, "بغداد"),
        row("4", "", "بغداد", context="بغداد"),
    ]
    found = scoring.score(mlqa.METRIC, rows, **FIELDS, checkpoint="c", step=7)
    assert found.total == 4
    assert found.missing == 1
    assert found.values["exact_match"] == 25.0
    assert found.values["f1"] == pytest.approx(100 * (1 + 2 / 3) / 4)
    assert found.per_example["f1"] == pytest.approx([1.0, 2 / 3, 0.0, 0.0])
    assert found.chance_percent is None
    assert found.shares_percent["empty"] == pytest.approx(100 / 3)  # of those there
    assert found.shares_percent["sentinel"] == 0.0  # only what is scored is looked at
    assert found.shares_percent["not_in_context"] == pytest.approx(100 / 3)
    low, high = found.intervals["f1"]
    assert 0 <= low < found.values["f1"] < high <= 100


def test_the_document_has_the_agreed_keys_and_is_json():
    found = scoring.score(qa.METRIC, [row("1", "x")], **FIELDS)
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(document) == {
        *("task", "family", "language", "split", "metric", "primary", "total"),
        *("missing", "values", "intervals", "shares_percent", "chance_percent"),
        *("signature", "checkpoint", "step", "per_example"),
    }
    assert document["per_example"] == {
        "ids": ["1"],
        "exact_match": [1.0],
        "f1": [1.0],
    }
    assert document["intervals"]["f1"] == [100.0, 100.0]
    assert "per_example" not in found.to_json(per_example=False)


def test_the_signature_names_what_the_number_depends_on():
    def sign(rows, **changes):
        return scoring.score(mlqa.METRIC, rows, **{**FIELDS, **changes}).signature

    rows = [row("1", "x"), row("2", None)]
    base = sign(rows)
    assert base.startswith(
        "xtl|task:mlqa.ar|split:test|metric:mlqa|norm:mlqa1|gold:raw|post:none|"
        "agg:sum/n|n:2|"
    )
    assert "|n:2|missing:1|" in base
    others = [
        sign(rows[:1]),
        sign(rows, task="mlqa.de"),
        sign(rows, split="validation"),
        sign(rows, resamples=2000),
        sign(rows, seed=1),
        sign(rows, post="depad"),
        scoring.score(qa.METRIC, rows, **FIELDS).signature,
    ]
    assert len({base, *others}) == 8


def test_chance_is_one_of_the_labels():
    found = scoring.score(
        accuracy.METRIC, [row("1", "0", "0")], **FIELDS, labels=("0", "1", "2")
    )
    assert found.chance_percent == pytest.approx(100 / 3)


def test_rows_that_cannot_be_scored_are_refused():
    with pytest.raises(UserError, match="there is no example to score"):
        scoring.score(qa.METRIC, [], **FIELDS)
    with pytest.raises(UserError, match="the id '1' occurs twice"):
        scoring.score(qa.METRIC, [row("1", "x"), row("1", "x")], **FIELDS)
    nothing = scoring.Row(id="7", references=(), prediction="x")
    with pytest.raises(UserError, match="example '7': a question has no reference"):
        scoring.score(qa.METRIC, [nothing], **FIELDS)
    with pytest.raises(UserError, match="MLQA scores no language 'sw'"):
        scoring.score(mlqa.METRIC, [row("1", "x")], **{**FIELDS, "language": "sw"})


def test_joining_keeps_the_gold_order_and_marks_what_is_missing():
    gold = [row(id_, None) for id_ in "abc"]
    rows = scoring.join(gold, [row("c", "z"), row("a", "y")])
    assert [(r.id, r.prediction) for r in rows] == [
        ("a", "y"),
        ("b", None),
        ("c", "z"),
    ]
    with pytest.raises(UserError, match=r"1 of 2 predictions .* 'abd' \(near: abc\)"):
        scoring.join([row("abc", None)], [row("abc", "y"), row("abd", "z")])
    with pytest.raises(UserError, match="was predicted with the references"):
        scoring.join([row("a", None, "x")], [row("a", "y", "other")])


def test_of_what_is_missing_only_the_id_has_to_be_known():
    gold = [scoring.Row(id=id_, references=None) for id_ in "ab"]
    rows = scoring.join(gold, [row("a", "x")])
    for metric in (qa.METRIC, mlqa.METRIC):
        found = scoring.score(metric, rows, **FIELDS)
        assert found.missing == 1
        assert found.values == {"exact_match": 50.0, "f1": 50.0}
    assert scoring.score(accuracy.METRIC, rows, **FIELDS).values == {"accuracy": 50.0}


def test_counts_that_depend_on_unknown_references_are_refused():
    metric = accuracy.with_f1(positive="1", negative="0")
    missing = scoring.Row(id="7", references=None)
    with pytest.raises(UserError, match="example '7': its references are not known"):
        scoring.count(metric, [missing], language="en")
    said = scoring.Row(id="7", references=None, prediction="1")
    with pytest.raises(UserError, match="example '7': its references are not known"):
        scoring.count(accuracy.METRIC, [said], language="en")


def test_two_halves_added_are_the_whole():
    metric = accuracy.with_f1(positive="1", negative="0")
    rows = [
        row(str(i), said, label)
        for i, (said, label) in enumerate(zip("110x01", "101100", strict=True))
    ]
    whole = add(scoring.count(metric, rows, language="en"))
    halves = [
        add(scoring.count(metric, part, language="en")) for part in (rows[:2], rows[2:])
    ]
    assert metric.combine(add(halves)) == metric.combine(whole)


def test_targets_fed_back_as_predictions_score_100():
    for metric, text in (
        (qa.METRIC, "Zagreb"),
        (mlqa.METRIC, "Zagreb"),
        (accuracy.METRIC, "1"),
    ):
        found = scoring.score(
            metric, [row("1", text, text)], **{**FIELDS, "language": "en"}
        )
        assert set(found.values.values()) == {100.0}


def test_importing_metrics_imports_nothing_heavy():
    code = (
        "import sys; from xtl_jax.metrics import accuracy, health, mlqa, official, "
        "padded, qa, ranking, scoring, spans, squad_v2, summary, tagging; "
        "from xtl_jax.infer import records; "
        "print([m for m in ('numpy', 'jax', 'seqio', 'tensorflow', 'regex') "
        "if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]", found.stderr
