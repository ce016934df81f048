"""Real rows of pairs, choices and questions: counted, and fed back they score 100.

Counts are those of the list of the files; labels of COPA, Social IQa and PAWS-X are
held against a second file that says the same.
"""

from __future__ import annotations

import bz2
import functools
import json
import tarfile

import pytest
from xtl_tasks import catalog, loading
from xtl_tasks.intermediate import copa
from xtl_tasks.loading import TaskSettings
from xtl_tasks.target import pawsx, xcopa

from tests import archives
from xtl_jax.data import multiple_choice, prompts
from xtl_jax.errors import UnlabelledError, UserError
from xtl_jax.metrics.metric import add

SIQA = "social_iqa/v1_train_dev"
FILES = {
    "snli/train": "snli/cad_original_train.tsv",
    "snli/validation": "snli/rmib_dev.txt",
    "snli/test": "snli/rmib_test.txt",
    "anli_r3/validation": "anli/R3/dev.jsonl",  # two rows short
    "mnli/validation": "mnli/watson_train_en.csv",
    "qqp/train": "qqp/rmib_quora_dev.txt",
    "qqp/validation": "qqp/rmib_quora_test.txt",
    "hellaswag/validation": "hellaswag/hellaswag_val_500_en.jsonl",
    "social_iqa/train": f"{SIQA}/train.jsonl + {SIQA}/train-labels.lst",
    "xcopa/validation": "{unpacked}/data/{language}/val.{language}.jsonl",
    "xcopa/test": "{unpacked}/data/{language}/test.{language}.jsonl",
    "copa/train": "{unpacked}/xtreme-train-en.jsonl",
    "copa/validation": "{unpacked}/xtreme-val-en.jsonl",
    "copa/test": "{unpacked}/copa-test.xml",
    **{
        f"pawsx.{language}/test": f"pawsx/test_majority_label/{language}/test_2k.tsv"
        for language in ("en", "es", "fr", "ja")
    },
}
CHOICES = [
    ("hellaswag", "validation", 500),
    ("cosmos_qa", "validation", 2_985),
    ("commonsense_qa", "train", 9_741),
    ("commonsense_qa", "validation", 1_221),
    ("social_iqa", "train", 33_410),
    ("social_iqa", "validation", 1_954),
    ("copa", "train", 400),
    ("copa", "validation", 100),
    ("copa", "test", 500),
]
COUNTS = [
    ("snli", "train", 1_666),
    ("snli", "validation", 9_842),
    ("snli", "test", 9_824),
    ("anli_r1", "validation", 1_000),
    ("anli_r2", "validation", 1_000),
    ("anli_r3", "validation", 1_198),
    ("anli", "validation", 3_198),
    ("anli_plus", "validation", 9_842 + 6_870 + 3_198),
    ("qqp", "train", 10_000),
    ("qqp", "validation", 10_000),
    ("squad_v2", "validation", 11_873),
    *CHOICES,
    *((f"{name}_rank", split, rows) for name, split, rows in CHOICES),
    *(
        (f"pawsx.{language}", split, 2_000)
        for language in pawsx.LANGUAGES
        for split in ("validation", "test")
    ),
    *(
        (f"{name}.{language}", split, rows)
        for name in ("xcopa", "xcopa_rank")
        for language in xcopa.LANGUAGES
        for split, rows in (("validation", 100), ("test", 500))
    ),
]


@pytest.fixture(scope="module")
def unpacked(shared, tmp_path_factory):
    """The two archives."""
    folder = tmp_path_factory.mktemp("unpacked")
    for name in ("xcopa", "copa_en"):
        with tarfile.open(shared / "data" / f"{name}.tar.xz") as archive:
            archives.unpack(archive, folder)
    return folder


@pytest.fixture(scope="module")
def settings(shared, unpacked):
    files = {
        key: name.replace("{unpacked}", str(unpacked)) for key, name in FILES.items()
    }
    return TaskSettings(data_dir=str(shared / "data"), files=files)


@pytest.fixture(scope="module")
def examples(settings):
    """Examples of a task and split, each read once: (family, language, examples)."""

    @functools.cache
    def read(task, split):
        return _examples(task, split=split, settings=settings)

    return read


def _examples(task, *, split, settings):
    family, language = catalog.find(task)
    found = list(loading.examples(family, language, split=split, settings=settings))
    return family, language, found


