"""The launcher against a cloud that replays scripts: every end, and nothing left."""

from __future__ import annotations

import json
import signal
import time

import pytest

# A script without an end would be waited for until the money is gone.
pytestmark = pytest.mark.timeout(120)
HOSTS = ("0-0", "0-1", "0-2", "0-3")
DONE = dict.fromkeys(HOSTS, 0)


def _nothing_is_left(cloud):
    return cloud.state["tpu"] is None


def test_waits_runs_and_deletes(cloud, launch):
    cloud.replay(
        lives=[
            ["CREATING", "ACCEPTED", "WAITING_FOR_RESOURCES", "PROVISIONING", "ACTIVE"]
        ],
        exits={"1": DONE},
    )
    done = launch("run")
    assert done.code == 0, done.err
    assert "finished on all 4 hosts" in done.err
    assert _nothing_is_left(cloud)
    (created,) = cloud.calls("create")
    assert "--spot" in created
    starts = [call for call in cloud.calls("ssh") if " start run " in call[-1]]
    assert len(starts) == 1
    assert "--worker=all" in starts[0]


def test_preempted_it_is_deleted_made_again_and_runs_the_same_command(cloud, launch):
    cloud.replay(
        lives=[
            ["WAITING_FOR_RESOURCES", "ACTIVE", "ACTIVE", "SUSPENDING", "SUSPENDED"],
            ["WAITING_FOR_RESOURCES", "ACTIVE"],
        ],
        exits={"2": DONE},
    )
    done = launch("run")
    assert done.code == 0, done.err
    assert "the TPU was taken away (SUSPENDED); retry 1 of 5 on a new TPU" in done.err
    assert cloud.state["creations"] == 2
    starts = [call[-1] for call in cloud.calls("ssh") if " start run " in call[-1]]
    first, second = (text.partition(" start run ")[2] for text in starts)
    assert first == second
    assert "XTL_ATTEMPT=1 " in starts[0]
    assert "XTL_ATTEMPT=2 " in starts[1]
    assert _nothing_is_left(cloud)


def test_a_request_that_fails_is_made_again(cloud, launch):
    cloud.replay(
        lives=[["PROVISIONING", "FAILED"], ["ACTIVE"]],
        details="valid until time has passed",
        exits={"1": DONE},
    )
    done = launch("run")
    assert done.code == 0
    assert "valid until time has passed" in done.err
    assert cloud.state["creations"] == 2


def test_no_retry_mends_a_quota_in_a_failed_request(cloud, launch):
    cloud.replay(lives=[["FAILED"]], details="Quota 'TPUV5sPreemptible' exhausted")
    done = launch("run")
    assert done.code == 2
    assert "Quota 'TPUV5sPreemptible' exhausted" in done.err
    assert cloud.state["creations"] == 1
    assert _nothing_is_left(cloud)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("RESOURCE_EXHAUSTED: Quota limit exceeded", "the quota does not allow it"),
        ("PERMISSION_DENIED: tpu.nodes.create", "refused: "),
        ("INVALID_ARGUMENT: no such runtime", "no such runtime"),
    ],
)
def test_a_refused_request_ends_it_at_once(cloud, launch, error, told):
    cloud.replay(lives=[["ACTIVE"]], create=[error])
    done = launch("run")
    assert done.code == 2
    assert told in done.err
    assert cloud.state["creations"] == 1
    assert _nothing_is_left(cloud)


def test_no_capacity_now_is_tried_again_up_to_the_limit(cloud, launch):
    cloud.replay(lives=[["READY"]], create=["no more capacity in the zone"] * 9)
    done = launch("run", "--backend=tpu-vm", "--max_retries=2")
    assert done.code == 1
    assert "the limit of 2 retries is reached" in done.err
    assert cloud.state["creations"] == 3


