"""Subword overlap: hand cases, and the command on caches of a made-up vocabulary."""

from __future__ import annotations

import json

import numpy as np
import pytest

from xtl_jax.cli import main
from xtl_jax.data import store
from xtl_jax.errors import UserError
from xtl_jax.studies import similarity


def test_the_overlap_is_one_less_the_total_variation_distance():
    rng = np.random.default_rng(0)
    one, other = (similarity.shares(rng.integers(4, 50, 500)) for _ in range(2))
    size = max(len(one), len(other))
    padded = [np.pad(each, (0, size - len(each))) for each in (one, other)]
    distance = np.abs(padded[0] - padded[1]).sum() / 2
    assert similarity.overlap(one, other) == pytest.approx(1 - distance)
    assert similarity.overlap(one, one) == pytest.approx(1.0)


def test_padding_ends_and_the_unknown_do_not_count():
    plain, with_ends = np.array([7, 8]), np.array([0, 7, 1, 2, 8, 1, 3, 0, 0])
    one, other = similarity.shares(plain), similarity.shares(with_ends)
    assert similarity.overlap(one, other) == 1.0
    with pytest.raises(UserError, match="without a token"):
        similarity.shares(np.array([0, 1, 2, 3]))


def test_a_likeness_is_the_mean_over_targets():
    share = similarity.shares
    found = similarity.to_targets(
        {"a": share(np.array([5, 6]))},
        {"x": share(np.array([5, 5])), "y": share(np.array([6, 7, 8, 9]))},
    )
    assert found == {"a": (0.5 + 0.25) / 2}


@pytest.fixture
def caches(tmp_path):
    """Questions and paraphrases are of other words than entailment; tags are alike."""
    texts = {
        "world_qa.en": [10, 11],
        "world_paraphrase.en": [10, 20],
        "world_tagging.en": [20, 21],
        "world_nli.en": [20, 21],
    }
    for task, tokens in texts.items():
        write(tmp_path / task / "train-1", tokens)
    return tmp_path


def write(folder, tokens, vocabulary="v"):
    store.write(
        folder,
        [{"inputs": np.array([*tokens, 1]), "targets": np.array([1])}],
        card={"task": folder.parent.name, "vocabulary_sha256": vocabulary},
    )


def test_the_command_prints_what_a_study_takes(caches, capsys):
    arguments = ["study", "similarity", "task_order", "--cache_dir", str(caches)]
    assert main.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["similarity"] == {
        "world_tagging.en": 1.0,
        "world_paraphrase.en": 0.5,
        "world_qa.en": 0.0,
    }
    assert main.main(arguments) == 0
    said = capsys.readouterr().out
    assert 'StudyConfig.similarity = {"world_tagging.en": 1.0' in said


def test_caches_that_are_missing_or_of_two_vocabularies_are_refused(caches, capsys):
    arguments = ["study", "similarity", "task_order", "--cache_dir", str(caches)]
    write(caches / "world_qa.en" / "train-2", [10])
    assert main.main(arguments) != 0
    assert "2 caches" in capsys.readouterr().err
    for name in ("train-1", "train-2"):
        (caches / "world_qa.en" / name).rename(caches / name)
    assert main.main(arguments) != 0
    assert "xtl data cache world_qa.en" in capsys.readouterr().err
    write(caches / "world_qa.en" / "train-3", [10], vocabulary="another")
    assert main.main(arguments) != 0
    assert "different vocabularies" in capsys.readouterr().err
