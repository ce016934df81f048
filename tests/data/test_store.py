"""Token stores: what goes in comes out; half a store is never seen."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from xtl_jax.data import store
from xtl_jax.errors import UserError

CARD = {
    "task": "toy",
    "split": "train",
    "eos_id": 1,
    "eos": {"inputs": True, "targets": True},
}
ROWS = [
    {"inputs": [5, 6, 7, 1], "targets": [9, 1]},
    {"inputs": [8, 1], "targets": [9, 10, 1]},
    {"inputs": [1], "targets": [250_111, 1]},
]
META = [{"id": f"q{i}", "inputs": text} for i, text in enumerate(("a", "日本\n", "…"))]


def _write(folder, rows=ROWS):
    return store.write(folder, rows, CARD)


def test_tokens_come_out_as_they_went_in(tmp_path):
    opened = store.Store(_write(tmp_path / "s"))
    assert opened.num_examples == 3
    for i, row in enumerate(ROWS):
        for feature, tokens in row.items():
            assert opened.tokens(feature, i).tolist() == tokens
    assert opened.lengths["inputs"].tolist() == [4, 2, 1]
    assert opened.lengths["targets"].tolist() == [2, 3, 2]


def test_the_files_are_plain_little_endian_int32(tmp_path):
    folder = _write(tmp_path / "s")
    raw = (folder / "inputs.tokens.bin").read_bytes()
    assert raw == b"".join(t.to_bytes(4, "little") for t in (5, 6, 7, 1, 8, 1, 1))
    assert np.load(folder / "inputs.offsets.npy").tolist() == [0, 4, 6, 7]


def test_texts_are_kept_beside_the_tokens(tmp_path):
    rows = [row | {"meta": meta} for row, meta in zip(ROWS, META, strict=True)]
    opened = store.Store(_write(tmp_path / "s", rows))
    assert [opened.meta(i) for i in range(3)] == META
    without = store.Store(_write(tmp_path / "t"))
    with pytest.raises(UserError, match="keeps no texts"):
        without.meta(0)


def test_the_card_counts_by_hand(tmp_path):
    card = store.read_card(_write(tmp_path / "s"))
    assert card["examples"] == 3
    assert card["lengths"]["inputs"]["tokens"] == 7
    assert card["lengths"]["inputs"]["percentiles"]["50"] == 2
    assert card["lengths"]["targets"]["percentiles"]["100"] == 3
    assert card["task"] == "toy"


@pytest.mark.parametrize(
    "name", ["inputs.tokens.bin", "targets.offsets.npy", "inputs.offsets.npy"]
)
def test_a_damaged_file_is_named(tmp_path, name):
    folder = _write(tmp_path / "s")
    path = folder / name
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match=f"{name} has .* bytes, its card says"):
        store.Store(folder)
    path.unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        store.Store(folder)


def test_a_damaged_card_and_another_format_are_named(tmp_path):
    folder = _write(tmp_path / "s")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"format_version": 99}))
    with pytest.raises(UserError, match="format version 99"):
        store.Store(folder)
    (folder / "card.json").write_text('{"task": ')
    with pytest.raises(UserError, match=r"card\.json is not readable"):
        store.Store(folder)
    with pytest.raises(UserError, match="is no token store"):
        store.Store(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"examples": 4},
            r"inputs\.offsets\.npy: has 3 examples, the card says 4",
        ),
        (
            {"examples": "3"},
            r"card\.json does not say how many examples .*; delete",
        ),
        ({"files": ["inputs.tokens.bin"]}, r"card\.json does not say .* which files"),
        ({"sha256": None}, r"card\.json does not say"),
    ],
)
def test_a_card_that_does_not_describe_its_files_is_named(tmp_path, change, message):
    folder = _write(tmp_path / "s")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | change))
    with pytest.raises(UserError, match=f"damaged cache: .*{message}"):
        store.Store(folder)


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path):
    def rows():
        yield ROWS[0]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match="no space left while writing"):
        _write(tmp_path / "s", rows())
    assert list(tmp_path.iterdir()) == []


def test_a_failure_midway_leaves_nothing(tmp_path):
    def rows():
        yield ROWS[0]
        raise RuntimeError("row 2 is bad")

    with pytest.raises(RuntimeError, match="row 2 is bad"):
        _write(tmp_path / "s", rows())
    assert list(tmp_path.iterdir()) == []


def test_no_examples_is_an_error(tmp_path):
    with pytest.raises(UserError, match="toy train has no examples"):
        _write(tmp_path / "s", [])
    assert list(tmp_path.iterdir()) == []


def test_texts_for_some_examples_only_is_refused(tmp_path):
    rows = [ROWS[0], ROWS[1] | {"meta": {}}]
    with pytest.raises(ValueError, match="some have none"):
        _write(tmp_path / "s", rows)


MANY = """
import pathlib, sys
from xtl_jax.data import store
rows = ({"inputs": [i % 97 + 2, 1], "targets": [3, 1]} for i in range(20_000))
sys.stdin.read()  # all begin together, when the parent closes the pipe
store.write(pathlib.Path(sys.argv[1]), rows, {"task": "toy", "split": "train"})
"""


def test_ten_processes_at_once_leave_one_whole_store(tmp_path):
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, str(tmp_path / "s")], stdin=subprocess.PIPE
        )
        for _ in range(10)
    ]
    for worker in workers:
        worker.stdin.close()
    assert [worker.wait() for worker in workers] == [0] * 10
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    opened = store.Store(tmp_path / "s")
    assert opened.num_examples == 20_000
    assert opened.tokens("inputs", 19_999).tolist() == [19_999 % 97 + 2, 1]
