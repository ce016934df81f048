"""Losses of labels: against transformers, and heads that a batch is none of."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from xtl_jax.checkpoint import huggingface, names
from xtl_jax.model.encoder import init_params
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.train import labels, optimizer, state
from xtl_jax.train.labels import LabelBatch
from xtl_jax.train.step import make_train_step

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "encoders" / "training.json"
HEADS = (
    "sequence_classification",
    "token_classification",
    "question_answering",
    "multiple_choice",
    "masked_lm",
)
TWO = EncoderConfig(
    architecture="xlm-roberta",
    vocab=64,
    embed=16,
    heads=2,
    mlp=32,
    layers=2,
    positions=20,
    dropout_rate=0.0,
    task_heads=(
        Head(name="a", kind="classification", labels=("x", "y")),
        Head(name="b", kind="tagging", labels=("p", "q", "r")),
    ),
)


@pytest.mark.parametrize("kind", HEADS)
def test_six_updates_give_the_losses_of_transformers(
    shared, make_run, optax_promotes, kind
):
    golden = json.loads(GOLDEN.read_text())["heads"][kind]
    source = huggingface.source(epath.Path(shared / "conformance/hf/xlmr_tiny" / kind))
    config = dataclasses.replace(source.config, dropout_rate=0.0)
    run = make_run(
        steps=len(golden["losses"]),
        optimizer="adamw",
        learning_rate=1e-3,
        schedule="linear",
        weight_decay=0.01,
        gradient_clip=1.0,
        loss_normalizing_factor="tokens",
    )
    method = optimizer.build(run)
    current = state.at_zero(method, jax.tree.map(jnp.asarray, names.tree(source)))
    update = _update(config, run, method)
    found = []
    for values in golden["batches"]:
        arrays = {name: jnp.asarray(value, jnp.int32) for name, value in values.items()}
        batch = LabelBatch(head=config.task_heads[0].name, **arrays)
        current, output = update(current, batch)
        found.append(float(output.sums.loss / output.sums.tokens))
    np.testing.assert_allclose(found, golden["losses"], rtol=5e-6, atol=5e-5)


def test_a_batch_leaves_other_heads_and_their_moments_as_they_are(
    make_run, optax_promotes
):
    run = make_run(optimizer="adamw", weight_decay=0.1)
    method = optimizer.build(run)
    before = state.at_zero(method, _params(TWO))
    after, _ = _update(TWO, run, method)(before, _classes("a"))
    for path, old in jax.tree.leaves_with_path(before):
        name = jax.tree_util.keystr(path)
        new = dict(jax.tree.leaves_with_path(after))[path]
        if "'heads'" in name and "'b'" in name:
            np.testing.assert_array_equal(old, new, err_msg=name)
    moved = jax.tree.map(lambda x, y: bool((x != y).any()), before.params, after.params)
    assert moved["heads"]["a"]["out"]["kernel"]
    assert moved["encoder"]["embeddings"]["word"]


def test_places_without_a_label_count_for_nothing():
    params = _params(TWO)
    tokens = jnp.asarray([[0, 7, 8, 9, 2, 1]])
    some = jnp.asarray([[-1, 0, 2, -1, -1, -1]])
    sums = labels.label_sums(
        TWO, params, LabelBatch(tokens=tokens, labels=some, head="b"), key=None
    )
    assert float(sums.tokens) == 2.0
    none = LabelBatch(tokens=tokens, labels=jnp.full_like(tokens, -1), head="b")
    assert float(labels.label_sums(TWO, params, none, key=None).loss) == 0.0


def test_microbatches_add_up_to_the_batch(make_run):
    outputs = []
    for parts in (1, 2):
        run = make_run(
            microbatches=parts, batch_size=4, loss_normalizing_factor="tokens"
        )
        method = optimizer.build(run)
        begin = state.at_zero(method, _params(TWO))
        outputs.append(_update(TWO, run, method)(begin, _classes("a"))[1])
    np.testing.assert_allclose(outputs[0].sums.loss, outputs[1].sums.loss, rtol=1e-6)
    np.testing.assert_allclose(
        outputs[0].gradient_norm, outputs[1].gradient_norm, rtol=1e-5
    )


def test_all_hidden_tokens_find_a_place():
    length = 40
    hidden = np.full((2, length), -1)
    hidden[0, [3, 9, 11, 20, 21, 30]] = 5  # 15 % of it
    hidden[1, 39] = 7
    places = np.asarray(labels.hidden_places(jnp.asarray(hidden)))
    assert places.shape == (2, 8)
    assert {3, 9, 11, 20, 21, 30} <= set(places[0].tolist())
    assert 39 in places[1]


def _params(config):
    from flax import linen as nn

    return nn.unbox(init_params(config, jax.random.key(0)))


def _update(config, run, method):
    return jax.jit(
        make_train_step(
            *(config, run, method),
            objective=labels.objective(config, run),
            kept=labels.other_heads,
        )
    )


def _classes(head):
    tokens = jnp.asarray(np.random.default_rng(0).integers(4, 60, (4, 8)), jnp.int32)
    return LabelBatch(tokens=tokens, labels=jnp.asarray([0, 1, 1, 0]), head=head)
