"""Vectors that do not fit into memory go to the disk, if that has room."""

from __future__ import annotations

import collections
import shutil

import numpy as np
import pytest

from xtl_jax.cli import predict_retrieval
from xtl_jax.errors import UserError

SHAPE = (2, 1000, 4)  # layers, texts, width: 32,000 bytes
Usage = collections.namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    monkeypatch.setattr(predict_retrieval, "_IN_MEMORY", 31_999)


def test_the_file_of_vectors_is_gone_with_them(tmp_path):
    made = predict_retrieval.room(SHAPE, str(tmp_path))
    made[1, 999] = 7.0
    assert isinstance(made, np.memmap)
    assert made.shape == SHAPE
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1, 1, 31_999))
    says = r"GB free, and the vectors of 1,000 texts .*: free some space, give another"
    with pytest.raises(UserError, match=rf"{tmp_path} has 0\.0 {says}"):
        predict_retrieval.room(SHAPE, str(tmp_path))
