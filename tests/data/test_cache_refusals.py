"""Tasks that no cache can be made of are refused before anything is written."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from xtl_jax.data import cache, vocabulary
from xtl_jax.errors import UserError

BYTES = vocabulary.load("bytes")
CORRUPTION = {"name": "span_corruption", "noise_density": 0.15, "mean_span": 3.0}


class Feature(NamedTuple):
    """What a cache asks of SeqIO's class."""

    add_eos: bool = True


class Task(NamedTuple):
    """Likewise; SeqIO takes long to import."""

    output_features: dict[str, Feature]
    splits: tuple[str, ...]


@pytest.mark.parametrize(
    ("features", "changes", "message"),
    [
        (("targets",), {}, "toy has no feature 'inputs'; an encoder"),
        (
            ("inputs", "targets"),
            {"split": "test"},
            "no split 'test'; it has train",
        ),
        (
            ("targets",),
            {"transform": CORRUPTION},
            "toy hides spans .* 'bytes' has none; add some with --extra_ids 100",
        ),
    ],
)
def test_a_task_that_no_cache_can_be_made_of(tmp_path, features, changes, message):
    task: Any = Task(dict.fromkeys(features, Feature()), splits=("train",))
    settings = {
        "task": "toy",
        "split": "train",
        "definition": {},
        "vocabulary_sha256": BYTES.sha256,
        "sources": (),
        "keep_text": False,
    }
    recipe = cache.Recipe(**settings | changes)
    with pytest.raises(UserError, match=message):
        cache.build(task, recipe, cache_dir=tmp_path, vocabulary=BYTES)
    assert cache.find(recipe, cache_dir=tmp_path) is None
