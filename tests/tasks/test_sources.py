"""Where rows come from: files, else TFDS that is prepared here, never a download."""

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


# --- TensorFlow Datasets ------------------------------------------------------------


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


def test_published_names_configs_and_features_are_those_of_tfds():
    import tensorflow_datasets as tfds

    for family in catalog.FAMILIES:
        for source in family.tfds.values():
            languages = source.languages or family.standard_languages
            builder = tfds.builder(source.filled(languages[0]))
            fields = set(builder.info.features)
            wanted = (
                {"id", "title", "context", "question", "answers"}
                if family.kind == "qa"
                else {"premise", "hypothesis", "label"}
            )
            assert wanted <= fields, source
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
    file = tmp_path / "a.json.xz"
    file.write_bytes(lzma.compress(_squad(_question("mine")).encode()))
    settings = TaskSettings(files={"squad_v1/train": str(file)}, tfds_dir=tfds_dir)
    (row,) = _rows("squad_v1", split="train", settings=settings)
    assert row.id == "mine"
