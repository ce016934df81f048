"""Perturbed training: against finite differences, closed forms and the plain step."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from xtl_jax.errors import UserError
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.loss import LossSums
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train import labels, perturbation, state
from xtl_jax.train.labels import LabelBatch
from xtl_jax.train.perturbation import Inputs
from xtl_jax.train.settings import Perturbation
from xtl_jax.train.step import batch_loss, inputs_of, make_train_step

WIDTH = 3
SEGMENTS = jnp.asarray([[1, 1, 2, 0], [1, 0, 0, 0]])  # two packed examples, and one
# Lengths of the vectors; the first token is a mark. Their means are 2, 5 and 0.5.
LENGTHS = jnp.asarray([[0.0, 2.0, 5.0, 0.0], [0.5, 0.0, 0.0, 0.0]])
UNITS = np.asarray([[2.0, 2.0, 5.0, 0.0], [0.5, 0.0, 0.0, 0.0]])
SLOPE = jnp.asarray(np.random.default_rng(1).normal(size=(2, 4, WIDTH)), jnp.float32)
NOTHING = {
    "pgd": {"perturbation_radius": 0.0, "perturbation_step_size": 0.3},
    "freelb": {"perturbation_radius": 0.0, "perturbation_step_size": 0.3},
    "gaussian": {"perturbation_radius": 0.0},
    "no steps": {"perturbation_radius": 1.0, "perturbation_steps": 0},
}
ENCODER = EncoderConfig(
    architecture="xlm-roberta",
    vocab=32,
    embed=8,
    heads=2,
    mlp=8,
    layers=1,
    positions=12,
    dropout_rate=0.0,
    task_heads=(Head(name="a", kind="classification", labels=("x", "y", "z")),),
)
MT5 = ModelConfig(
    vocab=32,
    embed=8,
    heads=2,
    head_dim=4,
    mlp=8,
    encoder_layers=1,
    decoder_layers=1,
    dropout_rate=0.0,
)
CONFIGS = {"encoder": ENCODER, "mt5": MT5}


@pytest.fixture(scope="module")
def params():
    """Random ones, far from 0."""

    def fresh(config):
        shapes = state.params_shapes(config)
        leaves, tree = jax.tree.flatten(shapes)
        draw = np.random.default_rng(0)
        made = [draw.normal(size=leaf.shape) * 0.4 for leaf in leaves]
        return tree.unflatten([jnp.asarray(leaf, jnp.float32) for leaf in made])

    return {name: fresh(config) for name, config in CONFIGS.items()}


@pytest.fixture(scope="module")
def batches():
    tokens = np.random.default_rng(0).integers(4, 32, (4, 6))
    tokens[1, 4:] = ENCODER.pad_id
    rows = jnp.asarray(tokens, jnp.int32)
    return {
        "encoder": LabelBatch(tokens=rows, labels=jnp.asarray([0, 1, 2, 0]), head="a"),
        "mt5": {
            "encoder_input_tokens": jnp.where(rows == ENCODER.pad_id, 0, rows),
            "decoder_input_tokens": rows[:, :3],
            "decoder_target_tokens": rows[:, 1:4],
            "decoder_loss_weights": jnp.ones((4, 3), jnp.int32),
        },
    }


def _loss(family, params, batch, addition):
    if family == "encoder":
        return labels.label_sums(
            *(ENCODER, params, batch), key=None, addition=addition
        ).loss
    return batch_loss(
        *(MT5, params, batch),
        key=None,
        z_loss=0.0,
        label_smoothing=0.0,
        addition=addition,
    ).loss


@pytest.mark.parametrize("family", CONFIGS)
def test_the_gradient_of_an_addition_is_that_of_finite_differences(
    family, params, batches
):
    shape = (4, 6, 8)
    draw = np.random.default_rng(2)
    at = jnp.asarray(draw.normal(size=shape) * 0.1, jnp.float32)
    made = jax.jit(
        jax.value_and_grad(
            lambda addition: _loss(family, params[family], batches[family], addition)
        )
    )
    _, slope = made(at)
    step = 3e-3
    for each in (slope, *(draw.normal(size=shape) for _ in range(3))):
        unit = jnp.asarray(each / np.linalg.norm(each), jnp.float32)
        ahead, behind = (made(at + sign * step * unit)[0] for sign in (1, -1))
        np.testing.assert_allclose(
            (ahead - behind) / (2 * step), jnp.vdot(slope, unit), rtol=1e-2, atol=5e-3
        )


@pytest.fixture(scope="module")
def plain(make_run, params, batches):
    """Of each family a step as it is without any perturbation."""
    return {family: _step(make_run(), family, params, batches) for family in CONFIGS}


@pytest.mark.parametrize(
    ("family", "setting"),
    [*(("encoder", setting) for setting in NOTHING), ("mt5", "freelb")],
)
def test_without_radius_or_steps_the_loss_is_the_plain_one_to_the_last_bit(
    family, setting, make_run, params, batches, plain
):
    method = "pgd" if setting == "no steps" else setting
    run = make_run(perturbation=method, **{"perturbation_steps": 2, **NOTHING[setting]})
    current, output = _step(run, family, params, batches)
    expected, before = plain[family]
    assert float(output.sums.loss) == float(before.sums.loss)
    assert float(output.sums.tokens) == float(before.sums.tokens)
    # Two programs may round the sums of a gradient in another order.
    for mine, theirs in zip(
        jax.tree.leaves(current.params), jax.tree.leaves(expected.params), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", CONFIGS)
def test_ascent_raises_the_loss(family, make_run, params, batches, plain):
    run = make_run(
        perturbation="pgd" if family == "mt5" else "freelb",
        perturbation_radius=0.5,
        perturbation_step_size=0.25,
    )
    sums, before = _step(run, family, params, batches)[1].sums, plain[family][1].sums
    assert float(sums.loss) > float(before.loss) * 1.01
    np.testing.assert_allclose(sums.tokens, before.tokens, rtol=1e-6)


def test_parts_of_a_batch_are_perturbed_each(make_run, params, batches):
    run = make_run(
        perturbation="pgd",
        perturbation_radius=0.2,
        perturbation_step_size=0.1,
        batch_size=4,
    )
    whole, parts = (
        _step(dataclasses.replace(run, microbatches=n), "encoder", params, batches)[1]
        for n in (1, 2)
    )
    np.testing.assert_allclose(whole.sums.loss, parts.sums.loss, rtol=1e-5)
    np.testing.assert_allclose(whole.gradient_norm, parts.gradient_norm, rtol=1e-4)


def _linear(params, addition):
    """A loss whose gradient is SLOPE everywhere; of the parameter the addition."""
    loss = jnp.vdot(SLOPE, addition) + params * jnp.sum(addition)
    return loss, LossSums(*(jnp.float32(0.0),) * 3, correct=loss)


@pytest.mark.parametrize("over", ["example", "token"])
def test_ascent_on_a_plane_ends_at_the_edge_of_the_ball(over):
    how = Perturbation(method="pgd", radius=0.5, over=over, steps=4, step_size=0.2)
    slope, _ = _moved(how)
    groups = {
        "example": [[(0, 0), (0, 1)], [(0, 2)], [(1, 0)]],
        "token": [[(0, 0)], [(0, 1)], [(0, 2)], [(1, 0)]],
    }[over]
    expected = np.zeros(SLOPE.shape)
    for group in groups:
        own = np.stack([SLOPE[place] for place in group])
        for place, part in zip(group, own / np.linalg.norm(own), strict=True):
            expected[place] = 0.5 * UNITS[place] * part
    np.testing.assert_allclose(float(slope), expected.sum(), rtol=1e-5)


def test_ascent_by_sign_moves_every_number_and_no_padding():
    how = Perturbation(method="pgd", radius=0.5, norm="linf", steps=2, step_size=0.2)
    slope, _ = _moved(how)
    each = UNITS[..., None] / np.sqrt(WIDTH)
    np.testing.assert_allclose(
        float(slope), (0.4 * np.sign(SLOPE) * each).sum(), rtol=1e-5
    )


def test_freelb_is_the_mean_of_the_gradients_on_its_way():
    how = Perturbation(method="freelb", radius=9.0, norm="linf", steps=4, step_size=0.2)
    slope, sums = _moved(how)
    each = UNITS[..., None] / np.sqrt(WIDTH)
    once = (np.sign(SLOPE) * each).sum()
    mean = 0.2 * (0 + 1 + 2 + 3) / 4  # it begins at the clean input
    np.testing.assert_allclose(float(slope), mean * once, rtol=1e-5)
    steepest = float((np.abs(SLOPE) * each).sum())
    np.testing.assert_allclose(float(sums.correct), mean * steepest, rtol=1e-5)


@pytest.mark.parametrize("over", ["example", "token"])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_random_additions_fill_the_ball_and_leave_padding(norm, over):
    how = Perturbation(method="uniform", radius=2.0, norm=norm, over=over)
    draw = jax.jit(
        jax.vmap(
            lambda key: perturbation.noise(key, how=how, segments=SEGMENTS, width=WIDTH)
        )
    )
    found = np.asarray(draw(jax.random.split(jax.random.key(0), 4000)))
    assert not found[:, np.asarray(SEGMENTS) == 0].any()
    group = [(0, 0), (0, 1)] if over == "example" else [(0, 0)]
    own = np.concatenate([found[:, row, place] for row, place in group], axis=1)
    order = np.inf if norm == "linf" else 2
    length = np.linalg.norm(own, ord=order, axis=1)
    assert length.max() <= 2.0 * (1 + 1e-5)
    # Of a uniform draw, the share of the volume that lies nearer is uniform itself.
    nearer = (length / 2.0) ** own.shape[1]
    np.testing.assert_allclose(nearer.mean(), 0.5, atol=0.02)
    np.testing.assert_allclose((nearer < 0.25).mean(), 0.25, atol=0.03)


def test_gaussian_noise_has_its_deviation():
    how = Perturbation(method="gaussian", radius=0.3)
    found = perturbation.noise(
        jax.random.key(0), how=how, segments=jnp.ones((8, 16), int), width=64
    )
    np.testing.assert_allclose(float(found.std()), 0.3, rtol=0.03)


def test_projection_keeps_what_is_inside_and_shortens_what_is_not():
    how = Perturbation(method="pgd", radius=1.0, over="token")
    far = jnp.asarray([[[3.0, 4.0], [0.3, 0.4]]])
    found = perturbation.project(far, how=how, segments=jnp.ones((1, 2), int))
    np.testing.assert_allclose(found, [[[0.6, 0.8], [0.3, 0.4]]], rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"perturbation": "fgsm"}, "perturbation must be one of none"),
        ({"perturbation_radius": 1.0}, "change nothing"),
        ({"perturbation": "pgd", "perturbation_radius": -1.0}, "at least 0"),
        ({"perturbation": "pgd", "perturbation_radius": float("nan")}, "at least 0"),
        ({"perturbation": "pgd", "perturbation_radius": 1.0}, "step_size"),
        ({"perturbation": "freelb", "perturbation_steps": 0}, "at least 1"),
        ({"perturbation": "pgd", "perturbation_steps": 1.5}, "whole number"),
        ({"perturbation": "uniform", "perturbation_norm": "l1"}, "l2, linf"),
        (
            {
                "perturbation": "gaussian",
                "perturbation_radius": 1.0,
                "perturbation_start": 0.5,
            },
            "perturbation_start",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(make_run, fields, message):
    with pytest.raises(UserError, match=message):
        make_run(**fields)


def _moved(how):
    """Gradient of the parameter at 0, and sums, on the plane."""
    return jax.jit(
        lambda params: perturbation.gradient(
            _linear,
            params,
            how=how,
            inputs=Inputs(SEGMENTS, LENGTHS),
            width=WIDTH,
            key=jax.random.key(0),
        )
    )(jnp.float32(0.0))


def _step(run, family, params, batches):
    """State and output of one step."""
    config, batch, settings = CONFIGS[family], batches[family], {}
    if family == "encoder":
        settings = {
            "objective": labels.objective(config, run),
            "kept": labels.other_heads,
            "inputs": labels.inputs_of(config),
        }
    method = optax.sgd(0.1)
    update = jax.jit(make_train_step(config, run, method, **settings))
    return update(state.at_zero(method, params[family]), batch)


def test_noise_on_vectors_is_a_share_of_their_length():
    """Of 0.3 in gaussian noise, a token's is 0.3 mean lengths long on average."""
    how = Perturbation(method="gaussian", radius=0.3)
    width = 4096
    seen = {}

    def kept(params, addition):
        seen["addition"] = addition
        return params * jnp.sum(addition), LossSums(*(jnp.float32(0.0),) * 4)

    perturbation.gradient(
        kept,
        jnp.float32(0.0),
        how=how,
        inputs=Inputs(SEGMENTS, LENGTHS),
        width=width,
        key=jax.random.key(0),
    )
    long = np.linalg.norm(np.asarray(seen["addition"]), axis=-1)
    np.testing.assert_allclose(long, 0.3 * UNITS, rtol=0.05)


def test_padding_packed_examples_and_marks_are_told_apart(batches):
    table = {"token_embedder": {"embedding": jnp.full((32, 4), 0.5)}}
    tokens = batches["mt5"]["encoder_input_tokens"]
    packed = {**batches["mt5"], "encoder_segment_ids": jnp.full_like(tokens, 2)}
    assert (inputs_of(table, packed).segments == 2).all()
    alone = inputs_of(table, {"encoder_input_tokens": jnp.asarray([[5, 6, 1, 0]])})
    np.testing.assert_array_equal(alone.segments, [[1, 1, 1, 0]])
    np.testing.assert_array_equal(alone.lengths, [[1.0, 1.0, 0.0, 0.0]])
    words = {"encoder": {"embeddings": {"word": jnp.full((32, 8), 0.5)}}}
    rows = jnp.asarray([[0, 7, 2, ENCODER.pad_id]])
    batch = LabelBatch(tokens=rows, labels=jnp.asarray([0]), head="a")
    found = labels.inputs_of(ENCODER)(words, batch)
    np.testing.assert_array_equal(found.segments, [[1, 1, 1, 0]])
    np.testing.assert_allclose(found.lengths, [[0.0, 2**0.5, 0.0, 0.0]], rtol=1e-6)
