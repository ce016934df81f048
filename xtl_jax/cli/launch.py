"""`xtl launch`: run one command on all hosts of a TPU, and pay for no minute more."""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError, near

if TYPE_CHECKING:
    from xtl_jax.cli.launch_files import Record, Shipment
    from xtl_jax.hardware.prices import Price
    from xtl_jax.launcher.job import Job
    from xtl_jax.launcher.machine import Memory

VERBS = {
    "plan": "what it has and costs, and whether the model fits (xtl plan)",
    "create": "make the TPU and leave it",
    "run": "make it, run the command on all hosts, delete it",
    "status": "how far it is, and what it has cost",
    "logs": "the hosts' output",
    "resume": "go on with a run that was interrupted or has reached its limit",
    "delete": "stop the command and delete the TPU",
}
EXAMPLE = """verbs:
{verbs}

example:
  xtl launch run --name=xxl --tpu=v4-128 --zone=us-central2-b --spot \\
      --bucket=gs://BUCKET --max_cost=500 --dry_run -- \\
      --gin_file=models/mt5_xxl.gin --gin_file=runs/mnli_to_xnli.gin \\
      --data_dir=gs://BUCKET/data --run_dir=gs://BUCKET/runs/xxl

What stands behind -- is what every host runs, unchanged: `xtl run` with these words,
or another command of xtl if they begin with one (`-- train …`). In a checkout,
launch/tpu_train.sh is the same. `xtl docs launching` tells more.
"""
_IMAGE = "gcr.io/google.com/cloudsdktool/google-cloud-cli:slim"


