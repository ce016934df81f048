"""`xtl layers`: every layer scored from one pass, and whose labels that used."""

from __future__ import annotations

import json

import numpy as np
import pytest

import xtl_jax
from xtl_jax.data import vocabulary

pytestmark = pytest.mark.usefixtures("compiled_once")


def _side(data_dir, code, split):
    lines = (data_dir / f"world/retrieval/{code}.{split}.tsv").read_text("utf-8")
    return [line.split("\t")[1] for line in lines.splitlines()]


def _accuracy(run_dir, sides, *, layer):
    """By the model's own front door: how often the most similar is the right one."""
    model, pieces = xtl_jax.load(str(run_dir)), vocabulary.load("bytes")
    vectors = []
    for texts in sides:
        ids = np.zeros((len(texts), 96), np.int32)
        for row, text in zip(ids, texts, strict=True):
            tokens = [*pieces.encode(text)[:95], 1]
            row[: len(tokens)] = tokens
        found = model.embed(inputs=ids, layer=layer)
        vectors.append(found / np.linalg.norm(found, axis=1, keepdims=True))
    english, other = vectors
    best = (english @ other.T).argmax(axis=1)
    return 100.0 * float((best == np.arange(len(best))).mean())


def test_each_layer_scores_what_its_vectors_score(xtl, trained, copied, unchanged):
    flags = ("--task", "world_retrieval.sw", "--task", "world_retrieval.de")
    with unchanged(copied):
        done = xtl("layers", copied, *flags, "--json")
    assert done.code == 0, done
    result = json.loads(done.out)
    assert [row["layer"] for row in result["layers"]] == [-1, 0, 1]
    assert (result["split"], result["oracle"]) == ("validation", False)
    assert result["labels_of"] == ["sw", "de"]
    english = _side(trained.data_dir, "en", "validation")
    for row in result["layers"]:
        for code in ("sw", "de"):
            sides = (english, _side(trained.data_dir, code, "validation"))
            expected = _accuracy(copied, sides, layer=row["layer"])
            assert row["scores"][code] == expected
        assert row["mean"] == sum(row["scores"].values()) / 2
    means = {row["layer"]: row["mean"] for row in result["layers"]}
    assert means[result["best"]] == max(means.values())


def test_a_layer_chosen_on_test_is_marked(xtl, copied):
    done = xtl("layers", copied, "--task", "world_retrieval.sw/test")
    assert done.code == 2, done
    assert "oracle selection; name a validation split" in done.err
    flags = ("--task", "world_retrieval.sw/test", "--layers=1,-1")
    done = xtl("layers", copied, *flags, "--oracle", "--json")
    result = json.loads(done.out)
    assert (result["split"], result["oracle"]) == ("test", True)
    assert [row["layer"] for row in result["layers"]] == [1, -1]
    done = xtl("layers", copied, *flags, "--oracle")
    assert "ORACLE SELECTION by test labels of sw" in done.out
    done = xtl("layers", copied, "--task", "world_retrieval.sw")
    assert "with this layer no zero-shot results in sw" in done.out
    assert "best: --embed_layer=" in done.out


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--task", "world_qa.en"), "world_qa is no retrieval family"),
        (
            ("--task", "world_retrieval.sw", "--layers=0,2"),
            "layer must be -1 (normalised output) or 0 … 1, got 2",
        ),
        (("--task", "world_retrieval.sw", "--layers=0,0"), "names a layer twice"),
        (("--task", "world_retrieval.sw", "--layers=last"), "give whole numbers"),
        (("--task", "tatoeba.sw"), "tatoeba.sw has no split 'validation'"),
    ],
)
def test_what_cannot_be_swept_is_refused(xtl, copied, flags, says):
    done = xtl("layers", copied, *flags)
    assert done.code == 2, done
    assert says in done.err


def test_what_is_no_run_is_refused(xtl, tmp_path):
    done = xtl("layers", tmp_path, "--task", "world_retrieval.sw")
    assert done.code == 2
    assert f"{tmp_path} holds no run.json: give the run directory" in done.err


def test_a_threshold_is_tuned_for_each_layer(xtl, copied, tmp_path):
    """Of BUCC's dev, scored like `xtl predict` and `xtl score` do one layer."""
    folder = tmp_path / "data" / "bucc2018"
    folder.mkdir(parents=True)
    for code, word in (("de", "Satz"), ("en", "line")):
        texts = "".join(f"{code}-{n}\t{word} {n} hier\n" for n in range(6))
        (folder / f"de-en.dev.{code}").write_text(texts, encoding="utf-8")
    (folder / "de-en.dev.gold").write_text("de-1\ten-1\nde-4\ten-4\n")
    flags = ("--data_dir", tmp_path / "data", "--cache_dir", tmp_path / "cache")
    done = xtl("layers", copied, "--task", "bucc.de", *flags, "--json")
    assert done.code == 0, done
    for row in json.loads(done.out)["layers"]:
        layer = ("--embed_layer", row["layer"], "--task", "bucc.de/validation")
        assert xtl("predict", copied, *layer, *flags).code == 0
        score = json.loads(xtl("score", copied, "--json").out)["scores"]["bucc.de"]
        assert row["scores"] == {"de": score["values"]["f1"]}
