"""What a study's training takes: FLOPs, and on a slice hours, money and memory.

FLOPs are the useful ones of training, rows at their full length. Hours are these at the
planner's share of the peak, so nothing is faster; predictions, evaluation, start and
checkpoints are not counted. Memory is the planner's guess for the largest stage.
`xtl plan` compiles a single stage and says more.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from xtl_jax.cli.config import Config
from xtl_jax.cli.study_stages import Describer
from xtl_jax.errors import UserError
from xtl_jax.studies.graph import Graph

GIB = 2**30


class Cost(NamedTuple):
    """Of all training stages together.

    Attributes:
        steps: updates.
        flops: useful.
        topology: the slice; "" where none is named, and all below is None.
        chips: of the slice.
        hours: of the slice, stage after stage.
        usd: at the list price; None where none is known.
        memory_gib: of one device, the largest stage.
        usable_gib: that a program may use of it.
        says: what the figures rest on.
    """

    steps: int
    flops: float
    topology: str
    chips: int | None = None
    hours: float | None = None
    usd: float | None = None
    memory_gib: float | None = None
    usable_gib: float | None = None
    says: str = "useful FLOPs of training alone, rows at their full length"


def cost(graph: Graph, describer: Describer) -> Cost:
    """What the training stages of a study take.

    Raises:
        UserError: the slice does not exist, or a mesh does not fit on it.
    """
    from xtl_jax.hardware.programs import with_head
    from xtl_jax.train import throughput

    steps, flops = 0, 0.0
    shapes: dict[Any, Config] = {}
    for stage in graph.stages:
        if stage.kind != "train":
            continue
        config = describer.config(stage.draft)
        run = config.run
        steps += run.steps
        flops += run.steps * throughput.useful_flops(
            with_head(config.model),
            rows=run.batch_size,
            lengths=run.lengths,
            frozen=run.lora is not None,
        )
        shape = (run.batch_size, run.microbatches, tuple(run.lengths.items()))
        shapes.setdefault(shape, config)
    topology = graph.config.topology
    if not topology:
        return Cost(steps, flops, topology)
    return _on_slice(topology, list(shapes.values()), steps=steps, flops=flops)


def _on_slice(
    topology: str, configs: list[Config], *, steps: int, flops: float
) -> Cost:
    from xtl_jax.hardware import memory, prices, slices
    from xtl_jax.hardware.estimate import Assumptions
    from xtl_jax.hardware.programs import Job

    slice_, assumed = slices.find(topology), Assumptions()
    generation = slice_.generation
    peak = slice_.chips * generation.peak_bf16_tflops * 1e12
    hours = flops / (peak * assumed.matrix_share) / 3600
    try:
        price = prices.find(generation.name, capacity=assumed.capacity)
    except UserError:
        price = None
    guesses = []
    for config in configs:
        mesh = config.mesh
        data = mesh.data or slice_.devices // (mesh.fsdp * mesh.model)
        whole = dataclasses.replace(mesh, data=data, auto=False)
        if data * mesh.fsdp * mesh.model != slice_.devices:
            raise UserError(
                f"{topology} has {slice_.devices} devices and the mesh of the study's "
                f"model_files has {data} x {mesh.fsdp} x {mesh.model}: name the slice "
                "of the mesh in StudyConfig.topology"
            )
        job = Job(
            program="train",
            model=config.model,
            run=config.run,
            mesh=whole,
            topology=topology,
        )
        guesses.append(memory.guess(job).total)
    return Cost(
        steps=steps,
        flops=flops,
        topology=topology,
        chips=slice_.chips,
        hours=hours,
        usd=price and hours * slice_.chips * price.usd_per_chip_hour,
        memory_gib=max(guesses) / GIB,
        usable_gib=slice_.device_memory / GIB,
        says=(
            f"training alone, rows at their full length, {assumed.matrix_share:.0%} of "
            "the peak: nothing is faster"
            + (f"; ${price.usd_per_chip_hour} a chip and hour" if price else "")
        ),
    )
