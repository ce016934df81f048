"""Tags against both versions of seqeval, by hand, as sums, and how fast."""

from __future__ import annotations

import functools
import json
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.errors import UserError
from xtl_jax.metrics import scoring, tagging
from xtl_jax.metrics.metric import add

METRICS = (
    tagging.SPAN_F1,
    tagging.STRICT_SPAN_F1,
    tagging.CHUNK_F1,
    tagging.TOKEN_ACCURACY,
)
UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART"),
    *("PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X", "_"),
)
IOB2 = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
FIELDS = {"task": "panx.en", "family": "panx", "language": "en", "split": "test"}


def near(value):
    return pytest.approx(value, abs=1e-9, rel=0)


def counts(metric, sentence):
    return metric.counts(
        " ".join(sentence["pred"]),
        references=(" ".join(sentence["gold"]),),
        language="en",
    )


def score(metric, sentences):
    return metric.combine(add(counts(metric, sentence) for sentence in sentences))


def flat(sentences, side):
    """All tags of a corpus as seqeval itself joins them: an O after each sentence."""
    return [tag for sentence in sentences for tag in (*sentence[side], "O")]


def flat_f1(sentences, *, seqeval):
    gold, said = (
        tagging.chunks(flat(sentences, side), seqeval=seqeval)
        for side in ("gold", "pred")
    )
    return 200 * len(gold & said) / (len(gold) + len(said)) if gold & said else 0.0


@pytest.fixture(scope="module")
def kit(shared):
    def load(name):
        path = shared / "conformance" / "scorers" / f"tagging_{name}.json"
        return json.loads(path.read_text("utf-8"))

    return load


def of_set(document, each):
    return [document["sentences"][index] for index in each["indices"]]


def test_named_entities_agree_over_all_sentences_and_each_language(kit):
    document = kit("ner_panx")
    assert len(document["sets"]) > 5
    macro = []
    for each in document["sets"]:
        values = score(tagging.SPAN_F1, of_set(document, each))
        assert values == near(each["expected"]), each["name"]
        assert values == near(each["expected_seqeval_0_0_12"]), each["name"]
        if each["name"].startswith("lang:"):
            macro.append(values["f1"])
    expected = document["macro_over_languages"]["avg_f1"]
    assert sum(macro) / len(macro) == near(expected)


def test_strict_entities_are_another_number(kit):
    document = kit("ner_panx")
    values = score(tagging.STRICT_SPAN_F1, document["sentences"])
    assert values["f1"] == near(document["strict_iob2_f1"])


def test_tricky_pairs_of_entities_agree_with_both_versions(kit):
    document = kit("ner_panx")
    for each in document["hand"]:
        assert score(tagging.SPAN_F1, [each]) == near(each["expected"]), each
        expected = each["expected_seqeval_0_0_12"]["f1"]
        assert flat_f1([each], seqeval="0") == near(expected), each
    together = score(tagging.SPAN_F1, document["hand"][:8])
    assert together == near(document["hand_first_8_together"])


def test_types_of_entities_are_counted_as_the_report_has_them(kit):
    document = kit("ner_panx")
    for name, expected in document["per_type"].items():
        if name.endswith("avg"):
            continue
        one = functools.partial(only_type, wanted=name)
        kept = [
            {side: one(s[side]) for side in ("gold", "pred")}
            for s in document["sentences"]
        ]
        found = score(tagging.SPAN_F1, kept)
        assert found["precision"] == near(100 * expected["precision"])
        assert found["recall"] == near(100 * expected["recall"])
        assert found["f1"] == near(100 * expected["f1-score"])


def only_type(tags, *, wanted):
    """The same tags with every chunk of another type taken out."""
    kept = ["O"] * len(tags)
    for type_, first, last in tagging.chunks(tags, seqeval="1"):
        if type_ == wanted:
            kept[first : last + 1] = [f"B-{type_}"] + [f"I-{type_}"] * (last - first)
    return kept


