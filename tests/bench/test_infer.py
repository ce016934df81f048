"""The measurement of generation counts what is generated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from etils import epath

from xtl_jax.bench import infer
from xtl_jax.checkpoint import huggingface, names
from xtl_jax.infer import model as models


def test_ids_a_second_are_those_of_the_median_round(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(infer, "_transformers", lambda setting, path: None)
    setting = infer.Setting(
        model=toy, batch_size=2, inputs=6, generated=5, beams=1, rounds=3
    )
    clock = itertools.accumulate([0, 4.0, 0, 1.0, 0, 2.0]).__next__
    found = infer.measure(setting, folder=tmp_path, clock=clock)
    assert found.seconds == 2.0
    assert found.ids_per_second == 2 * 5 / 2.0
    assert (found.ratio, found.peer_seconds, found.same_ids_percent) == (None,) * 3


@pytest.mark.parametrize("beams", [1, 2])
def test_no_text_of_the_random_model_ends_early(toy, tmp_path, beams):
    source = infer.source(toy)
    again = infer.source(toy)
    for entry in names.entries(toy):
        for layer in names.layers(entry):
            assert np.array_equal(source.read(entry, layer), again.read(entry, layer))
    huggingface.write(source, epath.Path(tmp_path))
    ids = np.random.default_rng(0).integers(2, toy.vocab, (4, 9))
    model = models.load(str(tmp_path))
    generated = model.generate(inputs=ids, max_length=8, beams=beams)
    assert (generated > 1).all()
