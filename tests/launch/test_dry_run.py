"""`--dry-run`: the exact commands, for each back end, kind and number of slices."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import pytest

CLOUDS = ("queued-resources", "tpu-vm", "xpk")
KINDS = {
    "on-demand": (),
    "spot": ("--spot",),
    "reserved": ("--reserved", "--reservation=ours"),
    "flex-start": ("--flex-start",),
}
FLAGS = (
    *("--name=xxl", "--tpu=v5litepod-64", "--zone=us-west4-a", "--cluster=pods"),
    *("--bucket=gs://bucket", "--max-cost=500", "--project=ours", "--dry-run"),
)
WORDS = (
    *("--gin_file=models/mt5_xxl.gin", "--gin_file=runs/mnli_to_xnli.gin"),
    *("--gin.RunConfig.name='it is, \"so\" to $ay'", "--run_dir=gs://bucket/runs/xxl"),
)


@pytest.fixture
def dry_run(xtl, monkeypatch, tmp_path):
    """`xtl launch`; what changes with every edit of the code is taken out."""
    monkeypatch.setenv("XTL_LAUNCH_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("PATH", str(tmp_path))  # there is nothing that could be run

    def run(verb, *flags, words=WORDS):
        done = xtl("launch", verb, *FLAGS, *flags, "--", *words)
        assert not (tmp_path / "records").exists()
        text = done.out if done.code == 0 else f"exit code {done.code}\n{done.err}"
        text = text.replace(str(tmp_path / "records"), "RECORDS")
        text = text.replace(sys.executable, "PYTHON")
        text = re.sub(r"\b(code|lock|host)-[0-9a-f]{16}\b", r"\1-HASH", text)
        text = re.sub(r"\b(XTL_CODE|XTL_LOCK)=[0-9a-f]{16}\b", r"\1=HASH", text)
        return re.sub(r"XTL_PYTHON=3\.\d+", "XTL_PYTHON=3.N", text)

    return run


@pytest.mark.parametrize("slices", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", CLOUDS)
def test_commands_of_a_run(dry_run, held, backend, kind, slices):
    text = dry_run("run", f"--backend={backend}", *KINDS[kind], f"--slices={slices}")
    held(f"run_{backend}_{kind}_{slices}.txt", text)


@pytest.mark.parametrize("processes", [1, 2])
def test_commands_of_a_local_run(dry_run, held, processes):
    text = dry_run("run", "--backend=local", f"--processes={processes}")
    held(f"run_local_{processes}.txt", text)


@pytest.mark.parametrize("verb", ["plan", "create"])
def test_commands_of_other_verbs(dry_run, held, verb):
    held(f"{verb}.txt", dry_run(verb))


@pytest.mark.parametrize("verb", ["status", "logs", "resume", "delete"])
def test_commands_of_verbs_of_a_recorded_job(cloud, launch, xtl, held, verb):
    cloud.replay(lives=[["ACTIVE"]], exits={"1": {"0-0": 2}})
    assert launch("run").code == 2
    before = cloud.calls()
    done = xtl("launch", verb, "--name=job", "--dry-run")
    assert done.code == 0
    assert cloud.calls() == before
    text = re.sub(r"\b(code|lock|host)-[0-9a-f]{16}\b", r"\1-HASH", done.out)
    text = re.sub(r"\b(XTL_CODE|XTL_LOCK)=[0-9a-f]{16}\b", r"\1=HASH", text)
    text = re.sub(r"\bjob-[0-9a-f]{12}\b", "job-IDENTITY", text)
    text = re.sub(r"xtl-launch=[0-9a-f]{12}\b", "xtl-launch=IDENTITY", text)
    text = re.sub(r"XTL_PYTHON=3\.\d+", "XTL_PYTHON=3.N", text)
    held(f"{verb}.txt", text.replace(str(cloud.folder / "records"), "RECORDS"))


@pytest.mark.parametrize("backend", ["queued-resources", "xpk"])
def test_words_reach_the_hosts_unchanged(dry_run, backend):
    """Through this shell and through that of the host, whatever is in them."""
    text = dry_run("run", f"--backend={backend}", "--spot")
    marker = " start run " if backend == "queued-resources" else " run run "
    (line,) = [line for line in text.splitlines() if marker in line]
    command = next(w for w in shlex.split(line) if w.startswith("--command="))
    remote = command.removeprefix("--command=").partition(" && ")[2]
    assert remote.startswith("exec ") == (backend == "xpk")
    words = remote.partition(marker)[2]
    printed = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\n' {words}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert tuple(printed.stdout.splitlines()) == WORDS


def test_another_command_of_xtl_is_run_as_it_is(dry_run):
    text = dry_run("run", words=("train", "--run_dir=gs://b/r"))
    assert " start train --run_dir=gs://b/r'" in text
    text = dry_run("run", words=("trian", "--run_dir=gs://b/r"))
    assert "xtl has no command 'trian' for the hosts; near: train" in text


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--tpu=v5litepod-63",), "no TPU slice 'v5litepod-63'; near: v5litepod-64"),
        (("--tpu=v4-128x",), "sizes of v4: v4-8, v4-16, "),
        (("--tpu=tpu7x-8",), "no price is known for tpu7x"),
        (("--tpu=tpu7x-8", "--usd_per_chip_hour=9"), "comes through GKE only"),
        (("--backend=gke",), "--backend='gke' must be one of queued-resources"),
        (("--backend=xpk", "--cluster="), "needs --cluster"),
        (("--backend=xpk", "--reserved"), "--reserved with xpk needs --reservation"),
        (("--reservation=ours",), "--reservation needs --reserved"),
        (("--backend=tpu-vm", "--slices=2"), "--slices=2: tpu-vm makes single slices"),
        (("--backend=tpu-vm", "--flex-start"), "flex-start to queued requests only"),
        (("--zone=",), "--zone is missing; v5e was offered in us-central1-a, "),
        (("--bucket=bucket",), "must be gs://NAME"),
        (("--name=XXL",), "must begin with a small letter"),
        (("--slices=0",), "--slices=0 must be at least 1"),
        (("--max_retries=-1",), "must not be negative"),
        (("--max_cost=1",), "would be spent before anything ran"),
        (("--usd_per_chip_hour=0",), "must be positive"),
        (("--lock=none.txt",), "--lock=none.txt: no such file"),
    ],
)
def test_bad_flags_are_refused_with_what_is_allowed(dry_run, flags, told):
    text = dry_run("run", *flags)
    assert text.startswith("exit code 2\nxtl launch: ")
    assert told in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--gin_file=models/mt5_xxxl.gin",), "near: models/mt5_xxl.gin"),
        (("--gin_file", "models/mt5_xxxl.gin"), "near: models/mt5_xxl.gin"),
        (("--gin_file=/etc/x.gin",), "give the path from there"),
        ((), "nothing to run"),
    ],
)
def test_bad_words_are_refused(dry_run, words, told):
    assert told in dry_run("run", words=words)


def test_a_missing_flag_is_named(xtl):
    assert "--name is missing" in xtl("launch", "run", "--", "--json").err
    assert "--tpu is missing" in xtl("launch", "run", "--name=a", "--", "--json").err
    assert "no record of 'xxl'" in xtl("launch", "status", "--name=xxl").err


def test_what_is_likely_a_mistake_is_told(xtl, monkeypatch, tmp_path):
    done = xtl(
        *("launch", "run", *FLAGS, "--zone=us-central2-b", "--flex_start"),
        "--slices=2",
        *("--", "--run_dir=runs/xxl"),
    )
    assert done.code == 0
    assert "v5e as flex-start was not offered in us-central2-b" in done.err
    assert "no --gin.MeshConfig.slices=2 in the command" in done.err
    assert "is lost with it. Give --run_dir=gs://" in done.err


def test_the_plan_tells_the_cost_and_that_it_cannot_tell_more(xtl, monkeypatch):
    from xtl_jax.cli import main

    flags = [flag for flag in FLAGS if flag != "--dry-run"]
    monkeypatch.setattr(
        main, "COMMANDS", tuple(each for each in main.COMMANDS if each != "plan")
    )
    done = xtl("launch", "plan", *flags, "--json", "--", *WORDS)
    costs = json.loads(done.out)
    assert (costs["chips"], costs["hosts"]) == (64, 16)
    assert costs["usd_per_hour"] == pytest.approx(64 * 1.20)
    assert done.code == 2
    assert "this version has no `xtl plan`" in done.err


def test_the_plan_hands_size_and_price_on_to_xtl_plan(xtl, monkeypatch):
    from xtl_jax.cli import launch_plan, main

    asked = []

    def answer(argv, **_):
        asked.append(argv)
        return subprocess.CompletedProcess(argv, 1, stdout=b'{"fits": false}')

    monkeypatch.setattr(main, "COMMANDS", {*main.COMMANDS, "plan"})
    monkeypatch.setattr(launch_plan.subprocess, "run", answer)
    flags = [flag for flag in FLAGS if flag != "--dry-run"]
    more = ("--slices=2", "--spot", "--usd_per_chip_hour=0.5", "--json")
    done = xtl("launch", "plan", *flags, *more, "--", *WORDS)
    assert done.code == 1  # nothing fits
    assert json.loads(done.out)["plan"] == {"fits": False}
    assert json.loads(done.out)["launch"]["usd_per_hour"] == 64.0
    (argv,) = asked
    assert argv[3] == "plan"
    assert argv[4 : 4 + len(WORDS)] == list(WORDS)
    assert argv[4 + len(WORDS) :] == [
        *("--topology=v5e:8x8", "--capacity=spot", "--usd_per_chip_hour=0.5"),
        *("--gin.MeshConfig.slices=2", "--json"),
    ]
