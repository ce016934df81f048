"""`xtl predict` and `xtl score` where nothing is decoded: ranking and retrieval."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("compiled_once")
CODES = ("ar", "de", "es", "hi", "ru", "sw", "tr", "zh")


def _rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def retrieved(xtl, trained, copied):
    """A run with what the toy's sentences find."""
    done = xtl("predict", copied, "--task", "world_retrieval", "--json")
    assert done.code == 0, done
    assert json.loads(done.out)["missing"] == {}
    return copied


@pytest.fixture
def predict_from(xtl, copied, tmp_path):
    """Predicts from files that are written for the purpose."""

    def predict(files, *flags):
        data = tmp_path / "data"
        shutil.rmtree(data, ignore_errors=True)
        for name, text in files.items():
            path = data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return xtl(
            *("predict", copied, "--json", "--data_dir", data),
            *("--cache_dir", tmp_path / "cache", *flags),
        )

    return predict


def _settings(run_dir, files):
    """File settings of a run, as its configuration would have them."""
    path = run_dir / "run.json"
    document = json.loads(path.read_text())
    document["run"]["files"] = files
    path.write_text(json.dumps(document))


def _vectors(run_dir, texts, *, layer=-1):
    """Unit vectors of texts by the model's own front door, one text at a time."""
    import xtl_jax
    from xtl_jax.data import vocabulary

    model, pieces = xtl_jax.load(str(run_dir)), vocabulary.load("bytes")
    ids = np.zeros((len(texts), 96), np.int32)
    for row, text in zip(ids, texts, strict=True):
        tokens = pieces.encode(text)[:95]
        row[: len(tokens) + 1] = [*tokens, 1]
    vectors = model.embed(inputs=ids, layer=layer)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_each_english_sentence_finds_the_nearest_by_cosine(trained, retrieved):
    sides = {
        code: [
            line.split("\t")
            for line in (trained.data_dir / f"world/retrieval/{code}.test.tsv")
            .read_text("utf-8")
            .splitlines()
        ]
        for code in ("en", "sw")
    }
    english, swahili = (
        _vectors(retrieved, [text for _, text in sides[code]]) for code in ("en", "sw")
    )
    cosines = english @ swahili.T
    found = _rows(retrieved / "predictions" / "world_retrieval.sw.jsonl")
    assert [row["id"] for row in found] == [f"en-test-{n:05d}" for n in range(4)]
    assert [row["inputs"] for row in found] == [text for _, text in sides["en"]]
    for row, similar in zip(found, cosines, strict=True):
        assert row["prediction"] == f"sw-test-{similar.argmax():05d}"
        assert row["similarities"] == pytest.approx([similar.max()], abs=1e-5)
        assert row["references"] == [row["id"].replace("en-", "sw-")]
        assert row["decoding"]["method"] == "nearest"
        assert row["decoding"]["candidates"] == 4
        assert row["decoding"]["layer"] == -1
        assert row["log_probability"] is None


def test_another_layer_gives_other_vectors(xtl, trained, retrieved):
    flags = ("--task", "world_retrieval.sw", "--embed_layer", "0", "--json")
    assert xtl("predict", retrieved, *flags).code == 0
    found = _rows(retrieved / "predictions" / "world_retrieval.sw.jsonl")
    english = _vectors(retrieved, [row["inputs"] for row in found], layer=0)
    lines = (trained.data_dir / "world/retrieval/sw.test.tsv").read_text("utf-8")
    texts = [line.split("\t")[1] for line in lines.splitlines()]
    best = (english @ _vectors(retrieved, texts, layer=0).T).max(axis=1)
    assert [row["similarities"][0] for row in found] == pytest.approx(best, abs=1e-5)
    assert found[0]["decoding"]["layer"] == 0
    done = xtl("predict", retrieved, "--task", "world_retrieval", "--embed_layer", "9")
    assert done.code == 2
    assert "layer must be -1" in done.err


def test_what_was_found_is_scored(xtl, retrieved):
    done = xtl("score", retrieved, "--json")
    assert done.code == 0, done
    document = json.loads(done.out)
    scores = document["scores"]
    assert set(scores) == {f"world_retrieval.{code}" for code in CODES}
    for code in CODES:
        found = _rows(retrieved / "predictions" / f"world_retrieval.{code}.jsonl")
        right = [row["prediction"] == row["references"][0] for row in found]
        score = scores[f"world_retrieval.{code}"]
        assert score["values"]["accuracy"] == 100.0 * sum(right) / len(right)
        assert (score["total"], score["missing"]) == (4, 0)
    assert document["families"]["world_retrieval"]["missing_languages"] == []