def test_parts_of_speech_agree_with_seqeval_before_1_0(kit):
    document = kit("udpos")
    for each in document["sets"]:
        values = score(tagging.CHUNK_F1, of_set(document, each))
        assert values["f1"] == near(each["expected_seqeval_0_0_12"]["f1"])
    everything = score(tagging.CHUNK_F1, document["sentences"])
    assert everything["accuracy"] == near(document["token_accuracy"])
    for each in document["hand"]:
        values = score(tagging.CHUNK_F1, [each])
        assert values["f1"] == near(each["expected_seqeval_0_0_12"]["f1"]), each


def test_parts_of_speech_agree_with_seqeval_1_where_its_types_are_asked_for(kit):
    document = kit("udpos")
    for each in document["sets"]:
        found = flat_f1(of_set(document, each), seqeval="1")
        assert found == near(each["expected_seqeval_1_2_2"]["f1"]), each["name"]


def test_supertags_agree(kit):
    document = kit("ccg")
    values = score(tagging.TOKEN_ACCURACY, document["sentences"])
    assert values["accuracy"] == near(document["expected"]["accuracy"])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O I-PER I-PER", {("PER", 1, 2)}),
        ("B-PER I-LOC I-LOC", {("PER", 0, 0), ("LOC", 1, 2)}),
        ("B-PER B-PER I-PER", {("PER", 0, 0), ("PER", 1, 2)}),
        ("I-PER O I-PER", {("PER", 0, 0), ("PER", 2, 2)}),
        ("S-PER E-PER", {("PER", 0, 0), ("PER", 1, 1)}),
        ("O O", set()),
    ],
)
def test_entities_by_hand(tags, expected):
    assert tagging.chunks(tags.split(), seqeval="1") == expected


def test_only_b_opens_a_strict_entity():
    tags = ["I-PER", "B-PER", "I-PER", "I-LOC", "I-PER", "O", "B-LOC", "B-LOC"]
    assert tagging.strict_chunks(tags) == {
        ("PER", 1, 2),
        ("LOC", 6, 6),
        ("LOC", 7, 7),
    }


def test_runs_of_one_bare_tag_are_one_chunk_but_not_of_tags_with_s():
    sentence = {
        "gold": ["NOUN", "NOUN", "SYM", "SYM"],
        "pred": ["NOUN"] * 2 + ["SYM"] * 2,
    }
    found = counts(tagging.CHUNK_F1, sentence)
    assert found["true_positives"] == 3  # NOUN NOUN, SYM, SYM
    half = {"gold": ["NOUN", "NOUN", "VERB"], "pred": ["NOUN", "VERB", "VERB"]}
    assert score(tagging.CHUNK_F1, [half]) == {
        "f1": 0.0,
        "accuracy": pytest.approx(200 / 3),
    }


def test_a_missing_sentence_has_no_right_tag_and_stays_in_the_totals():
    gold = ("B-PER I-PER O B-LOC",)
    for metric in METRICS:
        found = metric.counts(None, references=gold, language="en")
        assert found["total"] == 1.0
        assert set(metric.combine(found).values()) == {0.0}
    found = tagging.SPAN_F1.counts(None, references=gold, language="en")
    assert (found["false_negatives"], found["false_positives"]) == (2.0, 0.0)
    found = tagging.CHUNK_F1.counts(None, references=("DET NOUN",), language="en")
    assert (found["tokens"], found["false_negatives"]) == (2.0, 2.0)


def test_a_missing_sentence_of_unknown_length_is_refused():
    rows = [scoring.Row(id="7", references=None)]
    for metric in METRICS:
        with pytest.raises(
            UserError, match=r"'7': its references are not known.*--data"
        ):
            scoring.count(metric, rows, language="en")


def test_another_number_of_tags_is_refused():
    for metric in METRICS:
        for said in ("O", "O O O", "O  O", ""):
            with pytest.raises(
                UserError, match=r"has \d tags? for 2 tokens.*projected"
            ):
                metric.counts(said, references=("O O",), language="en")
        with pytest.raises(UserError, match="exactly one reference"):
            metric.counts("O", references=(), language="en")
        with pytest.raises(UserError, match="exactly one reference"):
            metric.counts("O", references=("O", "O"), language="en")


