"""Clean against attacked: hand-made counts, pairs, groups."""

from __future__ import annotations

import pytest

from xtl_jax.errors import UserError
from xtl_jax.metrics import accuracy, bootstrap, qa, robustness
from xtl_jax.metrics.robustness import Facts


def _counts(marks):
    return {
        str(i): {"total": 1.0, "correct": float(mark)} for i, mark in enumerate(marks)
    }


def _compare(clean, attacked, **facts):
    attacks = {id_: facts.get(f"r{id_}", Facts(queries=3)) for id_ in clean}
    return robustness.compare(clean, attacked, attacks=attacks, metric=accuracy.METRIC)


def test_gap_success_and_queries_by_hand():
    found = _compare(_counts([1, 1, 1, 0]), _counts([1, 0, 0, 0]))
    assert found.values == pytest.approx(
        {"clean": 75.0, "attacked": 25.0, "gap": 50.0, "success": 200 / 3}
    )
    assert (found.examples, found.right) == (4, 3)
    assert found.queries_per_example == 3.0
    assert found.queries_per_success == 4.5  # three right ones of 3 queries, two lost


def test_the_interval_is_paired():
    """Half are lost and the other half was wrong: no resample can lose or win more
    than it has, so the paired interval is that of a share, narrower than of two."""
    clean, attacked = _counts([1, 0] * 50), _counts([1, 0] * 48 + [0, 0] * 2)
    found = _compare(clean, attacked)
    low, high = found.intervals["gap"]
    assert low >= 0.0
    alone = [
        bootstrap.intervals(rows, metric=accuracy.METRIC)["accuracy"]
        for rows in (clean, attacked)
    ]
    assert high - low < min(end - begin for begin, end in alone)
    assert low <= found.values["gap"] <= high


def test_the_interval_of_a_gap_is_that_of_paired_differences():
    clean, attacked = _counts([1, 1, 0, 1] * 10), _counts([1, 0, 0, 0] * 10)
    found = _compare(clean, attacked)
    wanted = bootstrap.difference_intervals(clean, attacked, metric=accuracy.METRIC)
    low, high = found.intervals["gap"]
    # Another stream of draws of the same thing.
    assert (low, high) == pytest.approx(wanted["accuracy"], abs=5.0)


def test_examples_to_which_it_does_not_apply_are_in_no_number():
    clean, attacked = _counts([1, 1, 1]), _counts([1, 0, 0])
    found = _compare(clean, attacked, r2=Facts(not_applied="no capitals"))
    assert found.values["clean"] == 100.0
    assert found.values["gap"] == 50.0
    assert found.not_applied == {"no capitals": 1}
    with pytest.raises(UserError, match="applies to no example"):
        _compare(
            _counts([1]), _counts([0]), r0=Facts(not_applied="no capitals", queries=0)
        )


def test_what_a_search_spared_keeps_its_clean_answer_and_is_counted():
    found = _compare(
        _counts([1, 0]), _counts([1, 0]), r1=Facts(spared="wrong before", queries=1)
    )
    assert found.spared == {"wrong before": 1}
    assert found.examples == 2
    assert found.values["success"] == 0.0
    assert found.queries_per_success is None


def test_nothing_right_has_no_success():
    found = _compare(_counts([0, 0]), _counts([0, 0]))
    assert found.values["success"] is None
    assert "success" not in found.intervals


def test_ids_must_be_the_same_and_are_named():
    clean, attacked = _counts([1, 1, 1]), _counts([1, 1])
    with pytest.raises(UserError, match=r"1 of 3 .* '2' \('2' only clean"):
        robustness.check_pairs(clean, attacked)
    with pytest.raises(UserError, match="only attacked"):
        robustness.check_pairs(attacked, clean)


def test_right_is_exact_match_where_there_is_one():
    """F1 of one half is neither right nor lost."""

    def counts(*said):
        return {
            str(i): qa.METRIC.counts(text, references=("black sea",), language="en")
            for i, text in enumerate(said)
        }

    clean, attacked = counts("black sea", "sea"), counts("sea", "nothing")
    attacks = dict.fromkeys(clean, Facts())
    found = robustness.compare(clean, attacked, attacks=attacks, metric=qa.METRIC)
    assert found.right == 1
    assert found.values["success"] == 100.0
    assert found.values["clean"] > found.values["attacked"] > 0


def test_groups_are_means_over_their_languages():
    rows = {
        "en": {"1": ({"total": 1.0, "correct": 1.0}, {"total": 1.0, "correct": 0.0})},
        "de": {"1": ({"total": 1.0, "correct": 1.0}, {"total": 1.0, "correct": 1.0})},
        "ru": {"1": ({"total": 1.0, "correct": 1.0}, {"total": 1.0, "correct": 0.0})},
    }
    found = {
        (group.dimension, group.name): group.values
        for group in robustness.of_groups(
            rows, metric=accuracy.METRIC, languages=tuple(rows)
        )
    }
    assert found["script", "Latin"] == {"clean": 100.0, "attacked": 50.0, "gap": 50.0}
    assert found["script", "Cyrillic"] == {
        "clean": 100.0,
        "attacked": 0.0,
        "gap": 100.0,
    }
