"""Which mesh, remat policy and number of microbatches: tried, and ranked.

Compiling one choice takes minutes, so few are compiled: choices that do not divide or
that take far too much memory by a guess are left out, those that recompute least come
first, and of these the meshes of few parts. The compiler alone says what fits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from xtl_jax.hardware import memory, meshes, slices
from xtl_jax.hardware.estimate import Assumptions
from xtl_jax.hardware.meshes import Devices
from xtl_jax.hardware.plan import Plan
from xtl_jax.hardware.programs import Job
from xtl_jax.model.sizes import Remat

_REMATS: tuple[Remat, ...] = ("minimal", "full")
_MICROBATCHES = (1, 2, 4, 8)


def candidates(job: Job) -> Iterator[Job]:
    """Variants of a job that divide, the most promising first.

    Meshes: `meshes.possible`. Of training, "minimal" remat and few microbatches come
    first, because they compute and send the least twice.
    """
    known = slices.find(job.topology)
    devices = Devices(known.devices, known.device_memory)
    variants = [job]
    if job.program == "train":
        variants = [
            _with(job, remat=remat, microbatches=microbatches)
            for microbatches in _MICROBATCHES
            for remat in _REMATS
            if job.run.batch_size % microbatches == 0
        ]
    for variant in variants:
        for each in meshes.possible(variant, devices):
            if memory.guess(each).total <= meshes.HOPEFUL * devices.memory:
                yield each


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


def _with(job: Job, *, remat: Remat, microbatches: int) -> Job:
    return dataclasses.replace(
        job,
        model=dataclasses.replace(job.model, remat=remat),
        run=dataclasses.replace(job.run, microbatches=microbatches),
    )