def _assert_fed_back_is_right(family, language, found):
    """Targets, made into what is scored, are worth 100 in each value."""
    say = family.postprocess or (
        lambda raw, *, context: prompts.postprocess(
            raw, kind=family.kind, context=context
        )
    )
    counts = [
        family.metric.counts(
            say(example.targets, context=example.context),
            references=example.references,
            language=language,
        )
        for example in found
    ]
    values = family.metric.combine(add(counts))
    assert values == dict.fromkeys(family.metric.keys, 100.0)


@pytest.mark.parametrize(("task", "split", "rows"), COUNTS)
def test_every_row_is_read_and_fed_back_scores_100(examples, task, split, rows):
    family, language, found = examples(task, split)
    assert len(found) == rows
    assert len({example.id for example in found}) == rows
    assert all(example.inputs and example.targets for example in found)
    _assert_fed_back_is_right(family, language, found)
    if family.labels:
        assert {example.targets for example in found} == set(family.labels)
    if family.kind == "ranking":
        assert all(example.targets in example.options for example in found)


@pytest.mark.parametrize(
    ("name", "split"), [(name, split) for name, split, _ in CHOICES]
)
def test_both_formats_lead_back_to_the_same_option(examples, name, split):
    """But where several options have its text: there ranking finds the first."""
    listed, _, named = examples(name, split)
    _, _, scored = examples(f"{name}_rank", split)
    count = len(listed.labels)
    for one, other in zip(named, scored, strict=True):
        index = multiple_choice.choice_index(one.targets, count=count)
        assert other.options[index] == other.targets
        if other.options.count(other.targets) == 1:
            options = other.options
            assert multiple_choice.option_index(other.targets, options=options) == index


def test_hellaswags_whole_validation_split(shared, tmp_path):
    """10,042 items of six lines: `activity: ctx`, label, four endings."""
    text = bz2.decompress(
        (shared / "data/hellaswag/hellaswag_val_full.txt.bz2").read_bytes()
    )
    lines = text.decode().splitlines()
    records = [
        {
            "ind": place,
            "ctx": lines[place].partition(": ")[2],
            "endings": lines[place + 2 : place + 6],
            "label": int(lines[place + 1]),
        }
        for place in range(0, len(lines), 6)
    ]
    path = tmp_path / "hellaswag/hellaswag_val.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    settings = TaskSettings(data_dir=str(tmp_path))  # so the rows are counted
    for name in ("hellaswag", "hellaswag_rank"):
        family, language, found = _examples(name, split="validation", settings=settings)
        assert len(found) == 10_042
        _assert_fed_back_is_right(family, language, found)


@pytest.mark.parametrize("language", ["fa", "ru"])
def test_hellaswag_in_other_languages_is_one_setting_away(shared, language):
    name = f"hellaswag/hellaswag_val_500_{language}_edited.jsonl"
    settings = TaskSettings(
        data_dir=str(shared / "data"), files={"hellaswag/validation": name}
    )
    for task in ("hellaswag", "hellaswag_rank"):
        family, _, found = _examples(task, split="validation", settings=settings)
        assert len(found) == 500
        _assert_fed_back_is_right(family, language, found)


def test_copas_two_releases_say_the_same(examples, unpacked):
    original = TaskSettings(
        files=dict.fromkeys(
            ("copa/train", "copa/validation", "copa/test"),
            str(unpacked / "copa-all.xml"),
        )
    )
    for split in ("train", "validation"):
        _, _, one = examples("copa", split)
        _, _, other = _examples("copa", split=split, settings=original)
        assert [_squeezed(each) for each in one] == [_squeezed(each) for each in other]
    _, _, test = _examples("copa", split="test", settings=original)
    _, _, alone = examples("copa", "test")
    assert test == alone


def test_balanced_copas_twins_have_the_other_option_right(unpacked):
    path = str(unpacked / "balanced-copa-dev-all.xml")
    settings = TaskSettings(files={"copa_rank/train": path})
    _, _, found = _examples("copa_rank", split="train", settings=settings)
    by_id = {int(example.id): example for example in found}
    assert len(by_id) == 800
    for id in range(1, 401):
        one, twin = by_id[id], by_id[id + 1000]
        assert set(one.options) == set(twin.options)
        assert one.targets != twin.targets


