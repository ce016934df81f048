"""`xtl train` and `xtl run` with an encoder: heads, stages, resuming, LoRA."""

from __future__ import annotations

import json
import types

import jax
import numpy as np
import pytest

import xtl_jax
from xtl_jax.checkpoint import store
from xtl_jax.cli import train_labels
from xtl_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("compiled_once", "optax_promotes")

GIN = """
EncoderConfig.architecture = "xlm-roberta"
EncoderConfig.vocab = 0
EncoderConfig.embed = 16
EncoderConfig.heads = 2
EncoderConfig.mlp = 32
EncoderConfig.layers = 1
EncoderConfig.positions = 162
DROPOUT_RATE = 0.1
RunConfig.vocabulary = "bytes"
RunConfig.lengths = {"inputs": 160, "targets": 2}
RunConfig.window_stride = 32
RunConfig.question_length = 32
RunConfig.steps = 6
RunConfig.log_period = 2
RunConfig.save_period = 2
RunConfig.learning_rate = 0.01
RunConfig.dev_task = "none"
"""
TASKS = ("world_nli.en", "world_tagging.en", "world_qa.en", "world_text.de")
FOUR = (
    "--gin.MixtureConfig.name=mine",
    f"--gin.MixtureConfig.tasks={list(TASKS)}",
    "--gin.MixtureConfig.rates=equal",
)
ONE = ("--gin.RunConfig.task=world_nli.en",)


@pytest.fixture(scope="module")
def flags(tmp_path_factory, world_data):
    folder = tmp_path_factory.mktemp("encoder")
    gin = folder / "encoder.gin"
    gin.write_text(GIN)
    return (
        f"--gin_file={gin}",
        "--gin_file=runs/encoder.gin",
        "--gin.BATCH_SIZE=8",
        f"--data_dir={world_data}",
        f"--cache_dir={folder / 'cache'}",
    )


@pytest.fixture(scope="module")
def trained(flags, tmp_path_factory, optax_promotes, compiled_once):
    """A run on four tasks at once, each with a head of its own."""
    from xtl_jax.cli import main

    run_dir = tmp_path_factory.mktemp("runs") / "four"
    code = main.main(
        [
            *("run", *flags, *FOUR, f"--run_dir={run_dir}"),
            "--gin.RunConfig.dev_task=world_nli.en",
            "--gin.RunConfig.eval_period=3",
            "--gin.RunConfig.evaluate=world_nli,world_tagging,world_retrieval",
        ]
    )
    assert code == 0
    return run_dir


def test_each_family_of_a_mixture_gets_a_head_and_is_scored(trained):
    document = json.loads((trained / "run.json").read_text())
    kinds = {head["name"]: head["kind"] for head in document["model"]["task_heads"]}
    assert kinds == {
        "world_nli": "classification",
        "world_tagging": "tagging",
        "world_qa": "span",
        "masked_lm": "masked_lm",
    }
    log = [
        json.loads(line)
        for line in (trained / "log.jsonl").read_text().split("\n")[:-1]
    ]
    assert [line["step"] for line in log if line["kind"] == "eval"] == [3, 6]
    scores = {path.stem for path in (trained / "scores").glob("*.json")}
    assert {"world_nli.sw", "world_tagging.hi", "world_retrieval.zh"} <= scores
    assert (trained / "report.html").is_file()


