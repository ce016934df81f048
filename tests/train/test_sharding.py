"""Axes lie where the table says, and the network's constraints are really there."""

from __future__ import annotations

import collections
import re

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from xtl_jax.cli import devices
from xtl_jax.errors import UserError
from xtl_jax.train import optimizer, sharding, state
from xtl_jax.train.config import MeshConfig
from xtl_jax.train.step import batch_loss

CUBE = MeshConfig(data=2, fsdp=2, model=2)


def _constraints(toy, run, batch):
    """Layouts asked for in the program handed to the compiler, each with its number."""
    params = state.shapes(toy, optimizer.build(run)).params

    def loss(params, batch):
        sums = batch_loss(
            *(toy, params, batch), key=None, z_loss=0.0, label_smoothing=0.0
        )
        return sums.loss

    # A new function each time: jit would remember the trace of another mesh.
    text = jax.jit(loss).lower(params, batch).as_text()
    found = re.findall(r"sdy\.sharding_constraint .*<@mesh, (\[.*\])>", text)
    assert len(found) == text.count("sharding_constraint")
    return collections.Counter(found)


def test_constraints_are_in_the_program_and_only_there_where_a_mesh_is_set(
    toy, toy_batch, make_run
):
    with devices.on_mesh(CUBE):
        found = _constraints(toy, make_run(), toy_batch)
    assert found == {
        # Two embeddings, two kinds of layer at their beginning and end.
        '[{"data", "fsdp"}, {}, {}]': 6,
        # Two kinds of feed-forward layer, and the logits.
        '[{"data", "fsdp"}, {}, {"model"}]': 3,
    }
    # This is how they would silently be missing: the mesh without the axis rules.
    with jax.set_mesh(sharding.mesh(CUBE)):
        assert not _constraints(toy, make_run(), toy_batch)


def test_parameters_lie_on_the_axes_of_the_table(toy):
    places = sharding.params_sharding(sharding.mesh(CUBE), toy)
    layer = places["encoder"]["layers"]
    spec = PartitionSpec
    assert places["token_embedder"]["embedding"].spec == spec("model", "fsdp")
    assert places["logits_dense"]["kernel"].spec == spec("fsdp", "model")
    query, out = (layer["attention"][part]["kernel"] for part in ("query", "out"))
    assert query.spec == spec(None, "fsdp", "model")
    assert out.spec == spec(None, "model", "fsdp")
    assert layer["mlp"]["wi_0"]["kernel"].spec == spec(None, "fsdp", "model")
    assert layer["mlp"]["wo"]["kernel"].spec == spec(None, "model", "fsdp")
    assert places["encoder"]["relpos_bias"]["rel_embedding"].spec == spec("model", None)


def test_a_moment_shaped_like_its_parameter_lies_like_it(toy, make_run):
    mesh = sharding.mesh(CUBE)
    shapes = state.shapes(toy, optimizer.build(make_run()))
    places = sharding.state_sharding(mesh, sharding.params_sharding(mesh, toy), shapes)
    moments = places.opt_state[0][0]  # the first stage of Adafactor
    kernel = places.params["encoder"]["layers"]["attention"]["query"]["kernel"]
    assert moments.v["encoder"]["layers"]["attention"]["query"]["kernel"] == kernel
    # The embedding is large enough to be factored: its halves are on every device.
    rows = moments.v_row["token_embedder"]["embedding"]
    assert rows.spec == moments.count.spec == PartitionSpec()


def test_fresh_states_do_not_depend_on_the_mesh(toy, make_run):
    method = optimizer.build(make_run())
    states = [
        state.create(toy, method, mesh=sharding.mesh(mesh), seed=3)[0]
        for mesh in (MeshConfig(data=1), CUBE)
    ]
    for one, other in zip(*map(jax.tree.leaves, states), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize(
    ("mesh", "fields", "message"),
    [
        (CUBE, {"batch_size": 6}, r"batch_size=6 .* 4 batch shards .* are 4 and 8"),
        (
            MeshConfig(data=4),
            {"batch_size": 8, "microbatches": 4},
            r"in 4 microbatches; the nearest that do are 16 and more",
        ),
        (
            MeshConfig(data=1, model=8),
            {"batch_size": 8},
            r"ModelConfig\.heads=4 does not divide over MeshConfig\.model=8",
        ),
    ],
)
def test_what_does_not_divide_is_refused_with_what_would(toy, mesh, fields, message):
    with pytest.raises(UserError, match=message):
        sharding.check(sharding.mesh(mesh), toy, **{"microbatches": 1, **fields})


def test_a_mesh_must_fit_the_devices():
    assert sharding.mesh(MeshConfig(model=2)).shape == {
        "data": 4,
        "fsdp": 1,
        "model": 2,
    }
    with pytest.raises(UserError, match=r"fsdp \* model must divide them"):
        sharding.mesh(MeshConfig(model=3))
    with pytest.raises(UserError, match=r"asks for 16 devices, there are 8"):
        sharding.mesh(MeshConfig(data=16))
