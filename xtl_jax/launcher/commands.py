"""Commands that all back ends of the cloud share: files, hosts, logs.

In the bucket, under `xtl_launch/`:

    code-SHA.tar.gz  lock-SHA.txt  host-SHA.sh      what the hosts run, by content
    NAME-IDENTITY/ATTEMPT/exit/SLICE-WORKER.CODE    an empty file: the host has ended
    NAME-IDENTITY/ATTEMPT/log/SLICE-WORKER.log      its output, once a minute

Exit codes are in names, so that one listing reads those of all hosts, also when the
hosts are gone.
"""

from __future__ import annotations

import datetime
import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from xtl_jax.launcher.job import Job

SILENT = -1  # no exit code, and no output any more: the machine was started anew
SILENCE_SECONDS = 900  # output comes once a minute
_LOG = re.compile(r"(?P<time>\S+Z)\s+gs://\S+/log/(?P<host>[^/\s]+)\.log")
_READY = re.compile(r"xtl-host-ready (\S+)")
_EXIT = re.compile(r"/exit/(?P<host>[^/]+)\.(?P<code>\d+)\s*$", re.MULTILINE)


class Command(NamedTuple):
    """One program to run."""

    argv: tuple[str, ...]
    why: str  # a few words, for people
    timeout_seconds: float = 120.0

    def text(self) -> str:
        """As one types it into a shell."""
        return shlex.join(self.argv)


class HostCommand(NamedTuple):
    """The same on every host of a slice, or on one of them."""

    command: Command
    slice_index: int
    worker: int | None  # None: all


def base(job: Job) -> str:
    """Folder in the bucket that all jobs share."""
    return f"{job.bucket.rstrip('/')}/xtl_launch"


def folder(job: Job, attempt: int) -> str:
    """Folder of one attempt."""
    return f"{base(job)}/{job.name}-{job.identity}/{attempt}"


def shipped(job: Job) -> dict[str, str]:
    """Names of the files in the bucket: code, lock, script."""
    return {
        "code": f"code-{job.code}.tar.gz",
        "lock": f"lock-{job.lock}.txt",
        "script": f"host-{job.script}.sh",
    }


def ship(job: Job, *, files: str) -> list[Command]:
    """Copies what is not in the bucket yet.

    Args:
        job: whose code.
        files: local folder with the files under the names of `shipped`.
    """
    return [
        Command(
            (
                *("gcloud", "storage", "cp", "--no-clobber"),
                *(f"{files}/{name}", f"{base(job)}/{name}"),
            ),
            f"{part} to the bucket, unless it is there",
            1800.0,
        )
        for part, name in shipped(job).items()
    ]


def place(job: Job) -> tuple[str, ...]:
    """Flags that say where."""
    project = (f"--project={job.project}",) if job.project else ()
    return (f"--zone={job.zone}", *project)


def labels(job: Job) -> str:
    """Labels by which the launcher knows what it has made."""
    return f"xtl-launch={job.identity},xtl-name={job.name}"


def exits(job: Job, attempt: int) -> Command:
    """Lists the exit codes of an attempt, and when each host's output last came."""
    return Command(
        ("gcloud", "storage", "ls", "--long", f"{folder(job, attempt)}/**"),
        "exit codes of the hosts, by name, and signs of life",
    )


def read_exits(text: str, *, now: float) -> dict[str, int]:
    """What `exits` printed: host to exit code, `SILENT` for one that has died.

    Args:
        text: the listing.
        now: Unix seconds.

    Example:
        >>> nine, run = "0  2026-11-21T09:00:00Z  ", "gs://b/x/1"
        >>> late = "0  2026-11-21T09:59:00Z  "
        >>> listing = "\\n".join(
        ...     [f"{nine}{run}/exit/0-3.143", f"{nine}{run}/log/0-3.log"]
        ...     + [f"{nine}{run}/log/0-1.log", f"{late}{run}/log/0-0.log"]
        ... )
        >>> ten = datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.UTC)
        >>> read_exits(listing, now=ten.timestamp())
        {'0-3': 143, '0-1': -1}
    """
    silent = {
        each["host"]: SILENT
        for each in _LOG.finditer(text)
        if now - datetime.datetime.fromisoformat(each["time"]).timestamp()
        > SILENCE_SECONDS
    }
    ended = {each["host"]: int(each["code"]) for each in _EXIT.finditer(text)}
    return silent | ended


