"""What `xtl launch` prints: the plan's costs, and the commands of a dry run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xtl_jax.hardware.prices import Price
from xtl_jax.launcher import backends, commands
from xtl_jax.launcher.commands import Command
from xtl_jax.launcher.job import Job


def costs(job: Job, price: Price) -> dict[str, Any]:
    """Size and price of a job."""
    hours = (job.max_cost - job.reserve_usd) / job.usd_per_hour
    slice_ = job.slice
    return {
        "tpu": f"{job.slices} x {slice_.accelerator_type} ({slice_.topology})",
        "chips": job.chips,
        "hosts": job.hosts,
        "hbm_gib_per_chip": slice_.generation.hbm_gib,
        "runtime": job.runtime or slice_.generation.runtime or "of the cluster",
        "capacity": job.capacity,
        "usd_per_chip_hour": job.usd_per_chip_hour,
        "price_from": f"{price.source}, {price.date}",
        "price_note": price.note,
        "usd_per_hour": round(job.usd_per_hour, 2),
        "max_cost": job.max_cost,
        "hours_before_the_limit": round(hours, 2),
    }


def dry_run(job: Job, *, verb: str, files: str) -> str:
    """The commands of a verb, with what they wait for, as a shell would take them.

    Args:
        job: the job.
        verb: create, run, resume, status, logs or delete.
        files: folder from which files would be uploaded.
    """
    lines = [
        f"# {verb} {job.name}: {job.slices} x {job.slice.accelerator_type}, "
        f"{job.capacity}, {job.usd_per_hour:,.2f} dollars an hour, at most "
        f"{job.max_cost:,.2f}; nothing is run",
    ]
    for item in _sequence(job, verb, files):
        if isinstance(item, str):
            lines.append(f"# {item}")
        else:
            lines += [f"# {item.why}", item.text()]
    return "\n".join(lines)


def _sequence(job: Job, verb: str, files: str) -> Iterator[Command | str]:
    cloud = backends.find(job)
    yield from cloud.connect(job)
    if verb in ("create", "run", "resume"):
        yield from commands.ship(job, files=files)
        yield from _until_up(job)
    if verb in ("run", "resume"):
        yield from _until_ended(job)
    if verb == "status":
        yield cloud.describe(job)
        yield commands.exits(job, 1)
    if verb == "logs":
        yield commands.logs(job, 1, host="*")
    if verb in ("run", "resume", "delete"):
        if job.keep and verb != "delete":
            yield "--keep: nothing is deleted, except at the cost limit"
            return
        yield "at the end, also after Ctrl-C, an error or the cost limit:"
        if cloud.has_ssh:
            yield from _hosts(job, "stop")
        yield cloud.delete(job)
        yield from _again("until there is nothing", [cloud.describe(job)])


def _until_up(job: Job) -> Iterator[Command | str]:
    cloud = backends.find(job)
    yield cloud.create(job, 1)
    yield from _again(
        f"every {job.poll_seconds:g} seconds, until it is up; if it fails or is taken "
        f"away it is deleted and asked for again, {job.max_retries} times at most",
        [cloud.describe(job)],
    )


def _until_ended(job: Job) -> Iterator[Command | str]:
    cloud = backends.find(job)
    if cloud.has_ssh:
        yield from _hosts(job, "prepare")
        yield from _hosts(job, "start")
    yield from _again(
        f"every {job.poll_seconds:g} seconds, until {job.hosts} hosts have ended",
        [cloud.describe(job), commands.exits(job, 1)],
    )


def _hosts(job: Job, verb: str) -> Sequence[Command]:
    return [each.command for each in commands.on_hosts(job, verb, attempt=1)]


def _again(why: str, repeated: Sequence[Command]) -> Iterator[Command | str]:
    yield why
    yield from repeated


def local(argv: Sequence[str], variables: Sequence[Mapping[str, str]]) -> str:
    """Processes on this machine, as a shell would take them."""
    many = "processes, side by side" if len(variables) > 1 else "process"
    lines = [f"# {len(variables)} {many} on this machine; nothing is run"]
    for each in variables:
        settings = [f"{key}={value}" for key, value in each.items()]
        lines.append(shlex.join([*(["env"] if settings else []), *settings, *argv]))
    return "\n".join(lines)
