"""`xtl` with heads over all layers, parallel text, perturbed and augmented training."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import store
from xtl_jax.data.store import Store
from xtl_jax.infer import records

pytestmark = pytest.mark.usefixtures("compiled_once", "optax_promotes")

GIN = """
EncoderConfig.architecture = "xlm-roberta"
EncoderConfig.vocab = 0
EncoderConfig.embed = 16
EncoderConfig.heads = 2
EncoderConfig.mlp = 32
EncoderConfig.layers = 1
EncoderConfig.positions = 98
DROPOUT_RATE = 0.1
RunConfig.vocabulary = "bytes"
RunConfig.lengths = {"inputs": 96, "targets": 2}
RunConfig.steps = 4
RunConfig.log_period = 2
RunConfig.save_period = 2
RunConfig.dev_task = "none"
RunConfig.evaluate_examples = 2
RunConfig.schedule = "constant"
RunConfig.warmup_share = 0.0
RunConfig.head_layers = "attention"
RunConfig.contrastive_layer = 1
RunConfig.perturbation = "gaussian"
RunConfig.perturbation_radius = 0.1
RunConfig.augmentation = ("character_noise:budget=0.3",)
"""
TASKS = ("world_nli.en", "world_parallel.de")


@pytest.fixture(scope="module")
def flags(tmp_path_factory, world_data):
    folder = tmp_path_factory.mktemp("representation")
    gin = folder / "encoder.gin"
    gin.write_text(GIN)
    return (
        "--gin_file=runs/encoder.gin",
        f"--gin_file={gin}",
        "--gin.BATCH_SIZE=8",
        "--gin.MixtureConfig.name=mine",
        f"--gin.MixtureConfig.tasks={list(TASKS)}",
        "--gin.MixtureConfig.rates=equal",
        f"--data_dir={world_data}",
        f"--cache_dir={folder / 'cache'}",
    )


@pytest.fixture(scope="module")
def trained(flags, tmp_path_factory, optax_promotes, compiled_once):
    from xtl_jax.cli import main

    run_dir = tmp_path_factory.mktemp("runs") / "all"
    code = main.main(
        [
            *("run", *flags, f"--run_dir={run_dir}"),
            "--gin.RunConfig.evaluate=world_nli.sw,world_retrieval.de",
        ]
    )
    assert code == 0
    return run_dir


def test_all_of_it_trains_predicts_and_is_recorded(trained, flags):
    document = json.loads((trained / "run.json").read_text())
    (head,) = document["model"]["task_heads"]
    assert (head["name"], head["layers"]) == ("world_nli", "attention")
    pairs = document["feed"]["tasks"]["world_parallel.de"]
    assert pairs["kind"] == "contrastive"
    assert pairs["supervision"] == "parallel text, no labels"
    scores = {path.stem for path in (trained / "scores").glob("*.*.json")}
    assert scores == {"world_nli.sw", "world_retrieval.de"}
    model = xtl_jax.load(str(trained))
    assert "over_layers" in model.params["heads"]["world_nli"]


def test_attacked_rows_have_a_cache_of_their_own(trained, flags):
    cache = epath.Path(flags[-1].removeprefix("--cache_dir="))
    (folder,) = cache.glob("world_nli.en/train-*")
    card = Store(folder).card
    how = card["definition"]["augmentation"]
    assert how["share"] == 0.5
    assert how["attacks"] == ["character_noise:budget=0.3:seed=0"]
    (folder,) = cache.glob("world_parallel.de/train-*")
    assert "augmentation" not in Store(folder).card["definition"]


def test_a_run_in_two_parts_is_the_unbroken_run(xtl, flags, trained, tmp_path):
    for steps in (2, 4):
        done = xtl(
            *("train", *flags, f"--run_dir={tmp_path}", f"--gin.TRAIN_STEPS={steps}")
        )
        assert done.code == 0, done.err
    _, mine = store.read_params(epath.Path(tmp_path))
    _, whole = store.read_params(epath.Path(trained))
    jax.tree.map(np.testing.assert_array_equal, mine, whole)


def test_hugging_face_gets_the_encoder_and_not_such_a_head(xtl, trained, tmp_path):
    done = xtl("convert", str(trained), str(tmp_path / "a"), "--to=huggingface")
    assert done.code == 2
    assert "reads all layers" in done.err
    done = xtl(
        *("convert", str(trained), str(tmp_path / "b"), "--to=huggingface"),
        "--head=none",
    )
    assert done.code == 0, done.err


def test_a_vote_under_noise_is_recorded_with_its_radius(xtl, flags, trained):
    data, cache = flags[-2:]
    done = xtl(
        *("predict", str(trained), "--task=world_nli.sw", "--smoothing_samples=50"),
        *("--smoothing_sigma=0.01", data, cache, "--json"),
    )
    assert done.code == 0, done.err
    found = records.read(trained / "predictions" / "world_nli.sw.jsonl")
    assert found
    for record in found:
        certificate = record.certificate
        assert sum(certificate["votes"]) == 50
        assert bool(record.prediction) == (certificate["radius"] > 0)
        assert certificate["radius"] < 0.01 * 3
        assert certificate["length"] > 0
        assert record.decoding["method"] == "vote"
    done = xtl("score", str(trained), "--json")
    assert done.code == 0, done.err
    (points, share) = (
        json.loads(done.out)["certified"]["world_nli"]["sw"][key]
        for key in ("points", "abstained")
    )
    none = sum(not record.prediction for record in found)
    assert share == pytest.approx(100 * none / len(found))
    right = [r for r in found if r.prediction in r.references]
    assert points[0]["accuracy"] == pytest.approx(100 * len(right) / len(found))
    far = [r for r in right if r.certificate["radius"] > 0.01]
    assert points[2]["accuracy"] == pytest.approx(100 * len(far) / len(found))
    assert xtl("report", str(trained)).code == 0
    assert "world_nli, certified" in (trained / "report.html").read_text()
    assert "within 0.01 " in (trained / "report.md").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--gin.RunConfig.contrastive_layer=3"], "1 layers"),
        (["--gin.BATCH_SIZE=8", "--gin.RunConfig.microbatches=8"], "larger BATCH_SIZE"),
        (["--gin.RunConfig.augmentation=code_mixed"], "attack_lexicons"),
        (["--gin.RunConfig.augmentation=words_shuffled"], "probe"),
        (["--gin.RunConfig.augmentation=greedy:keyboard"], "searches"),
        (["--gin.RunConfig.augmentation=question_translated"], "parallel"),
        (["--gin.RunConfig.augmentation_share=2.0"], "augmentation_share"),
        (["--gin.RunConfig.dev_task=world_parallel.de"], "parallel text"),
    ],
)
def test_what_cannot_be_meant_is_said(xtl, flags, tmp_path, changes, message):
    done = xtl("train", *flags, f"--run_dir={tmp_path / 'run'}", *changes)
    assert done.code == 2, done.err
    assert message in done.err
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_an_mt5_refuses_parallel_text(xtl, tiny_gin, world_data, tmp_path):
    done = xtl(
        *("train", f"--gin_file={tiny_gin}", f"--data_dir={world_data}"),
        *("--gin.RunConfig.task=world_parallel.de", f"--run_dir={tmp_path / 'run'}"),
        f"--cache_dir={tmp_path / 'cache'}",
    )
    assert done.code == 2
    assert "encoders learn" in done.err