def test_scores_are_held_against_the_data_too(xtl, trained, retrieved):
    """Only queries are expected to have predictions, whichever way they are counted."""
    before = json.loads(xtl("score", retrieved, "--json").out)
    done = xtl("score", retrieved, "--json", "--data_dir", trained.data_dir)
    assert done.code == 0, done
    assert json.loads(done.out) == before
    path = retrieved / "predictions" / "world_retrieval.de.jsonl"
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[1:]))
    done = xtl("score", retrieved, "--json", "--data_dir", trained.data_dir)
    assert json.loads(done.out)["scores"]["world_retrieval.de"]["missing"] == 1


def test_only_the_first_queries_are_searched_for_among_all(xtl, retrieved):
    path = retrieved / "predictions" / "world_retrieval.de.jsonl"
    before = _rows(path)
    flags = ("--task", "world_retrieval.de", "--examples", "2", "--json")
    assert xtl("predict", retrieved, *flags).code == 0
    found = _rows(path)
    assert [row["prediction"] for row in found] == [
        row["prediction"] for row in before[:2]
    ]
    assert found[0]["decoding"]["candidates"] == 4
    expected = json.loads((path.parent / "expected.json").read_text())
    ids = expected["sets"]["world_retrieval.de"]["ids"]
    assert ids == ["en-test-00000", "en-test-00001"]


def test_xtl_run_goes_from_config_to_scores_of_every_kind(xtl, trained, copied):
    flags = (*trained.flags, f"--run_dir={copied}", "--json")
    names = "world_retrieval/validation,world_qa.de,world_tagging.de"
    done = xtl("run", *flags, f"--gin.RunConfig.evaluate={names}")
    assert done.code == 0, done
    families = json.loads(done.out)["families"]
    assert set(families) == {"world_retrieval", "world_qa", "world_tagging"}
    assert 0 <= families["world_tagging"]["languages"]["de"]["f1"] <= 100
    assert families["world_retrieval"]["macro"]["accuracy"] is not None
    assert (copied / "report.html").is_file()


# --- ranking --------------------------------------------------------------------------


def _likelihood(run_dir, inputs, target, *, length=24):
    import xtl_jax
    from xtl_jax.data import vocabulary

    model, pieces = xtl_jax.load(str(run_dir)), vocabulary.load("bytes")
    rows = np.zeros((1, 96), np.int32)
    tokens = pieces.encode(inputs)[:95]
    rows[0, : len(tokens) + 1] = [*tokens, 1]
    ids = np.zeros((1, length), np.int32)
    written = [*pieces.encode(target), 1]
    ids[0, : len(written)] = written
    return float(model.score(inputs=rows, targets=ids)[0])


def test_a_label_can_be_the_most_likely_one(xtl, copied):
    flags = ("--task", "world_paraphrase.de/test", "--classify", "rank", "--json")
    done = xtl("predict", copied, *flags)
    assert done.code == 0, done
    found = _rows(copied / "predictions" / "world_paraphrase.de.jsonl")
    labels = ["different_meaning", "paraphrase"]
    assert len(found) == 4
    for row in found:
        assert row["decoding"]["method"] == "rank"
        assert [option["text"] for option in row["options"]] == labels
        assert [option["tokens"] for option in row["options"]] == [18, 11]
        sums = [option["log_probability"] for option in row["options"]]
        assert row["prediction"] == labels[int(np.argmax(sums))]
        assert row["log_probability"] == max(sums)
    alone = [_likelihood(copied, found[0]["inputs"], label) for label in labels]
    sums = [option["log_probability"] for option in found[0]["options"]]
    assert sums == pytest.approx(alone, rel=1e-4)
    assert json.loads(xtl("score", copied, "--json").out)["scores"][
        "world_paraphrase.de"
    ]["shares_percent"]


def test_long_options_need_not_lose(xtl, copied):
    """By the mean over tokens an untrained model does not prefer the shorter text."""
    flags = ("--task", "world_paraphrase.de/test", "--classify", "rank", "--json")
    assert xtl("predict", copied, *flags, "--rank_by", "mean").code == 0
    for row in _rows(copied / "predictions" / "world_paraphrase.de.jsonl"):
        means = [o["log_probability"] / o["tokens"] for o in row["options"]]
        assert row["prediction"] == row["options"][int(np.argmax(means))]["text"]
        assert row["decoding"]["rank_by"] == "mean"


