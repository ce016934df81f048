"""Our format as a checkpoint among others: written and read array by array."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

import xtl_jax
from xtl_jax.checkpoint import convert, find, names
from xtl_jax.errors import UserError


def test_a_run_of_the_trainer_is_read_array_by_array(
    toy, toy_params, tmp_path, same, convert_to
):
    import jax.numpy as jnp

    from xtl_jax.checkpoint.store import Store
    from xtl_jax.train.state import TrainState

    store = Store(tmp_path / "run")
    for step in (2, 4):
        shifted = {**toy_params, "logits_dense": {"kernel": np.full((128, 256), step)}}
        shifted["logits_dense"]["kernel"] = np.float32(
            shifted["logits_dense"]["kernel"]
        )
        state = TrainState(step=jnp.int32(step), params=shifted, opt_state=())
        store.save(step, state, {"row": step}, score=-step)
        store.wait()
    store.close()
    document = {"version": 1, "model": dataclasses.asdict(toy), "environment": {}}
    (tmp_path / "run/run.json").write_text(json.dumps(document))
    head = list(names.entries(toy))[-1]
    for asked, expected in ((None, 2), (4, 4)):  # the best on dev, and the asked one
        source = find.find(str(tmp_path / "run"), step=asked).source()
        assert source.step == expected
        assert (source.read(head, None) == expected).all()
        new = tmp_path / f"new{expected}"
        same(source, convert_to(tmp_path / "run", new, "t5x", step=asked))
        assert find.find(str(new)).folder.name == f"checkpoint_{expected}"
    found = find.find(str(tmp_path / "run/checkpoints/4"))
    assert found.source().step == 4
    with pytest.raises(UserError, match=r"no checkpoint of step 3 .* have \[2, 4\]"):
        convert.plan(str(tmp_path / "run"), str(tmp_path / "x"), to="t5x", step=3)


def test_what_we_write_is_read_whole_too(ours_toy, toy_source):
    loaded = xtl_jax.load(str(ours_toy))
    assert loaded.step == 7
    assert loaded.vocabulary_size == toy_source.config.vocab
    for entry in names.entries(toy_source.config):
        node = loaded.params
        for key in entry.path.split("/"):
            node = node[key]
        assert np.array_equal(node, names.stacked(toy_source, entry))
    document = json.loads((ours_toy / "run.json").read_text())
    assert "run" not in document
    assert document["converted_from"] == "toy"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not complete"),
        ("[]", "was not written by"),
        ('{"model": {"vocab": 3}, "environment": {}}', "was not written by"),
    ],
)
def test_a_damaged_description_is_named(ours_toy, tmp_path, text, message):
    folder = shutil.copytree(ours_toy, tmp_path / "ours")
    (folder / "run.json").write_text(text)
    for ask in (lambda: find.find(str(folder)).source(), lambda: xtl_jax.load(folder)):
        with pytest.raises(UserError, match=rf"run\.json .*{message}"):
            ask()


SCALE = "params.encoder.encoder_norm.scale"


@pytest.mark.parametrize(
    ("sums", "message"),
    [
        ("[1]", "holds no checksums"),
        ('{"a": ', "Expecting value"),
        (json.dumps({SCALE: 1}), rf"another checksum of {SCALE}"),
    ],
)
def test_an_array_is_held_against_its_checksum(ours_toy, tmp_path, sums, message):
    folder = shutil.copytree(ours_toy, tmp_path / "ours") / "checkpoints/7/checksums"
    folder.mkdir()
    (folder / "metadata").write_text(sums)
    with pytest.raises(
        UserError, match=rf"checkpoints/7 is damaged \(.*{message}.* of steps \[\]"
    ):
        names.tree(find.find(str(tmp_path / "ours")).source())


def test_a_state_without_parameters_is_named(ours_toy, tmp_path):
    from xtl_jax.checkpoint.store import Store

    store = Store(tmp_path / "run")
    store.save(7, {"weights": np.ones(3, np.float32)}, {"row": 7})
    store.close()
    shutil.copy(ours_toy / "run.json", tmp_path / "run")
    with pytest.raises(UserError, match=r"checkpoints/7/state has no parameters; the"):
        find.find(str(tmp_path / "run")).source()
