"""Axes lie where the table says, and the network's constraints are really there."""

from __future__ import annotations

import collections
import dataclasses
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
        # All positions where a sublayer begins (two and three), and of the decoder's
        # output. Look-ups say themselves what moves (`model/look_up.py`).
        '[{"data", "fsdp"}, {}, {}]': 6,
        # Part of the positions where a layer begins and each sublayer ends.
        '[{"data", "fsdp"}, {"model"}, {}]': 7,
        # Queries (whole and in pieces), keys, values and what is mixed of them, in
        # three kinds of attention.
        '[{"data", "fsdp"}, {}, {"model"}, {}]': 15,
        # Two kinds of feed-forward layer.
        '[{"data", "fsdp"}, {}, {"model"}]': 2,
        # Kernels as they are used: into heads (nine) and feed-forward (four), and back.
        '[{}, {"model"}]': 13,
        '[{"model"}, {}]': 5,
        # States of all rows of a copy come to the head, whose logits stay apart.
        '[{"data"}, {}, {}]': 1,
        '[{"data"}, {}, {"model", "fsdp"}]': 1,
    }
    # This is how they would silently be missing: the mesh without the axis rules.
    with jax.set_mesh(sharding.mesh(CUBE)):
        assert not _constraints(toy, make_run(), toy_batch)


def test_parameters_lie_on_the_axes_of_the_table(toy):
    places = sharding.params_sharding(sharding.mesh(CUBE), toy)
    layer = places["encoder"]["layers"]
    spec = PartitionSpec
    both = ("model", "fsdp")
    assert places["token_embedder"]["embedding"].spec == spec(None, both)
    assert places["logits_dense"]["kernel"].spec == spec(None, both)
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
    assert moments.count.spec == PartitionSpec()


def test_a_factored_moment_lies_as_the_axes_that_it_has(toy, make_run):
    mesh = sharding.mesh(CUBE)
    shapes = state.shapes(toy, optimizer.build(make_run()))
    places = state.shardings(mesh, toy, shapes).opt_state[0][0]
    sizes = shapes.opt_state[0][0]

    def both(*path):
        found = []
        for part in ("v_row", "v_col"):
            leaf, place = getattr(sizes, part), getattr(places, part)
            for key in path:
                leaf, place = leaf[key], place[key]
            found.append((leaf.shape, tuple(place.spec)))
        return found

    # 256 ids of 128 columns that are split: the row is without the longer axis.
    assert both("token_embedder", "embedding") == [
        ((128,), (("model", "fsdp"),)),
        ((256,), (None,)),
    ]
    assert both("logits_dense", "kernel") == [
        ((128,), (None,)),
        ((256,), (("model", "fsdp"),)),
    ]
    # Layers of 128 by 128: equally long, and still told apart.
    assert both("encoder", "layers", "mlp", "wi_0", "kernel") == [
        ((2, 128), (None, "fsdp")),
        ((2, 128), (None, "model")),
    ]


def test_a_vocabulary_divides_as_far_as_it_does(toy):
    mesh = sharding.mesh(CUBE)
    for vocab, spec in (
        (256, ("model", "fsdp")),
        (250, "model"),
        (255, None),
    ):
        model = dataclasses.replace(toy, vocab=vocab)
        places = sharding.params_sharding(mesh, model)
        assert places["logits_dense"]["kernel"].spec == PartitionSpec(None, spec)


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
            r"heads=4 does not divide over MeshConfig\.model=8; model may be 1, 2, 4$",
        ),
    ],
)
def test_what_does_not_divide_is_refused_with_what_would(toy, mesh, fields, message):
    with pytest.raises(UserError, match=message):
        sharding.check(sharding.mesh(mesh), toy, **{"microbatches": 1, **fields})


@pytest.mark.parametrize(("rows", "near"), [(6, "4 and 8"), (3, "4 and more")])
def test_rows_of_prediction_divide_over_the_mesh_too(rows, near):
    name = "RunConfig.predict_batch_size"
    with pytest.raises(UserError, match=rf"{name}={rows} .* 4 batch .* are {near}$"):
        sharding.check_rows(sharding.mesh(CUBE), rows, name=name)


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


def test_slices_are_the_outer_part_of_data():
    mesh = sharding.mesh(MeshConfig(slices=2, fsdp=2, model=2))
    assert mesh.shape == {"data": 2, "fsdp": 2, "model": 2}
    numbers = [[device.id for device in copy.flat] for copy in mesh.devices]
    assert numbers == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(UserError, match=r"slices=3 .* slices \* fsdp \* model must"):
        sharding.mesh(MeshConfig(slices=3))


def test_devices_of_several_slices_need_a_mesh_that_says_so():
    class Device:
        platform = "tpu"

        def __init__(self, number):
            self.id, self.slice_index = number, number // 2

    with pytest.raises(UserError, match=r"on 2 slices: set MeshConfig\.slices=2"):
        sharding.mesh(MeshConfig(), [Device(number) for number in range(4)])


@pytest.mark.parametrize(
    ("fields", "fsdp", "model", "message"),
    [
        ({"mlp": 96}, 1, 64, r"heads=4 does not divide .* model may be 1, 2, 4$"),
        ({}, 256, 1, r"embed=128 .* product may be 1, 2, 4, 8, 16, 32, 64, 128$"),
        ({"vocab": 250100}, 8, 4, ""),
    ],
)
def test_sizes_of_a_model_that_do_not_divide(toy, fields, fsdp, model, message):
    found = sharding.misfits(
        dataclasses.replace(toy, **fields), fsdp=fsdp, model_axis=model
    )
    assert re.search(message, found) if message else found == ""