COPA = [
    ("It rained.", "The street was wet.", "The street was dry, and so it stayed."),
    ("She fell.", "She broke an arm, the doctor said in the evening.", "She won."),
]


def _copa(rows=COPA):
    return "".join(
        json.dumps(
            {
                "premise": premise,
                "choice1": first,
                "choice2": second,
                "question": "effect",
                "label": 0,
                "idx": number,
            }
        )
        + "\n"
        for number, (premise, first, second) in enumerate(rows)
    )


def test_the_most_likely_option_is_the_answer(xtl, predict_from, copied):
    _settings(copied, {"copa_rank/validation": "copa.jsonl"})
    done = predict_from({"copa.jsonl": _copa()}, "--task", "copa_rank/validation")
    assert done.code == 0, done
    rows = _rows(copied / "predictions" / "copa_rank.en.jsonl")
    for row, (premise, *options) in zip(rows, COPA, strict=True):
        assert premise in row["inputs"]
        assert [option["text"] for option in row["options"]] == options
        assert row["references"] == [options[0]]
        sums = [option["log_probability"] for option in row["options"]]
        alone = [
            _likelihood(copied, row["inputs"], option, length=64) for option in options
        ]
        assert sums == pytest.approx(alone, rel=1e-4)
        assert row["prediction"] == options[int(np.argmax(sums))]
    done = xtl("score", copied, "--json")
    assert done.code == 0, done
    right = sum(row["prediction"] == row["references"][0] for row in rows)
    values = json.loads(done.out)["scores"]["copa_rank.en"]["values"]
    assert values["accuracy"] == 50.0 * right


def test_how_likely_no_answer_is_stands_beside_the_answer(xtl, predict_from, copied):
    context = "Ada wrote it."
    questions = [
        {
            "id": "a",
            "question": "Who?",
            "is_impossible": False,
            "answers": [{"text": "Ada", "answer_start": 0}],
        },
        {"id": "b", "question": "When?", "is_impossible": True, "answers": []},
    ]
    document = {
        "version": "v2.0",
        "data": [{"title": "", "paragraphs": [{"context": context, "qas": questions}]}],
    }
    _settings(copied, {"squad_v2/validation": "few.json"})
    done = predict_from({"few.json": json.dumps(document)}, "--task", "squad_v2")
    assert done.code == 0, done
    rows = _rows(copied / "predictions" / "squad_v2.en.jsonl")
    assert [row["references"] for row in rows] == [["Ada"], []]
    for row in rows:
        assert row["decoding"]["method"] == "greedy"
        (option,) = row["options"]
        assert option["text"] == "unanswerable"
        alone = _likelihood(copied, row["inputs"], "unanswerable")
        assert option["log_probability"] == pytest.approx(alone, rel=1e-4)
    done = xtl("score", copied, "--json")
    assert done.code == 0, done
    assert json.loads(done.out)["scores"]["squad_v2.en"]["total"] == 2


CHOOSING = {
    "world_paraphrase.en": ({}, "accuracy"),  # by the most likely label
    "copa_rank": (
        {"copa_rank/train": _copa(), "copa_rank/validation": _copa()},
        "accuracy",
    ),
    "world_tagging.en": ({}, "f1"),
}


@pytest.mark.parametrize("task", CHOOSING)
def test_tasks_of_other_kinds_choose_a_checkpoint(xtl, trained, tmp_path, task):
    files, key = CHOOSING[task]
    names = {}
    for number, (setting, text) in enumerate(files.items()):
        names[setting] = str(tmp_path / f"{number}.jsonl")
        (tmp_path / f"{number}.jsonl").write_text(text, encoding="utf-8")
    flags = (
        *trained.flags,
        f"--run_dir={tmp_path / 'run'}",
        f"--gin.RunConfig.task={task}",
        f"--gin.RunConfig.dev_task={task}",
        f"--gin.RunConfig.files={names}",
        "--gin.RunConfig.classify=rank",
        "--gin.RunConfig.steps=2",
        "--gin.RunConfig.save_period=1",
        "--gin.RunConfig.eval_period=1",
    )
    done = xtl("train", *flags, "--json")
    assert done.code == 0, done
    lines = _rows(tmp_path / "run" / "log.jsonl")
    scores = {line["step"]: line for line in lines if line["kind"] == "eval"}
    assert list(scores) == [1, 2]
    for line in scores.values():
        assert 0 <= line[key] == line["score"] <= 100


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("RunConfig.dev_task=world_retrieval.de", "is retrieval: it trains nothing"),
        ("RunConfig.classify=guess", "must be one of generate, rank"),
        ("RunConfig.rank_by=median", "must be one of sum, mean"),
        ("RunConfig.embed_layer=-2", "embed_layer must be a whole number of at least"),
    ],
)
def test_settings_that_cannot_be_are_refused(xtl, trained, tmp_path, flag, says):
    done = xtl("train", *trained.flags, f"--run_dir={tmp_path}/run", f"--gin.{flag}")
    assert done.code == 2, done
    assert says in done.err
    assert not (tmp_path / "run").exists()


