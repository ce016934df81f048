"""Rows from TFDS sets prepared on disk, with the names and features of TFDS."""

from __future__ import annotations

import json
import lzma
import pathlib

import numpy as np
import pytest
from xtl_tasks import catalog, loading
from xtl_tasks.loading import TaskSettings

from xtl_jax.errors import UnlabelledError, UserError


def _rows(name, *, split, settings):
    family, language = catalog.find(name)
    return list(loading.rows(family, language, split=split, settings=settings))


def _inference(n, **fields):
    return {"premise": f"p{n}", "hypothesis": f"h{n}", **fields}


def _paws(label):
    return {"sentence1": "a", "sentence2": "b", "label": label}


_QUESTION = {
    "id": "v1",
    "title": "t",
    "context": "It goes at 7:45.",
    "question": "When?",
    "answers": {"text": ["7:45"], "answer_start": [11]},
    "plausible_answers": {"text": [], "answer_start": []},
    "is_impossible": False,
}
_NONE = {"text": [], "answer_start": []}
_COSMOS = {
    "id": "c",
    "context": "x",
    "question": "q",
    **{f"answer{n}": f"o{n}" for n in range(4)},
}
# Written with the features that TFDS itself publishes for the set.
PUBLISHED = {
    "snli": {
        "train": [_inference(0, label=1), _inference(1, label=-1)],
        "validation": [_inference(2, label=2)],
    },
    **{
        f"anli/r{number}": {
            "validation": [
                {"uid": f"u{number}", "context": "p", "hypothesis": "h", "label": 2}
            ]
        }
        for number in (1, 2, 3)
    },
    "glue/qqp": {
        "train": [{"question1": "a?", "question2": "b?", "label": 1, "idx": 7}],
        "validation": [{"question1": "a?", "question2": "b?", "label": -1, "idx": 0}],
    },
    "squad/v2.0": {
        "train": [
            _QUESTION,
            {**_QUESTION, "id": "v2", "answers": _NONE, "is_impossible": True},
        ],
        "validation": [{**_QUESTION, "answers": _NONE}],
    },
    "hellaswag": {
        "validation": [
            {
                "context": "A dog",
                "endings": ["reads.", "votes.", "pays.", "barks."],
                "label": 3,
                "activity_label": "",
                "source_id": "",
                "split_type": "",
            }
        ]
    },
    "cosmos_qa": {
        "train": [{**_COSMOS, "label": 2}],
        "validation": [{**_COSMOS, "label": -1}],
    },
    "super_glue/copa": {
        "train": [
            {
                "premise": "p",
                "question": "cause",
                "choice1": "a",
                "choice2": "b",
                "label": 1,
                "idx": 4,
            }
        ]
    },
    "paws_x_wiki/ja": {"test": [_paws(1), _paws(0)]},
    "paws_x_wiki/en": {"train": [_paws(0)]},
}


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    """Sets prepared on disk by TFDS's own writer, under their published names."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.question_answering import qa_utils

    folder = tmp_path_factory.mktemp("tfds")
    squad = [
        {
            "id": id,
            "title": "Züge",
            "context": "It goes at 7:45.",
            "question": "When?",
            "answers": {"text": ["7:45", "at 7:45"], "answer_start": [11, 8]},
        }
        for id in ("s1", "s2")
    ]
    languages = sorted(catalog.family("xnli").languages)
    xnli = [
        {
            "premise": {each: f"premise {each} {n}" for each in languages},
            "hypothesis": {each: f"hypothesis {each} {n}" for each in languages},
            "label": label,
        }
        for n, label in enumerate(("neutral", "entailment"))
    ]
    mnli = [
        {"premise": "p", "hypothesis": "h", "label": label, "idx": idx}
        for idx, label in enumerate((2, -1, 0))
    ]
    pair = tfds.features.FeaturesDict(
        {
            "premise": tfds.features.Text(),
            "hypothesis": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["e", "n", "c"]),
            "idx": tfds.features.Scalar(np.int32),
        }
    )
    all_languages = tfds.features.FeaturesDict(
        {
            "premise": tfds.features.Translation(languages=languages),
            "hypothesis": tfds.features.TranslationVariableLanguages(
                languages=languages
            ),
            "label": tfds.features.ClassLabel(
                names=["entailment", "neutral", "contradiction"]
            ),
        }
    )
    spans = qa_utils.squadlike_features()
    tydi = [{**squad[0], "id": "korean-1-0"}, {**squad[0], "id": "telugu-1-0"}]
    stripped = [{**squad[0], "answers": {"text": [""], "answer_start": [0]}}]
    for name, config, features, splits in (
        ("squad", "v1.1", spans, {"train": squad, "validation": stripped}),
        ("xquad", "ar", spans, {"test": squad}),
        ("mlqa", "hi", spans, {"validation": squad}),
        ("tydi_qa", "goldp", spans, {"validation": tydi}),
        ("xnli", None, all_languages, {"test": xnli}),
        ("glue", "mnli", pair, {"train": mnli}),
    ):
        _prepare(folder, name, config=config, features=features, splits=splits)
    for path, splits in PUBLISHED.items():
        name, _, config = path.partition("/")
        _prepare(
            folder,
            name,
            config=config or None,
            features=tfds.builder(path, data_dir=str(folder)).info.features,
            splits=splits,
        )
    return str(folder)


def _prepare(folder, name, *, config, features, splits):
    """Write one set with TFDS, where `tfds.builder(name)` looks for it."""
    import tensorflow_datasets as tfds

    path = "/".join(filter(None, (name, config)))
    version = tfds.builder(path, data_dir=str(folder)).version
    place = pathlib.Path(folder, *filter(None, (name, config, str(version))))
    place.mkdir(parents=True)
    _write(
        place,
        name=name,
        config=config,
        version=version,
        features=features,
        splits=splits,
    )


def _write(place, *, name, config, version, features, splits):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    identity = tfds.core.dataset_info.DatasetIdentity(
        name=name,
        version=version,
        data_dir=str(place),
        module_name="tests",
        config_name=config,
    )
    info = tfds.core.DatasetInfo(builder=identity, features=features)
    infos = []
    for split, rows in splits.items():
        template = tfds.core.ShardedFileTemplate(
            data_dir=place, dataset_name=name, split=split, filetype_suffix="tfrecord"
        )
        (path,) = template.sharded_filepaths(1)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for row in rows:
                writer.write(features.serialize_example(row))
        infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[len(rows)],
                num_bytes=1,
                filename_template=template,
            )
        )
    info.set_splits(tfds.core.SplitDict(infos))
    info.write_to_directory(place)


@pytest.fixture
def from_tfds(tfds_dir):
    return TaskSettings(tfds_dir=tfds_dir)


def test_squad_from_tfds(from_tfds):
    rows = _rows("squad_v1", split="train", settings=from_tfds)
    assert [row.id for row in rows] == ["s1", "s2"]
    assert rows[0].answers == ("7:45", "at 7:45")
    assert rows[0].answer_starts == (11, 8)
    assert (rows[0].title, rows[0].question) == ("Züge", "When?")
    assert rows[0].context == "It goes at 7:45."


def test_xnli_from_tfds_takes_one_language(from_tfds):
    rows = _rows("xnli.sw", split="test", settings=from_tfds)
    assert [row.label for row in rows] == ["neutral", "entailment"]
    assert (rows[1].first, rows[1].second) == ("premise sw 1", "hypothesis sw 1")
    assert [row.id for row in rows] == ["0", "1"]


def test_glue_from_tfds_drops_rows_without_gold(from_tfds):
    rows = _rows("mnli", split="train", settings=from_tfds)
    assert [(row.id, row.label) for row in rows] == [
        ("0", "contradiction"),
        ("2", "entailment"),
    ]
    assert _rows("xnli.en", split="train", settings=from_tfds) == rows


def test_published_names_and_configs_are_those_of_tfds():
    import tensorflow_datasets as tfds

    for family in catalog.FAMILIES:
        for source in family.tfds.values():
            languages = source.languages or family.standard_languages
            for language in languages:
                name, _, config = source.filled(language).partition("/")
                assert not config or config in tfds.builder_cls(name).builder_configs


def test_other_question_sets_from_tfds(from_tfds):
    assert len(_rows("xquad.ar", split="test", settings=from_tfds)) == 2
    assert len(_rows("mlqa.hi", split="validation", settings=from_tfds)) == 2
    (row,) = _rows("tydiqa_goldp.te", split="validation", settings=from_tfds)
    assert row.id == "telugu-1-0"


def test_tfds_without_the_split_labels_or_language(from_tfds):
    with pytest.raises(UserError, match=r"TFDS squad/v1\.1.*no answer.*unlabelled"):
        _rows("squad_v1", split="validation", settings=from_tfds)
    with pytest.raises(UserError, match="TFDS xnli split 'validation'"):
        _rows("xnli.sw", split="validation", settings=from_tfds)
    with pytest.raises(UserError, match="holds no row in 'bn'"):
        _rows("tydiqa_goldp.bn", split="validation", settings=from_tfds)


def test_files_win_over_tfds(tmp_path, tfds_dir):
    question = {
        "id": "mine",
        "question": "q?",
        "answers": [{"text": "7", "answer_start": 0}],
    }
    document = {"data": [{"paragraphs": [{"context": "7 a", "qas": [question]}]}]}
    file = tmp_path / "a.json.xz"
    file.write_bytes(lzma.compress(json.dumps(document).encode()))
    settings = TaskSettings(files={"squad_v1/train": str(file)}, tfds_dir=tfds_dir)
    (row,) = _rows("squad_v1", split="train", settings=settings)
    assert row.id == "mine"


def test_pairs_from_tfds(from_tfds):
    (row,) = _rows("snli", split="train", settings=from_tfds)
    assert (row.id, row.first, row.second, row.label) == ("0", "p0", "h0", "neutral")
    (row,) = _rows("qqp", split="train", settings=from_tfds)
    assert (row.id, row.first, row.label) == ("7", "a?", "duplicate")
    rows = _rows("pawsx.ja", split="test", settings=from_tfds)
    assert [row.label for row in rows] == ["paraphrase", "different_meaning"]
    (row,) = _rows("pawsx.en", split="train", settings=from_tfds)
    assert row.label == "different_meaning"


def test_anlis_rounds_from_tfds_are_one_family(from_tfds):
    rows = _rows("anli", split="validation", settings=from_tfds)
    assert [row.id for row in rows] == [f"anli_r{n}:u{n}" for n in (1, 2, 3)]
    assert {row.label for row in rows} == {"contradiction"}
    family, language = catalog.find("anli")
    source = loading.find_source(
        family, language, split="validation", settings=from_tfds
    )
    assert source is not None
    assert source.sets() == ("anli/r1", "anli/r2", "anli/r3")


def test_questions_without_an_answer_from_tfds(from_tfds):
    first, second = _rows("squad_v2", split="train", settings=from_tfds)
    assert (first.answers, first.answer_starts) == (("7:45",), (11,))
    assert (second.id, second.answers) == ("v2", ())
    with pytest.raises(UnlabelledError, match=r"squad/v2\.0.*no answer.*unlabelled"):
        _rows("squad_v2", split="validation", settings=from_tfds)


@pytest.mark.parametrize(
    ("task", "split", "id", "question", "answer"),
    [
        ("hellaswag", "validation", "0", "", "barks."),
        ("hellaswag_rank", "validation", "0", "", "barks."),
        ("cosmos_qa", "train", "c", "q", "o2"),
        ("copa", "train", "4", "cause", "b"),
        ("copa_rank", "train", "4", "cause", "b"),
    ],
)
def test_choices_from_tfds(from_tfds, task, split, id, question, answer):
    (row,) = _rows(task, split=split, settings=from_tfds)
    assert (row.id, row.question, row.options[row.answer]) == (id, question, answer)


@pytest.mark.parametrize("task", ["qqp", "cosmos_qa"])
def test_sets_without_labels_are_refused(from_tfds, task):
    with pytest.raises(UnlabelledError, match=r"row 0 has no label: the split is unl"):
        _rows(task, split="validation", settings=from_tfds)