def test_a_lost_answer_to_the_request_makes_no_second_tpu(cloud, launch):
    cloud.replay(
        lives=[["ACTIVE"]], create=["(deadline exceeded)", "", ""], exits={"1": DONE}
    )
    done = launch("run")
    assert done.code == 0, done.err
    assert _nothing_is_left(cloud)


def test_a_host_that_ssh_does_not_reach_is_named_and_tried_again(cloud, launch):
    # Once for all hosts together, once for it alone.
    cloud.replay(lives=[["ACTIVE"]], ssh={"0-3": 2}, exits={"1": DONE})
    done = launch("run")
    assert done.code == 0, done.err
    assert "host 0-3: ssh did not get there" in done.err
    assert "Connection timed out" in done.err
    assert "0-2" not in done.err
    assert cloud.state["creations"] == 1


def test_a_host_that_is_never_reached_costs_the_slice(cloud, launch):
    cloud.replay(lives=[["ACTIVE"], ["ACTIVE"]], ssh={"0-2": 6}, exits={"2": DONE})
    done = launch("run")
    assert "host 0-2: ssh did not get there" in done.err
    assert "3 times; retry 1 of 5 on a new TPU" in done.err
    assert cloud.state["creations"] == 2
    assert _nothing_is_left(cloud)


def test_hosts_that_cannot_be_set_up_end_it(cloud, launch):
    cloud.replay(lives=[["ACTIVE"]], ssh={"0-1!": 99})
    done = launch("run")
    assert done.code == 1
    assert "could not be set up: host 0-1: exit code 5 (host: No solution" in done.err
    assert cloud.state["creations"] == 1
    assert _nothing_is_left(cloud)


def test_a_crash_is_run_again_on_the_same_tpu(cloud, launch):
    crashed = {"0-0": 134, "0-1": 1, "0-2": 134}
    cloud.replay(lives=[["ACTIVE"]], exits={"1": crashed, "2": DONE})
    done = launch("run")
    assert done.code == 0, done.err
    assert "crashed on host 0-0 (exit code 134), 0-1 (exit code 1)" in done.err
    assert "retry 1 of 5 on the same TPU" in done.err
    assert cloud.state["creations"] == 1


def test_a_stop_is_told_from_a_crash(cloud, launch):
    stopped = dict.fromkeys(HOSTS, 143)
    cloud.replay(lives=[["ACTIVE"]], exits={"1": stopped, "2": DONE})
    done = launch("run")
    assert done.code == 0
    assert "stopped by SIGTERM after saving (4 of 4 hosts)" in done.err
    assert "crashed" not in done.err


def test_a_host_that_was_started_anew_is_noticed(cloud, launch):
    """It leaves no exit code, and the TPU is as active as before."""
    cloud.replay(lives=[["ACTIVE"]], silent={"1": ["0-2"]}, exits={"2": DONE})
    done = launch("run")
    assert done.code == 0, done.err
    assert "crashed on host 0-2 (no word for 15 minutes); retry 1 of 5" in done.err


def test_bad_input_is_not_tried_again(cloud, launch):
    cloud.replay(lives=[["ACTIVE"]], exits={"1": {"0-1": 2}})
    done = launch("run")
    assert done.code == 2
    assert "host 0-1 refuses its input" in done.err
    assert len([c for c in cloud.calls("ssh") if " start run " in c[-1]]) == 1
    assert [c for c in cloud.calls("ssh") if c[-1].endswith(" stop")]
    assert _nothing_is_left(cloud)


def test_crashes_end_at_the_retry_limit(cloud, launch):
    crashed = {str(attempt): {"0-0": 1} for attempt in range(1, 9)}
    cloud.replay(lives=[["ACTIVE"]], exits=crashed)
    done = launch("run", "--max_retries=2")
    assert done.code == 1
    assert "the limit of 2 retries is reached" in done.err
    assert len([c for c in cloud.calls("ssh") if " start run " in c[-1]]) == 3
    assert _nothing_is_left(cloud)


