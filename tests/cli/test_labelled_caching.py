"""Stores of labelled examples: found by what they are made of, made without SeqIO."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping

import pytest
from xtl_tasks import catalog

from xtl_jax.cli import labelled_caching
from xtl_jax.data import encoder_vocabulary
from xtl_jax.data import store as token_stores
from xtl_jax.errors import UserError

BYTES = encoder_vocabulary.load("bytes")
CCG = """a|DT|NP/N cat|NN|N
the|DT|NP/N dog|NN|N sat|VBD|S[dcl]\\NP
"""


@dataclasses.dataclass(kw_only=True)
class Run:
    data_dir: str
    cache_dir: str
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    lengths: Mapping[str, int] = dataclasses.field(
        default_factory=lambda: {"inputs": 192, "targets": 2}
    )
    window_stride: int = 32
    question_length: int = 64
    tagged_piece: str = "first"


@pytest.fixture
def run(world_data, tmp_path):
    return Run(data_dir=str(world_data), cache_dir=str(tmp_path / "cache"))


def ensure(task, run, *, split="train"):
    return labelled_caching.ensure_store(task, split=split, run=run, vocabulary=BYTES)


@pytest.mark.parametrize(
    ("task", "split", "kind", "labels"),
    [
        ("world_nli.en", "train", "classification", 3),
        ("world_paraphrase.sw", "test", "classification", 2),
        ("world_qa.de", "validation", "span", 0),
        ("world_tagging.en", "train", "tagging", 17),
        ("world_text.en", "train", "masked_lm", 0),
        ("world_retrieval.tr", "test", None, 0),
    ],
)
def test_tasks_of_every_kind_become_stores(run, task, split, kind, labels):
    store = ensure(task, run, split=split)
    assert store.card["kind"] == kind
    assert len(store.card["labels"]) == labels
    assert store.card["length"] == 192
    assert store.lengths["inputs"].max() <= 192
    rows = store.card["counts"]["rows"]
    assert rows == (48 if split == "train" else 8 if kind is None else 4)
    assert store.has_meta == (split != "train")
    first = store.tokens("inputs", 0)
    assert first[0] == BYTES.start_id
    assert first[-1] == BYTES.end_id


def test_a_store_is_found_again_and_another_setting_makes_another(run):
    first = ensure("world_qa.en", run)
    stamp = (first.folder / "card.json").stat().st_mtime_ns
    again = ensure("world_qa.en", run)
    assert again.folder == first.folder
    assert (again.folder / "card.json").stat().st_mtime_ns == stamp
    folders = {first.folder}
    for changes in (
        {"lengths": {"inputs": 128, "targets": 2}},
        {"window_stride": 16},
        {"question_length": 32},
    ):
        folders.add(ensure("world_qa.en", dataclasses.replace(run, **changes)).folder)
    assert len(folders) == 4


def test_a_stride_changes_only_stores_of_questions(run):
    other = dataclasses.replace(run, window_stride=16)
    assert ensure("world_nli.en", run).folder == ensure("world_nli.en", other).folder


def test_another_tagged_piece_makes_another_store_of_tags_alone(run):
    other = dataclasses.replace(run, tagged_piece="text")
    for task, same in (("world_tagging.en", False), ("world_nli.en", True)):
        assert (ensure(task, run).folder == ensure(task, other).folder) is same


def test_a_machine_with_caches_alone_needs_no_files(run):
    made = ensure("world_nli.en", run)
    bare = dataclasses.replace(run, data_dir="")
    assert ensure("world_nli.en", bare).folder == made.folder
    with pytest.raises(UserError, match="its data is not here"):
        ensure("world_nli.de", bare)


def test_neither_seqio_nor_tensorflow_is_imported(run):
    program = f"""
