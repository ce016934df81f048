"""Steps that stages of one process share: the same program where it is the same."""

from __future__ import annotations

import dataclasses
import types

import pytest

from xtl_jax.cli import devices, train_program
from xtl_jax.train import optimizer, program, state
from xtl_jax.train.config import MeshConfig, RunConfig

PLAIN = {
    "task": "toy",
    "steps": 6,
    "lengths": {"inputs": 12, "targets": 8},
    "vocabulary": "bytes",
    "run_dir": "run",
    "batch_size": 8,
}


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """No steps that other tests have left, and a number in place of each."""
    numbers = iter(range(100))
    monkeypatch.setattr(train_program, "_steps", {})
    monkeypatch.setattr(program, "step", lambda *_, **__: next(numbers))


def _step(model, mesh="mesh", **fields):
    run = RunConfig(**{**PLAIN, **fields})
    config = types.SimpleNamespace(model=model, run=run)
    return train_program.step(config, mesh, None)


def test_stages_that_differ_in_what_they_read_share_a_step(toy):
    first = _step(toy)
    alike = {"task": "other", "run_dir": "b", "name": "b", "dev_task": "none"}
    assert _step(toy, **alike, save_period=2, initial_checkpoint="a") == first
    assert _step(toy, steps=9) == first  # the rate does not look at the end
    assert _step(toy, seed=1) == first  # it draws nothing


def test_whatever_decides_an_update_has_a_step_of_its_own(toy, toy_encoder):
    drops = dataclasses.replace(toy, dropout_rate=0.1)
    heads = dataclasses.replace(toy_encoder, task_heads=toy_encoder.task_heads[:1])
    noisy = {"perturbation": "gaussian", "perturbation_radius": 0.1}
    rising = {"warmup_share": 0.5}
    linear = {"schedule": "linear"}
    lora = {"initial_checkpoint": "a"}
    found = [
        _step(toy),
        _step(toy, "another mesh"),
        _step(toy, learning_rate=0.5),
        *(_step(drops, seed=seed) for seed in (0, 1)),
        *(_step(toy, seed=seed, **noisy) for seed in (0, 1)),
        _step(toy, **{**noisy, "perturbation_radius": 0.2}),
        *(_step(toy, steps=steps, **rising) for steps in (6, 8)),
        *(_step(toy, steps=steps, **linear) for steps in (6, 8)),
        *(_step(toy, lora_rank=rank, **lora) for rank in (1, 2)),
        *(_step(model, seed=0) for model in (toy_encoder, heads)),
        _step(heads, seed=1),
    ]
    assert found == [*range(len(found))]
    assert len(train_program._steps) == train_program._STEPS_KEPT


def test_a_step_reads_no_field_that_does_not_decide_which_it_is(
    toy, toy_batch, monkeypatch
):
    monkeypatch.undo()  # the step itself
    read = set()

    class Watched(RunConfig):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    run = Watched(**PLAIN, perturbation="gaussian", perturbation_radius=0.1)
    shapes = state.shapes(toy, optimizer.build(run), lora=run.lora)
    with devices.on_mesh(MeshConfig(data=8)) as mesh:
        read.clear()
        step = program.step(toy, run, mesh=mesh, shapes=shapes)
        step.trace(shapes, toy_batch, None)
    assert {"seed", "learning_rate", "perturbation_radius"} <= read
    assert not read & train_program._NOT_OF_STEP
