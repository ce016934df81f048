"""SQuAD v2.0 against the official script's own output, by hand, and as sums."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.errors import UserError
from xtl_jax.metrics import qa, scoring, squad_v2
from xtl_jax.metrics.metric import add

FIELDS = {"task": "squad_v2", "family": "squad_v2", "language": "en", "split": "test"}
TEXTS = st.sampled_from(["", "the", ".", "Ada", "Ada Lovelace", "3,5", "x Ada"])
ROWS = st.lists(
    st.tuples(TEXTS | st.none(), st.lists(TEXTS, max_size=2)), min_size=1, max_size=12
)


def near(value):
    return pytest.approx(value, abs=1e-9, rel=0)


def row(id_, prediction, *references):
    return scoring.Row(id=id_, references=references, prediction=prediction)


def counts(prediction, *references):
    return squad_v2.METRIC.counts(prediction, references=references, language="en")


def rows_of(kit):
    return [
        row(case["id"], case["prediction"], *case["answers"]) for case in kit["cases"]
    ]


@pytest.fixture(scope="module")
def sets(shared):
    path = shared / "conformance" / "scorers" / "qa_squad_v2.json"
    return json.loads(path.read_text("utf-8"))["sets"]


def test_every_case_agrees_before_a_threshold(sets):
    assert len(sets) == 5
    for kit in sets:
        for case in kit["cases"]:
            found = counts(case["prediction"], *case["answers"])
            assert found["exact_match"] == case["expected_raw"]["exact"], case["id"]
            assert found["f1"] == near(case["expected_raw"]["f1"]), case["id"]


def test_the_whole_output_agrees_with_and_without_probabilities(sets):
    for kit in sets:
        found = squad_v2.evaluate(
            rows_of(kit), no_answer=kit["na_prob"], threshold=kit["na_prob_thresh"]
        )
        assert found == near(kit["expected"]), kit["name"]
    assert sum("best_f1" in kit["expected"] for kit in sets) == 2


def test_the_metric_is_the_scripts_number_without_a_threshold(sets):
    for kit in sets:
        if kit["na_prob_thresh"] != 1.0:
            continue
        sums = add(scoring.count(squad_v2.METRIC, rows_of(kit), language="en"))
        values = squad_v2.METRIC.combine(sums)
        assert values["exact_match"] == near(kit["expected"]["exact"])
        assert values["f1"] == near(kit["expected"]["f1"])
        for key, value in squad_v2.parts(sums).items():
            assert value == near(kit["expected"][key]), key


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "f1"),
    [
        ("", (), 1, 1),
        ("the.", (), 1, 1),  # normalises to nothing
        ("Ada", (), 0, 0),
        ("", ("Ada",), 0, 0),
        ("", ("The .",), 1, 1),  # its only gold answer is dropped
        ("Ada", ("The .",), 0, 0),
        ("", ("The .", "Ada"), 0, 0),  # dropped too, but there is another
        ("Ada Lovelace", ("the", "Ada"), 0, 2 / 3),
        (None, (), 0, 0),
        (None, ("Ada",), 0, 0),
    ],
)
def test_empty_texts_by_hand(prediction, references, exact, f1):
    found = counts(prediction, *references)
    assert found["exact_match"] == exact
    assert found["f1"] == pytest.approx(f1)
    assert found["HasAns_total"] == float(bool(references))
    assert found["NoAns_total"] == float(not references)


def test_a_threshold_counts_sure_questions_as_unanswered():
    rows = [row("1", "Ada", "Ada"), row("2", "Ada"), row("3", "Ada", "Ada")]
    sure = {"1": 0.7, "2": 0.7, "3": 0.5}
    found = squad_v2.evaluate(rows, no_answer=sure, threshold=0.5)
    assert found["HasAns_exact"] == 50.0  # 0.5 is not above 0.5
    assert found["NoAns_exact"] == 100.0
    assert found["exact"] == pytest.approx(200 / 3)


def test_the_best_threshold_by_hand():
    rows = [row("a", "x", "x"), row("b", "y"), row("c", "z", "z"), row("d", "w")]
    # From 2 of 4 (nothing answered): a gains 1, b loses 1, c gains 1, d loses 1.
    found = squad_v2.evaluate(
        rows, no_answer={"a": 0.1, "c": 0.2, "b": 0.3, "d": 0.4, "unknown": 0.0}
    )
    assert (found["best_exact"], found["best_exact_thresh"]) == (100.0, 0.2)
    found = squad_v2.evaluate(rows, no_answer={"b": 0.1, "d": 0.2, "a": 0.3, "c": 0.4})
    assert (found["best_f1"], found["best_f1_thresh"]) == (50.0, 0.0)


def test_questions_of_one_probability_are_cut_apart_as_the_script_does():
    rows = [row("a", "x", "x"), row("b", "y")]
    first = squad_v2.evaluate(rows, no_answer={"a": 0.5, "b": 0.5})
    last = squad_v2.evaluate(rows, no_answer={"b": 0.5, "a": 0.5})
    assert first["best_exact"] == 100.0  # no threshold gives this
    assert last["best_exact"] == 50.0


def test_a_text_that_normalises_to_nothing_loses_its_point_in_the_search():
    found = squad_v2.evaluate(
        [row("a", "the"), row("b", "x", "x")], no_answer={"a": 0.1, "b": 0.2}
    )
    assert found["exact"] == 100.0
    assert found["best_exact"] == 50.0


def test_a_missing_prediction_scores_0_everywhere_and_stays_in_the_total():
    rows = [row("a", None, "x"), row("b", None), row("c", "z", "z"), row("d", "")]
    found = squad_v2.evaluate(rows)
    assert found["total"] == 4
    assert found["exact"] == 50.0
    assert found["HasAns_exact"] == found["NoAns_exact"] == 50.0
    found = squad_v2.evaluate(rows, no_answer={"b": 1.0, "c": 0.2, "d": 0.9})
    assert found["exact"] == 50.0
    assert found["best_exact"] == 50.0  # b is not among the right ones of the start
    scored = scoring.score(squad_v2.METRIC, rows, **FIELDS)
    assert scored.missing == 2
    assert scored.values == {"exact_match": 50.0, "f1": 50.0}
    assert "|norm:squad1|gold:raw|" in scored.signature


def test_a_missing_question_of_which_nothing_is_known_is_in_no_part():
    unknown = scoring.Row(id="2", references=None)
    found = add(scoring.count(squad_v2.METRIC, [row("1", ""), unknown], language="en"))
    assert squad_v2.METRIC.combine(found)["f1"] == 50.0
    assert squad_v2.parts(found)["NoAns_total"] == 1.0
    assert "HasAns_total" not in squad_v2.parts(found)


def test_what_cannot_be_evaluated_is_refused():
    rows = [row("1", "x", "x"), row("2", None)]
    with pytest.raises(UserError, match="no question to score"):
        squad_v2.evaluate([])
    with pytest.raises(UserError, match="the id '1' occurs twice"):
        squad_v2.evaluate([*rows, rows[0]])
    with pytest.raises(UserError, match="'1': has a prediction and no no-answer"):
        squad_v2.evaluate(rows, no_answer={"2": 0.5})
    for value in (float("nan"), float("inf")):
        with pytest.raises(UserError, match=f"probability is {value}; it must be"):
            squad_v2.evaluate(rows, no_answer={"1": value})


@given(rows=ROWS)
def test_counts_add_and_the_parts_make_the_whole(rows):
    counted = [counts(said, *references) for said, references in rows]
    whole = add(counted)
    middle = len(counted) // 2
    halves = [add(half) for half in (counted[:middle], counted[middle:]) if half]
    assert add(halves) == near(whole)
    for key, part in (("total", "total"), ("exact_match", "exact"), ("f1", "f1")):
        parts = whole[f"HasAns_{part}"] + whole[f"NoAns_{part}"]
        assert parts == near(whole[key])
    assert whole["f1"] >= whole["exact_match"] - 1e-9  # here, unlike in v1.1


# Of texts that normalise to nothing the search and a threshold think differently.
FULL = st.sampled_from(["Ada", "Ada Lovelace", "3,5", "x Ada"])


@given(
    rows=st.lists(
        st.tuples(FULL | st.just(""), st.lists(FULL, max_size=2), st.floats(0, 1)),
        min_size=1,
        max_size=12,
    )
)
def test_the_best_value_is_at_least_that_of_every_threshold(rows):
    made = [
        row(str(i), said, *references) for i, (said, references, _) in enumerate(rows)
    ]
    no_answer = {str(i): sure for i, (*_, sure) in enumerate(rows)}
    for threshold in no_answer.values():
        found = squad_v2.evaluate(made, no_answer=no_answer, threshold=threshold)
        assert found["best_f1"] >= found["f1"] - 1e-9
        assert found["best_exact"] >= found["exact"] - 1e-9


@given(st.lists(st.lists(TEXTS, max_size=2), min_size=1, max_size=8))
def test_gold_answers_score_100(golds):
    rows = [
        row(str(i), references[0] if references else "", *references)
        for i, references in enumerate(golds)
        if not references or qa.normalize(references[0])
    ]
    if rows:
        found = squad_v2.evaluate(rows)
        assert (found["exact"], found["f1"]) == (100.0, 100.0)
