"""An encoder over eight devices: where its arrays lie, and that it answers the same."""

from __future__ import annotations

import dataclasses
import math
import re

import jax
import numpy as np
import optax
import pytest
from flax import linen as nn

from tests.train.conftest import assert_same_step
from xtl_jax.errors import UserError
from xtl_jax.infer.encoder import head_logits
from xtl_jax.train import labels, sharding, state
from xtl_jax.train.config import MeshConfig
from xtl_jax.train.labels import LabelBatch

pytestmark = pytest.mark.usefixtures("quick_compiles")


@pytest.fixture(scope="module")
def mesh():
    return sharding.mesh(MeshConfig(data=2, fsdp=2, model=2))


def test_parts_lie_where_those_of_mt5_do(toy_encoder, mesh):
    places = sharding.params_sharding(mesh, toy_encoder)
    encoder, heads = places["encoder"], places["heads"]
    found = {
        "words": encoder["embeddings"]["word"].spec,
        "query": encoder["layers"]["attention"]["query"]["kernel"].spec,
        "out": encoder["layers"]["attention"]["out"]["kernel"].spec,
        "wi": encoder["layers"]["mlp"]["wi"]["bias"].spec,
        "pooler": encoder["pooler"]["kernel"].spec,
        "tags": heads["udpos"]["out"]["kernel"].spec,
        "masked_lm": heads["text"]["bias"].spec,
    }
    assert {name: tuple(spec) for name, spec in found.items()} == {
        "words": (None, ("model", "fsdp")),  # no vocabulary divides so well
        "query": (None, "fsdp", "model"),
        "out": (None, "model", "fsdp"),
        "wi": (None, "model"),
        "pooler": ("fsdp", None),
        "tags": ("fsdp", None),
        "masked_lm": (None,),
    }


def test_eight_devices_answer_as_one(toy_encoder, toy_encoder_params, mesh):
    tokens = np.random.default_rng(0).integers(4, 250, (4, 8)).astype(np.int32)
    tokens[1, 5:] = 1
    placed, shardings = state.create(
        *(toy_encoder, optax.sgd(0.1)), mesh=mesh, seed=0, params=toy_encoder_params
    )
    assert jax.tree.structure(shardings) == jax.tree.structure(placed)
    for head in ("xnli", "udpos"):
        alone = head_logits(toy_encoder, toy_encoder_params, tokens, None, None, head)
        with jax.set_mesh(mesh):
            rows = sharding.put_batch(mesh)(tokens)
            spread = head_logits(toy_encoder, placed.params, rows, None, None, head)
        np.testing.assert_allclose(spread, alone, atol=2e-5, rtol=2e-5)


def _batch(kind, head):
    """Sixteen rows of random tokens, padding at their ends, with labels of a kind."""
    rng = np.random.default_rng(7)
    choices = (3,) if kind == "choice" else ()
    tokens = rng.integers(4, 250, (16, *choices, 10)).astype(np.int32)
    tokens[..., 8:] = np.where(rng.random((16, *choices, 1)) < 0.5, 1, tokens[..., 8:])
    places = rng.random((16, 10)) < 0.15
    answers = {
        "classification": rng.integers(0, 3, 16),
        "choice": rng.integers(0, 3, 16),
        "span": rng.integers(0, 8, (16, 2)),
        "tagging": rng.integers(-1, 4, (16, 10)),
        "masked_lm": np.where(places, rng.integers(4, 250, (16, 10)), labels.IGNORED),
    }[kind]
    return LabelBatch(tokens=tokens, labels=answers.astype(np.int32), head=head)


@pytest.mark.parametrize(
    ("head", "mesh", "microbatches"),
    [
        ("xnli", MeshConfig(data=8), 1),
        ("copa", MeshConfig(data=2, fsdp=4), 2),
        ("squad_v2", MeshConfig(data=2, model=4), 2),
        ("udpos", MeshConfig(data=2, fsdp=2, model=2), 1),
        ("text", MeshConfig(slices=2, fsdp=2, model=2), 2),
    ],
)
def test_eight_devices_give_the_loss_and_gradients_of_one(
    head, mesh, microbatches, one_step, make_run, toy_encoder, toy_encoder_params
):
    batch = _batch(toy_encoder.head(head).kind, head)

    def step(mesh, microbatches):
        run = make_run(batch_size=16, microbatches=microbatches)
        return one_step(toy_encoder, run, mesh, toy_encoder_params, batch)

    assert_same_step(step(mesh, microbatches), step(MeshConfig(data=1), 1))


def test_eight_devices_are_perturbed_as_one_is(
    one_step, make_run, toy_encoder, toy_encoder_params
):
    """The lengths that radii count in come from a table in parts."""
    run = make_run(
        batch_size=16,
        perturbation="pgd",
        perturbation_radius=0.5,
        perturbation_step_size=0.3,
    )
    batch = _batch("choice", "copa")
    spread, alone = (
        one_step(toy_encoder, run, mesh, toy_encoder_params, batch)
        for mesh in (MeshConfig(data=2, fsdp=2, model=2), MeshConfig(data=1))
    )
    assert_same_step(spread, alone)


def test_lengths_alone_move_between_devices(toy_encoder, toy_encoder_params):
    """Each squares its columns of a table in parts: no vectors, and not the table."""
    mesh = sharding.mesh(MeshConfig(data=2, fsdp=2, model=2))
    batch = _batch("tagging", "udpos")
    with jax.set_mesh(mesh), nn.logical_axis_rules(sharding.RULES):
        placed, _ = state.create(
            *(toy_encoder, optax.sgd(0.1)), mesh=mesh, seed=0, params=toy_encoder_params
        )
        of_batch = jax.jit(labels.inputs_of(toy_encoder))
        text = of_batch.lower(placed.params, sharding.put_batch(mesh)(batch)).compile()
    moved = re.findall(r"f32\[([\d,]+)\]\S* all-[a-z]+\(", text.as_text())
    assert moved, "nothing is added up"
    # Sixteen rows of ten tokens at most.
    assert all(math.prod(map(int, each.split(","))) <= 160 for each in moved)


def test_a_fresh_state_has_every_parameter(toy_encoder, mesh):
    shapes = state.shapes(toy_encoder, optax.sgd(0.1))
    sizes = [leaf.size for leaf in jax.tree.leaves(shapes.params)]
    assert sum(sizes) == toy_encoder.parameters


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"heads": 1},
            r"EncoderConfig\.heads=1 does not divide over MeshConfig\.model",
        ),
        (
            {"mlp": 63},
            r"EncoderConfig\.mlp=63 does not divide over MeshConfig\.model=2",
        ),
        (
            {"embed": 34, "heads": 2},
            r"EncoderConfig\.embed=34 does not divide over Mesh",
        ),
    ],
)
def test_what_does_not_divide_is_named(toy_encoder, mesh, fields, message):
    config = dataclasses.replace(toy_encoder, **fields)
    with pytest.raises(UserError, match=message):
        sharding.check(mesh, config, batch_size=8, microbatches=1)


def test_a_vocabulary_need_not_divide(toy_encoder, mesh):
    """XLM-R has 250,002 rows, multilingual-e5-small 250,037."""
    config = dataclasses.replace(toy_encoder, vocab=251)
    sharding.check(mesh, config, batch_size=8, microbatches=1)
    placed, _ = state.create(config, optax.sgd(0.1), mesh=mesh, seed=0)
    assert placed.params["encoder"]["embeddings"]["word"].shape == (251, 32)