import sys, types
sys.path[:0] = {[*sys.path]!r}
from xtl_jax.cli import labelled_caching
from xtl_jax.data import encoder_vocabulary, labelled_batches, labelled_feed
run = types.SimpleNamespace(**{dataclasses.asdict(run)!r})
vocabulary = encoder_vocabulary.load("bytes")
for task in ("world_nli.en", "world_qa.en", "world_tagging.en"):
    labelled_caching.ensure_store(task, split="train", run=run, vocabulary=vocabulary)
print([name for name in ("seqio", "tensorflow", "jax") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# --- labels that only training rows tell ----------------------------------------------


@pytest.fixture
def ccg(run, tmp_path):
    for split, text in {
        "train": CCG,
        "validation": "a|DT|NP/N bird|NN|N sang|VBD|S[b]\\NP\n",
    }.items():
        (tmp_path / f"{split}.stagged").write_text(text, encoding="utf-8")
    files = {
        f"ccg/{split}": str(tmp_path / f"{split}.stagged")
        for split in ("train", "validation")
    }
    return dataclasses.replace(run, files=files)


def test_the_tags_of_the_training_rows_are_the_labels(ccg):
    tags = ["N", "NP/N", "S[dcl]\\NP"]
    assert list(labelled_caching.labels_of(catalog.family("ccg"), run=ccg)) == tags
    assert ensure("ccg", ccg).card["labels"] == tags
    dev = ensure("ccg", ccg, split="validation")
    assert dev.card["labels"] == tags
    assert dev.card["counts"]["unknown_tags"] == 1
    assert [label for label in dev.tokens("targets", 0) if label >= 0] == [1, 0]
    assert dev.meta(0)["references"] == ["NP/N N S[b]\\NP"]


def test_labels_come_from_the_cache_where_the_rows_are_not_here(ccg):
    ensure("ccg", ccg)
    dev = ensure("ccg", ccg, split="validation")
    bare = dataclasses.replace(ccg, data_dir="", files={})
    assert ensure("ccg", bare, split="validation").folder == dev.folder


def test_caches_of_other_tags_are_no_source_of_labels(ccg, tmp_path):
    bare = dataclasses.replace(ccg, data_dir="", files={})
    rows = [{"inputs": [0, 2], "targets": [0, -1]}]
    for number, tags in enumerate((["N"], ["N", "NP/N"], []), start=1):
        folder = tmp_path / "cache" / "ccg" / f"train-{number}"
        token_stores.write(folder, rows, {"task": "ccg", "labels": tags})
    with pytest.raises(UserError, match=r"caches of ccg in .*cache have different"):
        labelled_caching.labels_of(catalog.family("ccg"), run=bare)


def test_without_training_rows_a_store_can_still_be_scored(ccg):
    only = {"ccg/validation": ccg.files["ccg/validation"]}
    dev = ensure("ccg", dataclasses.replace(ccg, files=only), split="validation")
    assert dev.card["labels"] == []
    assert set(dev.tokens("targets", 0).tolist()) == {-1}
    assert len(dev.meta(0)["positions"]) == 3


# --- errors ---------------------------------------------------------------------------


def test_a_bad_row_leaves_nothing_behind(run, tmp_path):
    path = tmp_path / "bad.tsv"
    path.write_text("premise\thypothesis\tneutral\nonly\n", encoding="utf-8")
    bad = dataclasses.replace(run, files={"world_nli.en/train": str(path)})
    with pytest.raises(UserError, match=r"bad\.tsv: line 2"):
        ensure("world_nli.en", bad)
    left = [each.name for each in (tmp_path / "cache" / "world_nli.en").iterdir()]
    assert all(name.endswith(".lock") for name in left)


def test_a_split_that_is_not_there_is_refused(run):
    with pytest.raises(UserError, match="no split 'train'"):
        ensure("world_retrieval.tr", run)


def test_the_card_says_what_was_done(run):
    card = json.loads(
        (ensure("world_qa.en", run).folder / "card.json").read_text(encoding="utf-8")
    )
    assert card["counts"]["windows"] == card["examples"]
    assert card["definition"]["question_length"] == 64
    assert card["ids"] == {"pad": 1, "mask": 260, "first": 4, "size": 261}
