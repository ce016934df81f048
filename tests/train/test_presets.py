"""Losses and gradients on eight devices are those of one, laid out as presets are."""

from __future__ import annotations

import dataclasses
import math

import jax
import numpy as np
import pytest
from flax import linen as nn

from tests.conftest import make_batch
from tests.train.conftest import assert_same_step
from xtl_jax.cli import config, devices
from xtl_jax.cli.plan import preset_files
from xtl_jax.train import sharding
from xtl_jax.train.config import MeshConfig

DEVICES = 8


def _shrunk(values):
    """A preset's mesh on eight devices: its longest axes are cut in half."""
    sizes = {name: values[name] for name in ("data", "fsdp", "model")}
    while math.prod(sizes.values()) > DEVICES:
        longest = max(sizes, key=lambda name: sizes[name])
        sizes[longest] //= 2
    return MeshConfig(**sizes)


def _presets():
    """(mesh, remat, microbatches) of every packaged file, each once, and the plain
    kinds; microbatches are two where there are any."""
    found = {}
    for path in preset_files():
        bound = config.parse(path.read_text(encoding="utf-8"), source=path.name)
        values = {
            owner: {b.field: b.value for b in bound if b.owner == owner}
            for owner in ("MeshConfig", "ModelConfig", "RunConfig")
        }
        mesh = _shrunk(values["MeshConfig"])
        microbatches = min(values["RunConfig"]["microbatches"], 2)
        found[mesh, values["ModelConfig"]["remat"], microbatches] = path.stem
    plain = {
        (MeshConfig(data=8), "none", 1): "data",
        (MeshConfig(data=2, fsdp=4), "minimal", 1): "data and fsdp",
        (MeshConfig(data=2, model=4), "none", 2): "data and model",
        (MeshConfig(data=2, fsdp=2, model=2), "minimal", 2): "data, fsdp and model",
        (MeshConfig(slices=2, fsdp=2, model=2), "full", 1): "slices, fsdp and model",
    }
    return [
        pytest.param(mesh, remat, microbatches, id=name)
        for (mesh, remat, microbatches), name in {**plain, **found}.items()
        if math.prod((mesh.data, mesh.fsdp, mesh.model)) > 1 or mesh.slices > 1
    ]


@pytest.fixture(scope="module")
def batch():
    """Sixteen rows: two for each device, so that they can come one after the other."""
    return make_batch(3, rows=16)


@pytest.fixture(scope="module")
def alone(one_step, make_run, toy, toy_params, batch):
    run = make_run(batch_size=16)
    return one_step(toy, run, MeshConfig(data=1), toy_params, batch)


@pytest.mark.parametrize(("mesh", "remat", "microbatches"), _presets())
def test_eight_devices_give_the_loss_and_gradients_of_one(
    mesh, remat, microbatches, alone, one_step, make_run, toy, toy_params, batch
):
    model = dataclasses.replace(toy, remat=remat, loss_chunks=4, attention_queries=4)
    run = make_run(batch_size=16, microbatches=microbatches)
    output, gradient = one_step(model, run, mesh, toy_params, batch)
    assert_same_step((output, gradient), alone)


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
