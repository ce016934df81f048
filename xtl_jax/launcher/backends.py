"""How each back end makes, describes and deletes a TPU.

queued-resources   a request that waits in the provider's queue; one or more slices
tpu-vm             a slice at once, or an error
xpk                a workload on a GKE cluster that xpk has made; the only way to TPU7x
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from xtl_jax.launcher import states
from xtl_jax.launcher.commands import Command, labels, place, remote
from xtl_jax.launcher.job import Job

_FLEX_HOURS = 168  # the provider's limit, seven days
_QUEUED = ("compute", "tpus", "queued-resources")
_NODE = ("compute", "tpus", "tpu-vm")


class Cloud(NamedTuple):
    """One back end, as functions of a job.

    Attributes:
        connect: to be run before anything else.
        create: makes the TPU; its second argument is the number of the attempt.
        describe: prints its state.
        read: what `describe` printed.
        delete: ends and removes it.
        has_ssh: the command is started over ssh and can be started again; otherwise
            it comes with the TPU.
    """

    connect: Callable[[Job], list[Command]]
    create: Callable[[Job, int], Command]
    describe: Callable[[Job], Command]
    read: Callable[[str], states.Resource]
    delete: Callable[[Job], Command]
    has_ssh: bool


def find(job: Job) -> Cloud:
    """The back end of a job."""
    return _CLOUDS[job.backend]


def _nothing(_: Job) -> list[Command]:
    return []


def _create_queued(job: Job, _: int) -> Command:
    nodes = (
        (f"--node-id={job.name}",)
        if job.slices == 1
        else (f"--node-count={job.slices}", f"--node-prefix={job.name}")
    )
    how = {
        "on-demand": (),
        "spot": ("--spot",),
        "reserved": ("--reserved",),
        "flex-start": (
            "--provisioning-model=flex-start",
            f"--max-run-duration={_hours(job)}h",
        ),
    }[job.capacity]
    if job.reservation:
        how = (f"--reservation={job.reservation}",)
    # Both flags are in gcloud's alpha only.
    alpha = ("alpha",) if job.capacity == "flex-start" or job.reservation else ()
    return Command(
        (
            *("gcloud", *alpha, *_QUEUED, "create", job.name),
            *nodes,
            *_kind(job, version="--runtime-version"),
            *how,
            f"--valid-until-duration={job.queue_hours}h",
            *("--quiet", *job.create_flags),
        ),
        "asks for the TPU",
        600.0,
    )


def _create_node(job: Job, _: int) -> Command:
    how = {"on-demand": (), "spot": ("--spot",), "reserved": ("--reserved",)}
    # A reservation is named in gcloud's alpha only.
    alpha = ("alpha",) if job.reservation else ()
    chosen = (
        (f"--reservation={job.reservation}",)
        if job.reservation
        else how[job.capacity]  # a job refuses flex-start here
    )
    return Command(
        (
            *("gcloud", *alpha, *_NODE, "create", job.name),
            *_kind(job, version="--version"),
            *chosen,
            *("--quiet", *job.create_flags),
        ),
        "makes the TPU",
        3600.0,
    )


def _kind(job: Job, *, version: str) -> tuple[str, ...]:
    return (
        f"--accelerator-type={job.slice.accelerator_type}",
        f"{version}={job.runtime or job.slice.generation.runtime}",
        *place(job),
        f"--labels={labels(job)}",
    )


def _hours(job: Job) -> int:
    """How long the money lasts, within what flex-start gives."""
    return max(1, min(_FLEX_HOURS, math.ceil(job.max_cost / job.usd_per_hour)))


def _describe(group: tuple[str, ...]) -> Callable[[Job], Command]:
    return lambda job: Command(
        ("gcloud", *group, "describe", job.name, *place(job), "--format=json"),
        "its state",
    )


def _delete(group: tuple[str, ...], *flags: str) -> Callable[[Job], Command]:
    return lambda job: Command(
        ("gcloud", *group, "delete", job.name, *place(job), *flags, "--quiet"),
        "deletes it",
        1800.0,
    )


def _connect_xpk(job: Job) -> list[Command]:
    # A cluster of xpk is regional.
    project = (f"--project={job.project}",) if job.project else ()
    region = job.zone.rpartition("-")[0]
    return [
        Command(
            (
                *("gcloud", "container", "clusters", "get-credentials", job.cluster),
                *(f"--location={region}", *project),
            ),
            "lets kubectl into the cluster",
        )
    ]


def _create_xpk(job: Job, attempt: int) -> Command:
    how = {
        "on-demand": ("--on-demand",),
        "spot": ("--spot",),
        "reserved": (f"--reservation={job.reservation}",),
        "flex-start": ("--flex",),
    }[job.capacity]
    return Command(
        (
            *("xpk", "workload", "create"),
            f"--workload={job.name}",
            f"--cluster={job.cluster}",
            *place(job),
            f"--tpu-type={job.slice.accelerator_type}",
            f"--num-slices={job.slices}",
            *how,
            f"--docker-image={job.docker_image}",
            "--max-restarts=0",  # retries are counted here, with their cost
            f"--termination-grace-period-seconds={job.stop_seconds}",
            f"--command={remote(job, 'run', attempt=attempt, index=None)}",
            *job.create_flags,
        ),
        "queues the workload; its hosts run the command",
        600.0,
    )


def _describe_xpk(job: Job) -> Command:
    return Command(
        (
            *("kubectl", "get", "jobset", job.name),
            *("--ignore-not-found", "--output=json"),
        ),
        "its state",
    )


def _delete_xpk(job: Job) -> Command:
    return Command(
        (
            *("xpk", "workload", "delete", f"--workload={job.name}"),
            *(f"--cluster={job.cluster}", *place(job), "--force"),
        ),
        "deletes it",
        job.stop_seconds + 600.0,
    )


_CLOUDS = {
    "queued-resources": Cloud(
        connect=_nothing,
        create=_create_queued,
        describe=_describe(_QUEUED),
        read=states.queued,
        delete=_delete(_QUEUED, "--force"),  # with the slices in it
        has_ssh=True,
    ),
    "tpu-vm": Cloud(
        connect=_nothing,
        create=_create_node,
        describe=_describe(_NODE),
        read=states.node,
        delete=_delete(_NODE),
        has_ssh=True,
    ),
    "xpk": Cloud(
        connect=_connect_xpk,
        create=_create_xpk,
        describe=_describe_xpk,
        read=states.jobset,
        delete=_delete_xpk,
        has_ssh=False,
    ),
}
