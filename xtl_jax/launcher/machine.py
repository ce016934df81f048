"""What to do next: a pure function of the job, what is remembered and what is seen.

    new --create--> requested --start--> running --> ending --> over
                        ^                   |
                        +-- recreating <----+   preempted, crashed, out of reach

`decide` is asked at every look. Its answer is one action and the memory to go on with;
the memory is plain values and is kept in a file, so that another launcher can go on
where one was killed. Money is counted from the first look that finds the TPU up to the
look that finds it gone, which is never too little.

The hosts' exit codes are those of `xtl`: 0 done, 2 bad input, which no retry mends, 143
stopped by SIGTERM after saving; anything else is a crash.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from xtl_jax.launcher import backends, states, wording
from xtl_jax.launcher.job import Job
from xtl_jax.launcher.states import Resource

Action = Literal["create", "start", "stop", "delete", "wait", "over"]
Phase = Literal["new", "requested", "running", "recreating", "ending"]

FINISHED, GAVE_UP, BAD_INPUT, NO_MONEY, LEFT_RUNNING = 0, 1, 2, 3, 4
_TRIES = 3  # to start the command, before the TPU is given up
_BLIND_LOOKS = 20
_DELETIONS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """What is kept between two looks.

    Attributes:
        phase: where the job is.
        is_ours: the TPU that is there was made by us, with or without a label.
        attempt: starts of the command so far.
        retries: attempts that were made necessary; limited by the job.
        hosts: that answered when they were set up; 0 before that.
        start_failures: of this TPU, in a row.
        blind_looks: looks in a row that saw nothing.
        deletions: deletions asked for in a row.
        spent_usd: so far.
        billed_until: while the TPU is up: when `spent_usd` was brought up to date, Unix
            seconds.
        ended_since: when the first host of this attempt ended badly, Unix seconds.
        has_stopped: the hosts were told to stop.
        code: exit code of the launcher; None while it goes on.
        message: why it ends.
    """

    phase: Phase = "new"
    is_ours: bool = False
    attempt: int = 0
    retries: int = 0
    hosts: int = 0
    start_failures: int = 0
    blind_looks: int = 0
    deletions: int = 0
    spent_usd: float = 0.0
    billed_until: float | None = None
    ended_since: float | None = None
    has_stopped: bool = False
    code: int | None = None
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)


class Seen(NamedTuple):
    """One look.

    Attributes:
        now: Unix seconds.
        resource: the TPU.
        exits: host to exit code, of those that have ended in this attempt.
    """

    now: float
    resource: Resource
    exits: Mapping[str, int]


class Step(NamedTuple):
    """What to do, what to remember, and what to tell (if anything)."""

    action: Action
    memory: Memory
    say: str = ""


def decide(job: Job, memory: Memory, seen: Seen) -> Step:
    """The next step."""
    memory = _billed(job, memory, seen)
    resource = seen.resource
    if resource.state == "unknown":
        return _blind(job, memory, resource)
    memory = dataclasses.replace(memory, blind_looks=0)
    if resource.state == "absent":
        memory = dataclasses.replace(memory, is_ours=False)
    elif resource.identity != job.identity and (
        resource.identity or not memory.is_ours
    ):
        return _over(
            memory,
            BAD_INPUT,
            f"{job.name} exists and this launch did not make it "
            f"(label xtl-launch={resource.identity or 'none'}, ours is "
            f"{job.identity}); nothing was changed. Give another --name",
        )
    if memory.phase == "ending":
        return _ending(job, memory, resource)
    if memory.spent_usd + job.reserve_usd >= job.max_cost:
        return _end(
            job,
            memory,
            resource,
            NO_MONEY,
            f"the cost limit is reached: {memory.spent_usd:,.2f} of "
            f"{job.max_cost:,.2f} dollars are spent, and stopping may take "
            f"{job.reserve_usd:,.2f}",
        )
    return _ACT[memory.phase](job, memory, seen)


def created(memory: Memory, *, is_ours: bool) -> Memory:
    """After the TPU was asked for; it is ours if the answer was a yes."""
    return dataclasses.replace(
        memory, phase="requested", start_failures=0, is_ours=is_ours
    )


def not_created(job: Job, memory: Memory, text: str) -> Step:
    """After asking for the TPU has failed with a message."""
    last = wording.last_line(text)
    match states.trouble(text):
        case "exists":  # whose it is is seen at the next look
            return Step("wait", created(memory, is_ours=False))
        case "quota":
            return _end(
                *(job, memory, states.ABSENT, BAD_INPUT),
                f"the quota does not allow it: {last}. Ask for more, take fewer chips, "
                "another zone or another kind (spot and on-demand have quotas of "
                "their own); a retry cannot help",
            )
        case "denied" | "invalid" | "missing":
            return _end(*(job, memory, states.ABSENT, BAD_INPUT), f"refused: {last}")
        case _:
            return _again(job, memory, states.ABSENT, f"it could not be made: {last}")


def started(memory: Memory, *, hosts: int = 0) -> Memory:
    """After the command was started on all hosts; they were so many, if known."""
    return dataclasses.replace(
        memory, phase="running", start_failures=0, ended_since=None, hosts=hosts
    )


def not_started(
    job: Job, memory: Memory, failed: Mapping[str, tuple[int, str]]
) -> Step:
    """After starting has failed on some hosts.

    Args:
        job: the job.
        memory: with the number of the attempt that did not start.
        failed: host to exit code (255: ssh did not get there) and message.
    """
    hosts = "; ".join(
        f"host {host}: {wording.reason(code, text)}"
        for host, (code, text) in failed.items()
    )
    memory = dataclasses.replace(memory, start_failures=memory.start_failures + 1)
    if memory.start_failures < _TRIES:
        say = f"{hosts}; trying again ({memory.start_failures} of {_TRIES - 1})"
        return Step("wait", memory, say)
    up = Resource(state="ready", identity=job.identity)
    if any(code != 255 for code, _ in failed.values()):
        return _end(job, memory, up, GAVE_UP, f"the hosts could not be set up: {hosts}")
    return _again(job, memory, up, f"{hosts}, {_TRIES} times")


def interrupted(memory: Memory, *, code: int, message: str) -> Memory:
    """The user, or a defect of the launcher, wants it to end now."""
    if memory.phase == "ending":
        return memory
    return dataclasses.replace(memory, phase="ending", code=code, message=message)


def resumed(memory: Memory) -> Memory:
    """A job that has ended is taken up again; what it has cost stays counted."""
    if memory.code is None:
        return memory
    return Memory(
        is_ours=memory.is_ours,
        attempt=memory.attempt,
        spent_usd=memory.spent_usd,
        billed_until=memory.billed_until,
    )


def _new(job: Job, memory: Memory, seen: Seen) -> Step:
    if seen.resource.state == "absent":
        return _create(job, memory, f"asking for {wording.what(job)}")
    return _requested(job, memory, seen)  # it is there from an earlier launch


def _requested(job: Job, memory: Memory, seen: Seen) -> Step:
    resource = seen.resource
    match resource.state:
        case "ready":
            if not backends.find(job).has_ssh:  # the command has come with it
                return _running(job, started(memory), seen)
            return _start(memory, "")
        case "waiting":
            return Step("wait", dataclasses.replace(memory, phase="requested"))
        case "ended":
            return _running(job, memory, seen)
    return _gone(job, memory, resource)


def _running(job: Job, memory: Memory, seen: Seen) -> Step:
    resource, exits = seen.resource, seen.exits
    bad = {host: code for host, code in sorted(exits.items()) if code}
    hosts = memory.hosts or job.hosts
    if len(exits) >= hosts and not bad:
        memory = dataclasses.replace(memory, has_stopped=True)
        say = f"finished on all {hosts} hosts"
        return _end(job, memory, resource, FINISHED, say)
    refused = [host for host, code in bad.items() if code == 2]
    if refused:
        return _end(
            *(job, memory, resource, BAD_INPUT),
            f"host {refused[0]} refuses its input (exit code 2), which no retry mends; "
            f"see tpu_train.sh logs --name={job.name} --host={refused[0]}",
        )
    if resource.state in ("lost", "failed", "absent", "leaving"):
        return _gone(job, memory, resource)
    if resource.state == "ended":
        if resource.word == "Completed":
            return _end(job, memory, resource, FINISHED, "finished")
        return _again(
            job, memory, resource, wording.ended(job, bad) or "the workload failed"
        )
    if not bad:
        return Step("wait", memory)
    if memory.ended_since is None:
        return Step(
            "wait",
            dataclasses.replace(memory, ended_since=seen.now),
            f"{wording.ended(job, bad)}; waiting for the other hosts",
        )
    if seen.now - memory.ended_since < job.settle_seconds:
        return Step("wait", memory)
    if not backends.find(job).has_ssh:
        return _again(job, memory, resource, wording.ended(job, bad))
    if memory.retries >= job.max_retries:
        return _again(job, memory, resource, wording.ended(job, bad))
    memory = dataclasses.replace(memory, retries=memory.retries + 1)
    retry = wording.retry(job, memory.retries)
    return _start(memory, f"{wording.ended(job, bad)}; {retry} on the same TPU")


def _recreating(job: Job, memory: Memory, seen: Seen) -> Step:
    match seen.resource.state:
        case "absent":
            memory = dataclasses.replace(memory, deletions=0)
            return _create(job, memory, f"asking for {wording.what(job)} again")
        case "leaving":
            return Step("wait", memory)
    return _delete(job, memory)


def _gone(job: Job, memory: Memory, resource: Resource) -> Step:
    """The TPU is not, or no longer, to be had."""
    match resource.state:
        case "absent":
            return _end(
                *(job, memory, resource, GAVE_UP),
                f"{job.name} has vanished: somebody deleted it, or its time was over; "
                "`resume` goes on",
            )
        case "leaving":
            return Step("wait", memory)
        case "failed" if states.trouble(resource.detail) in ("quota", "denied"):
            return _end(
                *(job, memory, resource, BAD_INPUT),
                f"the request has failed, and a retry cannot help: {resource.detail}",
            )
        case "failed":
            why = f"the request has failed: {resource.detail or resource.word}"
        case _:
            why = f"the TPU was taken away ({resource.word})"
    return _again(job, memory, resource, why)


def _again(job: Job, memory: Memory, resource: Resource, why: str) -> Step:
    """Delete the TPU and ask for it again, if that may still be done."""
    if memory.retries >= job.max_retries:
        return _end(
            *(job, memory, resource, GAVE_UP),
            f"{why}; the limit of {job.max_retries} retries is reached",
        )
    memory = dataclasses.replace(
        memory, phase="recreating", retries=memory.retries + 1, ended_since=None
    )
    say = f"{why}; {wording.retry(job, memory.retries)} on a new TPU"
    if resource.state == "absent":
        return Step("wait", memory, say)  # the next look finds nothing and creates
    step = _delete(job, memory)
    return step._replace(say=say)


def _start(memory: Memory, say: str) -> Step:
    attempt = memory.attempt + (memory.start_failures == 0)
    memory = dataclasses.replace(
        memory, phase="requested", attempt=attempt, ended_since=None
    )
    return Step("start", memory, say)


def _create(job: Job, memory: Memory, say: str) -> Step:
    if not backends.find(job).has_ssh:  # the command comes with it
        memory = dataclasses.replace(memory, attempt=memory.attempt + 1)
    return Step("create", memory, say)


def _end(job: Job, memory: Memory, resource: Resource, code: int, message: str) -> Step:
    memory = dataclasses.replace(memory, phase="ending", code=code, message=message)
    return _ending(job, memory, resource)


def _ending(job: Job, memory: Memory, resource: Resource) -> Step:
    if resource.state == "absent":
        return Step("over", memory)
    if job.keep and memory.code != NO_MONEY:
        say = f"--keep: it stays, for {job.usd_per_hour:,.2f} dollars an hour"
        return Step("over", memory, say)
    ready = resource.state == "ready" and memory.attempt > 0
    if ready and not memory.has_stopped and backends.find(job).has_ssh:
        memory = dataclasses.replace(memory, has_stopped=True)
        return Step("stop", memory, f"{memory.message}; stopping the hosts")
    if resource.state == "leaving":
        return Step("wait", memory)
    return _delete(job, memory)


def _delete(job: Job, memory: Memory) -> Step:
    if memory.deletions >= _DELETIONS:
        return _left(job, memory)
    memory = dataclasses.replace(memory, deletions=memory.deletions + 1)
    return Step("delete", memory)


def _blind(job: Job, memory: Memory, resource: Resource) -> Step:
    memory = dataclasses.replace(memory, blind_looks=memory.blind_looks + 1)
    if memory.blind_looks < _BLIND_LOOKS:
        say = f"cannot see it: {resource.detail}" if memory.blind_looks == 1 else ""
        return Step("wait", memory, say)
    if memory.phase == "new":
        return _over(memory, BAD_INPUT, f"cannot see anything: {resource.detail}")
    if memory.deletions >= _DELETIONS:
        return _left(job, memory)
    memory = interrupted(
        memory, code=GAVE_UP, message=f"cannot see it any more: {resource.detail}"
    )
    return _delete(job, memory)


def _left(job: Job, memory: Memory) -> Step:
    return _over(
        memory,
        LEFT_RUNNING,
        f"{memory.message or 'it'}; IT MAY STILL BE RUNNING, for "
        f"{job.usd_per_hour:,.2f} dollars an hour: it could not be deleted. Do it by "
        f"hand: {backends.find(job).delete(job).text()}",
    )


def _over(memory: Memory, code: int, message: str) -> Step:
    return Step("over", dataclasses.replace(memory, code=code, message=message))


def _billed(job: Job, memory: Memory, seen: Seen) -> Memory:
    spent = memory.spent_usd
    if memory.billed_until is not None:
        hours = max(0.0, seen.now - memory.billed_until) / 3600
        spent += hours * job.usd_per_hour
    state = seen.resource.state
    up = state in ("ready", "leaving", "ended")
    if state == "unknown":
        up = memory.billed_until is not None
    return dataclasses.replace(
        memory, spent_usd=spent, billed_until=seen.now if up else None
    )


_ACT = {
    "new": _new,
    "requested": _requested,
    "running": _running,
    "recreating": _recreating,
}
