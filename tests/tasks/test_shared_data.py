"""Real releases: every row read and checked, counts as the releases state them."""

from __future__ import annotations

import pytest
from xtl_tasks import catalog, loading
from xtl_tasks.loading import TaskSettings
from xtl_tasks.target.xnli import LANGUAGES as XNLI

from xtl_jax.errors import UserError

FILES = {
    "squad_v1/train": "squad/train-subset-v1.1.json.xz",
    "mnli/train": "mnli/watson_train_en.csv.xz",
    "xnli/validation": "xnli/xtreme/dev-{language}.tsv",
    "xnli/test": "xnli/test_labelled/test-{language}.tsv",
    "tydiqa_goldp.ar/validation": "tydiqa_goldp/dev_labelled/tydiqa.goldp.ar.dev.json",
    "span_corruption/train": "raw_text/common_voice/s[lw].txt",
}
MLQA = {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504}
# Task, split and rows: by the list of the files, not by the code under test.
COUNTS = [
    ("squad_v1", "train", 4_330),
    ("squad_v1", "validation", 10_570),
    ("mnli", "train", 6_870),
    ("xnli.en", "train", 6_870),
    *((f"xnli.{language}", "validation", 2_490) for language in XNLI),
    *((f"xnli.{language}", "test", 5_010) for language in XNLI),
    *(
        (f"xquad.{language}", "test", 1_190)
        for language in ("ar", "el", "ro", "th", "zh")
    ),
    *((f"mlqa.{language}", "validation", rows) for language, rows in MLQA.items()),
    *(
        (f"mlqa.{pair}", "validation", rows)
        for language, rows in MLQA.items()
        if language != "en"
        for pair in (f"en-{language}", f"{language}-en")
    ),
    ("tydiqa_goldp.ar", "validation", 767),
    ("tydiqa_goldp.en", "train", 3_696),
    ("tydiqa_goldp.ko", "train", 1_625),
    ("tydiqa_goldp.sw", "train", 2_755),
]


@pytest.fixture(scope="module")
def settings(shared):
    return TaskSettings(data_dir=str(shared / "data"), files=FILES)


@pytest.mark.parametrize(("task", "split", "rows"), COUNTS)
def test_all_rows_of_a_release_pass_the_checks(settings, task, split, rows):
    family, language = catalog.find(task)
    found = list(loading.examples(family, language, split=split, settings=settings))
    assert len(found) == rows
    assert len({example.id for example in found}) == rows
    assert all(example.inputs and example.targets for example in found)
    if family.labels:
        assert {example.targets for example in found} == set(family.labels)


def test_the_subset_of_1027_is_one_setting_away(shared):
    settings = TaskSettings(
        data_dir=str(shared / "data"),
        files={"squad_v1/train": "squad/train-v1.1.first1027.json"},
    )
    family, language = catalog.find("squad_v1")
    rows = list(loading.rows(family, language, split="train", settings=settings))
    assert len(rows) == 1_027


@pytest.mark.parametrize("language", ["bn", "en", "fi", "id", "ko", "ru", "sw", "te"])
def test_stripped_tydi_files_are_refused(settings, language):
    family = catalog.family("tydiqa_goldp")
    with pytest.raises(UserError) as error:
        list(loading.rows(family, language, split="validation", settings=settings))
    assert f"tydiqa.goldp.{language}.dev.json.xz: the split" in str(error.value)
    assert "unlabelled" in str(error.value)


def test_plain_text_of_several_files(settings):
    family, language = catalog.find("span_corruption")
    found = list(loading.rows(family, language, split="train", settings=settings))
    names = {row.id.split(":")[0] for row in found}
    assert names == {"sl.txt.xz", "sw.txt.xz"}
