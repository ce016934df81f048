"""LoRA from end to end: train, go on, predict, convert, and what is refused."""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import shutil
import types
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import pytest
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import store
from xtl_jax.cli import config as configs
from xtl_jax.cli import train_program
from xtl_jax.errors import UserError
from xtl_jax.model import lora
from xtl_jax.train.state import TrainState

pytestmark = pytest.mark.usefixtures("compiled_once")

LORA = ("--gin.RunConfig.lora_rank=4", "--gin.RunConfig.lora_alpha=16")
# Queries and values of three kinds of attention, [32, 32] each, one layer.
TRAINED = 3 * 2 * (32 * 4 + 4 * 32)


class Adapted(NamedTuple):
    """A run of LoRA of four steps on a base; copy them before changing them."""

    run_dir: pathlib.Path
    base: pathlib.Path
    flags: tuple[str, ...]  # of `xtl train`, but for --run_dir


@pytest.fixture(scope="module")
def run_main() -> Callable[..., None]:
    from xtl_jax.cli import main

    def run(*arguments: object) -> None:
        assert main.main([str(argument) for argument in arguments]) == 0

    return run


@pytest.fixture(scope="module")
def adapted(trained, tmp_path_factory, run_main):
    folder = tmp_path_factory.mktemp("lora")
    base = pathlib.Path(shutil.copytree(trained.run_dir, folder / "base"))
    flags = (*trained.flags, *LORA, f"--gin.INITIAL_CHECKPOINT_PATH={base}")
    flags += ("--gin.TRAIN_STEPS=4",)
    run_main("train", *flags, f"--run_dir={folder / 'run'}")
    return Adapted(folder / "run", base, flags)


@pytest.fixture
def own(adapted, tmp_path):
    """A copy of run and base to spoil; the run looks for its base in the copy."""
    base = shutil.copytree(adapted.base, tmp_path / "base")
    run = shutil.copytree(adapted.run_dir, tmp_path / "run")
    text = (run / "run.json").read_text().replace(str(adapted.base), str(base))
    (run / "run.json").write_text(text)
    flags = (each.replace(str(adapted.base), str(base)) for each in adapted.flags)
    return Adapted(run, base, tuple(flags))


def _params(run_dir):
    return store.read_params(epath.Path(run_dir))[1]


def _same(one, other):
    for mine, theirs in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_checkpoint_holds_the_factors_alone(adapted):
    params = _params(adapted.run_dir)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == TRAINED
    attention = params["encoder"]["layers"]["attention"]
    assert attention.keys() == {"query", "value"}
    assert np.any(attention["query"]["lora_b"])


def test_run_json_says_what_the_factors_belong_to(adapted):
    document = json.loads((adapted.run_dir / "run.json").read_text())
    assert document["run"]["lora_targets"] == ["query", "value"]
    base = document["base"]
    assert (base["checkpoint"], base["step"]) == (f"{adapted.base}/checkpoints/6", 6)


def test_a_dry_run_counts_what_is_trained(xtl, adapted, tmp_path):
    flags = (*adapted.flags, f"--run_dir={tmp_path / 'run'}", "--dry_run", "--json")
    done = xtl("train", *flags)
    assert done.code == 0, done
    found = json.loads(done.out)
    assert found["parameters_trained"] == TRAINED < found["parameters"]
    # The factors, and a second moment for each of their entries; then for each of the
    # twelve arrays the two halves (of one entry) that a moment is factored into where
    # it is large; and three counters: the state's, Adafactor's, the schedule's.
    assert found["state_bytes"] == 4 * (2 * TRAINED + 12 * 2 + 3)
    assert found["step_argument_bytes"] > 4 * found["parameters"] / 8
    whole = xtl("train", *flags, "--gin.RunConfig.lora_rank=0")
    whole = json.loads(whole.out)
    assert whole["parameters_trained"] == whole["parameters"] == found["parameters"]
    # Two for each weight and token less. On 96 inputs: the encoder's weights, and keys
    # and values of its output; on 16 targets: the decoder's other ones and the head.
    weights = (4 * 1024 + 3 * 2048 + 2 * 1024) * 96 + (6 * 1024 + 3 * 2048 + 12288) * 16
    flops = [each["useful_flops_per_step"] for each in (whole, found)]
    assert flops[0] - flops[1] == 2 * weights * 8


def test_a_run_in_parts_is_the_unbroken_run(xtl, adapted, tmp_path):
    parts = (*adapted.flags, f"--run_dir={tmp_path / 'parts'}")
    assert xtl("train", *parts, "--gin.TRAIN_STEPS=2").code == 0
    done = xtl("train", *parts)
    assert done.code == 0, done
    assert "going on after step 2" in done.err
    _same(_params(tmp_path / "parts"), _params(adapted.run_dir))


def test_the_dev_set_is_scored_by_the_whole_model(monkeypatch, adapted):
    asked = []
    monkeypatch.setattr(train_program.train_dev, "evaluation", lambda *_: asked.append)
    flags = argparse.ArgumentParser()
    configs.add_arguments(flags)
    rest, gin = configs.split_gin_flags([*adapted.flags, "--run_dir=none"])
    config = configs.from_arguments(flags.parse_args(rest, argparse.Namespace(gin=gin)))
    base, factors = xtl_jax.load(str(adapted.base)), _params(adapted.run_dir)
    inputs = types.SimpleNamespace(config=config)
    at = TrainState(np.int32(4), factors, ())
    train_program.evaluation(inputs, None, lora.frozen(base.params))(at)
    (seen,) = asked
    _same(seen.params, lora.merge(base.params, factors, scale=16 / 4))
    _same(at.params, factors)