# --- releases -------------------------------------------------------------------------


TATOEBA = {
    "few/sw-en.sw": "Anaimba.\nMvua inanyesha.\n",
    "few/sw-en.en": "It rains.\nShe sings.\n",
}


def test_what_has_no_labels_is_predicted_for_a_submission_only(
    xtl, predict_from, copied
):
    _settings(copied, {"tatoeba/test": "few/{language}-en.*"})
    done = predict_from(TATOEBA, "--task", "tatoeba.sw")
    assert done.code == 2, done
    assert "the test split of tatoeba.sw is unlabelled" in done.err
    assert "--unlabelled" in done.err
    done = predict_from(TATOEBA, "--task", "tatoeba.sw", "--unlabelled")
    assert done.code == 0, done
    rows = _rows(copied / "predictions" / "tatoeba.sw.jsonl")
    assert [row["inputs"] for row in rows] == ["It rains.", "She sings."]
    assert all(row["references"] == [] for row in rows)
    assert {row["prediction"] for row in rows} <= {"0", "1"}
    done = xtl("score", copied)
    assert done.code == 2, done
    assert "tatoeba.sw.jsonl" in done.err
    assert "cannot be scored" in done.err
    assert "xtl submit" in done.err


BUCC = {
    "bucc2018/de-en.dev.de": "".join(f"de-{n}\tSatz {n} hier\n" for n in range(6)),
    "bucc2018/de-en.dev.en": "".join(f"en-{n}\tline {n} there\n" for n in range(6)),
    "bucc2018/de-en.dev.gold": "de-1\ten-1\nde-4\ten-4\n",
    "bucc2018/de-en.test.de": "".join(f"de-{n}\tWort {n}\n" for n in range(6)),
    "bucc2018/de-en.test.en": "".join(f"en-{n}\tword {n}\n" for n in range(7)),
    "bucc2018/de-en.test.gold": "de-2\ten-2\n",
}


def test_bucc_applies_the_threshold_of_dev_to_test(predict_from, xtl, copied):
    flags = ("--task", "bucc.de/validation")
    done = predict_from(BUCC, *flags)
    assert done.code == 0, done
    path = copied / "predictions" / "bucc.de.jsonl"
    dev = _rows(path)
    done = predict_from(BUCC, "--task", "bucc.de/test")
    assert done.code == 0, done
    test = _rows(path)
    assert [row["id"] for row in test] == [f"de-{n}" for n in range(6)]
    assert [row["references"] for row in test] == [[], [], ["en-2"], [], [], []]
    tuned = dev[0]["decoding"]["threshold"]
    assert test[0]["decoding"]["threshold"] == tuned
    for row in test:
        assert all(score >= tuned for score in row.get("similarities", ()))
        assert bool(row["prediction"]) == ("similarities" in row)
    done = xtl("score", copied, "--json")
    assert done.code == 0, done
    values = json.loads(done.out)["scores"]["bucc.de"]["values"]
    found = [row["prediction"] for row in test if row["prediction"]]
    assert values["recall"] == 100.0 * (test[2]["prediction"] == "en-2")
    assert values["precision"] == pytest.approx(
        100.0 * (test[2]["prediction"] == "en-2") / max(1, len(found))
    )


def test_bucc_without_dev_has_no_threshold(predict_from):
    files = {name: text for name, text in BUCC.items() if ".test." in name}
    done = predict_from(files, "--task", "bucc.de/test")
    assert done.code == 2, done
    assert "the validation split of bucc.de is neither here nor cached" in done.err


