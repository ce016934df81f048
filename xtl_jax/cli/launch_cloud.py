"""Looks after a job in the cloud: the one place where its commands are run.

What is to be done is decided in `xtl_jax.launcher.machine`; here are the subprocesses,
the clock and the signals. However this ends, by the job's end, an error, Ctrl-C or
SIGTERM, the TPU is deleted first, unless `--keep` is given.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import NamedTuple

from xtl_jax.cli.launch_files import Record, Shipment
from xtl_jax.errors import UserError
from xtl_jax.launcher import backends, commands, machine, states
from xtl_jax.launcher.commands import Command, HostCommand
from xtl_jax.launcher.job import Job
from xtl_jax.launcher.machine import Memory, Seen

_SSH_AT_ONCE = 32


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All it printed."""
        return f"{self.out}\n{self.err}"


def run(command: Command) -> Ran:
    """Run one command to its end.

    It gets a session of its own, so that Ctrl-C in the terminal reaches the launcher
    alone and no request is cut off half-way.
    """
    try:
        done = subprocess.run(
            command.argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=command.timeout_seconds,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return Ran(255, "", f"no answer in {command.timeout_seconds:.0f} seconds")
    except FileNotFoundError:
        raise UserError(
            f"{command.argv[0]} is not installed here, or not on PATH; "
            f"it was needed for: {command.why}"
        ) from None
    return Ran(done.returncode, done.stdout, done.stderr)


def run_on_hosts(work: Sequence[HostCommand]) -> list[Ran]:
    """Run commands side by side."""
    with futures.ThreadPoolExecutor(_SSH_AT_ONCE) as pool:
        return list(pool.map(lambda each: run(each.command), work))


def ship(job: Job, shipment: Shipment, *, folder: pathlib.Path) -> None:
    """Put code, packages and script into the bucket.

    Raises:
        UserError: the bucket does not take them.
    """
    shipment.write(folder, commands.shipped(job))
    for command in commands.ship(job, files=str(folder)):
        _must(command)


def connect(job: Job) -> None:
    """What a back end needs before anything else.

    Raises:
        UserError: it was refused.
    """
    for command in backends.find(job).connect(job):
        _must(command)


def _must(command: Command) -> None:
    """Run what nothing goes on without."""
    done = run(command)
    if done.code:
        raise UserError(
            f"{command.text()} has failed: {done.err.strip()}; mend that and give the "
            "same command again"
        )


def look(job: Job, memory: Memory) -> Seen:
    """The TPU, and the exit codes of the hosts."""
    cloud = backends.find(job)
    done = run(cloud.describe(job))
    if done.code == 0:
        try:
            resource = cloud.read(done.out)
        except ValueError as error:
            resource = states.Resource(state="unknown", detail=str(error))
    elif states.trouble(done.err) == "missing":
        resource = states.ABSENT
    else:
        resource = states.Resource(state="unknown", detail=done.err.strip())
    now, exits = time.time(), {}
    if memory.attempt and memory.phase != "recreating":
        done = run(commands.exits(job, memory.attempt))
        # An empty folder is an error for gcloud. Without an answer the end would not be
        # seen.
        unanswered = done.code and "matched no objects" not in done.err
        if unanswered and memory.phase == "running" and resource.state != "absent":
            resource = states.Resource(state="unknown", detail=done.err.strip())
        exits = commands.read_exits(done.out, now=now)
    return Seen(now, resource, exits)


class _Interrupted(Exception):
    """SIGINT, SIGTERM or SIGHUP."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@dataclasses.dataclass
class Supervisor:
    """Sees one job through.

    Attributes:
        job: the job.
        memory: how far it is.
        record: where that is kept.
        tell: shows a line to the user.
        until_ready: stop, and leave the TPU, when it is up.
    """

    job: Job
    memory: Memory
    record: Record
    tell: Callable[[str], None]
    until_ready: bool = False
    _is_gone: bool = False  # as a deletion found

    def see_through(self) -> int:
        """Act until the job is over; the exit code of the launcher."""
        with _signals():
            try:
                return self._loop()
            except _Interrupted as reason:
                self._end(reason.code, f"interrupted by {reason}")
            except BaseException as error:
                self._end(machine.GAVE_UP, f"the launcher failed: {error!r}")
                with _deaf(self.tell):
                    self._loop()
                raise
            with _deaf(self.tell):
                return self._loop()

    def _end(self, code: int, message: str) -> None:
        self.memory = machine.interrupted(self.memory, code=code, message=message)
        self.until_ready = False
        self.tell(f"{self.job.name}: {message}; cleaning up")

    def _loop(self) -> int:
        while True:
            seen = look(self.job, self.memory)
            if self._is_gone and seen.resource.state == "unknown":
                seen = seen._replace(resource=states.ABSENT)
            step = machine.decide(self.job, self.memory, seen)
            self._remember(step.memory, step.say)
            match step.action:
                case "over":
                    message = self.memory.message
                    self.tell(f"{self.job.name}: {message} ({self._spent()})")
                    return self.memory.code or 0
                case "create":
                    self._create()
                case "start" if self.until_ready:
                    attempt = self.memory.attempt - 1  # it does not start here
                    self._remember(dataclasses.replace(self.memory, attempt=attempt))
                    return 0
                case "start":
                    self._start()
                case "stop":
                    run_on_hosts(
                        commands.on_hosts(self.job, "stop", attempt=self.memory.attempt)
                    )
                case "delete":
                    self._delete()
                case "wait":
                    time.sleep(self.job.poll_seconds)

    def _create(self) -> None:
        command = backends.find(self.job).create(self.job, self.memory.attempt)
        # Remembered first: what was asked for just before a crash is looked after.
        before = self.memory
        self._remember(machine.created(before, is_ours=False))
        with _postponed(self.tell):  # half a request may be a TPU that nobody knows of
            done = run(command)
            if done.code == 0:
                self._remember(machine.created(before, is_ours=True))
        if done.code:
            step = machine.not_created(self.job, before, done.err or done.out)
            self._remember(step.memory, step.say)
            if step.action == "wait":
                time.sleep(self.job.poll_seconds)

    def _start(self) -> None:
        hosts, failed = self._everywhere("prepare")
        if not failed:
            _, failed = self._everywhere("start")
        if not failed:
            self._remember(
                machine.started(self.memory, hosts=hosts),
                f"attempt {self.memory.attempt} is running on "
                f"{hosts or self.job.hosts} hosts",
            )
            return
        step = machine.not_started(self.job, self.memory, failed)
        self._remember(step.memory, step.say)
        if step.action == "delete":
            self._delete()
        elif step.action == "wait":
            time.sleep(self.job.poll_seconds)

    def _everywhere(self, verb: str) -> tuple[int, dict[str, tuple[int, str]]]:
        """Hosts that answered, and those that failed with code and message."""
        attempt = self.memory.attempt
        work = commands.on_hosts(self.job, verb, attempt=attempt)
        done = run_on_hosts(work)
        answered = commands.read_ready("".join(each.said for each in done))
        broken = {
            each.slice_index for each, ran in zip(work, done, strict=True) if ran.code
        }
        # The answer for all hosts at once does not say which: ask one by one.
        again = [
            each
            for worker in range(self.job.slice.hosts)
            for each in commands.on_hosts(
                self.job, verb, attempt=attempt, worker=worker
            )
            if each.slice_index in broken
        ]
        return len(answered), {
            f"{each.slice_index}-{each.worker}": (ran.code, ran.err or ran.out)
            for each, ran in zip(again, run_on_hosts(again), strict=True)
            if ran.code
        }

    def _delete(self) -> None:
        done = run(backends.find(self.job).delete(self.job))
        self._is_gone = done.code != 0 and states.trouble(done.err) == "missing"
        if done.code and not self._is_gone:
            self.tell(f"{self.job.name}: not deleted yet: {done.err.strip()}")
            time.sleep(self.job.poll_seconds)

    def _remember(self, memory: Memory, say: str = "") -> None:
        self.memory = memory
        self.record.write(self.job, memory)
        if say:
            self.tell(f"{self.job.name}: {say} ({self._spent()})")

    def _spent(self) -> str:
        return f"{self.memory.spent_usd:,.2f} of {self.job.max_cost:,.2f} dollars"


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Signals that end a program raise here instead."""

    def raise_it(number: int, _: object) -> None:
        raise _Interrupted(number)

    with _handling(raise_it):
        yield


@contextlib.contextmanager
def _postponed(tell: Callable[[str], None]) -> Iterator[None]:
    """Signals raise when the block is over."""
    came: list[int] = []

    def note(number: int, _: object) -> None:
        tell("waiting for the answer to the request, to know what to delete")
        came.append(number)

    with _handling(note):
        yield
    if came:
        raise _Interrupted(came[0])


@contextlib.contextmanager
def _deaf(tell: Callable[[str], None]) -> Iterator[None]:
    """While things are deleted, signals change nothing."""

    def refuse(number: int, _: object) -> None:
        tell("still deleting what was made; kill -9 would leave it running")

    with _handling(refuse):
        yield


@contextlib.contextmanager
def _handling(handler: Callable[[int, object], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
