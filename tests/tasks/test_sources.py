"""Where rows come from: files, else TFDS that is prepared here, never a download."""

from __future__ import annotations

import json

import pytest
from xtl_tasks import catalog, loading
from xtl_tasks.loading import TaskSettings

from xtl_jax.errors import UnlabelledError, UserError


def _rows(name, *, split, settings):
    family, language = catalog.find(name)
    return list(loading.rows(family, language, split=split, settings=settings))


# --- release layouts ----------------------------------------------------------------


def _question(id, *, text="7", start=0):
    return {
        "id": id,
        "question": "q?",
        "answers": [{"text": text, "answer_start": start}],
    }


def _squad(*questions, context="7 a"):
    return json.dumps(
        {"data": [{"paragraphs": [{"context": context, "qas": questions}]}]}
    )


@pytest.mark.parametrize(
    ("task", "split", "name"),
    [
        ("mlqa.en-ar", "test", "mlqa/MLQA_V1/test/test-context-en-question-ar.json"),
        ("mlqa.de", "validation", "MLQA_V1/dev/dev-context-de-question-de.json"),
        ("xquad.ro", "test", "xquad/xquad.ro.json"),
        (
            "tydiqa_goldp.te",
            "train",
            "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.te.train.json",
        ),
        ("tydiqa_goldp.fi", "validation", "tydiqa_goldp/tydiqa-goldp-v1.1-dev.json"),
        ("squad_v1", "validation", "squad/dev-v1.1.json"),
        ("mnli", "train", "multinli_1.0/multinli_1.0_train.jsonl"),
        ("mnli", "validation", "MNLI/dev_matched.tsv"),
        ("xnli.en", "train", "multinli_1.0/multinli_1.0_train.txt"),
        ("xnli.ur", "test", "XNLI-1.0/xnli.test.tsv"),
        ("xnli.ur", "validation", "xnli/dev-ur.tsv"),
        ("snli", "train", "snli_1.0/snli_1.0_train.jsonl"),
        ("snli", "test", "snli/snli_1.0/snli_1.0_test.txt"),
        ("anli_r2", "train", "anli_v1.0/R2/train.jsonl"),
        ("qqp", "validation", "QQP/dev.tsv"),
        ("squad_v2", "train", "squad/train-v2.0.json"),
        ("hellaswag_rank", "validation", "hellaswag/hellaswag_val.jsonl"),
        ("cosmos_qa", "train", "cosmosqa/train.csv"),
        ("cosmos_qa_rank", "validation", "cosmosqa/data/valid.csv"),
        ("commonsense_qa", "validation", "commonsenseqa/dev_rand_split.jsonl"),
        ("social_iqa", "train", "siqa/socialIQa_v1.4_trn.jsonl"),
        ("copa", "train", "COPA/train.jsonl"),
        ("copa_rank", "validation", "xcopa/val-en.jsonl"),
        ("copa", "test", "COPA-resources/datasets/copa-test.xml"),
        ("xcopa.qu", "test", "xcopa/data/qu/test.qu.jsonl"),
        ("xcopa_rank.th", "validation", "xcopa/val-th.jsonl"),
        ("pawsx.en", "train", "pawsx/x-final/en/train.tsv"),
        ("pawsx.ja", "validation", "x-final/ja/dev_2k.tsv"),
        ("pawsx.zh", "test", "pawsx/test-zh.tsv"),
        ("world_text.hi", "test", "world/text/hi.test.txt"),
        ("world_qa.ar", "train", "world/qa/ar.train.json"),
        ("world_nli.zh", "validation", "world/nli/zh.validation.tsv"),
        ("world_paraphrase.ru", "test", "world/paraphrase/ru.test.tsv"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_release_layouts_are_found(tmp_path, task, split, name, suffix):
    path = tmp_path / (name + suffix)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    family, language = catalog.find(task)
    source = loading.find_source(
        family, language, split=split, settings=TaskSettings(data_dir=str(tmp_path))
    )
    assert source is not None
    assert source.paths == (str(path),)


def test_one_file_of_all_languages_is_read_for_one(tmp_path):
    file = tmp_path / "all.json"
    file.write_text(_squad(_question("korean-1-0"), _question("finnish-2-0")))
    settings = TaskSettings(files={"tydiqa_goldp/validation": str(file)})
    (row,) = _rows("tydiqa_goldp.fi", split="validation", settings=settings)
    assert row.id == "finnish-2-0"
    with pytest.raises(UserError, match="holds no question in 'te'"):
        _rows("tydiqa_goldp.te", split="validation", settings=settings)


def test_xtremes_bare_numbers_repeat_and_the_releases_ids_may_not(tmp_path):
    file = tmp_path / "sw.json"
    file.write_text(_squad(_question("0"), _question("0")))
    settings = TaskSettings(files={"tydiqa_goldp.sw/train": str(file)})
    rows = _rows("tydiqa_goldp.sw", split="train", settings=settings)
    assert [row.id for row in rows] == ["0", "0#2"]
    file.write_text(_squad(_question("swahili-0"), _question("swahili-0")))
    settings = TaskSettings(files={"tydiqa_goldp.sw/validation": str(file)})
    with pytest.raises(UserError, match="a second time"):
        _rows("tydiqa_goldp.sw", split="validation", settings=settings)


def test_a_release_file_is_counted_and_a_named_subset_is_not(tmp_path):
    file = tmp_path / "squad" / "train-v1.1.json"
    file.parent.mkdir()
    file.write_text(_squad(_question("a")))
    with pytest.raises(UserError, match="has 1 rows, the release has 87,599"):
        _rows("squad_v1", split="train", settings=TaskSettings(data_dir=str(tmp_path)))
    settings = TaskSettings(
        data_dir=str(tmp_path), files={"squad_v1/train": "squad/train-v1.1.json"}
    )
    assert len(_rows("squad_v1", split="train", settings=settings)) == 1


def test_mnlis_file_serves_xnlis_training_split(tmp_path):
    file = tmp_path / "m.csv"
    file.write_text("premise,hypothesis,label\na,b,2\n")
    settings = TaskSettings(files={"mnli/train": str(file)})
    (row,) = _rows("xnli.en", split="train", settings=settings)
    assert row.label == "contradiction"
    own = tmp_path / "x.csv"
    own.write_text("premise,hypothesis,label\na,b,0\n")
    settings = TaskSettings(files={"mnli/train": str(file), "xnli/train": str(own)})
    (row,) = _rows("xnli.en", split="train", settings=settings)
    assert row.label == "entailment"


def test_data_that_is_not_here_says_how_to_get_it(tmp_path):
    settings = TaskSettings(data_dir=str(tmp_path), tfds_dir=str(tmp_path))
    with pytest.raises(UserError) as error:
        _rows("squad_v1", split="train", settings=settings)
    for part in (
        "squad_v1/train: its data is not here",
        f"Looked in {tmp_path} for: squad/train-v1.1.json",
        "--file squad_v1/train=PATH",
        f"`tfds build squad/v1.1 --data_dir={tmp_path}`",
    ):
        assert part in str(error.value)
    with pytest.raises(UserError) as error:
        _rows("mlqa.en-ar", split="test", settings=settings)
    assert "tfds build" not in str(error.value)  # TFDS has no pairs
    with pytest.raises(UserError, match="No data directory is set"):
        _rows("xquad.ro", split="test", settings=TaskSettings(tfds_dir=str(tmp_path)))


def test_a_missing_file_of_a_setting_is_an_error_of_its_own(tmp_path):
    settings = TaskSettings(
        data_dir=str(tmp_path), files={"xnli/test": "no-{language}"}
    )
    with pytest.raises(UserError, match=r"xnli\.sw/test: the file setting 'no-\{lang"):
        _rows("xnli.sw", split="test", settings=settings)


def test_an_unlabelled_split_is_an_error_of_its_own_kind(tmp_path):
    file = tmp_path / "dev.json"
    file.write_text(_squad(_question("korean-1-0", text="", start=0)))
    settings = TaskSettings(files={"tydiqa_goldp.ko/validation": str(file)})
    with pytest.raises(UnlabelledError, match=r"dev\.json: the split 'validation' is"):
        _rows("tydiqa_goldp.ko", split="validation", settings=settings)
