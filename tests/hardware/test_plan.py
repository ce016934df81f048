"""Plans are kept and found again; the compiler is played by a function here."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

from xtl_jax.errors import UserError
from xtl_jax.hardware import compiler, picture, plan, programs
from xtl_jax.hardware.plan import GIB
from xtl_jax.hardware.programs import Job
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.train import sharding
from xtl_jax.train.config import MeshConfig, RunConfig

MODEL = ModelConfig(
    vocab=256, embed=128, heads=4, head_dim=32, mlp=256, encoder_layers=2,
    decoder_layers=2,
)  # fmt: skip
RUN = RunConfig(
    task="planned",
    steps=10,
    lengths={"inputs": 64, "targets": 32},
    vocabulary="bytes",
    run_dir="run",
    batch_size=16,
)
JOB = Job(
    program="train", model=MODEL, run=RUN, mesh=MeshConfig(fsdp=4), topology="v5e:2x2"
)
PROGRAM = """ENTRY %main (a: f32[8,16]) -> f32[8,4] {
  %a = f32[8,16]{1,0} parameter(0)
  %b = f32[16,4]{1,0} constant(0)
  ROOT %c = f32[8,4]{1,0} dot(%a, %b), lhs_contracting_dims={1}
}
"""


class Compiler:
    """Answers as `compile_apart` does and remembers what it was asked."""

    def __init__(self, program: str = "first") -> None:
        self.program, self.asked = program, []

    def __call__(self, request, *, seconds, effort="full"):
        self.asked.append(request)
        if request["known_program"] == self.program:
            return {"same": True}
        compiler.write_text(request["program_text"], PROGRAM)
        sizes = dict.fromkeys(("arguments", "temporaries", "outputs", "reused"), GIB)
        counts = {
            "flops": 1e9,
            "memory_bytes": 1e9,
            "sent_bytes": 1e6,
            "slice_bytes": 0.0,
            "collectives": {},
            "largest_collectives": [],
        }
        return {
            **sizes,
            "fits": True,
            "why": "",
            "program": self.program,
            "devices": 4,
            "mesh": {"data": 1, "fsdp": 4, "model": 1},
            "parameters": GIB // 2,
            "optimizer": GIB // 4,
            "peak": 3 * GIB,
            "counts": counts,
            "compile_seconds": 1.0,
            "compile_memory": GIB,
        }


@pytest.fixture
def fake(monkeypatch):
    found = Compiler()
    monkeypatch.setattr(compiler, "compile_apart", found)
    return found


def test_a_plan_is_made_once(fake, tmp_path):
    first = plan.make(JOB, cache=tmp_path)
    assert plan.make(JOB, cache=tmp_path) == first
    assert len(fake.asked) == 1
    assert first.fits
    assert first.usable == int(15.75 * GIB)  # what v5e's compiler lets a program have
    assert first.executed_flops == 4e9
    # 16 rows of what the model says of one.
    assert first.useful_flops == 16 * MODEL.train_flops(inputs=64, targets=32)


def test_where_the_code_changed_the_program_is_traced_and_may_be_the_same(
    fake, tmp_path, monkeypatch
):
    plan.make(JOB, cache=tmp_path)
    monkeypatch.setattr(plan, "_sources", lambda: "other code")
    again = plan.make(JOB, cache=tmp_path)
    assert len(fake.asked) == 2
    assert again.executed_flops == 4 * 1024  # counted anew, from the kept program
    fake.program = "second"
    monkeypatch.setattr(plan, "_sources", lambda: "yet other code")
    assert plan.make(JOB, cache=tmp_path).executed_flops == 4e9


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"steps": 20}, False),
        ({"batch_size": 32}, False),
        ({"run_dir": "elsewhere", "data_dir": "there", "task": "other"}, True),
        ({"keep": 9, "evaluate": ("xnli",)}, True),
    ],
)
def test_a_plan_has_the_name_of_what_decides_it(changed, same):
    other = dataclasses.replace(JOB, run=dataclasses.replace(RUN, **changed))
    names = {plan.digest(plan.to_request(job), effort="full") for job in (JOB, other)}
    assert len(names) == (1 if same else 2)


def test_a_job_survives_json():
    head = Head(name="xnli", kind="classification", labels=("0", "1", "2"))
    encoder = EncoderConfig(
        architecture="xlm-roberta", vocab=64, embed=32, heads=2, mlp=64, layers=2,
        positions=34, task_heads=(head,),
    )  # fmt: skip
    for job in (JOB, dataclasses.replace(JOB, model=encoder, program="predict")):
        assert plan.from_request(plan.to_request(job)) == job


def test_what_is_no_slice_is_refused_before_anything_is_compiled(fake):
    with pytest.raises(UserError, match="no TPU slice 'v4:3x3x3'"):
        plan.make(dataclasses.replace(JOB, topology="v4:3x3x3"), cache=None)
    assert not fake.asked


def test_what_the_compiler_refuses_is_told_as_it_says_it(monkeypatch):
    said = subprocess.CompletedProcess([], 0, 'warning\n{"refused": "no v9"}\n', "")
    monkeypatch.setattr(compiler, "installed", lambda: True)
    monkeypatch.setattr(subprocess, "run", lambda *words, **settings: said)
    with pytest.raises(UserError, match=r"^no v9$"):
        compiler.compile_apart({}, seconds=1.0)


def test_a_model_that_does_not_divide_over_a_mesh_is_not_predicted_with():
    job = dataclasses.replace(JOB, program="predict")
    with pytest.raises(UserError, match=r"heads=4 .*\.model=8; model may be 1, 2"):
        programs.lower(job, sharding.mesh(MeshConfig(model=8)))


def test_without_the_compiler_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(compiler, "installed", lambda: False)
    with pytest.raises(UserError, match=r"pip install 'xtl_jax\[plan\]'"):
        compiler.compile_apart({}, seconds=1.0)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("raise RuntimeError('no such thing')", "RuntimeError: no such thing"),
        ("import time; time.sleep(60)", "not compiled within 2 s"),
    ],
)
def test_a_compiler_that_dies_is_reported(monkeypatch, tmp_path, code, why):
    script = tmp_path / "compiler"
    script.write_text(f'#!/bin/sh\nexec python3 -c "{code}"\n', encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(compiler, "installed", lambda: True)
    monkeypatch.setattr(compiler.sys, "executable", str(script))
    found = compiler.compile_apart({}, seconds=2.0)
    assert not found["fits"]
    assert why in found["why"]


def test_useful_work_of_predicting_is_a_third():
    run = dataclasses.replace(RUN, predict_batch_size=16, decode_length=8)
    job = dataclasses.replace(JOB, program="predict", run=run)
    expected = 16 * MODEL.train_flops(inputs=64, targets=8) / 3
    assert programs.useful_flops(job) == pytest.approx(expected)
    assert programs.tokens(job) == 16 * (64 + 8)


def test_the_picture_adds_up_to_the_peak(fake, tmp_path):
    made = plan.make(JOB, cache=tmp_path)
    parts = picture.parts(made)
    assert parts == {
        "parameters": GIB // 2,
        "moments": GIB // 4,
        "batch and counters": GIB // 4,
        "activations and temporaries": 2 * GIB,
    }
    text = picture.svg([made, made], ["tiny & small", "again"])
    root = ET.fromstring(text)
    widths = [
        float(bar.get("width"))
        for bar in root.iter("{http://www.w3.org/2000/svg}rect")
        if bar.get("height") == "20"
    ]
    limit = 560 / 15.75  # pixels of one GiB: the limit is as wide as the picture
    assert widths == pytest.approx([0.5 * limit, 0.25 * limit, 0.25 * limit,
                                    2 * limit] * 2, abs=0.06)  # fmt: skip
    assert re.findall(r">(3\.0|15\.8)<", text) == ["3.0", "15.8"] * 2
