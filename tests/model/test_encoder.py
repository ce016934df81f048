"""The encoder beside its definition: padding, positions, dropout, dtypes, heads."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from xtl_jax.errors import UserError
from xtl_jax.model.encoder import Encoder, fresh_heads, init_params, token_positions
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.heads import Heads

pytestmark = pytest.mark.usefixtures("quick_compiles")

KINDS = ("xnli", "copa", "squad_v2", "udpos", "text")


@pytest.fixture(scope="module")
def tokens():
    """Two rows that end in 2, the second one short."""
    rows = np.random.default_rng(3).integers(4, 250, (2, 9)).astype(np.int32)
    rows[:, 0], rows[0, 8], rows[1, 5], rows[1, 6:] = 0, 2, 2, 1
    return rows


@functools.partial(jax.jit, static_argnames=("config", "head"))
def _compiled(config, params, tokens, head, key, places):
    network = Encoder(config, "eval" if key is None else "train")
    return network.apply(
        {"params": params},
        tokens,
        head=head,
        places=places,
        method="logits",
        rngs=None if key is None else {"dropout": key},
    )


def _logits(config, params, tokens, head, *, key=None, places=None):
    return np.asarray(_compiled(config, params, tokens, head, key, places))


@functools.partial(jax.jit, static_argnames="config")
def _last(config, params, tokens):
    network = Encoder(config)
    return network.apply({"params": params}, tokens, method="states")[0]


def _gradient(config, params, tokens, *, key=None):
    """Of the squares of a head's logits."""

    def loss(params, tokens):
        found = _compiled(config, params, tokens, "xnli", key, None)
        return jnp.sum(jnp.square(found))

    return jax.jit(jax.grad(loss))(params, tokens)


def _assert_alike(tree, other, *, atol):
    for one, same in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(one, same, atol=atol, rtol=1e-4)


def _shaped(tokens, head):
    return np.stack([tokens, tokens[:, ::-1]], axis=1) if head == "copa" else tokens


@pytest.mark.parametrize(
    ("head", "shape"),
    [
        ("xnli", (2, 3)),
        ("copa", (2, 2)),
        ("squad_v2", (2, 9, 2)),
        ("udpos", (2, 9, 4)),
        ("text", (2, 9, 256)),
    ],
)
def test_each_head_has_its_shape_and_no_eye_for_padding(
    toy_encoder, toy_encoder_params, tokens, head, shape
):
    found = _logits(toy_encoder, toy_encoder_params, _shaped(tokens, head), head)
    assert found.shape == shape
    assert found.dtype == np.float32
    if head == "copa":
        return
    longer = np.pad(tokens, ((0, 0), (0, 4)), constant_values=1)
    padded = _logits(toy_encoder, toy_encoder_params, longer, head)
    if head != "xnli":
        padded = padded[:, :9]
        real = tokens != 1
        found, padded = found[real], padded[real]
    np.testing.assert_allclose(padded, found, atol=2e-5, rtol=2e-5)


def test_an_option_of_a_choice_is_scored_as_if_it_stood_alone(
    toy_encoder, toy_encoder_params, tokens
):
    both = _shaped(tokens, "copa")
    together = _logits(toy_encoder, toy_encoder_params, both, "copa")
    alone = [
        _logits(toy_encoder, toy_encoder_params, both[:, i : i + 1], "copa")
        for i in range(2)
    ]
    np.testing.assert_allclose(together, np.concatenate(alone, axis=1), atol=1e-5)
    assert abs(together[0, 0] - together[0, 1]) > 1e-3


def test_logits_of_hidden_places_are_those_of_all(
    toy_encoder, toy_encoder_params, tokens
):
    every = _logits(toy_encoder, toy_encoder_params, tokens, "text")
    places = jnp.asarray([[4, 1], [0, 5]])
    few = _logits(toy_encoder, toy_encoder_params, tokens, "text", places=places)
    expected = np.stack([every[0][[4, 1]], every[1][[0, 5]]])
    np.testing.assert_allclose(few, expected, atol=2e-5, rtol=2e-5)


def test_bert_counts_all_tokens_and_xlmr_only_real_ones(toy_encoder):
    tokens = jnp.asarray([[0, 9, 1, 9, 2, 1]])
    bert = dataclasses.replace(toy_encoder, architecture="bert")
    assert token_positions(toy_encoder, tokens).tolist() == [[2, 3, 1, 4, 5, 1]]
    assert token_positions(bert, tokens).tolist() == [[0, 1, 2, 3, 4, 5]]
    assert (toy_encoder.longest, bert.longest) == (38, 40)