def read_ready(text: str) -> set[str]:
    """The hosts that are set up, by what `host.sh prepare` printed on each.

    Example:
        >>> sorted(read_ready("xtl-host-ready 0-0 xtl-host-ready 0-1"))
        ['0-0', '0-1']
    """
    return set(_READY.findall(text))


def logs(job: Job, attempt: int, *, host: str) -> Command:
    """Prints what the bucket has of the output.

    Args:
        job: whose.
        attempt: which.
        host: SLICE-WORKER, or "*".
    """
    return Command(
        (
            *("gcloud", "storage", "cat", "--display-url"),
            f"{folder(job, attempt)}/log/{host}.log",
        ),
        f"output of host {host}, attempt {attempt}",
    )


def on_hosts(
    job: Job, verb: str, *, attempt: int = 0, worker: int | None = None
) -> list[HostCommand]:
    """`host.sh VERB` on every host.

    Args:
        job: whose hosts.
        verb: prepare, start or stop.
        attempt: number of the attempt.
        worker: one host of each slice; None for all.
    """
    timeout = {"prepare": 1800.0, "start": 300.0, "stop": job.stop_seconds + 120.0}
    why = {
        "prepare": "code and packages to every host",
        "start": "the command, in the background",
        "stop": f"SIGTERM, and {job.stop_seconds} seconds to save",
    }
    return [
        HostCommand(
            Command(
                (
                    *("gcloud", "compute", "tpus", "tpu-vm", "ssh", node),
                    *place(job),
                    f"--worker={'all' if worker is None else worker}",
                    "--quiet",
                    f"--command={remote(job, verb, attempt=attempt, index=index)}",
                ),
                f"{why[verb]} of {node}",
                timeout[verb],
            ),
            index,
            worker,
        )
        for index, node in enumerate(job.nodes)
    ]


def follow(job: Job, attempt: int, *, host: str) -> Command:
    """Prints the output of one host as it comes."""
    index, _, worker = host.partition("-")
    path = f"xtl_launch/{job.name}-{job.identity}/{attempt}.log"
    return Command(
        (
            *("gcloud", "compute", "tpus", "tpu-vm", "ssh", job.nodes[int(index)]),
            *place(job),
            f"--worker={worker}",
            f"--command=tail -n 100 -F {shlex.quote(path)}",
        ),
        f"output of host {host} as it comes",
    )


def remote(job: Job, verb: str, *, attempt: int, index: int | None) -> str:
    """What a host's shell is given.

    Args:
        job: the job.
        verb: of host.sh.
        attempt: number of the attempt.
        index: of the slice; None where the machine knows it.
    """
    script = shipped(job)["script"]
    local = f"/tmp/{script}"
    words = ["env", *(f"{key}={value}" for key, value in _settings(job).items())]
    if verb != "prepare":
        words.append(f"XTL_ATTEMPT={attempt}")
        words.append(f"XTL_RUN={folder(job, attempt)}")
    if index is not None:
        words.append(f"XTL_SLICE={index}")
    words += ["bash", local, verb]
    if verb in ("start", "run"):
        words += job.command
    fetch = ["gcloud", "storage", "cp", "--quiet", f"{base(job)}/{script}", local]
    # A container's shell passes SIGTERM to what has taken its place, not to children.
    into = "exec " if verb == "run" else ""
    return f"{shlex.join(fetch)} && {into}{shlex.join(words)}"


def _settings(job: Job) -> Mapping[str, str]:
    return {
        "XTL_BASE": base(job),
        "XTL_JOB": f"{job.name}-{job.identity}",
        "XTL_CODE": job.code,
        "XTL_LOCK": job.lock,
        "XTL_PYTHON": job.python,
        "XTL_STOP_SECONDS": str(job.stop_seconds),
    }
