"""`MeshConfig.auto` where something is computed; eight devices are here."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys

import pytest

from xtl_jax.cli import auto_mesh
from xtl_jax.errors import UserError
from xtl_jax.hardware import compiler, plan, slices
from xtl_jax.hardware.plan import GIB, Plan
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train.config import MeshConfig, RunConfig

MODEL = ModelConfig(
    vocab=512, embed=64, heads=4, head_dim=16, mlp=128, encoder_layers=2,
    decoder_layers=2,
)  # fmt: skip
RUN = RunConfig(
    task="toy",
    steps=6,
    lengths={"inputs": 16, "targets": 8},
    vocabulary="bytes",
    run_dir="run",
    batch_size=16,
)
AUTO = MeshConfig(auto=True)


def _chosen(mesh=AUTO, **settings):
    return auto_mesh.chosen(
        mesh, **{"program": "train", "model": MODEL, "run": RUN, **settings}
    )


def test_a_mesh_that_is_given_is_taken():
    given = MeshConfig(fsdp=2)
    assert _chosen(given) is given


def test_where_there_is_room_each_device_has_the_whole_model(capfd):
    assert _chosen() == MeshConfig(data=8)
    said = capfd.readouterr().err
    assert "data=8 fsdp=1 model=1" in said
    assert "a guess without a compiler" in said


def test_where_there_is_little_the_model_is_split(monkeypatch):
    # Parameters and gradients of 262,464 numbers are 2.0 MiB, half of that on two.
    assert MODEL.parameters * 8 == pytest.approx(2 * 2**20, rel=0.01)
    monkeypatch.setattr(auto_mesh, "_memory", lambda local: 2 * 2**20)
    mesh = _chosen()
    assert mesh.fsdp * mesh.model > 1
    monkeypatch.setattr(auto_mesh, "_memory", lambda local: 2**10)
    with pytest.raises(UserError, match="No setting would do"):
        _chosen()


def test_rows_that_are_predicted_divide_too():
    run = dataclasses.replace(RUN, predict_batch_size=4)
    mesh = _chosen(run=run, predicts=True)
    assert (mesh.data * mesh.fsdp, mesh.model) == (4, 2)
    assert _chosen(run=run, program="predict") == mesh
    with pytest.raises(UserError, match="slices=3 does not divide 8 devices"):
        _chosen(MeshConfig(auto=True, slices=3))


@pytest.mark.parametrize("said", [(4, 2, 1), (0, 0, 0)])
def test_all_hosts_take_what_the_first_says(monkeypatch, said):
    import jax
    from jax.experimental import multihost_utils

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(multihost_utils, "broadcast_one_to_all", lambda sizes: said)
    if any(said):
        assert _chosen() == MeshConfig(data=4, fsdp=2)
        return
    with pytest.raises(UserError, match="the first host found no mesh, and says why"):
        _chosen()


def test_on_a_tpu_the_planner_is_asked(monkeypatch, capfd, tmp_path):
    asked = []

    def make(job, *, cache, seconds):
        asked.append(job)
        return Plan(
            job=job,
            fits=job.mesh.fsdp == 2,
            why="no room",
            effort="full",
            peak=12 * GIB,
        )

    # Eight chips of v5e, as they would be seen.
    monkeypatch.setattr(slices, "of_devices", lambda kind, n: slices.find("v5e:2x4"))
    monkeypatch.setattr(compiler, "installed", lambda: True)
    monkeypatch.setattr(plan, "make", make)
    mesh = _chosen(run=dataclasses.replace(RUN, cache_dir=str(tmp_path)))
    assert mesh == MeshConfig(data=4, fsdp=2, model=1)
    assert {job.topology for job in asked} == {"v5e:2x4"}
    assert [job.mesh.fsdp for job in asked] == [1, 2]
    assert "12 GiB a device, by the planner" in capfd.readouterr().err


@pytest.mark.usefixtures("compiled_once")
def test_a_run_trains_on_the_mesh_that_is_chosen(xtl, trained, tmp_path):
    done = xtl(
        *("train", *trained.flags, f"--run_dir={tmp_path / 'run'}", "--dry_run"),
        *("--json", "--gin.MeshConfig.auto=True"),
    )
    assert done.code == 0, done
    assert "MeshConfig.auto: data=" in done.err
    mesh = json.loads(done.out)["mesh"]
    assert mesh["data"] * mesh["fsdp"] * mesh["model"] == 8


HOST = """
import os, sys, time, jax
jax.distributed.initialize(os.environ["XTL_AT"], 2, int(sys.argv[1]))
from tests.cli.test_auto_mesh import _chosen
from xtl_jax.cli import auto_mesh
from xtl_jax.errors import UserError
room = {room}  # bytes that each host thinks that it has
auto_mesh._memory = lambda local: room[jax.process_index()]
try:
    mesh = _chosen()
    print(mesh.data, mesh.fsdp, mesh.model, flush=True)
except UserError as error:
    print(error, flush=True)
# What JAX does at the end of hosts is not looked at here, and may take minutes.
open(sys.argv[2] + sys.argv[1], "w").close()
while not os.path.exists(sys.argv[2] + str(1 - int(sys.argv[1]))):
    time.sleep(0.02)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("room", "said"),
    [
        ((2**30, 2**20), ("4 1 1", "4 1 1")),
        ((2**10, 2**30), ("No setting would do", "the first host found no mesh")),
    ],
)
def test_all_hosts_take_what_the_first_chooses(room, said, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XTL_AT": at,
        "JAX_NUM_CPU_DEVICES": "2",
        "PYTHONPATH": os.pathsep.join([".", "tasks", os.environ.get("PYTHONPATH", "")]),
    }
    environment.pop("XLA_FLAGS", None)
    script = HOST.format(room=room)
    with contextlib.ExitStack() as stack:
        hosts = []
        for number in range(2):
            host = subprocess.Popen(
                [sys.executable, "-c", script, str(number), str(tmp_path / "done")],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            hosts.append(stack.enter_context(host))
            stack.callback(host.kill)
        for host, words in zip(hosts, said, strict=True):
            out, err = host.communicate(timeout=120)
            assert words in out, err