@pytest.mark.parametrize(
    ("architecture", "longest"), [("xlm-roberta", 38), ("bert", 40)]
)
def test_the_position_table_is_used_to_its_end_and_not_beyond(
    toy_encoder, toy_encoder_params, architecture, longest
):
    config = dataclasses.replace(toy_encoder, architecture=architecture)
    full = np.full((1, longest), 7, np.int32)
    encoder = toy_encoder_params["encoder"]
    table = encoder["embeddings"]["position"].copy()
    table[-1, 0] += 3.0
    changed = {**encoder, "embeddings": {**encoder["embeddings"], "position": table}}
    before, after = (
        _last(config, {**toy_encoder_params, "encoder": tree}, full)
        for tree in (encoder, changed)
    )
    assert float(jnp.abs(before - after).max()) > 1e-3
    with pytest.raises(UserError, match=rf"has positions for {longest} "):
        _last(config, toy_encoder_params, np.full((1, longest + 1), 7, np.int32))


def test_heads_drop_where_those_of_hugging_face_do(toy_encoder, toy_encoder_params):
    x = np.random.default_rng(0).normal(size=(2, 5, 32)).astype(np.float32)
    words = toy_encoder_params["encoder"]["embeddings"]["word"]

    @functools.partial(jax.jit, static_argnums=0)
    def answers(mode, params, x, words):
        config = dataclasses.replace(toy_encoder, head_dropout_rate=0.5)
        return {
            head: Heads(config, mode).apply(
                *({"params": params}, x, head, words, x[None]),
                rngs={"dropout": jax.random.key(0)},
            )
            for head in KINDS
        }

    whole, dropped = (
        answers(mode, toy_encoder_params["heads"], x, words)
        for mode in ("eval", "train")
    )
    for head in KINDS:
        same = np.array_equal(whole[head], dropped[head])
        assert same == (head in ("squad_v2", "text")), head


def test_the_encoder_drops_only_in_training(toy_encoder, toy_encoder_params, tokens):
    config = dataclasses.replace(toy_encoder, dropout_rate=0.5, head_dropout_rate=0.0)
    one, other = (
        _logits(config, toy_encoder_params, tokens, "squad_v2", key=jax.random.key(i))
        for i in (1, 2)
    )
    whole = _logits(toy_encoder, toy_encoder_params, tokens, "squad_v2")
    assert min(np.abs(one - other).max(), np.abs(one - whole).max()) > 1e-2


def test_bfloat16_computes_nearly_the_same_and_answers_in_float32(
    toy_encoder, toy_encoder_params, tokens
):
    config = dataclasses.replace(toy_encoder, dtype="bfloat16")
    for head in ("xnli", "text"):
        exact = _logits(toy_encoder, toy_encoder_params, tokens, head)
        rough = _logits(config, toy_encoder_params, tokens, head)
        assert rough.dtype == np.float32
        difference = np.abs(rough - exact).max()
        assert 0 < difference < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("remat", ["minimal", "full"])
def test_gradients_do_not_depend_on_what_is_recomputed(
    toy_encoder, toy_encoder_params, tokens, remat
):
    other = dataclasses.replace(toy_encoder, remat=remat)
    kept = _gradient(toy_encoder, toy_encoder_params, tokens)
    recomputed = _gradient(other, toy_encoder_params, tokens)
    _assert_alike(kept, recomputed, atol=1e-4)
    # Only this head and the encoder below it have learnt something.
    reached = jax.tree.map(lambda leaf: bool(jnp.abs(leaf).max() > 0), kept["heads"])
    assert reached["xnli"] == {
        "dense": {"kernel": True, "bias": True},
        "out": {"kernel": True, "bias": True},
    }
    assert not any(jax.tree.leaves({k: v for k, v in reached.items() if k != "xnli"}))


@pytest.mark.parametrize("unroll", [2, 3, 12])
def test_layers_written_out_learn_the_same_with_the_same_dropout(
    toy_encoder, tokens, unroll
):
    layers = 3  # 2 does not divide it, 12 are more
    three = dataclasses.replace(toy_encoder, layers=layers)
    params = nn.unbox(init_params(three, jax.random.key(1)))

    looped, written = (
        _gradient(config, params, tokens, key=jax.random.key(0))
        for config in (three, dataclasses.replace(three, unroll=unroll))
    )
    _assert_alike(looped, written, atol=1e-5)


