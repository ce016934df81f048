"""Which mesh, remat policy and number of microbatches: tried, and ranked.

Compiling one choice takes minutes, so few are compiled: choices that do not divide are
left out, the others are put into the order of a rough guess of their time, and of each
mesh the choices that recompute less are tried first. The compiler alone says what fits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from xtl_jax.hardware import slices
from xtl_jax.hardware.estimate import Assumptions
from xtl_jax.hardware.plan import Plan
from xtl_jax.hardware.programs import Job
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.sizes import ModelConfig, Remat
from xtl_jax.train import sharding
from xtl_jax.train.config import MeshConfig

_REMATS: tuple[Remat, ...] = ("minimal", "full")
_MICROBATCHES = (1, 2, 4, 8)


def candidates(job: Job) -> Iterator[Job]:
    """Variants of a job that divide, the most promising first.

    Meshes: parameters split over as few chips as hold their state in half of the
    memory, by `fsdp` and `model` in every ratio; then over more. Of training, "minimal"
    remat and few microbatches come first, because they compute the least twice.
    """
    found = list(_meshes(job))
    if job.program == "predict":
        yield from (dataclasses.replace(job, mesh=mesh) for mesh in found)
        return
    for microbatches in _MICROBATCHES:
        for remat in _REMATS:
            for mesh in found:
                copies = mesh.slices * mesh.data * mesh.fsdp
                if job.run.batch_size % (copies * microbatches):
                    continue
                yield _with(job, mesh=mesh, remat=remat, microbatches=microbatches)


def search(
    job: Job,
    *,
    make: Callable[[Job], Plan],
    assumptions: Assumptions,
    tries: int,
    progress: Callable[[int, Job], None] = lambda number, job: None,
) -> list[Plan]:
    """Plans of the first `tries` variants: those that fit, the fastest first, then
    those that do not.

    Args:
        job: to vary.
        make: plans one job.
        assumptions: of the time.
        tries: variants to compile.
        progress: told of each before it is compiled.
    """
    plans: list[Plan] = []
    for number, variant in enumerate(spread(list(candidates(job)), tries)):
        progress(number, variant)
        plans.append(make(variant))
    return ranked(plans, assumptions)


def ranked(plans: Sequence[Plan], assumptions: Assumptions) -> list[Plan]:
    """Those that fit by their expected time, then the others."""
    fitting = [plan for plan in plans if plan.fits]
    fitting.sort(key=lambda plan: plan.estimate(assumptions).seconds)
    return fitting + [plan for plan in plans if not plan.fits]


def spread(jobs: Sequence[Job], most: int) -> list[Job]:
    """At most so many of them, from the first to the last, evenly.

    Example:
        >>> spread(list("abcdefghi"), 3)
        ['a', 'e', 'i']
    """
    if most >= len(jobs):
        return list(jobs)
    if most == 1:
        return [jobs[0]]
    step = (len(jobs) - 1) / (most - 1)
    return [jobs[round(number * step)] for number in range(most)]


def _with(job: Job, *, mesh: MeshConfig, remat: Remat, microbatches: int) -> Job:
    return dataclasses.replace(
        job,
        mesh=mesh,
        model=dataclasses.replace(job.model, remat=remat),
        run=dataclasses.replace(job.run, microbatches=microbatches),
    )


def _meshes(job: Job) -> Iterator[MeshConfig]:
    chips = slices.find(job.topology).chips
    rows = job.run.batch_size if job.program == "train" else job.run.predict_batch_size
    sizes = [2**power for power in range(chips.bit_length()) if chips % 2**power == 0]
    pairs = [
        (fsdp, model)
        for fsdp in sizes
        for model in sizes
        if fsdp * model <= chips
        and chips % (fsdp * model) == 0
        and rows % (job.mesh.slices * chips // model) == 0
        and not sharding.misfits(job.model, fsdp=fsdp, model_axis=model)
        and _holds(job, fsdp * model)
    ]
    # Fewest parts first; of these, those that gather parameters rather than states.
    for fsdp, model in sorted(pairs, key=lambda pair: (pair[0] * pair[1], pair[1])):
        yield MeshConfig(
            data=chips // (fsdp * model),
            fsdp=fsdp,
            model=model,
            slices=job.mesh.slices,
        )


def _holds(job: Job, parts: int) -> bool:
    """Whether parameters, in float32 with gradients, take half of a chip at most."""
    model: ModelConfig | EncoderConfig = job.model
    copies = 2 if job.program == "train" else 1
    if job.program == "train" and job.run.optimizer == "adamw":
        copies = 4
    needed = 4 * copies * model.parameters / parts / 2**30
    return needed <= slices.find(job.topology).generation.usable_hbm_gib / 2
