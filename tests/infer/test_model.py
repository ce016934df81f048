"""One door for all checkpoints; what does not fit through is told why."""

from __future__ import annotations

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import xtl_jax
from xtl_jax.checkpoint.store import Store
from xtl_jax.errors import UserError
from xtl_jax.infer.model import LoadedModel
from xtl_jax.train.state import TrainState


@pytest.fixture(scope="module")
def run_dir(toy, toy_params, tmp_path_factory):
    """A run with checkpoints of steps 1, 2 (the best) and 3; norms tell them apart."""
    folder = tmp_path_factory.mktemp("run")
    document = {
        "model": dataclasses.asdict(toy),
        "environment": {"vocabulary_size": 200},
    }
    (folder / "run.json").write_text(json.dumps(document))
    store = Store(folder, keep=9)
    for step, score in ((1, 10.0), (2, 30.0), (3, 20.0)):
        params = jax.tree.map(jnp.asarray, toy_params)
        params["encoder"]["encoder_norm"]["scale"] = jnp.full(128, float(step))
        state = TrainState(jnp.int32(step), params, ())
        store.save(step, state, {}, score=score)
    store.close()
    return folder


@pytest.fixture(scope="module")
def model(toy, toy_params):
    return LoadedModel(
        config=toy,
        params=toy_params,
        source="toy",
        step=0,
        vocabulary_size=200,
    )


def test_a_run_gives_its_best_checkpoint_and_its_vocabulary(run_dir, toy, toy_params):
    loaded = xtl_jax.load(str(run_dir))
    assert (loaded.step, loaded.vocabulary_size) == (2, 200)
    assert loaded.source == f"{run_dir}/checkpoints/2"
    assert loaded.config == toy
    assert set(loaded.params["encoder"]["encoder_norm"]["scale"]) == {2.0}
    head = loaded.params["logits_dense"]["kernel"]
    assert np.array_equal(head, toy_params["logits_dense"]["kernel"])


def test_a_run_gives_the_checkpoint_that_is_asked_for(run_dir):
    assert xtl_jax.load(str(run_dir), step=3).step == 3
    assert xtl_jax.load(str(run_dir / "checkpoints/1")).step == 1
    with pytest.raises(UserError, match=r"no checkpoint of step 7 .* \[1, 2, 3\]"):
        xtl_jax.load(str(run_dir), step=7)


def test_computation_may_be_bfloat16_while_parameters_are_not(run_dir):
    loaded = xtl_jax.load(str(run_dir), dtype="bfloat16")
    assert loaded.config.dtype == "bfloat16"
    kinds = {leaf.dtype for leaf in jax.tree.leaves(loaded.params)}
    assert kinds == {np.dtype(np.float32)}
    with pytest.raises(UserError, match=r"dtype must be one of .*, got 'float64'"):
        xtl_jax.load(str(run_dir), dtype="float64")


def test_a_folder_of_t5x_gives_the_newest_checkpoint(shared, tmp_path, t5x_random):
    source = shared / "conformance/t5x/random_legacy/checkpoint_0"
    for step in (9, 10):
        shutil.copytree(source, tmp_path / f"checkpoint_{step}")
    loaded = xtl_jax.load(str(tmp_path))
    assert loaded.step == 10
    assert loaded.source == str(tmp_path / "checkpoint_10")
    assert loaded.config == t5x_random.config
    assert xtl_jax.load(str(tmp_path), step=9).step == 9
    assert xtl_jax.load(str(tmp_path / "checkpoint_9")).step == 9
    with pytest.raises(UserError, match=r"no checkpoint of step 7, but of 10"):
        xtl_jax.load(str(tmp_path), step=7)


def test_a_hugging_face_folder_is_recognised(shared, hf_tiny):
    folder = shared / "conformance/hf/mt5_tiny"
    loaded = xtl_jax.load(str(folder))
    assert (loaded.config, loaded.step) == (hf_tiny.config, 0)
    with pytest.raises(UserError, match=r"no checkpoint of step 5, but of 0"):
        xtl_jax.load(str(folder), step=5)


def test_a_folder_of_something_else_is_refused_with_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("…")
    with pytest.raises(UserError, match=r"neither a run directory .* \['notes\.txt'\]"):
        xtl_jax.load(str(tmp_path))
    with pytest.raises(UserError, match=r"no folder .*nowhere: give a run directory"):
        xtl_jax.load(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model": ', r"run\.json is not complete JSON"),
        ("{}", r"run\.json was not written by this version .*'model'"),
        ('{"model": {"depth": 2}}', r"run\.json was not written by this version .*dep"),
    ],
)
def test_a_damaged_run_document_is_named(tmp_path, text, message):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=message):
        xtl_jax.load(str(tmp_path))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([[3, 256]], r"ids must be in \[0, 256\), got 3 … 256: the vocabulary does"),
        ([[3, -1]], r"ids must be in \[0, 256\), got -1 … 3"),
        ([3, 4], r"\[batch, length\] array, got int64 of shape \(2,\)"),
        ([[3.0]], r"whole numbers in a \[batch, length\] array, got float64"),
    ],
)
def test_ids_that_cannot_be_are_refused(model, ids, message):
    with pytest.raises(UserError, match=message):
        model.generate(inputs=ids)
    with pytest.raises(UserError, match=message):
        model.score(inputs=[[3]], targets=ids)


def test_an_embedding_is_the_mean_over_real_tokens(model, toy_params):
    table = toy_params["token_embedder"]["embedding"]
    embedded = model.embed(inputs=[[5, 6, 0, 0], [7, 8, 9, 1]], layer=0)
    means = [table[[5, 6]].mean(0), table[[7, 8, 9, 1]].mean(0)]
    np.testing.assert_allclose(embedded, means, rtol=1e-5, atol=1e-6)


def test_an_embedding_does_not_depend_on_padding(model):
    short = model.embed(inputs=[[5, 6, 7]])
    long = model.embed(inputs=[[5, 6, 7, 0, 0]])
    np.testing.assert_allclose(short, long, rtol=1e-5, atol=1e-6)
    with pytest.raises(UserError, match=r"layer must be -1 .* or 0 … 2, got 3"):
        model.embed(inputs=[[5]], layer=3)


def test_a_generated_text_scores_what_its_decoding_said(toy, toy_params, toy_batch):
    model = LoadedModel(
        config=toy,
        params=toy_params,
        source="toy",
        step=0,
        vocabulary_size=toy.vocab,
    )
    inputs = toy_batch["encoder_input_tokens"]
    tokens = model.generate(inputs=inputs, max_length=8)
    scores = model.score(inputs=inputs, targets=tokens)
    logits = model.logits(
        inputs=inputs, decoder_inputs=np.pad(tokens[:, :-1], ((0, 0), (1, 0)))
    )
    best = logits.max(-1) - np.logaddexp.reduce(logits, axis=-1)
    np.testing.assert_allclose(scores, (best * (tokens > 0)).sum(1), rtol=1e-5)
