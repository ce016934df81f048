"""Families whose rows are those of others: ANLI's rounds, ANLI+."""

from __future__ import annotations

import collections
import json

import pytest
from xtl_tasks import catalog, loading
from xtl_tasks.loading import TaskSettings

from xtl_jax.errors import UserError


def _write(folder, name, records):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def _nli(id, label="neutral"):
    return {"pairID": id, "sentence1": "p", "sentence2": "h", "gold_label": label}


def _anli(id):
    return {"uid": id, "context": "p", "hypothesis": "h", "label": "c"}


@pytest.fixture
def files(tmp_path):
    """One row or two of each part, named by settings: subsets on purpose."""
    rows = {
        "snli": [_nli("1"), _nli("2", "-")],
        "mnli": [_nli("1", "entailment")],
        **{f"anli_r{number}": [_anli("1")] for number in (1, 2, 3)},
    }
    return {
        f"{name}/train": _write(tmp_path, f"{name}.jsonl", records)
        for name, records in rows.items()
    }


def _rows(name, *, files, dropped=None, split="train", data_dir=None):
    family, language = catalog.find(name)
    settings = TaskSettings(files=files, data_dir=data_dir)
    return list(
        loading.rows(family, language, split=split, settings=settings, dropped=dropped)
    )


def test_a_union_is_its_parts_one_after_the_other(files):
    dropped: collections.Counter[str] = collections.Counter()
    rows = _rows("anli_plus", files=files, dropped=dropped)
    assert [row.id for row in rows] == [
        "snli:1",
        "mnli:1",
        "anli:anli_r1:1",
        "anli:anli_r2:1",
        "anli:anli_r3:1",
    ]
    assert [row.label for row in rows[:3]] == ["neutral", "entailment", "contradiction"]
    assert dropped == {"no gold label": 1}
    family, _ = catalog.find("anli_plus")
    assert {family.prompt(row).inputs for row in rows} == {
        "anli_plus hypothesis: h premise: p"
    }


def test_its_source_names_every_file(files):
    family, language = catalog.find("anli_plus")
    source = loading.find_source(
        family, language, split="train", settings=TaskSettings(files=files)
    )
    assert source is not None
    assert source.files() == tuple(files.values())
    assert all(path in str(source) for path in files.values())


@pytest.mark.parametrize("part", ["snli", "mnli", "anli_r2"])
def test_all_parts_must_be_there(files, part):
    del files[f"{part}/train"]
    with pytest.raises(UserError) as error:
        _rows("anli_plus", files=files)
    message = str(error.value)
    assert f"{part}/train: its data is not here" in message
    others = {"snli", "mnli", "anli_r1", "anli_r2", "anli_r3"} - {part}
    assert not any(f"{other}/train: its data" in message for other in others)
    family, language = catalog.find("anli_plus")
    settings = TaskSettings(files=files)
    assert (
        loading.find_source(family, language, split="train", settings=settings) is None
    )


def test_a_file_of_its_own_stands_for_all_parts(files, tmp_path):
    own = _write(tmp_path, "own.jsonl", [_nli("9")])
    (row,) = _rows("anli_plus", files={**files, "anli_plus/train": own})
    assert row.id == "9"


def test_parts_are_counted_as_their_releases_state(tmp_path):
    for number in (1, 2, 3):
        _write(tmp_path, f"anli_v1.0/R{number}/dev.jsonl", [_anli("1")])
    with pytest.raises(UserError, match=r"anli_r1/validation has 1 rows, .* 1,000"):
        _rows("anli", files={}, split="validation", data_dir=str(tmp_path))


def test_published_rows_are_the_sums_of_the_parts():
    for name in ("anli", "anli_plus"):
        family = catalog.family(name)
        for split in family.splits:
            counts = [
                part.rows_published(language="en", split=split) for part in family.parts
            ]
            assert sum(counts) == family.rows_published(language="en", split=split)
    union = catalog.family("anli_plus")
    assert union.splits == ("train", "validation")
    assert catalog.family("anli").splits == ("train", "validation", "test")
    assert [each.name for each in union.releases] == [
        *("snli", "mnli", "anli_r1", "anli_r2", "anli_r3")
    ]