def test_it_predicts_and_converts_as_the_merged_model(xtl, adapted, tmp_path):
    run = shutil.copytree(adapted.run_dir, tmp_path / "run")
    done = xtl("predict", run, "--task", "world_qa.en/test", "--batch_size", 8)
    assert done.code == 0, done
    lines = (run / "predictions/world_qa.en.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    assert row["checkpoint"] == str(run / "checkpoints/4")
    done = xtl("convert", run, tmp_path / "hf", "--json")
    assert done.code == 0, done
    told = json.loads(done.out)
    assert told["largest_logit_difference"] == 0.0
    # The loss that training saw is of the same model: merged on the device there.
    ids = np.array([[10, 20, 30, 1]])
    found = xtl_jax.load(str(tmp_path / "hf")).score(inputs=ids, targets=ids)
    factors, base = _params(run), xtl_jax.load(str(adapted.base))
    merged = lora.merge(base.params, factors, scale=16 / 4)
    expected = dataclasses.replace(base, params=merged).score(inputs=ids, targets=ids)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found != base.score(inputs=ids, targets=ids)


def test_the_next_stage_begins_with_the_merged_model(xtl, adapted, tmp_path):
    flags = (*adapted.flags, f"--gin.INITIAL_CHECKPOINT_PATH={adapted.run_dir}")
    flags += (f"--run_dir={tmp_path / 'run'}", "--gin.TRAIN_STEPS=0")
    done = xtl("train", *flags)
    assert done.code == 0, done
    one, other = (xtl_jax.load(str(run)) for run in (tmp_path / "run", adapted.run_dir))
    _same(one.params, other.params)


def test_a_base_may_move(xtl, own, tmp_path):
    moved = own.base.rename(tmp_path / "moved")
    done = xtl("train", *own.flags, f"--run_dir={own.run_dir}")
    assert done.code == 2
    assert f"{own.run_dir} goes on with LoRA" in done.err
    assert str(own.base) in done.err
    flags = (*own.flags, f"--gin.INITIAL_CHECKPOINT_PATH={moved}")
    done = xtl("train", *flags, f"--run_dir={own.run_dir}")
    assert done.code == 0, done
    assert xtl_jax.load(str(own.run_dir)).step == 4


def test_another_base_is_refused(xtl, own, tmp_path, unchanged):
    """The run itself, as a model, is not the one that it began with."""
    flags = (*own.flags, f"--gin.INITIAL_CHECKPOINT_PATH={own.run_dir}")
    with unchanged(own.run_dir):
        done = xtl("train", *flags, f"--run_dir={own.run_dir}", "--gin.TRAIN_STEPS=5")
    assert done.code == 2
    assert "another config: initial_checkpoint: other weights" in done.err
    assert f"{own.base}/checkpoints/6, step 6" in done.err


def test_a_run_that_goes_on_needs_no_initial_checkpoint(xtl, trained, copied):
    flags = (*trained.flags, "--gin.INITIAL_CHECKPOINT_PATH=no/longer/there")
    done = xtl("train", *flags, f"--run_dir={copied}")
    assert done.code == 0, done
    assert "going on after step 6" in done.err


REFUSED = {
    "lora_targets=qurey": ["'qurey' is part of no matrix", "near: query", "there are:"],
    "lora_targets=('query',3)": ["RunConfig.lora_targets"],
    "lora_targets=()": ["RunConfig.lora_targets must be parts of paths"],
    "lora_rank=33": ["lora_rank=33 is more than", "at most 32"],
    "lora_rank=-1": ["RunConfig.lora_rank", "at least 0"],
    "lora_rank=2.5": ["RunConfig.lora_rank", "whole number"],
    "lora_alpha=0": ["RunConfig.lora_alpha must be a number above 0"],
    "restore_optimizer=True": ["RunConfig.restore_optimizer", "lora_rank=4"],
    "initial_checkpoint=''": ["lora_rank=4 needs a model to begin from"],
}


@pytest.mark.parametrize("setting", REFUSED)
def test_bad_settings_are_refused_before_anything_is_written(
    xtl, adapted, tmp_path, setting
):
    run = tmp_path / "run"
    flags = (*adapted.flags, f"--gin.RunConfig.{setting}")
    done = xtl("train", *flags, f"--run_dir={run}")
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    for part in REFUSED[setting]:
        assert part in done.err
    assert not run.exists()


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("lora_rank=2", "lora_rank: 4 -> 2"),
        ("lora_alpha=2.0", "lora_alpha: 16.0 -> 2.0"),
        ("lora_targets=query", "lora_targets: ['query', 'value'] -> ['query']"),
    ],
)
def test_what_is_trained_cannot_change_on_the_way(xtl, own, unchanged, setting, says):
    with unchanged(own.run_dir):
        flags = (*own.flags, f"--gin.RunConfig.{setting}", f"--run_dir={own.run_dir}")
        done = xtl("train", *flags)
    assert done.code == 2
    assert says in done.err


def test_a_run_without_its_base_is_no_model(own):
    shutil.rmtree(own.base)
    with pytest.raises(UserError, match=rf"{own.run_dir} .*in {own.base}"):
        xtl_jax.load(str(own.run_dir))