def add_parser(commands: Any) -> None:
    """Register `xtl launch`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "launch",
        help="run a command on a TPU pod: make it, look after it, delete it",
        description=__doc__,
        epilog=EXAMPLE.format(
            verbs="\n".join(f"  {verb:8} {does}" for verb, does in VERBS.items())
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=VERBS, metavar="VERB")
    where = parser.add_argument_group("where")
    _flag(where, "name", help="of the TPU and of all that is made for it")
    _flag(where, "backend", default="queued-resources", help=_BACKENDS)
    _flag(where, "tpu", help="one slice: v4-128 or v4:4x4x4")
    _flag(where, "slices", type=int, default=1, help="joined over the network")
    kind = where.add_mutually_exclusive_group()
    for name in ("spot", "reserved", "flex_start"):
        _flag(kind, name, action="store_true", help="instead of on-demand")
    _flag(where, "reservation", default="", help="with --reserved: its name")
    _flag(where, "zone", default="")
    _flag(where, "project", default="", help="if not the one gcloud is set to")
    _flag(where, "bucket", help="gs://…: code goes there, logs come from there")
    _flag(where, "runtime", default="", help="software version of the machines")
    _flag(where, "cluster", default="", help="with xpk: the GKE cluster")
    _flag(where, "docker_image", default=_IMAGE, help="with xpk (%(default)s)")
    _flag(where, "create_flag", action="append", default=[], help=_CREATE_FLAG)
    limits = parser.add_argument_group("limits")
    _flag(limits, "max_cost", type=float, help="US dollars; it is deleted before")
    _flag(limits, "max_retries", type=int, help="after preemptions and crashes (5)")
    _flag(limits, "usd_per_chip_hour", type=float, help="if not the list price")
    _flag(limits, "queue_hours", type=int, default=24, help="(%(default)s)")
    _flag(limits, "poll_seconds", type=float, default=30.0, help="(%(default)s)")
    _flag(limits, "stop_seconds", type=int, default=300, help="to save (%(default)s)")
    _flag(limits, "settle_seconds", type=float, default=60.0, help=argparse.SUPPRESS)
    _flag(limits, "keep", action="store_true", help="do not delete it at the end")
    other = parser.add_argument_group("other")
    _flag(other, "lock", default="", help="pinned packages; else what is installed")
    _flag(other, "state_dir", default="", help="of records ($XTL_LAUNCH_DIR)")
    _flag(other, "processes", type=int, default=1, help="with local: how many")
    _flag(other, "devices", type=int, default=0, help="with local: CPU devices each")
    _flag(other, "host", default="*", help="with logs: SLICE-WORKER, such as 0-3")
    _flag(other, "follow", action="store_true", help="with logs: as they come")
    _flag(other, "dry_run", action="store_true", help="print the commands, run none")
    _flag(other, "json", action="store_true", help="plan, status: one JSON document")
    parser.set_defaults(run=run)


_BACKENDS = "queued-resources (the default), tpu-vm, xpk or local"
_CREATE_FLAG = "one more flag for the command that makes the TPU; may be repeated"


def run(arguments: argparse.Namespace) -> int:
    """Do one verb."""
    if arguments.backend == "local":
        return _local(arguments)
    if not arguments.name:
        raise UserError("--name is missing: it names the TPU and the record of the run")
    if arguments.verb == "plan":
        return _plan(arguments)
    if arguments.verb in ("create", "run"):
        return _launch(arguments)
    return _recorded(arguments)


def _launch(arguments: argparse.Namespace) -> int:
    """`create` and `run`."""
    from xtl_jax.cli import launch_files, launch_show
    from xtl_jax.launcher import job as jobs

    words = _words(arguments)
    shipment = launch_files.shipment(words, lock=arguments.lock)
    folder = launch_files.state_folder(arguments.state_dir)
    job, _ = _job(arguments, words, shipment)
    for warning in jobs.warnings(job):
        tell(f"warning: {warning}")
    if arguments.dry_run:
        files = f"{folder}/files"
        print(launch_show.dry_run(job, verb=arguments.verb, files=files))
        return 0
    record = launch_files.Record(folder, job.name)
    with record.locked():
        job, memory = _taken_up(job, record)
        return _see_through(job, memory, record, shipment, verb=arguments.verb)


def _taken_up(job: Job, record: Record) -> tuple[Job, Memory]:
    """With the TPU of an earlier `create`, if there is one."""
    from xtl_jax.launcher.machine import Memory

    known = record.read()
    if known is None or known[1].code is not None:
        return dataclasses.replace(job, created=str(int(time.time()))), Memory()
    before, memory = known
    if memory.phase not in ("new", "requested"):
        raise UserError(
            f"{job.name} is at work ({memory.phase}): `resume` goes on with it, "
            "`delete` ends it"
        )
    for field in ("backend", "tpu", "slices", "capacity", "zone", "project"):
        old, new = getattr(before, field), getattr(job, field)
        if old != new:
            raise UserError(
                f"{job.name} was made with {field}={old!r}, not {new!r}: give that, "
                "or `delete` it first"
            )
    return dataclasses.replace(job, created=before.created), memory


def _see_through(
    job: Job, memory: Memory, record: Record, shipment: Shipment | None, *, verb: str
) -> int:
    from xtl_jax.cli import launch_cloud

    launch_cloud.connect(job)
    if shipment is not None:
        launch_cloud.ship(job, shipment, folder=record.path.parent / "files")
    supervisor = launch_cloud.Supervisor(
        job, memory, record, tell, until_ready=verb == "create"
    )
    code = supervisor.see_through()
    if verb == "create" and code == 0:
        tell(
            f"{job.name} is up and costs {job.usd_per_hour:,.2f} dollars an hour until "
            f"`delete --name={job.name}`; nothing watches its cost meanwhile"
        )
    return code


def _recorded(arguments: argparse.Namespace) -> int:
    """`status`, `logs`, `resume` and `delete`: of a job that is on record."""
    from xtl_jax.cli import launch_files, launch_show
    from xtl_jax.launcher import machine

    record = launch_files.Record(
        launch_files.state_folder(arguments.state_dir), arguments.name
    )
    known = record.read()
    if known is None:
        names = [path.stem for path in record.path.parent.glob("*.json")]
        raise UserError(
            f"no record of {arguments.name!r} in {record.path.parent} (near: "
            f"{near(arguments.name, names)}); only what was launched from here is "
            "looked after. `run` with all flags starts it, and its run directory "
            "makes it go on"
        )
    job, memory = known
    if arguments.verb == "resume":
        changed = {
            field: value
            for field in ("max_cost", "max_retries")
            if (value := getattr(arguments, field)) is not None
        }
        job = dataclasses.replace(job, **changed)
    if arguments.dry_run:
        files = f"{record.path.parent}/files"
        print(launch_show.dry_run(job, verb=arguments.verb, files=files))
        return 0
    if arguments.verb == "status":
        return _status(job, memory, as_json=arguments.json)
    if arguments.verb == "logs":
        return _logs(job, memory, host=arguments.host, follow=arguments.follow)
    with record.locked():
        if arguments.verb == "resume":
            return _see_through(
                *(job, machine.resumed(memory), record, None), verb="resume"
            )
        job = dataclasses.replace(job, keep=False)
        message = "deleted, as asked for"
        memory = dataclasses.replace(
            machine.resumed(memory), phase="ending", code=0, message=message
        )
        return _see_through(job, memory, record, None, verb="delete")


def _status(job: Job, memory: Memory, *, as_json: bool) -> int:
    from xtl_jax.cli import launch_cloud, launch_files, train

    launch_cloud.connect(job)
    seen = launch_cloud.look(job, memory)
    values = {
        **launch_files.describe(job, memory),
        "state": seen.resource.word or seen.resource.state,
        "detail": seen.resource.detail,
        "exit_codes": dict(seen.exits),
    }
    train.show(values, as_json=as_json)
    return 0


def _logs(job: Job, memory: Memory, *, host: str, follow: bool) -> int:
    from xtl_jax.launcher import backends, commands

    if not memory.attempt:
        raise UserError(f"{job.name} has not been started yet; `run` starts it")
    if follow and not backends.find(job).has_ssh:
        raise UserError(
            f"--follow: {job.backend} has no ssh; `kubectl logs --follow` shows the "
            "logs of a pod as they come"
        )
    command = (
        commands.follow(job, memory.attempt, host="0-0" if host == "*" else host)
        if follow
        else commands.logs(job, memory.attempt, host=host)
    )
    return subprocess.run(command.argv, check=False).returncode  # straight through


def _plan(arguments: argparse.Namespace) -> int:
    """What it costs, and then what the compiler says."""
    from xtl_jax.cli import launch_files, launch_plan

    words = _words(arguments)
    shipment = launch_files.shipment(words, lock=arguments.lock)
    job, price = _job(arguments, words, shipment)
    return launch_plan.plan(
        job, price, as_json=arguments.json, dry_run=arguments.dry_run
    )


def _local(arguments: argparse.Namespace) -> int:
    from xtl_jax.cli import launch_files, launch_local, launch_show

    if arguments.verb != "run":
        raise UserError(f"--backend=local has no {arguments.verb}: it only runs")
    if arguments.processes < 1:
        raise UserError(f"--processes={arguments.processes} must be at least 1")
    argv = [sys.executable, "-m", "xtl_jax.cli.main", *_words(arguments)]
    count, devices = arguments.processes, arguments.devices
    if arguments.dry_run:
        variables = launch_local.environments(count, port="PORT", devices=devices)
        print(launch_show.local(argv, variables))
        return 0
    port = launch_local.free_port()
    folder = launch_files.state_folder(arguments.state_dir)
    return launch_local.see_through(
        argv,
        launch_local.environments(count, port=port, devices=devices),
        logs=folder / (arguments.name or "local"),
        stop_seconds=arguments.stop_seconds,
        tell=tell,
    )


def _job(
    arguments: argparse.Namespace, words: tuple[str, ...], shipment: Shipment
) -> tuple[Job, Price]:
    from xtl_jax.hardware import prices, slices
    from xtl_jax.launcher.job import Job

    for flag in ("tpu", "bucket", "max_cost"):
        if getattr(arguments, flag) is None:
            raise UserError(f"--{flag} is missing; see `xtl launch --help`")
    capacity: prices.Capacity = "on-demand"
    for flag in ("spot", "reserved", "flex_start"):
        if getattr(arguments, flag):
            capacity = flag.replace("_", "-")  # type: ignore[assignment]
    if arguments.usd_per_chip_hour is None:
        generation = slices.find(arguments.tpu).generation.name
        price = prices.find(generation, capacity=capacity)
    else:
        price = prices.Price(
            usd_per_chip_hour=arguments.usd_per_chip_hour,
            date="given",
            source="--usd_per_chip_hour",
        )
    same = ("name", "backend", "tpu", "slices", "zone", "project", "reservation")
    same += ("bucket", "max_cost", "runtime", "cluster", "docker_image")
    same += ("queue_hours", "poll_seconds", "stop_seconds", "settle_seconds", "keep")
    values: dict[str, Any] = {field: getattr(arguments, field) for field in same}
    values |= shipment.hashes()
    if arguments.max_retries is not None:
        values["max_retries"] = arguments.max_retries
    job = Job(
        **values,
        capacity=capacity,
        command=words,
        usd_per_chip_hour=price.usd_per_chip_hour,
        create_flags=tuple(arguments.create_flag),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
    )
    return job, price


def _words(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The command of xtl that the hosts run."""
    from xtl_jax.cli import main

    words = tuple(arguments.words)
    if not words and arguments.verb != "create":
        raise UserError("nothing to run: give the words of `xtl run` behind --")
    if not words or words[0].startswith("-"):
        return ("run", *words)
    if words[0] not in main.COMMANDS or words[0] == "launch":
        raise UserError(
            f"xtl has no command {words[0]!r} for the hosts; near: "
            f"{near(words[0], main.COMMANDS)}"
        )
    return words


def _flag(group: Any, name: str, **settings: Any) -> None:
    """A flag that may be written with - for _, as gcloud's are."""
    spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    group.add_argument(*spellings, dest=name, **settings)
