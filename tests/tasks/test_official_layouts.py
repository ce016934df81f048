"""A few rows of each release, byte for byte as its publishers lay them out."""

from __future__ import annotations

import tarfile

import pytest
from xtl_tasks import catalog, loading
from xtl_tasks.loading import TaskSettings

from tests import archives
from xtl_jax.errors import UnlabelledError

ANLI = "anli/plain_text/0.1.0/anli_v0.1"
SNLI = "snli/plain_text/1.0.0/snli_1.0/snli_1.0"
COPA = "super_glue/copa/1.0.3/dummy_data/COPA"
PAWSX = "paws-x/{0}/1.1.0/x-final.tar.gz/x-final/{0}"
# Task, split, file of the archive, rows: by counting its lines.
FILES = [
    *(
        (f"anli_r{number}", split, f"{ANLI}/R{number}/{part}.jsonl", 3)
        for number in (1, 2, 3)
        for split, part in (("train", "train"), ("validation", "dev"), ("test", "test"))
    ),
    ("snli", "train", f"{SNLI}_train.txt", 3),
    ("snli", "validation", f"{SNLI}_dev.txt", 2),
    ("snli", "test", f"{SNLI}_test.txt", 1),
    ("mnli", "train", "glue/mnli/1.0.0/MNLI/train.tsv", 3),
    ("mnli", "validation", "glue/mnli/1.0.0/MNLI/dev_matched.tsv", 2),
    ("qqp", "train", "glue/qqp/1.0.0/QQP/train.tsv", 3),
    ("qqp", "validation", "glue/qqp/1.0.0/QQP/dev.tsv", 2),
    ("squad_v2", "train", "squad_v2/squad_v2/2.0.0/train-v2.0.json", 2),
    ("squad_v2", "validation", "squad_v2/squad_v2/2.0.0/dev-v2.0.json", 2),
    ("hellaswag", "train", "hellaswag/0.1.0/0.1.0/hellaswag_train.jsonl", 2),
    ("hellaswag_rank", "validation", "hellaswag/0.1.0/0.1.0/hellaswag_val.jsonl", 2),
    ("cosmos_qa", "train", "cosmos_qa/0.1.0/0.1.0/train.csv", 2),
    ("cosmos_qa_rank", "validation", "cosmos_qa/0.1.0/0.1.0/valid.csv", 2),
    (
        "commonsense_qa",
        "train",
        "commonsense_qa/1.0.0/1.0.0/train_rand_split.jsonl",
        5,
    ),
    (
        "commonsense_qa_rank",
        "validation",
        "commonsense_qa/1.0.0/1.0.0/dev_rand_split.jsonl",
        2,
    ),
    ("copa", "train", f"{COPA}/train.jsonl", 3),
    ("copa_rank", "validation", f"{COPA}/val.jsonl", 2),
    ("pawsx.en", "train", f"{PAWSX.format('en')}/train.tsv", 4),
    (
        "pawsx.en",
        "train",
        "paws/labeled_final/1.1.0/paws_wiki_labeled_final.tar.gz/final/train.tsv",
        4,
    ),
    *(
        (f"pawsx.{language}", split, f"{PAWSX.format(language)}/{part}_2k.tsv", 4)
        for language in ("de", "en", "es", "fr", "ja", "ko", "zh")
        for split, part in (("validation", "dev"), ("test", "test"))
    ),
    *(
        (f"xcopa.{each}", split, f"xcopa/{each}/1.1.0/{part}.{each}.jsonl", 5)
        for each in ("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh")
        for split, part in (("validation", "val"), ("test", "test"))
    ),
]
STRIPPED = [
    ("qqp", "glue/qqp/1.0.0/QQP/test.tsv"),
    ("mnli", "glue/mnli/1.0.0/MNLI/test_matched.tsv"),
    ("hellaswag", "hellaswag/0.1.0/0.1.0/hellaswag_test.jsonl"),
    ("cosmos_qa", "cosmos_qa/0.1.0/0.1.0/test.jsonl"),
    ("commonsense_qa", "commonsense_qa/1.0.0/1.0.0/test_rand_split_no_answers.jsonl"),
    ("copa", f"{COPA}/test.jsonl"),
]


@pytest.fixture(scope="module")
def archive(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    path = shared / "data" / "hf_dummy_official_formats.tar.xz"
    with tarfile.open(path) as packed:
        archives.unpack(packed, folder)
    return folder


def _rows(task, *, split, path):
    family, language = catalog.find(task)
    settings = TaskSettings(files={f"{family.name}/{split}": str(path)})
    return list(loading.examples(family, language, split=split, settings=settings))


@pytest.mark.parametrize(("task", "split", "name", "rows"), FILES)
def test_rows_of_the_official_layout_are_read(archive, task, split, name, rows):
    found = _rows(task, split=split, path=archive / name)
    assert len(found) == rows
    family, _ = catalog.find(task)
    if family.labels:
        assert {example.targets for example in found} <= set(family.labels)


@pytest.mark.parametrize(("task", "name"), STRIPPED)
def test_official_test_files_without_labels_are_refused(archive, task, name):
    with pytest.raises(UnlabelledError, match=r"the split 'validation' is unlabelled"):
        _rows(task, split="validation", path=archive / name)
