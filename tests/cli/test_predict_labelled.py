"""`xtl predict` with an encoder: a checkpoint without a run, and what its heads say."""

from __future__ import annotations

import dataclasses
import json
import shutil
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from etils import epath
from flax import linen as nn
from xtl_tasks import catalog

import xtl_jax
from xtl_jax.checkpoint import names, ours
from xtl_jax.cli import (
    devices,
    labelled_caching,
    predict_labelled,
    predict_sets,
    train_dev_labels,
)
from xtl_jax.data import encoder_vocabulary, labelled_batches, store
from xtl_jax.errors import UserError
from xtl_jax.infer import label
from xtl_jax.infer import model as models
from xtl_jax.model import encoder
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.train.config import MeshConfig, RunConfig

pytestmark = pytest.mark.usefixtures("compiled_once")

PIECES = encoder_vocabulary.load("bytes")
WORDS = ("entailment", "neutral", "contradiction")
HEADS = (
    Head(name="mnli", kind="classification", labels=WORDS),
    Head(name="squad_v1", kind="span"),
    Head(name="udpos", kind="tagging", labels=catalog.family("udpos").tags),
    Head(name="copa", kind="choice"),
)
LENGTH = 256
TASKS = (
    *("world_nli.sw", "world_qa.sw", "world_tagging.sw"),
    *("world_retrieval.sw", "world_retrieval.de"),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights, converted, under heads that were trained on other tasks."""
    config = EncoderConfig(
        architecture="xlm-roberta",
        vocab=PIECES.size,
        embed=16,
        heads=2,
        mlp=32,
        layers=2,
        positions=LENGTH + 2,
        task_heads=HEADS,
    )
    params = nn.unbox(encoder.init_params(config, jax.random.key(3)))
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree.leaves_with_path(params)
    }
    source = names.Source(
        config=config,
        name="random",
        step=0,
        read=lambda entry, layer: (
            leaves[entry.path] if layer is None else leaves[entry.path][layer]
        ),
    )
    folder = tmp_path_factory.mktemp("encoder") / "checkpoint"
    ours.write(source, epath.Path(folder))
    return folder


def _flags(checkpoint, run_dir, data_dir, cache_dir, *, length=LENGTH):
    return (
        *("predict", checkpoint, "--run_dir", run_dir, "--vocabulary", "bytes"),
        *("--data_dir", data_dir, "--cache_dir", cache_dir),
        *("--input_length", length, "--batch_size", 8, "--json"),
    )


@pytest.fixture(scope="module")
def predicted(checkpoint, world_data, tmp_path_factory, compiled_once):
    """A run directory with what the random heads say; copy it before changing it."""
    import contextlib
    import io

    from xtl_jax.cli import main

    folder = tmp_path_factory.mktemp("predicted")
    flags = _flags(checkpoint, folder / "run", world_data, folder / "cache")
    tasks = [flag for name in TASKS for flag in ("--task", name)]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main.main([*map(str, flags), *tasks])
    assert code == 0, said.getvalue()
    assert json.loads(said.getvalue())["missing"] == {}
    return folder / "run"


@pytest.fixture
def run_dir(predicted, tmp_path):
    return shutil.copytree(predicted, tmp_path / "run")


@pytest.fixture(scope="module")
def model(checkpoint):
    return xtl_jax.load(str(checkpoint))


def _rows(run_dir, task):
    path = run_dir / "predictions" / f"{task}.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _joined(*texts):
    first, *others = map(PIECES.encode, texts)
    ids = [PIECES.start_id, *first, PIECES.end_id]
    for each in others:
        ids += [PIECES.end_id, *each, PIECES.end_id]
    return _padded(ids)


def _padded(ids):
    """One row of always the same length, so that little is compiled."""
    return np.array([[*ids, *[PIECES.pad_id] * (LENGTH - len(ids))]])


def test_a_class_is_the_most_probable_of_the_head(predicted, model):
    rows = _rows(predicted, "world_nli.sw")
    assert len(rows) == 4
    for row in rows:
        logits = model.logits(
            inputs=_joined(*row["inputs"].split(" </s> </s> ")), head="mnli"
        )[0]
        expected = logits - np.logaddexp.reduce(logits)
        options = row["options"]
        assert [option["text"] for option in options] == ["0", "1", "2"]
        found = [option["log_probability"] for option in options]
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert row["prediction"] == str(expected.argmax())
        assert row["log_probability"] == max(found)
        assert row["decoding"]["method"] == "label"
        assert row["decoding"]["head"] == "mnli"


def test_a_word_has_the_tag_of_its_first_token(predicted, model):
    for row in _rows(predicted, "world_tagging.sw"):
        ids, places = [PIECES.start_id], []
        for word in row["context"].split("\t"):
            places.append(len(ids))
            ids += PIECES.encode(word)
        logits = model.logits(inputs=_padded([*ids, PIECES.end_id]), head="udpos")
        best = logits[0][places].argmax(axis=1)
        tags = [HEADS[2].labels[number] for number in best]
        assert row["prediction"] == " ".join(tags)
        assert row["prediction_raw"] == row["prediction"]


def test_an_answer_is_the_best_span_of_the_context(predicted, model):
    for row in _rows(predicted, "world_qa.sw"):
        question, context = row["inputs"].split(" </s> </s> ")
        assert row["context"] == context
        logits = model.logits(inputs=_joined(question, context), head="squad_v1")[0]
        first = len(PIECES.encode(question)) + 3
        part = logits[first : first + len(PIECES.encode(context))]
        logits = logits[: first + len(part) + 1]
        assert row["prediction"] in context
        # All spans of at most 30 tokens whose ends are among the 20 best, by hand.
        starts, ends = (np.argsort(-logits[:, side])[:20] - first for side in (0, 1))
        scores = {
            (begin, end): part[begin, 0] + part[end, 1]
            for begin in starts
            for end in ends
            if 0 <= begin <= end < len(part) and end - begin < 30
        }
        begin, end = max(scores, key=lambda span: scores[span])
        text = context.encode()[begin : end + 1].decode(errors="ignore")
        assert row["prediction"] == text.strip()
        assert row["decoding"] | {"method": "span", "n_best": 20} == row["decoding"]


def test_sentences_are_found_by_the_mean_of_their_states(predicted, model):
    def vectors(texts):
        found = np.concatenate([model.embed(inputs=_joined(text)) for text in texts])
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    rows = _rows(predicted, "world_retrieval.sw")
    document = json.loads((predicted / "run.json").read_text())
    data_dir = document["run"]["data_dir"]
    path = f"{data_dir}/world/retrieval/sw.test.tsv"
    with open(path, encoding="utf-8") as lines:
        swahili = [line.rstrip("\n").split("\t")[1] for line in lines]
    cosines = vectors([row["inputs"] for row in rows]) @ vectors(swahili).T
    for row, similar in zip(rows, cosines, strict=True):
        assert row["prediction"] == f"sw-test-{similar.argmax():05d}"
        assert row["similarities"] == pytest.approx([similar.max()], abs=1e-5)
        assert "prefix" not in row["decoding"]


def test_words_before_a_text_change_its_vector(xtl, run_dir, model):
    flags = ("--task", "world_retrieval.sw", "--embed_prefix", "query:", "--json")
    done = xtl("predict", run_dir, *flags)
    assert done.code == 0, done
    row = _rows(run_dir, "world_retrieval.sw")[0]
    assert row["decoding"]["prefix"] == "query:"
    before = json.loads((run_dir / "run.json").read_text())
    data_dir = before["run"]["data_dir"]
    with open(f"{data_dir}/world/retrieval/sw.test.tsv", encoding="utf-8") as lines:
        texts = [line.rstrip("\n").split("\t")[1] for line in lines]
    query, *others = (
        model.embed(inputs=_joined(f"query:{text}"))[0]
        for text in (row["inputs"], *texts)
    )
    best = max(
        float(query @ other / np.linalg.norm(query) / np.linalg.norm(other))
        for other in others
    )
    assert row["similarities"] == pytest.approx([best], abs=1e-5)


def test_a_run_without_steps_is_scored_and_shown_as_any_other(xtl, run_dir):
    done = xtl("score", run_dir, "--json")
    assert done.code == 0, done
    scores = json.loads(done.out)["scores"]
    assert set(scores) == set(TASKS)
    for task in TASKS:
        assert scores[task]["total"] == 4
        assert "post:none" in scores[task]["signature"]
    assert scores["world_tagging.sw"]["shares_percent"]["unplaced"] is None
    assert xtl("report", run_dir).code == 0
    assert (run_dir / "report.html").is_file()


def test_a_run_without_steps_can_be_asked_again(xtl, run_dir):
    done = xtl("predict", run_dir, "--task", "world_nli.de", "--json")
    assert done.code == 0, done
    assert len(_rows(run_dir, "world_nli.de")) == 4
    done = xtl("layers", run_dir, "--task", "world_retrieval.sw/test", "--oracle")
    assert done.code == 0, done


def _gold(config, params, rows, *, head, first=None, **settings):
    """What a head would say that is always right and sure."""
    found = []
    for row in range(labelled_batches.examples_of(rows, first)):
        targets = rows.tokens("targets", row)
        size = {"classification": head.outputs, "choice": len(targets) - 1}
        if head.kind == "tagging":
            values = np.maximum(targets, 0)
        elif head.kind == "span":
            values = np.zeros((len(rows.tokens("inputs", row)), 2))
            values[targets[0], 0] = values[targets[1], 1] = 9.0
        else:
            values = np.full(size[head.kind], -9.0)
            values[targets[0]] = 0.0
        found.append(label.Said(values, np.zeros(len(values))))
    return found


@pytest.mark.parametrize("length", [96, LENGTH])  # 96 bytes: several windows
def test_right_labels_score_100(
    xtl, checkpoint, world_data, tmp_path, monkeypatch, length
):
    monkeypatch.setattr(label, "label", _gold)
    run_dir = tmp_path / "gold"
    path = checkpoint
    flags = _flags(path, run_dir, world_data, tmp_path / "cache", length=length)
    tasks = ["world_nli.ar", "world_tagging.ru", "world_qa.zh"]
    if length < LENGTH:
        tasks.remove("world_qa.zh")  # 128 tokens are shared by two windows
    done = xtl(*flags, *(flag for task in tasks for flag in ("--task", task)))
    assert done.code == 0, done
    scores = json.loads(xtl("score", run_dir, "--json").out)["scores"]
    for task in tasks:
        assert set(scores[task]["values"].values()) == {100.0}, task


SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Ada",
            "paragraphs": [
                {
                    "context": "Ada wrote the first program. " * 12 + "Grace too.",
                    "qas": [
                        {
                            "id": "yes",
                            "question": "Who too?",
                            "is_impossible": False,
                            "answers": [{"text": "Grace", "answer_start": 348}],
                        },
                        {
                            "id": "no",
                            "question": "When?",
                            "is_impossible": True,
                            "answers": [],
                        },
                    ],
                }
            ],
        }
    ],
}


def test_a_question_may_have_no_answer(xtl, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(label, "label", _gold)
    (tmp_path / "two.json").write_text(json.dumps(SQUAD))
    run_dir = tmp_path / "run"
    flags = _flags(checkpoint, run_dir, tmp_path, tmp_path / "cache")
    subset = ("--file", "squad_v2/validation=two.json")
    done = xtl(*flags, "--task", "squad_v2/validation", *subset)
    assert done.code == 0, done
    answered, not_answered = _rows(run_dir, "squad_v2.en")
    assert (answered["prediction"], not_answered["prediction"]) == ("Grace", "")
    assert answered["decoding"]["null_threshold"] == 0.0
    for row, sure in ((answered, False), (not_answered, True)):
        (option,) = row["options"]
        assert option["text"] == "unanswerable"
        assert (option["log_probability"] > np.log(0.5)) == sure
    expected = json.loads((run_dir / "predictions/expected.json").read_text())
    assert expected["sets"]["squad_v2.en"]["ids"] == ["yes", "no"]
    scores = json.loads(xtl("score", run_dir, "--json").out)["scores"]
    assert scores["squad_v2.en"]["values"]["f1"] == 100.0
    again = ("predict", run_dir, "--task", "squad_v2/validation")
    assert xtl(*again, "--null_threshold", "99").code == 0
    assert all(row["prediction"] for row in _rows(run_dir, "squad_v2.en"))
    assert xtl(*again, "--examples", "1", "--json").code == 0
    assert [row["id"] for row in _rows(run_dir, "squad_v2.en")] == ["yes"]


def test_english_dev_scores_are_those_of_the_same_predictions(
    xtl, run_dir, checkpoint, world_data, tmp_path
):
    tasks = ("world_nli.en", "world_tagging.en", "world_qa.en")
    flags = [flag for task in tasks for flag in ("--task", f"{task}/validation")]
    shutil.rmtree(run_dir / "predictions")
    assert xtl("predict", run_dir, *flags).code == 0
    scores = json.loads(xtl("score", run_dir, "--json").out)["scores"]
    document = json.loads((run_dir / "run.json").read_text())
    run = RunConfig(**document["run"])
    model = models.load_encoder(str(checkpoint))
    for task in tasks:
        dev = labelled_caching.ensure_store(
            task, split="validation", run=run, vocabulary=PIECES
        )
        inputs: Any = SimpleNamespace(
            dev=SimpleNamespace(task=task, store=dev),
            config=SimpleNamespace(run=run, model=model.config),
            vocabulary=PIECES,
        )
        with devices.on_mesh(MeshConfig()) as mesh:
            evaluate = train_dev_labels.labelled_evaluation(inputs, mesh)
            found = evaluate(SimpleNamespace(params=model.params))
        metric = catalog.find(task)[0].metric
        assert metric is not None
        assert found.pop("score") == found[metric.primary]
        assert found == pytest.approx(scores[task]["values"])


def _labeller(tmp_path):
    run = RunConfig(
        task="none",
        steps=0,
        lengths={"inputs": 64, "targets": 2},
        vocabulary="bytes",
        run_dir=str(tmp_path),
    )
    config = EncoderConfig(
        architecture="bert",
        vocab=PIECES.size,
        embed=4,
        heads=1,
        mlp=4,
        layers=1,
        positions=64,
        task_heads=HEADS,
    )
    return predict_labelled.Labeller(run, config, None, PIECES, lambda rows: rows)


def _written(tmp_path, kind, rows):
    card = {"task": "toy", "split": "test", "kind": kind, "length": 64, "labels": []}
    return store.Store(store.write(tmp_path / "s", rows, card))


@pytest.mark.parametrize(
    ("family", "expected"),
    [("copa", "choice2"), ("copa_rank", "I got wet.")],
)
def test_an_option_is_named_or_written_as_the_task_wants(
    tmp_path, monkeypatch, family, expected
):
    monkeypatch.setattr(label, "label", _gold)
    meta = {
        "id": "1",
        "inputs": "It rained.",
        "references": [expected],
        "context": None,
        "options": ["I sat.", "I got wet."],
    }
    row = {"inputs": [0, 9, 2, 0, 8, 2], "targets": [1, 3, 3], "meta": meta}
    (found,) = predict_labelled.answer(
        catalog.family(family),
        _written(tmp_path, "choice", [row]),
        by=_labeller(tmp_path),
        examples=1,
    )
    assert found.answer.text == expected
    assert [option.text for option in found.answer.options][1] == expected


def test_windows_that_do_not_follow_each_other_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(label, "label", _gold)
    rows = [
        {
            "inputs": [0, 9, 2],
            "targets": [-1, 3, -1],
            "meta": {"id": "7", "example": 0, "offset": offset, "positions": [1]},
        }
        for offset in (0, 2)
    ]
    split = _written(tmp_path, "tagging", rows)
    assert predict_sets.rows_of(split, 1) == [range(2)]
    assert predict_sets.examples_in(split) == 1
    with pytest.raises(UserError, match="'7': a window begins with word 2, the ones"):
        predict_labelled.answer(
            *(catalog.family("udpos"), split), by=_labeller(tmp_path), examples=1
        )


@pytest.mark.parametrize(
    ("move", "says"),
    [
        (None, r"smoothing_sigma=0\.5 certifies .*, and udpos is .* head for tagging"),
        (lambda numbers, ids: ids, r"smoothing_sigma and an attack .*: leave one out"),
    ],
)
def test_a_vote_under_noise_is_of_classes_alone(tmp_path, move, says):
    by = _labeller(tmp_path)
    by = by._replace(run=dataclasses.replace(by.run, smoothing_sigma=0.5))
    with pytest.raises(UserError, match=says):
        predict_labelled.answer(
            *(catalog.family("udpos"), None), by=by, examples=1, move=move
        )


def test_what_is_missing_or_does_not_fit_is_said(
    xtl, checkpoint, run_dir, world_data, tmp_path
):
    done = xtl("predict", checkpoint, "--task", "world_nli.de")
    assert done.code == 2
    assert "--run_dir and --vocabulary too" in done.err
    done = xtl("predict", run_dir, "--vocabulary", "bytes", "--task", "world_nli.de")
    assert "is a run and has its vocabulary (bytes)" in done.err
    done = xtl("predict", run_dir, "--task", "world_nli.de", "--head", "udpos")
    assert "the head 'udpos' cannot answer world_nli" in done.err
    done = xtl("predict", run_dir, "--task", "world_paraphrase.de")
    assert "no head of the model can answer world_paraphrase" in done.err
    flags = ("predict", run_dir, "--task", "world_retrieval.sw")
    done = xtl(*flags, "--embed_layer", "3")
    assert "layer must be -1 (the last) or 0 … 2" in done.err
    other = _flags(checkpoint, run_dir, world_data, tmp_path / "c", length=64)
    done = xtl(*other, "--task", "world_nli.de")
    assert done.code == 2
    assert "holds a run of another config: lengths" in done.err


def test_words_before_a_text_are_of_encoders(xtl, copied):
    flags = ("--task", "world_retrieval.sw", "--embed_prefix", "query:")
    done = xtl("predict", copied, *flags)
    assert done.code == 2
    assert "embed_prefix='query:' is of encoders" in done.err
