"""`xtl convert` of encoders: one head goes into a folder of Hugging Face."""

from __future__ import annotations

import json

import numpy as np
import pytest
from etils import epath

import xtl_jax
from xtl_jax.checkpoint import names, ours

pytestmark = pytest.mark.usefixtures("quick_compiles")


@pytest.fixture(scope="module")
def run_dir(toy_encoder, toy_encoder_params, tmp_path_factory):
    """A checkpoint of ours with five heads."""

    def read(entry, layer):
        node = toy_encoder_params
        for key in entry.path.split("/"):
            node = node[key]
        return node if layer is None else node[layer]

    source = names.Source(config=toy_encoder, name="toy", step=7, read=read)
    folder = tmp_path_factory.mktemp("run") / "nine_tasks"
    ours.write(source, epath.Path(folder), vocabulary={"vocabulary_size": 250})
    return folder


def test_one_head_is_exported_and_answers_the_same(xtl, run_dir, tmp_path):
    done = xtl("convert", run_dir, tmp_path / "hf", "--head", "xnli", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    # Written out by hand: width 32, feed-forward 64, 256 + 40 + 1 rows.
    layer = 4 * (32 * 32 + 32) + 2 * 64 + (32 * 64 + 64) + (64 * 32 + 32)
    expected = {
        "embedding": (256 + 40 + 1) * 32 + 64,
        "encoder": 2 * layer,
        "heads": (32 * 32 + 32) + (32 * 3 + 3),
    }
    assert document["parameters"] == {"total": sum(expected.values()), **expected}
    assert document["largest_logit_difference"] == 0.0
    ids = np.array([[0, 9, 8, 2]])
    before, after = xtl_jax.load(str(run_dir)), xtl_jax.load(str(tmp_path / "hf"))
    logits = before.logits(inputs=ids, head="xnli")
    assert np.array_equal(after.logits(inputs=ids), logits)


def test_several_heads_have_to_be_chosen_from(xtl, run_dir, tmp_path):
    done = xtl("convert", run_dir, tmp_path / "hf")
    assert done.code == 2
    assert "has the heads xnli, copa, squad_v2, udpos, text" in done.err
    assert "--head" in done.err
    done = xtl("convert", run_dir, tmp_path / "hf", "--head", "none", "--no_parity")
    assert done.code == 0, done.err
    assert "never generated" not in done.out
    assert not (tmp_path / "hf.partial").exists()