def _squeezed(example):
    return " ".join(example.inputs.split()), example.targets


def test_xtremes_copa_test_file_has_no_labels(unpacked):
    files = {"copa/test": str(unpacked / "xtreme-test-en.jsonl")}
    with pytest.raises(UnlabelledError, match="all 500 labels are 0, as XTREME"):
        _examples("copa", split="test", settings=TaskSettings(files=files))


def test_xcopas_rows_are_copas_in_another_language(examples):
    """Same place, same option: the release translates the original's rows."""
    for split in ("validation", "test"):
        _, _, english = examples("copa", split)
        for language in xcopa.LANGUAGES:
            _, _, found = examples(f"xcopa.{language}", split)
            same = sum(
                one.targets == other.targets
                for one, other in zip(english, found, strict=True)
            )
            assert same >= 0.97 * len(found), language


def test_what_xcopa_asks_for_in_thai_and_turkish(examples):
    """The card's warning: rows whose question is not English COPA's."""
    differing = {}
    for split in ("validation", "test"):
        _, _, english = examples("copa", split)
        for language in xcopa.LANGUAGES:
            _, _, found = examples(f"xcopa.{language}", split)
            differing[language, split] = sum(
                one.inputs.rpartition(" ")[2] != other.inputs.rpartition(" ")[2]
                for one, other in zip(english, found, strict=True)
            )
    assert differing["th", "test"] == 250
    assert (differing["tr", "validation"], differing["tr", "test"]) == (52, 51)
    assert (differing["sw", "test"], differing["id", "test"]) == (37, 4)
    assert differing["zh", "test"] == 0


def test_the_two_releases_of_social_iqa_have_the_same_labels(shared, examples):
    numbers = shared / "data" / SIQA / "dev-labels.lst.xz"
    path = shared / "data/social_iqa/socialIQa_v1.4_dev.jsonl.xz"
    files = {"social_iqa/validation": f"{path} + {numbers}"}
    _, _, joined = _examples(
        "social_iqa", split="validation", settings=TaskSettings(files=files)
    )
    _, _, alone = examples("social_iqa", "validation")
    assert joined == alone


def test_social_iqas_texts_alone_have_no_labels(shared):
    path = shared / "data" / SIQA / "train.jsonl.xz"
    with pytest.raises(UnlabelledError, match="line 1 has no label"):
        _examples(
            "social_iqa",
            split="train",
            settings=TaskSettings(files={"social_iqa/train": str(path)}),
        )


def test_paws_xs_labels_and_untranslated_sentences(examples):
    """The card's figures; rows without NS are those that the paper counts as dev."""
    _, _, english = examples("pawsx.en", "validation")
    labels = {example.id: example.targets for example in english}
    differing, whole = {}, {}
    for language in pawsx.LANGUAGES:
        _, _, found = examples(f"pawsx.{language}", "validation")
        differing[language] = sum(each.targets != labels[each.id] for each in found)
        whole[language] = sum(" NS" not in each.inputs + " " for each in found)
    # In the order de en es fr ja ko zh.
    assert list(differing.values()) == [32, 0, 16, 3, 9, 23, 10]
    assert list(whole.values()) == [1932, 2000, 1962, 1992, 1980, 1965, 1984]


@pytest.mark.parametrize("language", pawsx.LANGUAGES)
def test_no_quote_mark_of_paws_x_is_doubled(examples, language):
    for split in ("validation", "test"):
        _, _, found = examples(f"pawsx.{language}", split)
        assert not any('""' in example.inputs for example in found)


def test_squad_v2s_unanswerable_questions(examples):
    _, _, found = examples("squad_v2", "validation")
    without = [example for example in found if not example.references]
    assert len(without) == 5_945
    assert {example.targets for example in without} == {"unanswerable"}
    said = {
        prompts.answer_or_none(example.targets, context=example.context)
        for example in without
    }
    assert said == {""}


def test_a_short_release_file_is_refused(shared):
    settings = TaskSettings(data_dir=str(shared / "data"))
    with pytest.raises(UserError, match="has 1,198 rows, the release has 1,200"):
        _examples("anli_r3", split="validation", settings=settings)


def test_copa_and_xcopa_have_one_prompt():
    assert catalog.family("xcopa").prompt is copa.LISTED
    assert catalog.family("xcopa_rank").prompt is copa.SCORED
