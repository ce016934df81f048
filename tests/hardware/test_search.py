"""What is tried, and in which order; nothing is compiled."""

from __future__ import annotations

import dataclasses

import pytest

from xtl_jax.hardware import search
from xtl_jax.hardware.estimate import Assumptions
from xtl_jax.hardware.plan import Plan
from xtl_jax.hardware.programs import Job
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train.config import MeshConfig, RunConfig

XXL = ModelConfig(
    vocab=250112,
    embed=4096,
    heads=64,
    head_dim=64,
    mlp=10240,
    encoder_layers=24,
    decoder_layers=24,
)
RUN = RunConfig(
    task="planned",
    steps=10,
    lengths={"inputs": 1024, "targets": 256},
    vocabulary="bytes",
    run_dir="run",
    batch_size=64,
)
JOB = Job(program="train", model=XXL, run=RUN, mesh=MeshConfig(), topology="v4:4x4x4")


def test_everything_tried_divides_and_fills_the_slice():
    tried = list(search.candidates(JOB))
    assert tried
    for job in tried:
        mesh = job.mesh
        assert mesh.data * mesh.fsdp * mesh.model == 64
        assert XXL.heads % mesh.model == XXL.mlp % mesh.model == 0
        assert RUN.batch_size % (mesh.data * mesh.fsdp * job.run.microbatches) == 0
        # 13 billion parameters with gradients, 96 GiB, do not lie on two chips.
        assert mesh.fsdp * mesh.model >= 4
    assert len({(j.mesh, j.model.remat, j.run.microbatches) for j in tried}) == len(
        tried
    )


def test_what_recomputes_least_comes_first():
    tried = list(search.candidates(JOB))
    first = tried[0]
    assert (first.model.remat, first.run.microbatches) == ("minimal", 1)
    # 64 rows make no 128 parts: with data * fsdp = 64 there are no microbatches.
    assert all(j.mesh.model > 1 for j in tried if j.run.microbatches == 2)


def test_a_predict_step_has_meshes_alone():
    run = dataclasses.replace(RUN, predict_batch_size=8)
    job = dataclasses.replace(JOB, program="predict", run=run)
    tried = list(search.candidates(job))
    assert {j.model.remat for j in tried} == {"none"}
    assert all(8 % (j.mesh.data * j.mesh.fsdp) == 0 for j in tried)


def test_plans_that_fit_are_ranked_by_time_and_the_others_stand_last():
    def plan(flops, *, fits=True):
        return Plan(
            job=JOB,
            fits=fits,
            why="" if fits else "no room",
            effort="full",
            devices=64,
            useful_flops=1e15,
            executed_flops=flops,
        )

    found = search.ranked(
        [plan(3e16), plan(0.0, fits=False), plan(1e16), plan(2e16)], Assumptions()
    )
    assert [each.executed_flops for each in found] == [1e16, 2e16, 3e16, 0.0]
    assert not found[-1].fits


def test_a_search_compiles_as_many_as_it_may():
    made = []

    def make(job):
        made.append(job)
        return Plan(job=job, fits=False, why="no room", effort="full")

    found = search.search(JOB, make=make, assumptions=Assumptions(), tries=3)
    assert len(found) == len(made) == 3
    everything = list(search.candidates(JOB))
    assert (made[0], made[-1]) == (everything[0], everything[-1])


@pytest.mark.parametrize("most", [1, 2, 100])
def test_spread_never_gives_more_than_there_is(most):
    assert len(search.spread([JOB, JOB], most)) == min(most, 2)