def test_it_stops_before_the_money_is_gone(cloud, launch):
    # 16 chips at 225 dollars a second; 181 seconds are kept back to stop and delete.
    dear = ("--usd_per_chip_hour=225", "--stop_seconds=1", "--max_cost=182.3")
    started = time.time()
    done = launch("run", *dear)
    assert done.code == 3
    assert time.time() - started < 30
    assert "the cost limit is reached" in done.err
    assert [c for c in cloud.calls("ssh") if c[-1].endswith(" stop")]
    assert _nothing_is_left(cloud)
    record = json.loads((cloud.folder / "records/job.json").read_text())
    assert 0 < record["memory"]["spent_usd"] < 182.3


def test_a_tpu_that_others_deleted_is_not_made_again(cloud, launch):
    cloud.replay(lives=[["ACTIVE", "ACTIVE", "GONE"]])
    done = launch("run")
    assert done.code == 1
    assert "job has vanished" in done.err
    assert cloud.state["creations"] == 1


def test_what_others_made_is_left_alone(cloud, launch):
    cloud.replay(lives=[], labels="owner=somebody")
    done = launch("run")
    assert done.code == 2
    assert "job exists and this launch did not make it" in done.err
    assert cloud.calls("delete") == []
    assert cloud.state["tpu"] is not None


def test_a_look_that_fails_is_no_end(cloud, launch):
    cloud.replay(lives=[["ACTIVE"]], blind=[3, 4], exits={"1": DONE})
    done = launch("run")
    assert done.code == 0, done.err
    assert "cannot see it: ERROR: (gcloud) network is unreachable" in done.err


def test_a_cloud_that_is_not_seen_any_more_is_deleted_blindly(
    cloud, launch, monkeypatch
):
    from xtl_jax.launcher import machine

    monkeypatch.setattr(machine, "_BLIND_LOOKS", 5)
    cloud.replay(lives=[["ACTIVE"]], blind=[3, 30])
    done = launch("run")
    assert done.code == 1
    assert "cannot see it any more" in done.err
    assert _nothing_is_left(cloud)


def test_without_the_exit_codes_it_does_not_go_on_for_ever(cloud, launch, monkeypatch):
    from xtl_jax.launcher import machine

    monkeypatch.setattr(machine, "_BLIND_LOOKS", 3)
    cloud.replay(lives=[["ACTIVE"]], unlisted=True)
    done = launch("run")
    assert done.code == 1
    assert "PERMISSION_DENIED: storage" in done.err
    assert _nothing_is_left(cloud)


def test_a_deletion_that_fails_is_repeated(cloud, launch):
    cloud.replay(lives=[["ACTIVE"]], exits={"1": DONE}, undeletable=2)
    done = launch("run")
    assert done.code == 0
    assert "not deleted yet: ERROR: (gcloud) internal error" in done.err
    assert _nothing_is_left(cloud)


def test_what_cannot_be_deleted_is_told_with_the_command(cloud, launch):
    cloud.replay(lives=[["ACTIVE"]], exits={"1": DONE}, undeletable=99)
    done = launch("run")
    assert done.code == 4
    assert "IT MAY STILL BE RUNNING" in done.err
    assert (
        "gcloud compute tpus queued-resources delete job --zone=us-west4-a" in done.err
    )


def test_keep_keeps_it(cloud, launch):
    cloud.replay(lives=[["ACTIVE"]], exits={"1": DONE})
    done = launch("run", "--keep")
    assert done.code == 0
    assert "--keep: it stays, for 9.60 dollars an hour" in done.err
    assert cloud.state["tpu"] is not None
    assert launch("delete", words=()).code == 0
    assert _nothing_is_left(cloud)