def test_a_run_in_two_parts_is_the_unbroken_run(xtl, flags, trained, tmp_path):
    for steps in (2, 6):
        done = xtl("train", *flags, *FOUR, f"--run_dir={tmp_path}",
                   f"--gin.TRAIN_STEPS={steps}", "--gin.RunConfig.schedule=constant",
                   "--gin.RunConfig.warmup_share=0")  # fmt: skip
        assert done.code == 0, done.err
    whole = tmp_path / "whole"
    done = xtl("train", *flags, *FOUR, f"--run_dir={whole}",
               "--gin.RunConfig.schedule=constant",
               "--gin.RunConfig.warmup_share=0")  # fmt: skip
    assert done.code == 0, done.err
    for left, right in zip(_leaves(tmp_path), _leaves(whole), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_stage_keeps_the_encoder_and_begins_with_its_own_head(
    xtl, flags, trained, tmp_path
):
    done = xtl("train", *flags, f"--run_dir={tmp_path / 'next'}",
               "--gin.TRAIN_STEPS=0", "--gin.RunConfig.task=world_paraphrase.en",
               f"--gin.INITIAL_CHECKPOINT_PATH={trained}")  # fmt: skip
    assert done.code == 0, done.err
    assert "that start anew: world_paraphrase" in done.err
    old, new = (xtl_jax.load(str(path)) for path in (trained, tmp_path / "next"))
    assert [head.name for head in new.config.task_heads] == ["world_paraphrase"]
    jax.tree.map(
        np.testing.assert_array_equal, new.params["encoder"], old.params["encoder"]
    )


def test_a_head_of_the_same_name_and_labels_goes_on(xtl, flags, trained, tmp_path):
    done = xtl("train", *flags, *ONE, f"--run_dir={tmp_path / 'next'}",
               "--gin.TRAIN_STEPS=0",
               f"--gin.INITIAL_CHECKPOINT_PATH={trained}")  # fmt: skip
    assert done.code == 0, done.err
    assert "that go on: world_nli" in done.err
    old, new = (xtl_jax.load(str(path)) for path in (trained, tmp_path / "next"))
    jax.tree.map(
        np.testing.assert_array_equal,
        new.params["heads"]["world_nli"],
        old.params["heads"]["world_nli"],
    )


def test_lora_trains_factors_and_the_whole_head(xtl, flags, trained, tmp_path):
    run_dir = tmp_path / "lora"
    done = xtl("train", *flags, *ONE, f"--run_dir={run_dir}", "--gin.TRAIN_STEPS=2",
               "--gin.RunConfig.lora_rank=2",
               f"--gin.INITIAL_CHECKPOINT_PATH={trained}")  # fmt: skip
    assert done.code == 0, done.err
    old, new = (xtl_jax.load(str(path)) for path in (trained, run_dir))
    query = ("encoder", "layers", "attention", "query", "kernel")
    mlp = ("encoder", "layers", "mlp", "wi", "kernel")
    head = ("heads", "world_nli", "out", "kernel")
    for path, moves in ((query, True), (mlp, False), (head, True)):
        before, after = (_at(model.params, path) for model in (old, new))
        assert bool((before != after).any()) is moves, path


def test_a_head_of_other_labels_is_not_shared():
    stores = {
        f"world_tagging.{language}": types.SimpleNamespace(card={"labels": labels})
        for language, labels in (("en", ["N", "V"]), ("de", ["N", "V", "X"]))
    }
    with pytest.raises(UserError, match=r"world_tagging\.de .* 3 of them, not 2"):
        train_labels.heads_of(stores, layers="last")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--gin.TASK_FEATURE_LENGTHS={'inputs': 512, 'targets': 2}"], "160 tokens"),
        (["--gin.RunConfig.task=world_retrieval.sw"], "retrieval"),
        (["--gin_file=models/tiny.gin"], "EncoderConfig"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_computed(
    xtl, flags, tmp_path, changes, message
):
    done = xtl("train", *flags, *ONE, f"--run_dir={tmp_path / 'run'}", *changes)
    assert done.code == 2, done.err
    assert message in done.err
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_dry_run_compiles_the_widest_batch_of_each_head(xtl, flags, tmp_path):
    run_dir = tmp_path / "run"
    done = xtl("train", *flags, *FOUR, f"--run_dir={run_dir}", "--dry_run", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["step_temporary_bytes"] > 0
    assert set(found["examples"]) == set(TASKS)
    assert not run_dir.exists()


def _leaves(run_dir):
    from etils import epath

    _, params = store.read_params(epath.Path(run_dir))
    return jax.tree.leaves(params)


def _at(tree, path):
    for key in path:
        tree = tree[key]
    return np.asarray(tree)
