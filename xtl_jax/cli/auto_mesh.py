"""`MeshConfig.auto` on this machine: the mesh that its devices get.

On TPUs the planner decides, which compiles the program for their slice first; elsewhere
a guess of the memory, which is told. Where several hosts compute together the first one
chooses for all.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.hardware.meshes import Choice, Devices
    from xtl_jax.hardware.plan import Plan
    from xtl_jax.hardware.programs import Job, Program
    from xtl_jax.model.network import AnyConfig
    from xtl_jax.train.config import MeshConfig, RunConfig

_SECONDS = 1800.0  # that one compilation may take


def chosen(
    mesh: MeshConfig,
    *,
    program: Program,
    model: AnyConfig,
    run: RunConfig,
    predicts: bool = False,
) -> MeshConfig:
    """The mesh to compute on: the given one, or where it is `auto` the one that fits.

    Args:
        mesh: of the configuration.
        program: what is computed.
        model: shape, its vocabulary's rows known.
        run: batch sizes and lengths.
        predicts: a training run that predicts its dev examples in between.

    Raises:
        UserError: no mesh divides or fits; says what would.
    """
    if not mesh.auto:
        return mesh
    import jax

    if jax.process_count() == 1:
        return _choose(mesh, program, model, run, predicts)
    return _from_first_host(mesh, lambda: _choose(mesh, program, model, run, predicts))


def _choose(
    mesh: MeshConfig, program: Program, model: AnyConfig, run: RunConfig, predicts: bool
) -> MeshConfig:
    from xtl_jax.hardware import meshes
    from xtl_jax.hardware.programs import Job

    devices, topology = _here(mesh)
    job = Job(program=program, model=model, run=run, mesh=mesh, topology=topology)
    found = meshes.choose(
        job,
        devices,
        make=_planner(run) if topology else None,
        beside=run.predict_batch_size if predicts else 0,
    )
    tell(describe(found))
    return found.job.mesh


def describe(choice: Choice) -> str:
    """What was chosen and what for, in a line."""
    from xtl_jax.hardware.plan import GIB

    mesh, plan = choice.job.mesh, choice.plan
    words = (
        f"{choice.guess / GIB:.3g} GiB a device, a guess without a compiler"
        if plan is None
        else f"{plan.peak / GIB:.3g} GiB a device, by the planner"
    )
    sizes = f"data={mesh.data} fsdp={mesh.fsdp} model={mesh.model}"
    return f"MeshConfig.auto: {sizes}, {words}"


def _here(mesh: MeshConfig) -> tuple[Devices, str]:
    """Devices of one slice, and the topology if the planner knows it."""
    import jax

    from xtl_jax.hardware import compiler, slices
    from xtl_jax.hardware.meshes import Devices

    number = len(jax.devices()) // mesh.slices
    if number * mesh.slices != len(jax.devices()):
        raise UserError(
            f"MeshConfig.slices={mesh.slices} does not divide {len(jax.devices())} "
            "devices"
        )
    known = slices.of_devices(jax.devices()[0].device_kind, number)
    if known is not None and compiler.installed():
        return Devices(number, known.device_memory), known.topology
    return Devices(number, _memory(jax.local_devices())), ""


def _memory(local: Any) -> float:
    """Bytes that a program may use of one of this process's devices."""
    stats = local[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return float(stats["bytes_limit"])
    # Devices that are this machine's processor share its memory.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / len(local)


def _planner(run: RunConfig) -> Callable[[Job], Plan]:
    from xtl_jax.hardware import plan

    folder = pathlib.Path(run.cache_dir) / "plans"

    def make(job: Job) -> Plan:
        tell(f"MeshConfig.auto: compiling {job.mesh} for {job.topology}")
        return plan.make(job, cache=folder, seconds=_SECONDS)

    return make


def _from_first_host(mesh: MeshConfig, choose: Callable[[], MeshConfig]) -> MeshConfig:
    """What the first host chooses, on every host; a refusal is one of all hosts."""
    import dataclasses

    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    sizes, refused = np.zeros(3, np.int32), None
    if jax.process_index() == 0:
        try:
            own = choose()
            sizes = np.asarray([own.data, own.fsdp, own.model], np.int32)
        except UserError as error:
            refused = error
    data, fsdp, model = np.asarray(multihost_utils.broadcast_one_to_all(sizes)).tolist()
    if refused is not None:
        raise refused
    if not data:
        raise UserError("MeshConfig.auto: the first host found no mesh, and says why")
    return dataclasses.replace(mesh, auto=False, data=data, fsdp=fsdp, model=model)
