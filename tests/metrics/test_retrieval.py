"""Retrieval measures: every case of the official scripts, and what is refused."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from xtl_jax.errors import UserError
from xtl_jax.metrics import neighbours, retrieval
from xtl_jax.metrics.metric import add

NEAR = functools.partial(pytest.approx, abs=1e-9, rel=0)


@pytest.fixture(scope="module")
def kit(shared):
    folder = shared / "conformance" / "scorers"

    def load(name):
        return json.loads((folder / f"retrieval_{name}.json").read_text("utf-8"))

    load.arrays = lambda name: np.load(folder / name)
    return load


def value(metric, rows):
    return metric.combine(
        add(
            metric.counts(said, references=references, language="en")
            for said, references in rows
        )
    )


def test_tatoeba_neighbours_and_accuracy_agree(kit):
    sets = kit("tatoeba")["sets"]
    assert len(sets) == 4
    for case in sets:
        arrays = kit.arrays(case["npz"])
        tied = set(case["queries_with_tied_answer"])
        for name, queries, candidates, measure in (
            ("l2", arrays["y"], arrays["x"], "l2"),
            (
                "cosine",
                neighbours.normalize(arrays["y"]),
                neighbours.normalize(arrays["x"]),
                "dot",
            ),
        ):
            found = neighbours.nearest(queries, candidates, count=1, measure=measure)
            rows = found.rows[:, 0].tolist()
            expected = case[f"expected_predictions_{name}"]
            differ = [i for i, row in enumerate(rows) if row != expected[i]]
            assert set(differ) <= tied, case["name"]
            accuracy = value(
                retrieval.TATOEBA,
                [
                    (str(row), (str(right),))
                    for row, right in zip(expected, case["gold"], strict=True)
                ],
            )
            assert accuracy["accuracy"] == NEAR(case[f"expected_accuracy_{name}"])


def test_lareqa_rankings_and_their_precision_agree(kit):
    kit_ = kit("lareqa")
    assert len(kit_["sets"]) == 4
    for case in kit_["sets"]:
        arrays = kit.arrays(case["npz"])
        ranked = neighbours.nearest(
            arrays["questions"], arrays["candidates"], count=len(arrays["candidates"])
        ).rows.tolist()
        for key, expected in case["expected"].items():
            cut_off = int(key.partition("@")[2]) if "@" in key else None
            found = [
                retrieval.average_precision(row, right, cut_off=cut_off)
                for row, right in zip(ranked, case["targets"], strict=True)
            ]
            assert sum(found) / len(found) == NEAR(expected), (case["name"], key)
        rows = [
            (" ".join(map(str, row[:20])), tuple(map(str, right)))
            for row, right in zip(ranked, case["targets"], strict=True)
        ]
        each = [value(retrieval.LAREQA, [row])["map@20"] for row in rows]
        assert each == NEAR([100 * ap for ap in case["ap@20_per_question"]])
        all_of_them = value(retrieval.LAREQA, rows)["map@20"]
        assert all_of_them == NEAR(100 * case["expected"]["map@20"])


def test_single_average_precisions_agree(kit):
    cases = kit("lareqa")["average_precision"]
    assert len(cases) == 25
    for case in cases:
        found = retrieval.average_precision(
            case["ranked"], case["targets"], cut_off=case["k"]
        )
        assert found == NEAR(case["expected"]), case


def test_mewslix_agrees_at_every_cut_off(kit):
    kit_ = kit("mewslix")
    assert len(kit_["expected"]) == 11
    for language, expected in kit_["expected"].items():
        gold, said = kit_["gold"][language], kit_["predictions"][language]
        for cut_off in (1, 5, 20):
            found = [
                retrieval.reciprocal_rank(
                    said.get(id_, []), right[0].strip(), cut_off=cut_off
                )
                for id_, right in gold.items()
            ]
            assert sum(found) / len(found) == NEAR(expected[f"mrr@{cut_off}"])
        rows = [
            (" ".join(said[id_]) if id_ in said else None, (right[0].strip(),))
            for id_, right in gold.items()
            if all(" " not in entity for entity in said.get(id_, []))
        ]
        assert len(rows) >= len(gold) - 1
        if len(rows) == len(gold):
            assert value(retrieval.MEWSLIX, rows)["map@20"] == NEAR(
                expected["xtreme map@20 percent"]
            )


def test_bucc_counts_are_sets_of_pairs_by_source_sentence():
    rows = [
        ("en-1", ("en-1",)),
        ("en-2 en-2 en-9", ("en-2",)),  # a pair found twice counts once
        ("en-5", ()),  # has no partner
        ("", ("en-4",)),
        (None, ("en-6",)),
    ]
    found = value(retrieval.BUCC, rows)
    assert found == NEAR({"precision": 50.0, "recall": 50.0, "f1": 50.0})
    assert value(retrieval.BUCC, rows[2:]) == {"f1": 0, "precision": 0, "recall": 0}


def test_what_is_not_found_scores_0_and_stays_in_the_total():
    for metric in (retrieval.TATOEBA, retrieval.LAREQA, retrieval.MEWSLIX):
        for said in (None, "", "b"):
            assert value(metric, [(said, ("a",)), ("a", ("a",))])[metric.primary] == 50
    late = " ".join([*"bcdefghijklmnopqrstu", "a"])
    assert value(retrieval.MEWSLIX, [(late, ("a",))])["map@20"] == 0.0


def test_gold_that_cannot_be_scored_is_refused():
    with pytest.raises(UserError, match="has no right answer"):
        retrieval.LAREQA.counts("a", references=(), language="en")
    for metric in (retrieval.TATOEBA, retrieval.MEWSLIX):
        with pytest.raises(UserError, match="one id is right here"):
            metric.counts("a", references=("a", "b"), language="en")


def test_blocks_ties_and_zero_vectors(monkeypatch):
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((37, 8)).astype(np.float32)
    candidates = rng.standard_normal((50, 8)).astype(np.float32)
    whole = neighbours.nearest(queries, candidates, count=50)
    expected = np.argsort(-(queries.astype(np.float64) @ candidates.T), axis=1)
    assert (whole.rows == expected).all()
    assert (np.diff(whole.scores, axis=1) <= 0).all()
    monkeypatch.setattr(neighbours, "_BLOCK", 3 * 50)
    few = neighbours.nearest(queries, candidates, count=5)
    assert (few.rows == expected[:, :5]).all()
    same = np.ones((40, 2), dtype=np.float32)
    for count in (3, 40):  # of equals the first comes first, by either way of sorting
        found = neighbours.nearest(same[:1], same, count=count)
        assert found.rows.tolist() == [list(range(count))]
    zero = neighbours.normalize(np.zeros((1, 3), dtype=np.float32))
    assert zero.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("queries", "candidates", "match"),
    [
        (np.ones((1, 2)), np.ones((0, 2)), "among 0 candidates"),
        (np.ones((1, 2)), np.ones((1, 3)), "have 2 numbers, those of candidates 3"),
    ],
)
def test_vectors_that_cannot_be_searched_are_refused(queries, candidates, match):
    with pytest.raises(UserError, match=match):
        neighbours.nearest(queries, candidates, count=1)


def test_a_vector_that_is_not_finite_is_named():
    vectors = np.ones((3, 2), dtype=np.float32)
    vectors[1, 0] = np.nan
    with pytest.raises(UserError, match="row 1 of the sentence vectors"):
        neighbours.normalize(vectors)
