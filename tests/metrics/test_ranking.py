"""Options ranked by log-likelihood: T5's own numbers, and cases by hand."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.errors import UserError
from xtl_jax.metrics import ranking
from xtl_jax.metrics.ranking import Option


def near(value):
    return pytest.approx(value, abs=1e-9, rel=0)


def options(*inputs, right=0, lengths=None):
    """One input for each list of scores; the option at `right` is right."""
    return [
        Option(
            input=number,
            choice=choice,
            right=choice == right,
            score=score,
            target_length=lengths[choice] if lengths else 1,
        )
        for number, scores in enumerate(inputs)
        for choice, score in enumerate(scores)
    ]


@pytest.fixture(scope="module")
def sets(shared):
    path = shared / "conformance" / "scorers" / "rank_classification_t5.json"
    return json.loads(path.read_text("utf-8"))["sets"]


def test_every_set_agrees_with_t5(sets):
    assert len(sets) == 6
    for kit in sets:
        found = ranking.rank_classification(
            [
                Option(
                    input=place[0],
                    choice=place[1],
                    right=right,
                    weight=weight,
                    target_length=length,
                    score=score,
                )
                for (place, right, weight, length), score in zip(
                    kit["targets"], kit["scores"], strict=True
                )
            ],
            classes=kit["num_classes"],
            normalisation="target_length"
            if kit["normalize_by_target_length"]
            else "none",
        )
        assert found == near(kit["expected"]), kit["name"]


def test_the_best_option_by_hand():
    assert ranking.choose([-3.0, -1.0, -2.0]) == 1
    assert ranking.choose([-1.0, -1.0]) == 0  # of equal ones the first
    assert ranking.choose([-6.0, -2.0], target_lengths=[6, 1]) == 0
    assert ranking.choose([-math.inf, -1e300]) == 0  # both are -inf in float32
    assert ranking.choose([-math.inf, -1e300], precision="float64") == 1


def test_scores_are_compared_in_float32_only_where_all_inputs_have_as_many_options():
    # 1e-9 apart: equal in float32, where 1 and its neighbour are 6e-8 apart.
    inputs = options([-1.000000001, -1.0], right=1)
    assert ranking.rank_classification(inputs, classes=2)["accuracy"] == 0.0
    assert ranking.rank_classification(inputs, classes=None)["accuracy"] == 100.0


def test_values_of_three_classes_by_hand():
    found = ranking.rank_classification(
        [
            *options([-1, -2, -3], right=0),
            *(
                Option(input=1, choice=choice, right=choice == 1, score=score)
                for choice, score in enumerate([-1.0, -2.0, -3.0])
            ),
        ],
        classes=3,
    )
    assert found["accuracy"] == 50.0
    # Option 0: precision 1/2, recall 1; option 1 is never said; option 2 never right.
    assert found["mean_3class_f1"] == pytest.approx(100 * (2 / 3) / 3)


def test_areas_of_two_classes_by_hand():
    def value(score, right):
        return [[0.0, score], right]

    cases = [value(2.0, 1), value(1.0, 0), value(-1.0, 1), value(-2.0, 0)]
    found = ranking.rank_classification(
        [
            Option(input=number, choice=choice, right=choice == right, score=score)
            for number, (scores, right) in enumerate(cases)
            for choice, score in enumerate(scores)
        ],
        classes=2,
    )
    assert found["accuracy"] == 50.0
    assert found["f1"] == 50.0
    assert found["auc-roc"] == pytest.approx(75.0)  # 3 of 4 pairs are in order
    assert found["auc-pr"] == pytest.approx(100 * (1 + 2 / 3) / 2)


def test_inputs_of_one_class_have_no_roc_curve():
    first = ranking.rank_classification(options([-1.0, -2.0], right=0), classes=2)
    assert math.isnan(first["auc-roc"])
    assert first["auc-pr"] == 0.0
    second = ranking.rank_classification(options([-1.0, -2.0], right=1), classes=2)
    assert math.isnan(second["auc-roc"])
    assert second["auc-pr"] == 100.0


def test_options_that_are_impossible_alike_are_equally_probable():
    made = [
        *options([-math.inf, -math.inf], right=0),
        *(
            Option(input=1, choice=choice, right=choice == 1, score=score)
            for choice, score in enumerate([-2.0, -1.0])
        ),
    ]
    assert ranking.rank_classification(made, classes=2)["auc-roc"] == 100.0


def test_several_right_options_leave_only_the_accuracy():
    made = [
        Option(input=0, choice=choice, right=choice != 0, score=-score)
        for choice, score in enumerate([3.0, 2.0, 1.0])
    ]
    assert ranking.rank_classification(made, classes=3) == {"accuracy": 100.0}


def test_weights_are_those_of_inputs():
    made = [
        Option(
            input=number,
            choice=choice,
            right=choice == 0,
            score=-float(choice != number),
            weight=weight,
        )
        for number, weight in enumerate([3.0, 1.0])
        for choice in range(3)
    ]
    assert ranking.rank_classification(made, classes=3)["accuracy"] == 75.0
    assert ranking.rank_classification(made, classes=None)["accuracy"] == 75.0


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(UserError, match="no option to choose"):
        ranking.choose([])
    with pytest.raises(UserError, match=r"2 options need as many .* got \[1\]"):
        ranking.choose([-1.0, -2.0], target_lengths=[1])
    with pytest.raises(UserError, match="of at least 1"):
        ranking.choose([-1.0, -2.0], target_lengths=[1, 0])
    with pytest.raises(UserError, match=r"input 1: the scores .* hold NaN"):
        ranking.rank_classification(options([-1.0, -2.0], [-1.0, math.nan]), classes=2)
    with pytest.raises(UserError, match="no option to rank"):
        ranking.rank_classification([], classes=None)
    made = options([-1.0, -2.0, -3.0])
    with pytest.raises(UserError, match=r"numbered \[0, 1, 2\].* from 0 to 3"):
        ranking.rank_classification(made, classes=4)
    for broken in (made[1:], [*made, made[0]]):
        with pytest.raises(UserError, match="input 0: its options are numbered"):
            ranking.rank_classification(broken, classes=None)
    with pytest.raises(ValueError, match="at least 2"):
        ranking.rank_classification(made, classes=1)


SCORES = st.lists(
    st.lists(st.floats(-50, 0), min_size=3, max_size=3), min_size=1, max_size=8
)


@given(SCORES)
def test_gold_options_score_100_and_the_order_of_rows_does_not_count(scores):
    made = [
        Option(
            input=number,
            choice=choice,
            right=choice == ranking.choose(row),
            score=score,
        )
        for number, row in enumerate(scores)
        for choice, score in enumerate(row)
    ]
    found = ranking.rank_classification(made, classes=3)
    assert found["accuracy"] == 100.0
    random.Random(0).shuffle(made)
    assert ranking.rank_classification(made, classes=3) == found


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=6), st.integers(1, 9))
def test_equal_lengths_change_no_choice_by_more_than_rounding(scores, length):
    best = ranking.choose(scores, target_lengths=[length] * len(scores))
    assert scores[best] == pytest.approx(max(scores), rel=1e-6, abs=1e-30)
