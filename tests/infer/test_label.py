"""Which head answers; and that what it says does not depend on the batch."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from flax import linen as nn
from xtl_tasks import catalog

from xtl_jax.data import store
from xtl_jax.errors import UserError
from xtl_jax.infer import label
from xtl_jax.infer.encoder import LoadedEncoder
from xtl_jax.model import encoder
from xtl_jax.model.encoder_sizes import EncoderConfig, Head

WORDS = ("entailment", "neutral", "contradiction")
NLI = Head(name="mnli", kind="classification", labels=WORDS)
PAIRS = Head(name="qqp", kind="classification", labels=("not_duplicate", "duplicate"))
CHOICE = Head(name="copa", kind="choice")
SPAN = Head(name="squad_v1", kind="span")
TAGS = Head(name="udpos", kind="tagging", labels=catalog.family("udpos").tags)
HEADS = (NLI, PAIRS, CHOICE, SPAN, TAGS)
PAD = 1
CONFIG = EncoderConfig(
    architecture="xlm-roberta",
    vocab=128,
    embed=16,
    heads=2,
    mlp=32,
    layers=2,
    positions=66,
    task_heads=HEADS,
)


@pytest.fixture(scope="module")
def params():
    return nn.unbox(encoder.init_params(CONFIG, jax.random.key(0)))


@pytest.fixture(scope="module")
def model(params):
    return LoadedEncoder(
        config=CONFIG, params=params, source="toy", step=0, vocabulary_size=128
    )


def _texts(sizes):
    rng = np.random.default_rng(0)
    return [[0, *rng.integers(4, 128, size).tolist(), 2] for size in sizes]


def _store(folder, kind, rows):
    card = {
        "task": "toy",
        "split": "test",
        "kind": kind,
        "length": 64,
        "labels": [],
        "ids": {"pad": PAD, "mask": 127, "first": 4, "size": 128},
    }
    return store.Store(store.write(folder / "s", rows, card))


def _rows(kind, texts):
    for number, text in enumerate(texts):
        size = {"classification": 1, "span": 2}.get(kind, len(text))
        meta = {"id": str(number), "example": number}
        yield {"inputs": text, "targets": [0] * size, "meta": meta}


def _label(params, split, head, **settings):
    return label.label(
        *(CONFIG, params, split), head=head, pad_id=PAD, batch_size=4, **settings
    )


def _log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


@pytest.mark.parametrize("head", [NLI, SPAN, TAGS], ids=lambda head: head.kind)
def test_it_says_of_each_text_what_it_says_of_it_alone(params, model, head, tmp_path):
    texts = _texts([3, 40, 7, 1, 60, 20])
    split = _store(tmp_path, head.kind, _rows(head.kind, texts))
    done = []
    found = _label(params, split, head, progress=done.append)
    assert done == [4, 6]
    for text, said in zip(texts, found, strict=True):
        logits = model.logits(inputs=np.array([text]), head=head.name)[0]
        if head.kind == "span":
            np.testing.assert_allclose(said.values, logits, rtol=1e-4, atol=1e-5)
            continue
        expected = _log_softmax(logits)
        if head.kind == "tagging":
            assert said.values.tolist() == expected.argmax(axis=1).tolist()
            expected, said = expected.max(axis=1), said.log_probabilities
        else:
            said = said.values
        np.testing.assert_allclose(said, expected, rtol=1e-4, atol=1e-5)


def test_options_are_compared_within_an_example(params, model, tmp_path):
    texts = _texts([9, 12, 4, 30, 8, 2])
    examples = [texts[:3], texts[3:]]
    rows = [
        {
            "inputs": [token for text in each for token in text],
            "targets": [1, *map(len, each)],
            "meta": {"id": str(number)},
        }
        for number, each in enumerate(examples)
    ]
    found = _label(params, _store(tmp_path, "choice", rows), CHOICE)
    for each, said in zip(examples, found, strict=True):
        scores = [
            model.logits(inputs=np.array([[text]]), head="copa")[0, 0] for text in each
        ]
        expected = _log_softmax(np.array(scores))
        np.testing.assert_allclose(said.values, expected, rtol=1e-4, atol=1e-5)
        assert np.exp(said.values).sum() == pytest.approx(1, abs=1e-5)


def test_only_the_first_sentences_with_all_their_windows(params, tmp_path):
    rows = list(_rows("tagging", _texts([5, 6, 7, 8])))
    for row, sentence in zip(rows, (0, 1, 1, 2), strict=True):
        row["meta"]["example"] = sentence
    split = _store(tmp_path, "tagging", rows)
    assert len(_label(params, split, TAGS, first=2)) == 3
    assert len(_label(params, split, TAGS)) == 4


def test_what_is_no_number_is_an_error(params, tmp_path):
    broken = jax.tree.map(lambda array: array * np.nan, params)
    split = _store(tmp_path, "classification", _rows("classification", _texts([3])))
    with pytest.raises(UserError, match="row 0: the checkpoint is broken"):
        _label(broken, split, NLI)


@pytest.mark.parametrize(
    ("family", "head"),
    [
        ("mnli", NLI),  # its own
        ("xnli", NLI),  # the only one of three classes
        ("pawsx", PAIRS),
        ("xquad", SPAN),
        ("squad_v2", SPAN),
        ("copa", CHOICE),  # lists its options for mT5
        ("hellaswag_rank", CHOICE),
        ("udpos", TAGS),
    ],
)
def test_the_head_that_can_answer_is_taken(family, head):
    assert label.head_of(catalog.family(family), HEADS) == head


def test_a_head_is_chosen_where_several_can_answer():
    xnli = catalog.family("xnli")
    other = Head(name="anli", kind="classification", labels=WORDS)
    heads = (*HEADS, other)
    with pytest.raises(UserError, match=r"several heads .* mnli, anli.*RunConfig.head"):
        label.head_of(xnli, heads)
    assert label.head_of(xnli, heads, "anli") == other
    own = Head(name="xnli", kind="classification", labels=("0", "1", "2"))
    assert label.head_of(xnli, (*heads, own)) == own


@pytest.mark.parametrize(
    ("family", "heads", "chosen", "message"),
    [
        ("xnli", (PAIRS, SPAN), "", r"no head .*3 classes.*qqp \(classification, 2"),
        ("xnli", (), "", "it has: none. Fine-tune it"),
        ("xnli", HEADS, "qqp", "it tells 2 classes .not_duplicate, duplicate., and"),
        ("xnli", HEADS, "squad_v1", "it is for span, and xnli needs a classif"),
        ("xnli", HEADS, "nmli", "no head of the model; near: mnli"),
        ("panx", HEADS, "", "no head of the model can answer panx, which needs a tagg"),
        ("panx", HEADS, "udpos", "its tags .* are not those of panx"),
        ("ccg", HEADS, "", "no head of the model can answer ccg"),
        ("tatoeba", HEADS, "", "by sentence vectors and no head"),
    ],
)
def test_a_head_that_cannot_answer_is_refused(family, heads, chosen, message):
    with pytest.raises(UserError, match=message):
        label.head_of(catalog.family(family), heads, chosen)


def test_classes_are_named_as_the_family_names_them():
    xnli, mnli = catalog.family("xnli"), catalog.family("mnli")
    assert label.class_names(xnli, NLI) == ("0", "1", "2")
    turned = Head(name="mnli", kind="classification", labels=WORDS[::-1])
    assert label.class_names(mnli, turned) == WORDS[::-1]
    assert label.class_names(catalog.family("udpos"), TAGS) == TAGS.labels


@pytest.mark.parametrize("head", [NLI, TAGS], ids=lambda head: head.kind)
def test_a_model_that_says_nan_has_no_answers(params, head, tmp_path):
    split = _store(tmp_path, head.kind, _rows(head.kind, _texts([3])))
    broken = jax.tree.map(lambda array: array * np.nan, params)
    says = f"head '{head.name}' says nothing finite of row 0: .* --dtype float32"
    with pytest.raises(UserError, match=says):
        _label(broken, split, head)
