"""Contestants of the training step learn from the same rows and parameters."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from xtl_jax.bench import contest, seq2seq, step_ours
from xtl_jax.checkpoint import names, t5x
from xtl_jax.hardware import hlo
from xtl_jax.infer import model as models


@pytest.fixture(scope="module")
def setting(toy):
    return seq2seq.Setting(model=toy, batch_size=4, inputs=16, targets=8, rounds=1)


@pytest.fixture(scope="module")
def written(setting, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contest")
    seq2seq.write_model(setting.model, folder)
    seq2seq.write_batch(setting, folder)
    return folder


def test_t5x_gets_the_parameters_that_transformers_gets(setting, written):
    ours = models.load_mt5(str(written / "huggingface")).params
    with np.load(written / "t5x.npz") as theirs:
        for entry in names.entries(setting.model):
            whole = ours
            for key in entry.path.split("/"):
                whole = whole[key]
            for layer in names.layers(entry):
                own = whole if layer is None else whole[layer]
                assert np.array_equal(theirs[t5x.foreign(entry.path, layer)], own)


def test_our_step_is_of_the_rows_that_were_written(setting, written):
    made = step_ours.train(seq2seq.shared(setting, written))
    batch = step_ours.load_batch(written)
    likely = models.load_mt5(str(written / "huggingface")).score(
        inputs=batch["encoder_input_tokens"], targets=batch["decoder_target_tokens"]
    )
    assert made.facts["loss"] == pytest.approx(-likely.sum() / (4 * 8), rel=1e-5)
    assert made.facts["compiled_bytes"] > 4 * setting.model.parameters
    text = (written / "program.hlo").read_text()
    assert 0.9 < hlo.count(text).flops / setting.useful_flops < 1.5
    made.work()
    made.work()


def test_useful_flops_over_the_best_product():
    """10 GFLOP in 2 s, where a product makes 20 GFLOP/s: a quarter."""
    ours, theirs = (
        contest.Figures(name=name, seconds=2.0, matmul_flops=flops)
        for name, flops in (("ours", 1.5e10), ("theirs", 2e10))
    )
    found = seq2seq.Result(
        figures=(ours, theirs), useful_flops=1e10, ceiling_flops=2e10, program=""
    )
    assert found.mfu_percent(ours) == 25.0


def test_tiny_has_the_parameters_of_the_peer_s_measurement():
    assert seq2seq.TINY.parameters == 22_746_880


@pytest.mark.slow
@pytest.mark.long
def test_whoever_is_here_takes_part(setting, tmp_path):
    found = seq2seq.measure(
        dataclasses.replace(setting, rounds=2), folder=tmp_path, t5x_python=""
    )
    ours, *others = found.figures
    assert ours.name == contest.OURS
    assert found.ceiling_flops >= ours.matmul_flops > 0
    for each in others:
        if each.missing:
            assert "is not importable" in each.missing
        else:
            assert each.facts["loss"] == pytest.approx(ours.facts["loss"], rel=1e-4)