@pytest.mark.parametrize("architecture", ["xlm-roberta", "bert"])
def test_fresh_parameters_are_as_many_as_counted_and_start_as_bert_does(
    toy_encoder, architecture
):
    config = dataclasses.replace(toy_encoder, architecture=architecture)
    init = jax.jit(lambda key: nn.unbox(init_params(config, key)))
    params = init(jax.random.key(0))
    sizes = [leaf.size for leaf in jax.tree.leaves(params)]
    assert sum(sizes) == config.parameters
    for path, leaf in jax.tree.leaves_with_path(params):
        name = jax.tree_util.keystr(path)
        if "scale" in name:
            assert np.all(leaf == 1.0), name
        elif "bias" in name:
            assert np.all(leaf == 0.0), name
        elif leaf.size > 1000:
            assert abs(float(jnp.std(leaf)) - 0.02) < 0.002, name


def test_the_number_of_parameters_is_counted_by_hand():
    config = EncoderConfig(
        architecture="bert",
        vocab=10,
        embed=4,
        heads=2,
        mlp=6,
        layers=3,
        positions=5,
        segment_types=2,
        pooler=True,
        task_heads=(Head(name="a", kind="span"), Head(name="b", kind="choice")),
    )
    tables = (10 + 5 + 2) * 4 + 8
    layer = 4 * (16 + 4) + 8 + (24 + 6) + (24 + 4) + 8
    span, choice = 4 * 2 + 2, (16 + 4) + (4 + 1)
    assert config.parameters == tables + 3 * layer + (16 + 4) + span + choice
    # Weights that every token meets, scores and mixing, and the head once per token.
    flops = 6 * (3 * (64 + 48) * 7 + 2 * 3 * 49 * 4 + 7 * 4 * 2)
    assert config.train_flops(length=7, head="a") == flops


@pytest.mark.parametrize(
    ("architecture", "from_pooler"),
    [("xlm-roberta", {"copa"}), ("bert", {"copa", "xnli"})],
)
def test_heads_start_from_the_pooler_where_hugging_face_has_it(
    toy_encoder, toy_encoder_params, architecture, from_pooler
):
    config = dataclasses.replace(toy_encoder, architecture=architecture)
    encoder = toy_encoder_params["encoder"]
    heads = fresh_heads(config, jax.random.key(5), encoder)
    same_shapes = jax.tree.map(np.shape, heads) == jax.tree.map(
        np.shape, toy_encoder_params["heads"]
    )
    assert same_shapes
    for name in ("copa", "xnli"):
        taken = np.array_equal(
            heads[name]["dense"]["kernel"], encoder["pooler"]["kernel"]
        )
        assert taken == (name in from_pooler)
    without = {key: tree for key, tree in encoder.items() if key != "pooler"}
    config = dataclasses.replace(config, pooler=False)
    alone = fresh_heads(config, jax.random.key(5), without)
    assert abs(float(jnp.std(alone["copa"]["dense"]["kernel"])) - 0.02) < 0.002
    other = fresh_heads(config, jax.random.key(6), without)
    assert not np.array_equal(
        alone["xnli"]["out"]["kernel"], other["xnli"]["out"]["kernel"]
    )
    assert fresh_heads(config.with_heads(()), jax.random.key(5), without) == {}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a/b"}, r"Head\.name must be letters.*got 'a/b'"),
        ({"kind": "rank"}, r"Head\.kind must be one of .*got 'rank'"),
        ({"labels": ()}, r"head 'a' of kind 'tagging' needs labels"),
        ({"kind": "span"}, r"head 'a' of kind 'span' has no labels, got"),
        ({"labels": ("X", "X")}, r"head 'a' has a label twice"),
    ],
)
def test_a_head_that_cannot_be_is_named(fields, message):
    with pytest.raises(UserError, match=message):
        Head(**{"name": "a", "kind": "tagging", "labels": ("X", "Y"), **fields})


def test_heads_are_found_by_name_or_by_being_alone(toy_encoder):
    assert toy_encoder.head("udpos").outputs == 4
    with pytest.raises(UserError, match=r"no head 'udpo'; near: udpos; it has: xnli,"):
        toy_encoder.head("udpo")
    with pytest.raises(UserError, match=r"has the heads xnli, copa, .*: name one"):
        toy_encoder.head()
    alone = toy_encoder.with_heads(toy_encoder.task_heads[:1])
    assert alone.head().name == "xnli"
    with pytest.raises(UserError, match=r"has no head: fine-tune it"):
        toy_encoder.with_heads(()).head()
    with pytest.raises(UserError, match=r"task_heads has a name twice"):
        toy_encoder.with_heads(toy_encoder.task_heads[:1] * 2)


def test_a_config_comes_back_from_json(toy_encoder):
    import json

    from xtl_jax.model import network

    text = json.dumps(dataclasses.asdict(toy_encoder))
    assert network.from_json(json.loads(text)) == toy_encoder
    assert hash(network.from_json(json.loads(text))) == hash(toy_encoder)
