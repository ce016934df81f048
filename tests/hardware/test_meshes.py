"""What `MeshConfig.auto` takes, and what it says where nothing will do."""

from __future__ import annotations

import dataclasses
import math

import pytest

from xtl_jax.errors import UserError
from xtl_jax.hardware import memory, meshes
from xtl_jax.hardware.meshes import Devices
from xtl_jax.hardware.plan import GIB, Plan
from xtl_jax.hardware.programs import Job
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train import sharding
from xtl_jax.train.config import MeshConfig, RunConfig

LARGE = ModelConfig(
    vocab=250112, embed=1024, heads=16, head_dim=64, mlp=2816, encoder_layers=24,
    decoder_layers=24, dtype="bfloat16", remat="full", loss_chunks=4,
    attention_queries=256,
)  # fmt: skip
RUN = RunConfig(
    task="planned",
    steps=10,
    lengths={"inputs": 1024, "targets": 256},
    vocabulary="bytes",
    run_dir="run",
    batch_size=128,
    microbatches=4,
)
JOB = Job(
    program="train",
    model=LARGE,
    run=RUN,
    mesh=MeshConfig(auto=True),
    topology="v5e:4x4",
)
CHIPS = Devices(16, 15.75 * GIB)


def _with(job=JOB, **run):
    return dataclasses.replace(job, run=dataclasses.replace(job.run, **run))


def test_every_possible_mesh_uses_all_devices_and_divides():
    found = list(meshes.possible(JOB, CHIPS))
    assert len({each.mesh for each in found}) == len(found) > 5
    for job in found:
        mesh = job.mesh
        assert mesh.data * mesh.fsdp * mesh.model == 16
        assert RUN.batch_size % (mesh.data * mesh.fsdp * RUN.microbatches) == 0
        assert not sharding.misfits(LARGE, fsdp=mesh.fsdp, model_axis=mesh.model)
        assert not mesh.auto
    parts = [job.mesh.fsdp * job.mesh.model for job in found]
    assert parts == sorted(parts)


def test_without_a_compiler_the_fewest_parts_that_the_guess_allows_are_taken():
    choice = meshes.choose(JOB, CHIPS)
    # 1.23e9 parameters with two gradients take 13.8 GiB: not on one chip of 15.75 that
    # must keep a tenth free and work too, but well on two.
    assert choice.job.mesh == MeshConfig(data=8, fsdp=2, model=1)
    assert choice.plan is None
    assert choice.guess == memory.guess(choice.job).total
    roomy = meshes.choose(JOB, Devices(16, 95 * GIB))
    assert roomy.job.mesh == MeshConfig(data=16, fsdp=1, model=1)


def test_few_rows_leave_the_model_axis_what_they_cannot_fill():
    mesh = meshes.choose(_with(batch_size=16, microbatches=4), CHIPS).job.mesh
    assert mesh.data * mesh.fsdp == 4
    assert mesh.model == 4


def test_rows_that_are_predicted_in_between_must_divide_too():
    mesh = meshes.choose(JOB, CHIPS, beside=2).job.mesh
    assert mesh.data * mesh.fsdp <= 2


def _plan(job, *, fits):
    return Plan(job=job, fits=fits, why="" if fits else "no room", effort="full")


def test_the_compiler_has_the_last_word():
    asked = []

    def make(job):
        asked.append(job.mesh)
        return _plan(job, fits=job.mesh.fsdp * job.mesh.model >= 4)

    choice = meshes.choose(JOB, CHIPS, make=make)
    assert choice.plan is not None
    assert choice.job.mesh == asked[-1]
    assert [mesh.fsdp * mesh.model for mesh in asked] == [1, 2, 2, 4]
    with pytest.raises(UserError, match="the compiler says: no room"):
        meshes.choose(JOB, CHIPS, make=lambda job: _plan(job, fits=False))


def test_what_divides_over_no_mesh_is_told_with_what_would():
    # Sixteen heads split sixteen ways at most: 64 chips are four batch shards.
    with pytest.raises(UserError, match=r"batch_size=130 must be a multiple of 16$"):
        meshes.choose(_with(batch_size=130, microbatches=2), Devices(128, 16 * GIB))
    with pytest.raises(UserError, match="predict_batch_size=3 must be a multiple of 8"):
        meshes.choose(JOB, Devices(128, 16 * GIB), beside=3)


def test_what_fits_on_no_mesh_is_told_with_what_would():
    plain = dataclasses.replace(LARGE, remat="none", attention_queries=0, loss_chunks=1)
    many = {"batch_size": 1024}
    job = dataclasses.replace(_with(microbatches=1, **many), model=plain)
    with pytest.raises(UserError) as refused:
        meshes.choose(job, CHIPS)
    message = str(refused.value)
    assert "16 devices with 15.8 GiB each" in message
    assert "With ModelConfig.remat='full', attention_queries=256" in message
    # What it recommends does fit.
    microbatches = int(message.partition("microbatches=")[2].split()[0])
    better = dataclasses.replace(_with(microbatches=microbatches, **many), model=LARGE)
    assert meshes.choose(better, CHIPS).guess < 0.9 * CHIPS.memory
    with pytest.raises(UserError, match="No setting would do: use more devices"):
        meshes.choose(job, Devices(1, GIB))


def test_slices_are_kept_and_their_rows_divide():
    job = dataclasses.replace(JOB, mesh=MeshConfig(auto=True, slices=2))
    mesh = meshes.choose(job, CHIPS).job.mesh
    assert mesh.slices == 2
    assert math.prod((mesh.data, mesh.fsdp, mesh.model)) == 16


def test_a_mesh_that_was_not_chosen_is_not_taken_for_one():
    with pytest.raises(ValueError, match="choose it first"):
        sharding.mesh(MeshConfig(auto=True))
    with pytest.raises(UserError, match="leave them out, got data=0 fsdp=4 model=1"):
        MeshConfig(auto=True, fsdp=4)
