"""Families of texts: rows in, exactly the expected text out, with and without SeqIO."""

from __future__ import annotations

import pytest
from xtl_tasks import build, catalog
from xtl_tasks.loading import TaskSettings, examples

from xtl_jax.data import vocabulary
from xtl_jax.errors import UserError

# Sentences to find, which lie in several files, have tests of their own.
NAMES = [
    family.name
    for family in catalog.FAMILIES
    if family.kind not in ("retrieval", "parallel")
]


@pytest.mark.parametrize("name", NAMES)
def test_rows_become_exactly_the_expected_text(name, own_rows, own_files):
    settings = TaskSettings(files=own_files(name))
    family = catalog.family(name)
    wanted = own_rows(name)
    keys = sorted({(row["language"], row["split"]) for row in wanted})
    for language, split in keys:
        found = list(examples(family, language, split=split, settings=settings))
        expected = [
            r for r in wanted if (r["language"], r["split"]) == (language, split)
        ]
        assert [e.inputs for e in found] == [r["inputs"] for r in expected]
        assert [e.targets for e in found] == [r["targets"] for r in expected]
        assert [list(e.references) for e in found] == [
            r["references"] for r in expected
        ]
        assert [e.context or "" for e in found] == [r["context"] for r in expected]
        assert [list(e.options) for e in found] == [
            r.get("options", []) for r in expected
        ]
        if "id" in expected[0]["row"]:
            assert [e.id for e in found] == [r["row"]["id"] for r in expected]


@pytest.fixture(scope="module")
def byte_vocabulary():
    return vocabulary.load("bytes", extra_ids=100)


def _elements(task, *, split, sequence_length=None):
    data = task.get_dataset(sequence_length, split=split, shuffle=False, seed=3)
    return list(data.as_numpy_iterator())


@pytest.mark.parametrize("name", NAMES)
def test_seqio_gives_the_same_text_as_tokens(
    name, own_rows, own_files, byte_vocabulary
):
    settings = TaskSettings(files=own_files(name), vocabulary=byte_vocabulary)
    family = catalog.family(name)
    first = own_rows(name)[0]
    language, split = first["language"], first["split"]
    expected = [
        r for r in own_rows(name) if (r["language"], r["split"]) == (language, split)
    ]
    task = build.build(family, language, settings=settings, for_cache=True)
    found = _elements(task, split=split)
    assert len(found) == len(expected)
    for element, row in zip(found, expected, strict=True):
        assert element["targets_pretokenized"].decode() == row["targets"]
        assert [r.decode() for r in element["references"]] == row["references"]
        assert element["context"].decode() == row["context"]
        assert [r.decode() for r in element["options"]] == row.get("options", [])
        if family.kind == "text":
            assert element["targets"].tolist() == byte_vocabulary.encode(row["targets"])
            continue
        for side in ("inputs", "targets"):
            assert element[f"{side}_pretokenized"].decode() == row[side]
            assert element[side].tolist() == [*byte_vocabulary.encode(row[side]), 1]
            assert element[side].dtype == "int32"


@pytest.mark.parametrize(
    "name", [name for name in NAMES if catalog.family(name).metric]
)
def test_targets_fed_back_score_100_and_nonsense_0(
    name, own_rows, own_files, byte_vocabulary
):
    settings = TaskSettings(files=own_files(name), vocabulary=byte_vocabulary)
    family = catalog.family(name)
    first = own_rows(name)[0]
    task = build.build(family, first["language"], settings=settings)
    elements = _elements(task, split=first["split"])
    targets = [
        task.postprocess_fn(None, example=element, is_target=True)
        for element in elements
    ]
    written = [
        byte_vocabulary.decode(element["targets"].tolist()) for element in elements
    ]
    (metric,) = task.metric_fns

    def score(texts):
        said = [
            task.postprocess_fn(text, example=element)
            for text, element in zip(texts, elements, strict=True)
        ]
        return metric(targets, said)

    assert score(written) == dict.fromkeys(family.metric.keys, 100.0)
    assert score(["qqq"] * len(written)) == dict.fromkeys(family.metric.keys, 0.0)


@pytest.mark.parametrize("name", ["span_corruption", "world_text"])
def test_text_tasks_corrupt_for_seqio_tools(name, own_rows, own_files, byte_vocabulary):
    settings = TaskSettings(files=own_files(name), vocabulary=byte_vocabulary)
    family = catalog.family(name)
    first = own_rows(name)[0]
    task = build.build(family, first["language"], settings=settings)
    lengths = {"inputs": 20, "targets": 20}
    found = _elements(task, split="train", sequence_length=lengths)
    whole = []
    for element in found:
        inputs, targets = element["inputs"].tolist(), element["targets"].tolist()
        assert len(inputs) <= 20
        assert inputs[-1] == targets[-1] == 1
        holes: dict[int, list[int]] = {}
        for token in targets[:-1]:
            if token in byte_vocabulary.sentinel_ids:
                holes[token] = []
                last = token
            else:
                holes[last].append(token)
        for token in inputs[:-1]:
            whole += holes.get(token, [token])
    texts = [
        row["targets"] for row in own_rows(name) if row["language"] == first["language"]
    ]
    assert byte_vocabulary.decode(whole) == "".join(texts)


def test_a_vocabulary_that_a_task_cannot_be_built_with_is_refused(own_rows, own_files):
    family, language = catalog.find("span_corruption")
    with pytest.raises(UserError, match=r"span_corruption.*: no vocabulary is set; "):
        build.build(family, language, settings=TaskSettings())
    settings = TaskSettings(
        files=own_files("span_corruption"), vocabulary=vocabulary.load("bytes")
    )
    language = own_rows("span_corruption")[0]["language"]
    task = build.build(family, language, settings=settings)
    with pytest.raises(UserError, match=r"no sentinels .* extra_ids=100 \(--extra_ids"):
        _elements(task, split="train", sequence_length={"inputs": 20, "targets": 20})
