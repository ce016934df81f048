"""Each decision alone: state of the TPU, exit codes, money."""

from __future__ import annotations

import dataclasses

import pytest

from xtl_jax.launcher import commands, machine, states
from xtl_jax.launcher.job import Job
from xtl_jax.launcher.machine import Memory, Seen
from xtl_jax.launcher.states import Resource

JOB = Job(
    name="job",
    backend="queued-resources",
    tpu="v4-128",
    slices=2,
    zone="us-central2-b",
    bucket="gs://bucket",
    command=("run",),
    max_cost=1000.0,
    usd_per_chip_hour=2.0,
    code="c",
    lock="l",
    script="s",
    python="3.12",
    poll_seconds=30,
    stop_seconds=300,
)
RUNNING = Memory(phase="running", attempt=1, hosts=32)


def _decide(memory, state, *, exits=None, now=0.0, word="", detail=""):
    resource = Resource(state=state, word=word, detail=detail, identity=JOB.identity)
    return machine.decide(JOB, memory, Seen(now, resource, exits or {}))


def test_a_job_knows_its_size_and_price():
    # 64 chips on 16 hosts a slice; two slices; 2 dollars a chip.
    assert (JOB.chips, JOB.hosts, JOB.usd_per_hour) == (128, 32, 256.0)
    assert JOB.reserve_usd == pytest.approx(256 * (30 + 300 + 180) / 3600)
    assert JOB.nodes == ("job-0", "job-1")
    assert Job.from_json(JOB.to_json()) == JOB


@pytest.mark.parametrize("word", states.QUEUED)
@pytest.mark.parametrize("phase", ["new", "requested", "running", "recreating"])
def test_every_state_of_a_queued_resource_has_an_answer_in_every_phase(word, phase):
    memory = Memory(phase=phase, attempt=1)
    step = _decide(memory, states.QUEUED[word], word=word)
    assert step.action in ("create", "start", "delete", "wait", "stop")
    if states.QUEUED[word] in ("lost", "failed"):
        assert step.action == "delete"
        assert step.memory.phase == "recreating"
    if states.QUEUED[word] == "waiting" and phase in ("new", "requested"):
        assert step.action == "wait"


@pytest.mark.parametrize("word", states.NODE)
def test_every_state_of_a_node_has_an_answer(word):
    assert _decide(RUNNING, states.NODE[word]).action in ("wait", "delete")


def test_a_word_that_is_new_to_us_is_waited_for():
    found = states.queued('{"state": {"state": "HIBERNATING"}}')
    assert found.state == "unknown"


def test_money_is_counted_while_the_tpu_is_up_and_through_a_gap():
    memory = Memory(phase="requested")
    memory = _decide(memory, "waiting", now=0.0).memory
    assert memory.spent_usd == 0
    memory = _decide(dataclasses.replace(memory, phase="running"), "ready", now=3600.0)
    assert memory.memory.spent_usd == 0  # it may have come up just now
    memory = _decide(memory.memory, "ready", now=5400.0).memory
    assert memory.spent_usd == pytest.approx(128)
    # No launcher for an hour, and now it is gone: the hour is counted.
    memory = _decide(memory, "lost", now=9000.0).memory
    assert memory.spent_usd == pytest.approx(128 + 256)
    assert _decide(memory, "waiting", now=99999.0).memory.spent_usd == memory.spent_usd


def test_the_limit_leaves_enough_to_stop_and_delete():
    left = JOB.reserve_usd
    memory = dataclasses.replace(RUNNING, spent_usd=1000 - left - 0.01)
    assert _decide(memory, "ready").action == "wait"
    memory = dataclasses.replace(RUNNING, spent_usd=1000 - left + 0.01)
    step = _decide(memory, "ready")
    assert (step.action, step.memory.code) == ("stop", machine.NO_MONEY)
    step = _decide(step.memory, "ready")
    assert step.action == "delete"
    assert _decide(step.memory, "leaving").action == "wait"
    assert _decide(step.memory, "absent").action == "over"


def test_hosts_may_take_a_moment_to_follow_the_first_that_ended():
    exits = {"0-3": 1}
    step = _decide(RUNNING, "ready", exits=exits, now=100.0)
    assert step.action == "wait"
    assert "crashed on host 0-3 (exit code 1)" in step.say
    assert _decide(step.memory, "ready", exits=exits, now=150.0).action == "wait"
    step = _decide(step.memory, "ready", exits=exits, now=161.0)
    assert (step.action, step.memory.attempt, step.memory.retries) == ("start", 2, 1)
    # Had the TPU gone meanwhile, it would be made again.
    assert _decide(RUNNING, "lost", exits=exits).action == "delete"


def test_it_is_finished_when_as_many_hosts_as_answered_have_ended():
    memory = dataclasses.replace(RUNNING, hosts=2)
    half = {"0-0": 0}
    assert _decide(memory, "ready", exits=half).action == "wait"
    step = _decide(memory, "ready", exits=half | {"0-1": 0})
    assert (step.action, step.memory.code) == ("delete", 0)


def test_what_ended_well_just_before_the_preemption_has_ended_well():
    exits = {f"{index}-{host}": 0 for index in range(2) for host in range(16)}
    assert _decide(RUNNING, "lost", exits=exits).memory.code == machine.FINISHED


def test_a_foreign_tpu_is_not_touched_in_any_phase():
    for phase in ("new", "requested", "running", "recreating", "ending"):
        memory = Memory(phase=phase, code=0 if phase == "ending" else None)
        other = Resource(state="ready", identity="0123456789ab")
        step = machine.decide(JOB, memory, Seen(0.0, other, {}))
        assert (step.action, step.memory.code) == ("over", machine.BAD_INPUT)


def test_what_we_made_is_ours_without_its_label_until_it_is_gone():
    bare = Resource(state="ready")
    memory = machine.created(Memory(), is_ours=True)
    assert machine.decide(JOB, memory, Seen(0.0, bare, {})).action == "start"
    memory = dataclasses.replace(memory, phase="recreating")
    step = machine.decide(JOB, memory, Seen(0.0, states.ABSENT, {}))
    assert step.action == "create"
    step = machine.decide(JOB, step.memory, Seen(0.0, bare, {}))
    assert (step.action, step.memory.code) == ("over", machine.BAD_INPUT)


def test_two_jobs_of_one_name_are_two():
    later = dataclasses.replace(JOB, created="1800000000")
    assert later.identity != JOB.identity
    assert commands.folder(later, 1) != commands.folder(JOB, 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "ERROR: (gcloud.x) NOT_FOUND: Resource 'projects/p/q' was not found",
            "missing",
        ),
        ('Error from server (NotFound): jobsets "a" not found', "missing"),
        (
            "Quota limit 'TPUV4sPreemptiblePerProject' has been exceeded. Limit: 32",
            "quota",
        ),
        ("RESOURCE_EXHAUSTED: There is no more capacity in the zone", "capacity"),
        (
            "ERROR: (gcloud.compute.tpus) You do not currently have an active account "
            "selected. Please run: gcloud auth login",
            "denied",
        ),
        ("PERMISSION_DENIED: Permission 'tpu.nodes.create' denied", "denied"),
        ("unrecognized arguments: --flex", "invalid"),
        ("connection reset by peer", "other"),
    ],
)
def test_troubles_are_told_apart(text, kind):
    assert states.trouble(text) == kind


def test_a_job_set_without_a_host_is_not_paid_for_yet():
    text = '{"status": {"replicatedJobsStatus": [{"ready": 0}]}}'
    assert states.jobset(text).state == "waiting"
    assert states.jobset("") == states.ABSENT
