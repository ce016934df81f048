"""Checkpoints in a bucket, without a network."""

from __future__ import annotations

import numpy as np
import pytest

import xtl_jax
from tests.buckets import Bucket
from xtl_jax.checkpoint import convert
from xtl_jax.errors import UserError

pytestmark = [
    # orbax and the server leave threads and connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def upload(bucket):
    """Puts a folder into the bucket; gives its path there."""

    def put(folder, name):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                place = f"gs://bucket/{name}/{path.relative_to(folder).as_posix()}"
                bucket.pipe_file(place, path.read_bytes())
        return f"gs://bucket/{name}"

    return put


@pytest.mark.parametrize("kind", ["t5x", "huggingface", "xtl"])
def test_a_model_is_read_and_converted_from_a_bucket(
    t5x_toy, hf_toy, ours_toy, toy_params, upload, same, convert_to, tmp_path, kind
):
    here = {"t5x": t5x_toy, "huggingface": hf_toy, "xtl": ours_toy}[kind]
    there = upload(here, f"models/{here.name}")
    model = xtl_jax.load(there)
    head = model.params["logits_dense"]["kernel"]
    assert np.array_equal(head, toy_params["logits_dense"]["kernel"])
    assert model.source.startswith(there)
    made = convert_to(there, tmp_path / "new", "t5x" if kind != "t5x" else "xtl")
    same(here, made)


@pytest.mark.parametrize("name", ["t5x/trained_orbax", "hf/mt5_tiny_sharded"])
def test_published_layouts_are_read_from_a_bucket(shared, upload, same, name):
    here = shared / "conformance" / name
    same(here, upload(here, name))


def test_what_is_damaged_in_a_bucket_is_told(t5x_toy, ours_toy, upload, tmp_path):
    there = upload(t5x_toy, "checkpoint_7")
    chunk = "/bucket/checkpoint_7/target.encoder.layers_1.mlp.wi_0.kernel/0.0"
    Bucket.store[chunk] = type(Bucket.store[chunk])(Bucket(), chunk, b"damaged")
    with pytest.raises(UserError, match=r"gs://.*wi_0\.kernel is damaged"):
        xtl_jax.load(there)
    with pytest.raises(UserError, match=r"gs://.*wi_0\.kernel is damaged"):
        convert.run(convert.plan(there, str(tmp_path / "new"), to="huggingface"))
    assert not list(tmp_path.iterdir())
    there = upload(ours_toy, "run")
    del Bucket.store["/bucket/run/checkpoints/7/commit_success.txt"]
    with pytest.raises(UserError, match=r"no checkpoint in gs://bucket/run/checkpo"):
        xtl_jax.load(there)
