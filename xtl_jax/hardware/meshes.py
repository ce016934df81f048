"""Which meshes a job can have, and which of them `MeshConfig.auto` takes.

Possible are those that use all devices and over which batch and model divide. Taken is
the one with the fewest parts that fits, because a model in fewer parts sends less: by
the compiler's word where a planner is given, else by `memory.guess`, which must leave a
tenth of the memory free, as it may be that much too low.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

from xtl_jax.errors import UserError
from xtl_jax.hardware import memory
from xtl_jax.hardware.plan import GIB, Plan
from xtl_jax.hardware.programs import Job
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train import sharding
from xtl_jax.train.config import MeshConfig

_FREE = 0.1  # share of the memory that a guess leaves
_COMPILED = 4  # meshes that a planner is asked for
# A guess above this times the memory is not worth a compilation.
HOPEFUL = 1.25


class Devices(NamedTuple):
    """What a mesh is made of.

    Attributes:
        number: of JAX devices, in one slice.
        memory: bytes of one that a program may use.
    """

    number: int
    memory: float


class Choice(NamedTuple):
    """A job with its mesh, and what it rests on.

    Attributes:
        job: with the mesh that was chosen.
        guess: bytes of one device, as guessed.
        plan: the compiler's, where there is one.
    """

    job: Job
    guess: float
    plan: Plan | None


def possible(job: Job, devices: Devices, *, beside: int = 0) -> Iterator[Job]:
    """The job on each mesh that divides, fewest parts first; of these, those that
    gather parameters rather than states.

    Args:
        job: its mesh says only how many slices there are.
        devices: of one slice.
        beside: rows of another program that the same mesh runs, which must divide too.
    """
    train, slices = job.program == "train", job.mesh.slices
    rows = job.run.batch_size if train else job.run.predict_batch_size
    pieces = job.run.microbatches if train else 1
    sizes = list(_powers(devices.number))
    pairs = [
        (fsdp, model)
        for fsdp in sizes
        for model in sizes
        if devices.number % (fsdp * model) == 0
        and rows % (slices * devices.number // model * pieces) == 0
        and beside % (slices * devices.number // model) == 0
        and not sharding.misfits(job.model, fsdp=fsdp, model_axis=model)
    ]
    for fsdp, model in sorted(pairs, key=lambda pair: (pair[0] * pair[1], pair[1])):
        mesh = MeshConfig(
            data=devices.number // (fsdp * model),
            fsdp=fsdp,
            model=model,
            slices=slices,
        )
        yield dataclasses.replace(job, mesh=mesh)


def choose(
    job: Job,
    devices: Devices,
    *,
    make: Callable[[Job], Plan] | None = None,
    beside: int = 0,
) -> Choice:
    """The mesh of fewest parts on which a job fits.

    Args:
        job: its mesh says only how many slices there are.
        devices: of one slice.
        make: plans a job with the compiler; None decides by the guess.
        beside: as `possible` has it.

    Raises:
        UserError: nothing divides, or nothing fits; says what would.
    """
    found = [
        (memory.guess(each).total, each)
        for each in possible(job, devices, beside=beside)
    ]
    if not found:
        raise UserError(_nothing_divides(job, devices, beside=beside))
    most = devices.memory * (HOPEFUL if make else 1 - _FREE)
    fitting = [(guess, each) for guess, each in found if guess <= most]
    why = ""
    for guess, each in fitting[: _COMPILED if make else 1]:
        plan = make(each) if make else None
        if plan is None or plan.fits:
            return Choice(each, guess, plan)
        why = plan.why
    raise UserError(_nothing_fits(job, devices, found, why=why, beside=beside))


def _powers(number: int) -> Iterator[int]:
    """Powers of two that divide a number."""
    size = 1
    while number % size == 0:
        yield size
        size *= 2


def _nothing_divides(job: Job, devices: Devices, *, beside: int) -> str:
    sizes = [
        size
        for size in _powers(devices.number)
        if not sharding.misfits(job.model, fsdp=1, model_axis=size)
    ]
    shards = job.mesh.slices * devices.number // max(sizes)
    train = job.program == "train"
    field = "batch_size" if train else "predict_batch_size"
    rows = {field: job.run.batch_size if train else job.run.predict_batch_size}
    step = {field: shards * (job.run.microbatches if train else 1)}
    if beside:
        rows["predict_batch_size"], step["predict_batch_size"] = beside, shards
    wrong = [
        f"RunConfig.{name}={rows[name]} must be a multiple of {step[name]}"
        for name in rows
        if rows[name] % step[name]
    ]
    return f"MeshConfig.auto finds no mesh of {devices.number} devices: " + (
        "; ".join(wrong) or f"no size of {job.model} divides over them"
    )


def _nothing_fits(
    job: Job, devices: Devices, found: list[tuple[float, Job]], *, why: str, beside: int
) -> str:
    least, at = min(found, key=lambda pair: pair[0])
    mesh = at.mesh
    said = f"; the compiler says: {why}" if why else ""
    return (
        f"MeshConfig.auto finds no mesh of {devices.number} devices with "
        f"{devices.memory / GIB:.1f} GiB each on which this fits: the least is about "
        f"{least / GIB:.1f} GiB, with data={mesh.data} fsdp={mesh.fsdp} "
        f"model={mesh.model}{said}. " + _what_would(job, devices, beside=beside)
    )


def _what_would(job: Job, devices: Devices, *, beside: int) -> str:
    """The first of some changes with which the guess fits."""
    if job.program == "predict":
        return "Use more devices, or a smaller RunConfig.predict_batch_size"
    changed = dataclasses.replace(job.model, remat="full")
    words = "ModelConfig.remat='full'"
    if isinstance(changed, ModelConfig):
        targets = job.run.lengths["targets"]
        chunks = max(each for each in (1, 2, 4, 8, 16) if targets % each == 0)
        changed = dataclasses.replace(
            changed, attention_queries=256, loss_chunks=chunks
        )
        words += f", attention_queries=256, loss_chunks={chunks}"
    for microbatches in (1, 2, 4, 8, 16, 32):
        if job.run.batch_size % microbatches:
            continue
        run = dataclasses.replace(job.run, microbatches=microbatches)
        variant = dataclasses.replace(job, model=changed, run=run)
        guesses = [
            memory.guess(each).total
            for each in possible(variant, devices, beside=beside)
        ]
        if guesses and min(guesses) <= devices.memory * (1 - _FREE):
            return f"With {words} and RunConfig.microbatches={microbatches} it should"
    return "No setting would do: use more devices or a smaller batch"