def test_an_empty_tag_is_in_no_chunk_and_never_right():
    for metric in (tagging.CHUNK_F1, tagging.TOKEN_ACCURACY):
        found = metric.counts(" X", references=(" X",), language="en")
        assert (found["tokens"], found["correct_tokens"]) == (2.0, 1.0)
        assert metric.counts("", references=("X",), language="en")["tokens"] == 1.0
    assert tagging.chunks(["", "B-PER", ""], seqeval="1") == {("PER", 1, 1)}
    assert tagging.strict_chunks(["", "B-PER", ""]) == {("PER", 1, 1)}


def test_a_sum_of_nothing_has_no_value():
    for metric in METRICS:
        empty = dict.fromkeys(metric.counts("O", references=("O",), language="en"), 0.0)
        with pytest.raises(ValueError, match="no examples"):
            metric.combine(empty)


def test_the_signature_says_that_sums_are_divided():
    row = scoring.Row(id="1", references=("B-PER O",), prediction="B-PER O")
    found = scoring.score(tagging.SPAN_F1, [row], **FIELDS)
    assert found.values == {"f1": 100.0, "precision": 100.0, "recall": 100.0}
    assert "|metric:span_f1|norm:none|gold:raw|post:none|agg:micro|" in found.signature


def pairs_of(tags):
    pair = st.tuples(st.sampled_from(tags), st.sampled_from(tags))
    sentence = st.lists(pair, min_size=1, max_size=9).map(
        lambda pairs: {"gold": [a for a, _ in pairs], "pred": [b for _, b in pairs]}
    )
    return st.lists(sentence, min_size=1, max_size=6)


@given(sentences=pairs_of(IOB2) | pairs_of(UPOS))
def test_counts_of_sentences_add_to_those_of_the_joined_corpus(sentences):
    for metric, seqeval in ((tagging.SPAN_F1, "1"), (tagging.CHUNK_F1, "0")):
        if seqeval == "1" and sentences[0]["gold"][0] in UPOS:
            continue  # its types of bare tags can be empty: see the module
        sums = add(counts(metric, sentence) for sentence in sentences)
        gold, said = (
            tagging.chunks(flat(sentences, side), seqeval=seqeval)
            for side in ("gold", "pred")
        )
        assert sums["true_positives"] == len(gold & said)
        assert sums["false_positives"] == len(said - gold)
        assert sums["false_negatives"] == len(gold - said)
        middle = len(sentences) // 2
        halves = [
            add(counts(metric, sentence) for sentence in half)
            for half in (sentences[:middle], sentences[middle:])
            if half
        ]
        assert add(halves) == sums


@given(sentences=pairs_of(IOB2[1:]) | pairs_of(UPOS))
def test_gold_tags_score_100(sentences):
    gold = [
        {"gold": sentence["gold"], "pred": sentence["gold"]} for sentence in sentences
    ]
    for metric in (tagging.CHUNK_F1, tagging.TOKEN_ACCURACY):
        assert set(score(metric, gold).values()) == {100.0}
    if sentences[0]["gold"][0] in IOB2:
        assert set(score(tagging.SPAN_F1, gold).values()) == {100.0}


@given(sentences=pairs_of(IOB2))
def test_precision_and_recall_swap_with_the_sides(sentences):
    turned = [{"gold": s["pred"], "pred": s["gold"]} for s in sentences]
    for metric in (tagging.SPAN_F1, tagging.STRICT_SPAN_F1):
        one, other = score(metric, sentences), score(metric, turned)
        assert one["f1"] == near(other["f1"])
        assert one["precision"] == near(other["recall"])


def test_half_a_million_tokens_take_seconds():
    rng = random.Random(0)
    sentences = []
    for _ in range(25_000):
        gold = rng.choices(UPOS, k=20)
        said = [tag if rng.random() < 0.9 else rng.choice(UPOS) for tag in gold]
        sentences.append({"gold": gold, "pred": said})
    start = time.process_time()
    values = score(tagging.CHUNK_F1, sentences)
    assert time.process_time() - start < 5
    assert 89 < values["accuracy"] < 92
