"""mT5's F1 over entities as text, against its own code and by hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.errors import UserError
from xtl_jax.metrics import spans
from xtl_jax.metrics.metric import add

TEXTS = st.lists(
    st.sampled_from(["PER: a", "LOC: b", "PER : a ", " $$ ", "$$", ":", "x", "\u3000"]),
    max_size=8,
).map("".join)


def near(value):
    return pytest.approx(value, abs=1e-9, rel=0)


def counts(prediction, target):
    return spans.METRIC.counts(prediction, references=(target,), language="en")


def score(pairs):
    rows = add(counts(said, target) for said, target in pairs)
    return spans.METRIC.combine(rows)["span_f1"]


@pytest.fixture(scope="module")
def kit(shared):
    path = shared / "conformance" / "scorers" / "ner_mt5_span_f1.json"
    return json.loads(path.read_text("utf-8"))


def test_every_pair_agrees(kit):
    assert len(kit["cases"]) == 329
    for case in kit["cases"]:
        found = score([(case["prediction"], case["target"])])
        assert found == near(100 * case["span_f1"]), case


def test_subsets_and_the_whole_corpus_agree(kit):
    pairs = [(case["prediction"], case["target"]) for case in kit["cases"]]
    assert score(pairs) == near(100 * kit["expected"]["span_f1"])
    for each in kit["subsets"]:
        found = score([pairs[index] for index in each["indices"]])
        assert found == near(100 * each["span_f1"])


@pytest.mark.parametrize(
    ("prediction", "target", "expected"),
    [
        ("LOC: b $$ PER: a", "PER: a $$ LOC: b", (2, 0, 0)),  # order does not count
        ("PER: a", "PER: a $$ PER: a", (1, 0, 1)),  # how often does
        ("PER: a$$LOC: b", "PER: a $$ LOC: b", (0, 0, 2)),  # one piece, two colons
        ("per: a", "PER: a", (0, 1, 1)),
        (" PER :  a ", "PER: a", (1, 0, 0)),
        ("TIME: 10:30", "TIME: 10:30", (0, 0, 0)),  # vanishes on both sides
        ("", "", (0, 0, 0)),
        (None, "PER: a", (0, 0, 1)),
    ],
)
def test_pairs_by_hand(prediction, target, expected):
    found = counts(prediction, target)
    names = ("true_positives", "false_positives", "false_negatives")
    assert tuple(found[name] for name in names) == expected


def test_a_perfect_score_is_just_below_100_and_an_empty_one_0():
    assert 100 - 1e-9 < score([("PER: a", "PER: a")]) < 100
    assert score([("", "")]) == 0.0
    with pytest.raises(ValueError, match="no examples"):
        spans.combine(dict.fromkeys(counts("", ""), 0.0))


def test_several_references_are_refused():
    with pytest.raises(UserError, match="exactly one reference"):
        spans.counts("", references=(), language="en")
    with pytest.raises(UserError, match="exactly one reference"):
        spans.counts("", references=("a", "b"), language="en")


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8))
def test_counts_add_and_the_sides_are_alike(pairs):
    counted = [counts(said, target) for said, target in pairs]
    middle = len(counted) // 2
    halves = [add(half) for half in (counted[:middle], counted[middle:]) if half]
    assert add(halves) == add(counted)
    assert score(pairs) == near(score([(target, said) for said, target in pairs]))


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_gold_entities_score_100_if_there_is_one(targets):
    found = score([(target, target) for target in targets])
    some = any(spans.entities(target) for target in targets)
    assert found == near(100.0 if some else 0.0)
