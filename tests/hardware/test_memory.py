"""The guess of a step's memory, beside what the compiler found for the same step."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

import pytest

import xtl_jax
from xtl_jax.cli import plan as plan_command
from xtl_jax.hardware import memory
from xtl_jax.hardware.plan import GIB
from xtl_jax.hardware.programs import Job
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train.config import MeshConfig, RunConfig


def _compiled():
    """Rows of the table in the docs, which `xtl plan --presets` wrote."""
    page = pathlib.Path(xtl_jax.__file__).parent / "docs" / "planning.md"
    table = page.read_text().partition("<!-- plans -->")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    names, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines
    ]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _presets():
    given = argparse.Namespace(
        gin_file=[], gin_search_path=[], gin=[], topology=[], predict=False,
        run_dir="", data_dir="", cache_dir="",
    )  # fmt: skip
    return plan_command._preset_jobs(given)


def test_a_guess_is_near_what_the_compiler_found_for_each_preset():
    jobs, rows = _presets(), _compiled()
    assert [job.topology for job in jobs] == [row["slice"] for row in rows]
    for job, row in zip(jobs, rows, strict=True):
        ratio = memory.guess(job).total / GIB / float(row["peak GiB"])
        assert 0.9 < ratio < 1.25, (row["model"], row["slice"], ratio)


MODEL = ModelConfig(
    vocab=1024, embed=128, heads=4, head_dim=32, mlp=256, encoder_layers=2,
    decoder_layers=2,
)  # fmt: skip
RUN = RunConfig(
    task="planned",
    steps=10,
    lengths={"inputs": 512, "targets": 128},
    vocabulary="bytes",
    run_dir="run",
    batch_size=64,
)
JOB = Job(
    program="train", model=MODEL, run=RUN, mesh=MeshConfig(data=1), topology="v5e:1x1"
)


def _of(job=JOB, *, mesh=None, run=None, model=None):
    changed = dataclasses.replace(
        job,
        mesh=MeshConfig(**{"data": 1, **(mesh or {})}),
        run=dataclasses.replace(job.run, **(run or {})),
        model=dataclasses.replace(job.model, **(model or {})),
    )
    return memory.guess(changed)


def test_what_is_certain_is_exact():
    parameters = 4 * MODEL.parameters
    assert (_of().parameters, _of().gradients, _of().moments) == (
        *(parameters, parameters),
        0.0,
    )
    split = _of(mesh={"fsdp": 2, "model": 2}, run={"optimizer": "adamw"})
    assert split.parameters == parameters / 4
    assert split.moments == 2 * parameters / 4
    assert _of(run={"microbatches": 4}).gradients == 2 * parameters
    lora = {"lora_rank": 8, "initial_checkpoint": "given"}
    assert _of(run=lora).gradients == 0.0
    # The states between four layers: 64 rows of 512 and 128 positions.
    full = _of(model={"remat": "full"})
    assert full.kept == 64 * 2 * (512 + 128) * 128 * 4


@pytest.mark.parametrize(
    "less",
    [
        {"mesh": {"data": 2}},
        {"mesh": {"fsdp": 2}},
        {"mesh": {"model": 2}},
        {"mesh": {"slices": 2}},
        {"run": {"microbatches": 8}},
        {"model": {"remat": "minimal"}},
        {"model": {"attention_queries": 128}},
        {"model": {"dtype": "bfloat16"}},
    ],
)
def test_each_way_to_save_memory_saves_some(less):
    assert _of(**less).total < _of().total


def test_remat_keeps_less_the_more_it_computes_again():
    kept = [_of(model={"remat": remat}).kept for remat in ("none", "minimal", "full")]
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == 3


def test_predicting_needs_no_gradients_and_more_beams_more_memory():
    job = dataclasses.replace(JOB, program="predict")
    greedy, beams = _of(job), _of(job, run={"beams": 4})
    assert greedy.gradients == greedy.moments == 0.0
    # Keys and values of 128 positions for each of three more beams, 64 rows, 2 layers.
    assert beams.kept - greedy.kept == 64 * 3 * 128 * 2 * 2 * 128 * 4
    ranked = _of(job, run={"classify": "rank", "decode_length": 8})
    assert ranked.kept < greedy.kept


def test_an_encoder_has_a_guess_too():
    encoder = EncoderConfig(
        architecture="xlm-roberta", vocab=1024, embed=128, heads=4, mlp=256, layers=2,
        positions=514,
    )  # fmt: skip
    job = dataclasses.replace(JOB, model=encoder)
    found = _of(job)
    assert found.parameters > 4 * encoder.parameters  # and the head of the task
    assert 0 < _of(job, model={"remat": "full"}).kept < found.kept
