"""Rows of the ranking measurement are as long as XNLI's."""

from __future__ import annotations

import numpy as np
import pytest

from xtl_jax.bench import rank, step_ours
from xtl_jax.data.store import Store


@pytest.fixture(scope="module")
def written(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rank")
    setting = rank.Setting(
        model=toy,
        examples=24,
        peer_examples=3,
        batch_size=24,
        labels=((33, 1), (34, 7, 1)),
    )
    return folder, setting, rank.write(setting, folder)


def test_ours_and_peers_get_rows_of_one_split(written):
    folder, setting, shared = written
    split = setting.lengths()
    assert abs(split.mean() - setting.mean) < 1
    assert shared["longest"] == split.max()
    lengths = Store(folder / "store").lengths["inputs"]
    assert len(lengths) == 24
    assert abs(lengths.mean() - split.mean()) < 3
    padded = np.load(folder / "padded.npy")
    assert padded.shape == (3, split.max())
    assert set((padded > 0).sum(axis=1)) <= set(lengths.tolist())
    assert shared["generated"] == 3


def test_our_two_ways_answer_all_rows(written):
    _, _, shared = written
    ranked, generated = step_ours.rank(shared), step_ours.generate(shared)
    assert (ranked.facts["units"], generated.facts["units"]) == (24, 3)
    ranked.work()
    generated.work()
