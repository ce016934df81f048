"""BUCC mining: every configuration and threshold case of the official script."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from xtl_jax.errors import UserError
from xtl_jax.metrics import mining, retrieval
from xtl_jax.metrics.metric import add

NEAR = functools.partial(pytest.approx, abs=1e-9, rel=0)
NEAR_FLOAT32 = functools.partial(pytest.approx, abs=1e-5, rel=1e-5)
# XTREME's names of what differs from its defaults.
NAMES = {
    "retrieval": "merge",
    "neighborhood": "neighbours",
    "use_shift_embeds": "shift",
    "dist": "distance",
}


@pytest.fixture(scope="module")
def kit(shared):
    path = shared / "conformance" / "scorers" / "retrieval_bucc.json"
    return json.loads(path.read_text("utf-8"))


def split(line):
    source, target = line.split("\t")
    return source, target


def candidates(folder, part, options):
    """Mined texts and the scores by id of one split of the kit."""
    arrays = np.load(folder / part["npz"])
    texts = {"source_texts": part["src"], "target_texts": part["trg"]}
    mined = mining.mine(arrays["x"], arrays["y"], **texts, options=options)
    scores = mining.score_ids(
        mined, **texts, source_ids=part["src_ids"], target_ids=part["trg_ids"]
    )
    return mined, scores


def value(pairs, gold):
    """Precision, recall and F1 as of records: by source sentence."""
    counts = [
        retrieval.BUCC.counts(
            " ".join(target for source, target in pairs if source == one),
            references=[target for source, target in gold if source == one],
            language="de",
        )
        for one in {source for source, _ in [*pairs, *gold]}
    ]
    return retrieval.BUCC.combine(add(counts))


@pytest.mark.parametrize("language", ["de", "zh", "fr"])
def test_mining_agrees_in_every_configuration(shared, kit, language):
    folder = shared / "conformance" / "scorers"
    (case,) = [one for one in kit["sets"] if one["source_language"] == language]
    assert len(case["runs"]) == 8
    gold = [split(line) for line in case["dev"]["gold"]]
    test_gold = [split(line) for line in case["test"]["gold"]]
    for run in case["runs"]:
        options = mining.MiningOptions(
            **{NAMES.get(key, key): value for key, value in run["options"].items()}
        )
        mined, scores = candidates(folder, case["dev"], options)
        assert len(mined) == run["dev_candidates"], run["config"]
        if "dev_candidate_lines" in run:
            expected = run["dev_candidate_lines"]
            assert [list(one[1:]) for one in mined] == [row[1:] for row in expected]
            assert [one[0] for one in mined] == NEAR_FLOAT32([r[0] for r in expected])
        expected = {(row[0], row[1]): row[2] for row in run["dev_candidate_ids"]}
        assert list(scores) == list(expected), run["config"]
        assert scores == NEAR_FLOAT32(expected)

        threshold = mining.best_threshold(scores, gold=gold)
        on_dev = run["dev_expected"]
        assert threshold == NEAR_FLOAT32(on_dev["best-threshold"]), run["config"]
        found = value(mining.extract(scores, threshold=threshold), gold)
        assert found == NEAR(
            {
                "precision": on_dev["precision"],
                "recall": on_dev["recall"],
                "f1": on_dev["F1"],
            }
        )

        _, test_scores = candidates(folder, case["test"], options)
        pairs = mining.extract(test_scores, threshold=threshold)
        assert pairs == [split(line) for line in run["test_prediction_lines"]]
        assert value(pairs, test_gold) == NEAR(run["test_expected"]), run["config"]
        tuned = mining.best_threshold(test_scores, gold=test_gold)
        expected = run["test_expected_if_threshold_is_tuned_on_test"]["best-threshold"]
        assert tuned == NEAR_FLOAT32(expected)


def test_thresholds_agree_case_by_case(kit):
    assert len(kit["optimize"]) == 14
    for case in kit["optimize"]:
        scores = {(row[0], row[1]): row[2] for row in case["candidates"]}
        gold = [split(line) for line in case["gold"]]
        if isinstance(case["threshold"], dict):
            with pytest.raises(UserError, match="no next one"):
                mining.best_threshold(scores, gold=gold)
            kept = mining.best_threshold(scores, gold=gold, at_end="score")
            assert len(mining.extract(scores, threshold=kept)) == len(scores)
            continue
        threshold = mining.best_threshold(scores, gold=gold)
        assert threshold == NEAR(case["threshold"])
        pairs = [
            "\t".join(pair) for pair in mining.extract(scores, threshold=threshold)
        ]
        assert pairs == case["extracted"]


def test_the_last_of_equal_sentences_lends_its_vector():
    source = np.array([[0, 1], [1, 0], [1, 0]], dtype=np.float32)
    target = np.array([[1, 0], [0, 1]], dtype=np.float32)
    texts = {"source_texts": ["same", "other", "same"], "target_texts": ["x", "y"]}
    # "same" is (1, 0) as "other" is: nobody is near "y" any more.
    found = mining.mine(source, target, **texts, options=mining.MiningOptions())
    best = found[0]
    assert (best.source, best.target) == ("same", "x")
    ids = mining.score_ids(
        found, **texts, source_ids=["s1", "s2", "s3"], target_ids=["t1", "t2"]
    )
    assert all(source_id == "s2" for source_id, _ in ids)  # "same" is nobody


def test_white_space_at_ends_tells_sentences_apart_when_mining_only():
    source = np.array([[1, 0], [0, 1]], dtype=np.float32)
    texts = {"source_texts": ["a", "a "], "target_texts": ["x", "y"]}
    found = mining.mine(source, source, **texts)
    assert {one.source for one in found} == {"a", "a "}
    assert not mining.score_ids(
        found, **texts, source_ids=["1", "2"], target_ids=["3", "4"]
    )


def test_bad_input_is_refused():
    vectors = np.ones((2, 3), dtype=np.float32)
    with pytest.raises(UserError, match="2 vectors for 1 source sentences"):
        mining.mine(vectors, vectors, source_texts=["a"], target_texts=["b", "c"])
    with pytest.raises(UserError, match="0 vectors for 0 target sentences"):
        mining.mine(vectors, vectors[:0], source_texts=["a", "b"], target_texts=[])
    with pytest.raises(UserError, match="3 ids for 2 sentences"):
        mining.score_ids(
            [],
            source_texts=["a", "b"],
            source_ids=["1", "2", "3"],
            target_texts=[],
            target_ids=[],
        )
    with pytest.raises(UserError, match="no gold pair"):
        mining.best_threshold({("a", "b"): 1.0}, gold=[])
    with pytest.raises(ValueError, match="margin is one of ratio"):
        mining.MiningOptions(margin="log")  # pyright: ignore
    with pytest.raises(ValueError, match="neighbours must be 1 or more"):
        mining.MiningOptions(neighbours=0)