def test_two_slices_are_started_side_by_side(cloud, launch):
    both = {f"{index}-{worker}": 0 for index in range(2) for worker in range(4)}
    cloud.replay(lives=[["ACTIVE"]], exits={"1": both})
    done = launch("run", "--slices=2")
    assert done.code == 0, done.err
    assert "finished on all 8 hosts" in done.err
    starts = [call for call in cloud.calls("ssh") if " start run " in call[-1]]
    assert {call[5] for call in starts} == {"job-0", "job-1"}
    assert _nothing_is_left(cloud)


def test_a_node_of_its_own_is_preempted_and_made_again(cloud, launch):
    cloud.replay(
        lives=[["CREATING", "READY", "READY", "PREEMPTED"], ["READY"]],
        exits={"2": DONE},
    )
    done = launch("run", "--backend=tpu-vm")
    assert done.code == 0, done.err
    assert "the TPU was taken away (PREEMPTED)" in done.err
    assert _nothing_is_left(cloud)


XPK = ("--backend=xpk", "--cluster=pods", "--tpu=tpu7x-32", "--usd_per_chip_hour=12")


def test_a_workload_brings_its_command_and_is_deleted(cloud, launch):
    cloud.replay(lives=[["WAITING", "RUNNING", "Completed"]], exits={"1": DONE})
    done = launch("run", *XPK)
    assert done.code == 0, done.err
    assert cloud.calls("ssh") == []
    assert _nothing_is_left(cloud)


def test_a_workload_that_fails_is_made_again(cloud, launch):
    cloud.replay(
        lives=[["RUNNING", "Failed"], ["RUNNING", "Completed"]],
        exits={"1": {"0-1": 143}, "2": DONE},
    )
    done = launch("run", *XPK)
    assert done.code == 0, done.err
    assert "stopped by SIGTERM after saving (1 of 4 hosts); retry 1 of 5" in done.err
    commands = [call[-1] for call in cloud.calls("xpk", "create")]
    assert [f"XTL_ATTEMPT={n} " in text for n, text in enumerate(commands, 1)] == [
        True,
        True,
    ]


def test_a_workload_with_bad_input_is_not_made_again(cloud, launch):
    cloud.replay(lives=[["RUNNING", "Failed"]], exits={"1": {"0-0": 2}})
    done = launch("run", *XPK)
    assert done.code == 2
    assert cloud.state["creations"] == 1
    assert _nothing_is_left(cloud)


def test_create_run_status_logs_delete(cloud, launch, xtl, in_background):
    assert launch("create", words=()).code == 0
    assert cloud.state["tpu"] is not None
    cloud.replay(lives=[], exits={"1": {"0-0": 0}})
    refused = launch("run", "--tpu=v5litepod-32")
    assert refused.code == 2
    assert "was made with tpu='v5litepod-16', not 'v5litepod-32'" in refused.err
    with in_background("run") as running:
        _until(lambda: [c for c in cloud.calls("ssh") if " start run " in c[-1]])
        again = launch("run")
        assert again.code == 2
        assert "another launcher looks after job" in again.err
        _until(lambda: cloud.calls("storage", "ls"))
        status = json.loads(xtl("launch", "status", "--name=job", "--json").out)
        assert status["state"] == "ACTIVE"
        assert status["exit_codes"] == {"0-0": 0}
        assert status["attempt"] == 1
        logs = xtl("launch", "logs", "--name=job", "--host=0-3")
        assert logs.out.startswith("output of gs://bucket/xtl_launch/job-")
        running.kill()  # nothing could be cleaned up
        running.wait(30)
    assert cloud.state["tpu"] is not None
    assert launch("delete", words=()).code == 0
    assert cloud.state["creations"] == 1
    assert _nothing_is_left(cloud)