def test_languages_share_a_pool(xtl, copied, tmp_path, predict_from):
    codes = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
    files = {}
    for code in codes:
        context = f"{code} one. {code} two."
        paragraph = {
            "context": context,
            "sentence_breaks": [[0, 7], [8, 15]],
            "qas": [
                {
                    "id": "q",
                    "question": f"{code}?",
                    "answers": [{"text": "two", "answer_start": 11}],
                }
            ],
        }
        document = {"data": [{"title": "", "paragraphs": [paragraph]}]}
        files[f"few/{code}.json"] = json.dumps(document)
    _settings(copied, {"lareqa/test": "few/*.json"})
    done = predict_from(files, "--task", "lareqa")
    assert done.code == 0, done
    assert len(json.loads(done.out)["predictions"]) == 11
    for code in codes:
        (row,) = _rows(copied / "predictions" / f"lareqa.{code}.jsonl")
        assert row["references"] == [f"{each}_1_1" for each in codes]
        assert len(row["prediction"].split(" ")) == 20
        assert row["decoding"]["candidates"] == 22
        assert row["similarities"] == sorted(row["similarities"], reverse=True)
    done = predict_from(files, "--task", "lareqa.pool")
    assert "and no query" in done.err
    done = xtl("score", copied, "--json")
    assert 0 < json.loads(done.out)["families"]["lareqa"]["macro"]["map@20"] <= 100


def test_answers_can_be_searched_for(xtl, copied):
    import xtl_jax
    from xtl_jax.data import vocabulary

    flags = ("--task", "world_qa.de/test", "--beams", "3", "--length_penalty", "1.0")
    done = xtl("predict", copied, *flags, "--beam_rule", "huggingface")
    assert done.code == 0, done
    found = _rows(copied / "predictions" / "world_qa.de.jsonl")
    wanted = {"method": "beam", "beams": 3, "length_penalty": 1.0}
    assert wanted.items() <= found[0]["decoding"].items()
    assert found[0]["decoding"]["rule"] == "huggingface"
    length = found[0]["decoding"]["input_length"]
    pieces = vocabulary.load("bytes")
    tokens = [*pieces.encode(found[0]["inputs"])[: length - 1], 1]
    ids = xtl_jax.load(str(copied)).generate(
        inputs=np.array([tokens]),
        max_length=found[0]["decoding"]["max_length"],
        beams=3,
        length_penalty=1.0,
        rule="huggingface",
    )
    assert pieces.decode(ids[0]) == found[0]["prediction_raw"]


def test_answers_can_be_drawn_by_a_seed(xtl, copied):
    """Which seed, and how, stands in the records; the batch decides nothing."""

    def drawn(*flags):
        task = ("--task", "world_qa.de/test", "--temperature", "0.9", "--top_k", "50")
        done = xtl("predict", copied, *task, *flags)
        assert done.code == 0, done
        return _rows(copied / "predictions" / "world_qa.de.jsonl")

    once = drawn("--sampling_seed", "3")
    wanted = {"method": "sampling", "temperature": 0.9, "top_k": 50, "top_p": 1.0}
    assert (wanted | {"seed": 3}).items() <= once[0]["decoding"].items()
    again = drawn("--sampling_seed", "3", "--batch_size", "8")
    assert [row["prediction_raw"] for row in again] == [
        row["prediction_raw"] for row in once
    ]
    other = drawn("--sampling_seed", "4", "--top_p", "0.95")
    assert other[0]["decoding"]["top_p"] == 0.95
    assert [row["prediction_raw"] for row in other] != [
        row["prediction_raw"] for row in once
    ]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--temperature", "0.5", "--beams", "2"), "beams=2 searches and temperature"),
        (("--temperature", "-1"), "temperature must be a number of at least 0"),
        (("--temperature", "nan"), "temperature must be a number of at least 0"),
        (("--temperature", "1", "--top_p", "0"), "top_p must be in (0, 1], got 0.0"),
        (("--temperature", "1", "--top_k", "-1"), "top_k must be a whole number"),
        (("--top_k", "5"), "temperature=0 draws nothing: set a temperature"),
        (("--sampling_seed", "-1"), "sampling_seed must be a whole number"),
    ],
)
def test_drawing_that_cannot_be_is_refused(xtl, copied, flags, says):
    done = xtl("predict", copied, "--task", "world_qa.de/test", *flags)
    assert done.code == 2, done
    assert says in done.err


def test_a_vocabulary_of_another_checksum_is_refused(xtl, copied):
    path = copied / "run.json"
    document = json.loads(path.read_text())
    document["environment"]["vocabulary_sha256"] = "0" * 64
    path.write_text(json.dumps(document))
    for command in ("predict", "layers"):
        done = xtl(command, copied, "--task", "world_retrieval.de")
        assert done.code == 2, done
        assert "is not the one that" in done.err
        assert "another checksum" in done.err
    assert not (copied / "predictions").exists()
