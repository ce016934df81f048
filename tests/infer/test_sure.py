"""How sure models are, against what they say elsewhere; slopes, and moved inputs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from scipy.special import log_softmax, logsumexp

from xtl_jax.data import in_memory
from xtl_jax.data import vocabulary as vocabularies
from xtl_jax.data.features import Lengths
from xtl_jax.data.in_memory import InMemory
from xtl_jax.data.prompts import Example
from xtl_jax.infer import moved, sure
from xtl_jax.infer.encoder import LoadedEncoder
from xtl_jax.infer.model import LoadedModel
from xtl_jax.model import encoder, t5
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.sizes import ModelConfig

HEADS = (
    Head(name="nli", kind="classification", labels=("a", "b", "c")),
    Head(name="qa", kind="span"),
    Head(name="tags", kind="tagging", labels=("x", "y")),
    Head(name="copa", kind="choice"),
)
ENCODER = EncoderConfig(
    architecture="xlm-roberta",
    vocab=60,
    embed=8,
    heads=2,
    mlp=16,
    layers=1,
    positions=34,
    task_heads=HEADS,
)
LENGTHS = (9, 6, 12)


@pytest.fixture(scope="module")
def of_encoder():
    params = nn.unbox(encoder.init_params(ENCODER, jax.random.key(0)))
    # Fresh heads say next to nothing: louder ones can be told from rounding.
    params["heads"] = jax.tree.map(lambda leaf: 20 * leaf, params["heads"])
    return LoadedEncoder(
        config=ENCODER, params=params, source="here", step=0, vocabulary_size=60
    )


def _inputs():
    rng = np.random.default_rng(0)
    return [np.r_[0, rng.integers(4, 60, size - 2), 2] for size in LENGTHS]


def _store(kind, targets=None):
    inputs = _inputs()
    if kind == "choice":
        inputs = [np.r_[inputs[0], inputs[1]], np.r_[inputs[2], inputs[0]]]
        targets = [[1, 9, 6], [0, 12, 9]]
    examples = [
        {"inputs": ids, "targets": target, "meta": {"id": str(i), "example": i}}
        for i, (ids, target) in enumerate(
            zip(inputs, targets or [[0]] * len(inputs), strict=True)
        )
    ]
    return InMemory(examples, card={"kind": kind, "length": 32, "ids": {"pad": 1}})


RIGHT = {
    "nli": [np.array(2), np.array(0), np.array(1)],
    "qa": [
        np.array([[3, 5], [4, 4]]),
        np.zeros((0, 2), int),
        np.array([[0, 0]]),
    ],
    "tags": [np.array([-1, 0, 1, 1]), np.array([-1, 1]), np.array([-1, -1, 0])],
    "copa": [np.array(1), np.array(0)],
}


def _said(model, head, store):
    return sure.of_encoder(
        *(model.config, model.params, store),
        head=model.config.head(head),
        right=RIGHT[head],
        pad_id=1,
        batch_size=2,
    )


def test_classes_and_options_are_margins(of_encoder):
    found = _said(of_encoder, "nli", _store("classification"))
    for row, ids in enumerate(_inputs()):
        logits = of_encoder.logits(inputs=ids[None], head="nli")[0]
        right = int(RIGHT["nli"][row])
        margin = logits[right] - np.delete(logits, right).max()
        assert sure.joined(found[row : row + 1], kind="classification") == (
            pytest.approx(margin, abs=1e-4)
        )
    found = _said(of_encoder, "copa", _store("choice"))
    first, second, third = _inputs()
    wide = np.full((1, 2, 12), 1)
    wide[0, 0, :12], wide[0, 1, :9] = third, first
    logits = of_encoder.logits(inputs=wide, head="copa")[0]
    assert found[1, 0] == pytest.approx(logits[0] - logits[1], abs=1e-4)
    assert len(second) == 6


def test_tags_are_the_sum_of_what_is_labelled(of_encoder):
    found = _said(of_encoder, "tags", _store("tagging"))
    for row, ids in enumerate(_inputs()):
        nats = log_softmax(of_encoder.logits(inputs=ids[None], head="tags")[0], axis=-1)
        wanted = sum(
            nats[i, tag] for i, tag in enumerate(RIGHT["tags"][row]) if tag >= 0
        )
        assert found[row, 0] == pytest.approx(wanted, abs=1e-4)


def test_windows_of_a_question_are_one_distribution(of_encoder):
    """All windows together, by hand: the second holds no gold span."""
    found = _said(of_encoder, "qa", _store("span"))
    logits = [of_encoder.logits(inputs=ids[None], head="qa")[0] for ids in _inputs()]
    starts, ends = (np.concatenate([each[:, i] for each in logits]) for i in (0, 1))
    gold = [
        logits[row][first, 0] + logits[row][last, 1]
        for row, spans in enumerate(RIGHT["qa"])
        for first, last in spans
    ]
    wanted = logsumexp(gold) - logsumexp(starts) - logsumexp(ends)
    assert sure.joined(found, kind="span") == pytest.approx(wanted, abs=1e-4)


def _batch(head):
    ids = np.full((3, 12), 1, np.int32)
    for row, inputs in enumerate(_inputs()):
        ids[row, : len(inputs)] = inputs
    if head == "copa":
        ids = np.stack([ids[:2], ids[1:]], axis=1)
    right = RIGHT[head]
    labels = sure.labels_of(
        right, np.arange(len(right)), ids, head=ENCODER.head(head), spans=2
    )
    return jnp.asarray(ids), jnp.asarray(labels)


@pytest.mark.parametrize("head", ["nli", "qa", "tags", "copa"])
def test_slopes_agree_with_finite_differences(of_encoder, head):
    tokens, labels = _batch(head)

    def said(addition):
        parts = sure.encoder_parts(
            *(ENCODER, of_encoder.params, tokens, labels, addition),
            head=ENCODER.head(head),
            pad_id=1,
        )
        return jnp.sum(sure.encoder_sureness(parts, kind=ENCODER.head(head).kind))

    zero = jnp.zeros((*tokens.shape, 8))
    slope = jax.grad(said)(zero)
    towards = jax.random.normal(jax.random.key(1), zero.shape)
    step = 1e-3 / float(jnp.linalg.norm(towards.ravel()))
    by_steps = (said(step * towards) - said(-step * towards)) / (2 * step)
    assert float(jnp.vdot(slope, towards)) == pytest.approx(float(by_steps), rel=0.02)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("over", ["token", "example"])
def test_moved_inputs_stay_in_their_ball_and_hurt(of_encoder, norm, over):
    tokens, labels = _batch("nli")
    head = ENCODER.head("nli")
    ball = moved.Ball(norm=norm, over=over, steps=4)
    addition = np.asarray(
        moved.of_encoder(
            *(ENCODER, of_encoder.params, tokens, labels),
            jnp.asarray(moved.keys_of(["a", "b", "c"], seed=0)),
            jnp.float32(0.2),
            head=head,
            pad_id=1,
            ball=ball,
        )
    )
    table = np.asarray(of_encoder.params["encoder"]["embeddings"]["word"])
    ids = np.asarray(tokens)
    for row in range(3):
        text = ids[row] > 2
        mean = np.linalg.norm(table[ids[row][text]], axis=-1).mean()
        own = addition[row]
        assert not own[~text].any()  # neither padding nor marks
        if norm == "linf":
            assert np.abs(own).max() <= 0.2 * mean / np.sqrt(8) * 1.0001
        elif over == "token":
            assert np.linalg.norm(own, axis=-1).max() <= 0.2 * mean * 1.0001
        else:
            assert np.linalg.norm(own) <= 0.2 * mean * 1.0001

    def said(addition):
        parts = sure.encoder_parts(
            *(ENCODER, of_encoder.params, tokens, labels, addition), head=head, pad_id=1
        )
        return np.asarray(parts)[:, 0]

    assert (said(jnp.asarray(addition)) < said(None)).all()


def test_moves_do_not_depend_on_the_batch(of_encoder):
    tokens, labels = _batch("nli")
    seeds = moved.keys_of(["a", "b", "c"], seed=3)
    ball = moved.Ball(norm="l2", over="token", steps=2)

    def move(rows):
        return np.asarray(
            moved.of_encoder(
                *(ENCODER, of_encoder.params, tokens[rows], labels[rows]),
                jnp.asarray(seeds[rows]),
                jnp.float32(0.2),
                head=ENCODER.head("nli"),
                pad_id=1,
                ball=ball,
            )
        )

    forwards, backwards = move(np.array([0, 1, 2])), move(np.array([2, 1, 0]))
    np.testing.assert_allclose(forwards, backwards[::-1], atol=1e-5)


@pytest.fixture(scope="module")
def of_text():
    vocabulary = vocabularies.load("bytes")
    config = ModelConfig(
        vocab=vocabulary.size,
        embed=8,
        heads=2,
        head_dim=4,
        mlp=16,
        encoder_layers=1,
        decoder_layers=1,
        dropout_rate=0.0,
    )
    params = nn.unbox(t5.init_params(config, jax.random.key(0)))
    return LoadedModel(
        config=config,
        params=params,
        source="here",
        step=0,
        vocabulary_size=vocabulary.size,
    )


def test_mt5_s_labels_are_margins_and_answers_likelihoods(of_text):
    vocabulary = vocabularies.load("bytes")
    made = [
        Example(id=str(i), inputs=text, targets="no", references=("no",))
        for i, text in enumerate(("is it?", "well, is it so?"))
    ]
    store = in_memory.text_to_text(made, vocabulary=vocabulary, name="here")
    ids = {text: [*vocabulary.encode(text), 1] for text in ("yes", "no")}
    gold = [
        sure.Gold([ids["yes"], ids["no"]], 1),
        sure.Gold([ids["yes"], ids["no"]], 0),
    ]
    shared = {"lengths": Lengths(inputs=32, targets=8), "batch_size": 2}
    model = (of_text.config, of_text.params, store)
    found = sure.of_text(*model, gold=gold, **shared)

    def score(row, text):
        return float(
            of_text.score(
                inputs=store.tokens("inputs", row)[None], targets=np.array([ids[text]])
            )[0]
        )

    assert found[0] == pytest.approx(score(0, "no") - score(0, "yes"), abs=1e-4)
    assert found[1] == pytest.approx(score(1, "yes") - score(1, "no"), abs=1e-4)
    alone = [sure.Gold([ids["no"]], 0)] * 2
    found = sure.of_text(*model, gold=alone, **shared)
    assert found == pytest.approx([score(0, "no"), score(1, "no")], abs=1e-4)


def test_mt5_s_slopes_agree_with_finite_differences(of_text):
    inputs = jnp.asarray([[5, 9, 40, 1, 0, 0], [77, 30, 20, 11, 8, 1]])
    targets, right = sure.targets_of(
        [sure.Gold([[50, 60, 1], [70, 1]], 0), sure.Gold([[50, 60, 1], [70, 1]], 1)],
        np.array([0, 1]),
    )

    def said(addition):
        return jnp.sum(
            sure.text_sureness(
                of_text.config,
                of_text.params,
                inputs,
                jnp.asarray(targets),
                jnp.asarray(right),
                addition,
            )
        )

    zero = jnp.zeros((2, 6, 8))
    slope = jax.grad(said)(zero)
    towards = jax.random.normal(jax.random.key(1), zero.shape)
    step = 1e-2 / float(jnp.linalg.norm(towards.ravel()))
    by_steps = (said(step * towards) - said(-step * towards)) / (2 * step)
    assert float(jnp.vdot(slope, towards)) == pytest.approx(float(by_steps), rel=0.03)