def test_a_launcher_that_was_killed_is_resumed(cloud, launch, xtl, in_background):
    with in_background("run") as running:
        _until(lambda: cloud.calls("storage", "ls"))
        running.kill()
        running.wait(30)
    assert cloud.state["tpu"] is not None
    refused = launch("run")
    assert refused.code == 2
    assert "`resume` goes on with it" in refused.err
    folder = next((cloud.folder / "bucket/bucket/xtl_launch").glob("job-*"), None)
    assert folder is None  # no host has ended yet
    record = json.loads((cloud.folder / "records/job.json").read_text())
    assert record["memory"]["attempt"] == 1
    cloud.replay(lives=[["ACTIVE"]], exits={"2": DONE})
    state = cloud.state | {"tpu": cloud.state["tpu"] | {"life": ["SUSPENDED"]}}
    (cloud.folder / "state.json").write_text(json.dumps(state))
    done = xtl("launch", "resume", "--name=job")
    assert done.code == 0, done.err
    assert _nothing_is_left(cloud)


def test_resume_after_the_limit_needs_more_money(cloud, launch, xtl):
    dear = ("--usd_per_chip_hour=225", "--stop_seconds=1", "--max_cost=182")
    assert launch("run", *dear).code == 3
    assert xtl("launch", "resume", "--name=job").code == 3
    cloud.replay(lives=[["ACTIVE"]], exits={"2": DONE})
    done = xtl("launch", "resume", "--name=job", "--max_cost=900")
    assert done.code == 0, done.err
    assert _nothing_is_left(cloud)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_interrupted_it_stops_the_hosts_and_deletes(cloud, in_background, number, code):
    with in_background("run") as running:
        _until(lambda: cloud.calls("storage", "ls"))
        running.send_signal(number)
        assert running.wait(60) == code
        assert "cleaning up" in running.stderr.read()
    assert [c for c in cloud.calls("ssh") if c[-1].endswith(" stop")]
    assert _nothing_is_left(cloud)


def test_interrupted_while_it_waits_it_gives_the_request_back(cloud, in_background):
    cloud.replay(lives=[["WAITING_FOR_RESOURCES"]])
    with in_background("run") as running:
        _until(lambda: len(cloud.calls("describe")) > 2)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
    assert cloud.calls("ssh") == []
    assert _nothing_is_left(cloud)


def test_a_defect_of_the_launcher_deletes_too(cloud, launch, monkeypatch):
    from xtl_jax.cli import launch_cloud

    def fail(self):
        raise ZeroDivisionError

    monkeypatch.setattr(launch_cloud.Supervisor, "_start", fail)
    with pytest.raises(ZeroDivisionError):
        launch("run")
    assert _nothing_is_left(cloud)


def test_no_gcloud_is_a_message(launch, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = launch("run")
    assert done.code == 2
    assert "gcloud is not installed here" in done.err


@pytest.mark.parametrize(
    ("refuses", "flags", "says"),
    [
        ("cp", (), "gcloud storage cp --no-clobber "),
        ("get-credentials", XPK, "gcloud container clusters get-credentials pods "),
    ],
)
def test_what_the_cloud_refuses_is_told_before_a_tpu_is_made(
    cloud, launch, refuses, flags, says
):
    cloud.replay(lives=[["ACTIVE"]], refuses=[refuses])
    done = launch("run", *flags)
    assert done.code == 2
    assert f"xtl launch: {says}" in done.err
    assert "has failed: ERROR: (gcloud) PERMISSION_DENIED: not you" in done.err
    assert "mend that and give the same command again" in done.err
    assert _nothing_is_left(cloud)


def test_logs_need_a_command_that_was_started(cloud, launch, xtl):
    assert launch("create", words=()).code == 0
    refused = xtl("launch", "logs", "--name=job")
    assert refused.code == 2
    assert "job has not been started yet; `run` starts it" in refused.err


def test_the_logs_of_a_workload_are_followed_with_kubectl(cloud, launch, xtl):
    cloud.replay(lives=[["RUNNING", "Failed"]], exits={"1": {"0-0": 2}})
    assert launch("run", *XPK).code == 2
    refused = xtl("launch", "logs", "--name=job", "--follow")
    assert refused.code == 2
    assert "--follow: xpk has no ssh; `kubectl logs --follow` shows" in refused.err


def _until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
