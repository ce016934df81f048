"""Evaluation batches: every example once, sorted by length, shared between hosts."""

from __future__ import annotations

import numpy as np
import pytest

from xtl_jax.data import evaluation, store
from xtl_jax.data.features import Lengths
from xtl_jax.errors import UserError

LENGTHS = Lengths(inputs=32, targets=8)


def _store(folder, *, examples, base, seed):
    """Every example's tokens say whose they are: base + number, place by place."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "inputs": [base + i] * int(rng.integers(1, 45)) + [1],
            "targets": [base + i] * int(rng.integers(1, 11)) + [1],
            "meta": {"id": str(i)},
        }
        for i in range(examples)
    ]
    card = {
        "task": folder.name,
        "split": "validation",
        "eos_id": 1,
        "eos": {"inputs": True, "targets": True},
    }
    return store.Store(store.write(folder, rows, card))


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    root = tmp_path_factory.mktemp("stores")
    return {
        "a": _store(root / "a", examples=300, base=1000, seed=0),
        "b": _store(root / "b", examples=50, base=5000, seed=1),
    }


def test_evaluation_gives_every_example_once_and_restores_the_order(stores):
    opened = stores["a"]
    buckets = (8, 16, 32)
    found = {}
    shapes = set()
    for batch in evaluation.evaluation_batches(
        opened, lengths=LENGTHS, batch_size=64, buckets=buckets
    ):
        shapes.add(batch.encoder_input_tokens.shape)
        for row, index in enumerate(batch.indices.tolist()):
            inputs = batch.encoder_input_tokens[row]
            if index < 0:
                assert not inputs.any()
                assert not batch.decoder_target_tokens[row].any()
                continue
            assert index not in found
            found[index] = (inputs[inputs > 0], batch.decoder_target_tokens[row])
    assert sorted(found) == list(range(300))
    assert len(shapes) <= len(buckets)
    for index, (inputs, targets) in found.items():
        whole = opened.tokens("inputs", index)
        expected = whole if len(whole) <= 32 else [*whole[:31], 1]
        assert inputs.tolist() == list(expected)
        assert targets[0] == 1000 + index


def test_evaluation_of_the_first_examples_reads_no_others(stores):
    batches = evaluation.evaluation_batches(
        stores["a"], lengths=LENGTHS, batch_size=8, buckets=(32,), first=10
    )
    indices = np.concatenate([batch.indices for batch in batches])
    assert sorted(indices.tolist()) == [-1] * 6 + list(range(10))


def test_evaluation_shards_join_to_the_whole(stores):
    def run(shard):
        return list(
            evaluation.evaluation_batches(
                stores["b"],
                lengths=LENGTHS,
                batch_size=16,
                buckets=evaluation.buckets(32, least=8),
                shard=shard,
            )
        )

    for whole, left, right in zip(run((0, 1)), run((0, 2)), run((1, 2)), strict=True):
        for i, field in enumerate(whole):
            assert np.array_equal(field, np.concatenate([left[i], right[i]]))


def test_buckets_must_hold_the_longest(stores):
    with pytest.raises(UserError, match="end at the input length 32"):
        next(
            evaluation.evaluation_batches(
                stores["b"], lengths=LENGTHS, batch_size=16, buckets=(8, 16)
            )
        )


@pytest.mark.parametrize(("rows", "hosts"), [(16, 3), (0, 1)])
def test_hosts_must_share_a_batch_evenly(stores, rows, hosts):
    with pytest.raises(UserError, match=f"{rows} rows .* a multiple of {hosts}"):
        next(
            evaluation.evaluation_batches(
                stores["b"],
                lengths=LENGTHS,
                batch_size=rows,
                buckets=(32,),
                shard=(0, hosts),
            )
        )


def test_texts_for_span_corruption_have_nothing_to_evaluate(tmp_path):
    rows = [{"inputs": [], "targets": [5, 6, 7]}]
    card = {"task": "t", "split": "train", "transform": {"name": "span_corruption"}}
    opened = store.Store(store.write(tmp_path / "texts", rows, card))
    with pytest.raises(UserError, match=r"texts holds texts .* no answers to"):
        next(
            evaluation.evaluation_batches(
                opened, lengths=LENGTHS, batch_size=1, buckets=(32,)
            )
        )
