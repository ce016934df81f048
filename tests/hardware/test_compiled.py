"""What the TPU's own compiler makes of mT5-XXL's train step; needs libtpu, no TPU.

    pip install -e '.[dev,plan]'
    pytest -m tpu tests/hardware/test_compiled.py                  a quarter of an hour
    pytest -m 'tpu and not slow' tests/hardware/test_compiled.py   a minute

The compiler has a licence of its own and 213 MB, so no other extra brings it.
"""

from __future__ import annotations

import argparse
import dataclasses
import math

import pytest

from xtl_jax.cli import plan as plan_command
from xtl_jax.errors import UserError
from xtl_jax.hardware import compiler, hlo, plan
from xtl_jax.hardware.plan import GIB
from xtl_jax.hardware.programs import Job

pytestmark = [
    pytest.mark.tpu,
    pytest.mark.skipif(
        not compiler.installed(), reason="libtpu is not here: pip install xtl_jax[plan]"
    ),
]


def _preset(name: str) -> Job:
    given = argparse.Namespace(
        gin_file=[f"models/{name.partition('-')[0]}.gin", f"meshes/{name}.gin"],
        gin_search_path=[],
        gin=[],
        topology=[":".join(name.split("-")[1:])],
        predict=False,
        run_dir="",
        data_dir="",
        cache_dir="",
    )
    (job,) = plan_command._jobs(given)
    return job


def _collectives(path) -> list[tuple[str, tuple[int, ...]]]:
    """Kind and dimensions of everything that devices exchange."""
    found = hlo.count(compiler.read_text(str(path))).collectives
    return [
        (each.kind, next(hlo.sizes(each.shape))[1])
        for each in found
        if each.devices != 1  # the quick compiler keeps sums of one: nothing is sent
    ]


def _no_table_and_no_logits(job: Job, collectives) -> None:
    model, run = job.model, job.run
    parts = job.mesh.fsdp * job.mesh.model
    table = model.vocab * model.embed
    # The smallest of what may never be whole: logits of one row of one piece.
    for kind, dimensions in collectives:
        assert math.prod(dimensions) < table / 2, (kind, dimensions)
        if len(dimensions) > 1:  # a factored moment has one number for each id
            assert model.vocab not in dimensions, (kind, dimensions)
            assert model.vocab // parts not in dimensions, (kind, dimensions)
    assert run.lengths["targets"] % model.loss_chunks == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_table_and_no_logits_are_gathered_at_the_width_of_xxl(tmp_path):
    job = _preset("mt5_xxl-v4-4x4x4")
    few = dataclasses.replace(job.model, encoder_layers=2, decoder_layers=2)
    job = dataclasses.replace(job, model=few)
    text = tmp_path / "program.hlo"
    made = plan.make(job, cache=None, effort="quick", program_text=str(text))
    assert made.fits, made.why
    collectives = _collectives(text)
    assert {kind for kind, _ in collectives} >= {"all-reduce", "all-to-all"}
    _no_table_and_no_logits(job, collectives)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("preset", "rows", "peak"),
    [("mt5_xxl-v4-4x4x4", 1024, 12 * GIB), ("mt5_xxl-v5e-8x8", 256, 15.75 * GIB)],
)
def test_xxl_fits_64_chips_and_gathers_neither_table(preset, rows, peak, tmp_path):
    job = _preset(preset)
    assert job.run.batch_size == rows
    assert dict(job.run.lengths) == {"inputs": 1024, "targets": 256}
    text = tmp_path / "program.hlo"
    made = plan.make(job, cache=None, seconds=3000, program_text=str(text))
    assert made.fits, made.why
    assert made.devices == 64
    assert made.peak < peak
    assert made.compile_memory < 6 * GIB
    assert 1.0 < made.executed_flops / made.useful_flops < 1.35
    _no_table_and_no_logits(job, _collectives(text))


def test_a_slice_that_the_compiler_does_not_know_is_refused(tmp_path):
    job = dataclasses.replace(_preset("mt5_small-v5e-1x1"), topology="v4:9x9x9")
    with pytest.raises(UserError, match="does not know the topology 'v4:9x9x9'"):
        compiler.compile_apart(
            {**plan.to_request(job), "program_text": ""}, seconds=120
        )


def test_what_is_too_large_for_a_chip_is_told_in_the_compilers_words(tmp_path):
    small = _preset("mt5_small-v5e-1x1")
    # Weights are few: logits of all targets at once are 128 GB.
    model = dataclasses.replace(
        small.model, loss_chunks=1, encoder_layers=1, decoder_layers=1
    )
    run = dataclasses.replace(small.run, batch_size=512, microbatches=1)
    job = dataclasses.replace(small, model=model, run=run)
    made = plan.make(job, cache=None, effort="quick")
    assert not made.fits
    assert "RESOURCE_EXHAUSTED" in made.why
