"""Losses and gradients on eight devices are those of one, laid out as presets are."""

from __future__ import annotations

import dataclasses
import math

import jax
import numpy as np
import pytest
from flax import linen as nn

from xtl_jax.cli import config, devices
from xtl_jax.cli.plan import preset_files
from xtl_jax.train import sharding
from xtl_jax.train.config import MeshConfig
from xtl_jax.train.step import batch_loss

DEVICES = 8


def _shrunk(values):
    """A preset's mesh on eight devices: its longest axes are cut in half."""
    sizes = {name: values[name] for name in ("data", "fsdp", "model")}
    while math.prod(sizes.values()) > DEVICES:
        longest = max(sizes, key=lambda name: sizes[name])
        sizes[longest] //= 2
    return MeshConfig(**sizes)


def _presets():
    """(mesh, remat) of every packaged file, each once, and the plain kinds."""
    found = {}
    for path in preset_files():
        bound = config.parse(path.read_text(encoding="utf-8"), source=path.name)
        values = {
            owner: {b.field: b.value for b in bound if b.owner == owner}
            for owner in ("MeshConfig", "ModelConfig")
        }
        mesh = _shrunk(values["MeshConfig"])
        found[mesh, values["ModelConfig"]["remat"]] = path.stem
    plain = {
        (MeshConfig(data=8), "none"): "data",
        (MeshConfig(data=2, fsdp=4), "minimal"): "data and fsdp",
        (MeshConfig(data=2, model=4), "none"): "data and model",
        (MeshConfig(data=2, fsdp=2, model=2), "full"): "data, fsdp and model",
        (MeshConfig(slices=2, fsdp=2, model=2), "full"): "slices, fsdp and model",
    }
    return [
        pytest.param(mesh, remat, id=name)
        for (mesh, remat), name in {**plain, **found}.items()
        if math.prod((mesh.data, mesh.fsdp, mesh.model)) > 1 or mesh.slices > 1
    ]


def _loss_and_gradient(model, mesh_config, params, batch):
    def loss(params, batch):
        sums = batch_loss(
            *(model, params, batch), key=None, z_loss=1e-4, label_smoothing=0.0
        )
        return sums.loss, sums

    with devices.on_mesh(mesh_config) as mesh:
        places = sharding.params_sharding(mesh, model)
        rows = sharding.batch_sharding(mesh)
        params = jax.tree.map(jax.device_put, params, places)
        batch = {name: jax.device_put(array, rows) for name, array in batch.items()}
        step = jax.jit(jax.grad(loss, has_aux=True), out_shardings=(places, None))
        gradient, sums = step(params, batch)
        return jax.device_get(sums), jax.device_get(gradient)


@pytest.fixture(scope="module")
def alone(toy, toy_params, toy_batch):
    return _loss_and_gradient(toy, MeshConfig(data=1), toy_params, toy_batch)


@pytest.mark.parametrize(("mesh", "remat"), _presets())
def test_eight_devices_give_the_loss_and_gradients_of_one(
    mesh, remat, alone, toy, toy_params, toy_batch
):
    model = dataclasses.replace(toy, remat=remat, loss_chunks=4, attention_queries=4)
    sums, gradient = _loss_and_gradient(model, mesh, toy_params, toy_batch)
    one_sums, one_gradient = alone
    np.testing.assert_allclose(sums, one_sums, rtol=2e-6)
    paths = jax.tree_util.tree_leaves_with_path(gradient)
    for (path, mine), theirs in zip(paths, jax.tree.leaves(one_gradient), strict=True):
        # Sums in another order: rounding of float32, beside the largest of the array.
        np.testing.assert_allclose(
            *(mine, theirs),
            rtol=1e-4,
            atol=2e-6 * max(np.abs(theirs).max(), 1e-6) * 10,
            err_msg=jax.tree_util.keystr(path),
        )


def test_each_preset_names_a_model_and_a_slice_that_it_fits():
    from xtl_jax.cli import main

    for path in preset_files():
        name, generation, shape = path.stem.split("-")
        files = [f"--gin_file=models/{name}.gin", f"--gin_file=meshes/{path.name}"]
        parsed = main.parser("plan").parse_args(
            ["plan", *files, "--topology", f"{generation}:{shape}"]
        )
        parsed.gin = []
        from xtl_jax.cli import plan
        from xtl_jax.hardware import slices

        (job,) = plan._jobs(parsed)
        chips = slices.find(job.topology).chips
        mesh = job.mesh
        assert mesh.data * mesh.fsdp * mesh.model == chips, path.name
        assert not sharding.misfits(job.model, fsdp=mesh.fsdp, model_axis=mesh.model)
        rows = job.run.batch_size / (mesh.data * mesh.fsdp * job.run.microbatches)
        assert rows == int(rows) >= 1, path.name


def test_look_ups_are_the_rows_of_the_table_whatever_lies_where(toy):
    import jax.numpy as jnp

    from xtl_jax.model.look_up import look_up

    table = jax.random.normal(jax.random.key(0), (32, 16))
    ids = jax.random.randint(jax.random.key(1), (8, 6), 0, 32)
    expected = np.asarray(table)[np.asarray(ids)]
    for sizes in ({"fsdp": 8}, {"model": 8}, {"data": 2, "fsdp": 2, "model": 2}):
        with devices.on_mesh(MeshConfig(**{"data": 1, **sizes})) as mesh:
            place = jax.sharding.NamedSharding(
                mesh, nn.logical_to_mesh_axes(("table_rows", "table_columns"))
            )
            placed = jax.device_put(table, place)
            found = jax.jit(lambda t, i: look_up(t, i, "float32"))(placed, ids)
            # 5 rows do not divide over the devices: looked up all the same.
            odd = jax.jit(lambda t, i: look_up(t, i, "float32"))(placed, ids[:5])
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(odd, expected[:5])
        assert found.dtype == jnp.float32
