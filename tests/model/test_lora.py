"""LoRA's factors: which matrices get them, how they begin, what they make."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from xtl_jax.errors import UserError
from xtl_jax.model import lora
from xtl_jax.model.sizes import Lora

PAPER = Lora(rank=4, alpha=10.0, targets=("query", "value"))


def _flat(tree):
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


@pytest.fixture(scope="module")
def encoder():
    """An encoder with biases and a head, of no known network."""
    rng = np.random.default_rng(0)

    def linear(*shape):
        kernel, bias = rng.normal(size=shape), rng.normal(size=(*shape[:-2], shape[-1]))
        return {"kernel": np.float32(kernel), "bias": np.float32(bias)}

    layers = {"attention": {"query": linear(3, 6, 8)}, "mlp": linear(3, 6, 12)}
    return {"encoder": {"layers": layers}, "heads": {"xnli": {"out": linear(6, 3)}}}


def test_the_papers_targets_are_queries_and_values_of_all_attention(toy_params):
    started = _flat(lora.start(toy_params, PAPER, jax.random.key(0)))
    attention = ("encoder/layers/attention", "decoder/layers/self_attention")
    attention += ("decoder/layers/encoder_decoder_attention",)
    expected = {}
    for path in attention:
        for part in ("query", "value"):
            expected[f"{path}/{part}/lora_a"] = (2, 128, 4)
            expected[f"{path}/{part}/lora_b"] = (2, 4, 32)
    assert {path: leaf.shape for path, leaf in started.items()} == expected


def test_a_begins_normal_and_b_zero_so_that_nothing_changes(toy_params):
    wide = Lora(rank=32, alpha=3.0, targets=("attention", "wi_0"))
    started = lora.start(toy_params, wide, jax.random.key(0))
    for path, leaf in _flat(started).items():
        if path.endswith("lora_b"):
            assert not np.any(leaf)
            continue
        # 2,048 draws and more; the fourth moment tells a normal from a uniform one.
        deviations = np.asarray(leaf).ravel() * np.sqrt(leaf.shape[-2])
        assert abs(deviations.std() - 1.0) < 0.06
        assert abs((deviations**4).mean() - 3.0) < 0.6
    merged = lora.merge(toy_params, started, scale=wide.scale)
    for one, other in zip(*map(jax.tree.leaves, (merged, toy_params)), strict=True):
        assert np.array_equal(one, other)


def test_a_matrix_begins_alike_whatever_the_other_targets(toy_params):
    key = jax.random.key(3)
    one = _flat(lora.start(toy_params, PAPER, key))
    more = Lora(rank=4, alpha=1.0, targets=("query", "mlp", "value", "logits_dense"))
    other = _flat(lora.start(toy_params, more, key))
    assert set(one) < set(other)
    assert all(np.array_equal(one[path], other[path]) for path in one)
    others = np.stack([other[path][0] for path in other if "query/lora_a" in path])
    assert len(np.unique(others)) == others.size  # no two matrices share their draws


def test_both_merges_are_w_plus_scaled_a_b(toy_params):
    rng = np.random.default_rng(1)
    started = lora.start(toy_params, PAPER, jax.random.key(0))
    trained = jax.tree.map(lambda x: np.float32(rng.normal(size=x.shape)), started)
    merged = _flat(lora.merge(toy_params, trained, scale=PAPER.scale))
    whole, own = _flat(toy_params), _flat(trained)
    assert merged.keys() == whole.keys()
    for path, kernel in whole.items():
        a, b = (own.get(each) for each in lora.factors(path))
        if a is None:
            assert np.array_equal(merged[path], kernel)
            continue
        for layer in range(2):
            exact = kernel[layer] + 2.5 * (np.float64(a[layer]) @ np.float64(b[layer]))
            on_host = lora.merge_matrix(kernel[layer], a[layer], b[layer], scale=2.5)
            assert on_host.dtype == np.float32
            np.testing.assert_allclose(on_host, exact, rtol=1e-5, atol=1e-5)
            found = merged[path][layer]
            np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)


def test_heads_are_trained_whole_and_biases_not_at_all(encoder):
    some = Lora(rank=2, alpha=2.0, targets=("query",))
    trained = lora.start(encoder, some, jax.random.key(0))
    head = {"heads/xnli/out/kernel", "heads/xnli/out/bias"}
    query = "encoder/layers/attention/query"
    assert set(_flat(trained)) == head | {f"{query}/lora_a", f"{query}/lora_b"}
    frozen = lora.frozen(encoder)
    assert set(_flat(frozen)) == set(_flat(encoder)) - head
    trained["heads"]["xnli"]["out"]["bias"] = jnp.ones(3)
    merged = lora.merge(frozen, trained, scale=some.scale)
    assert np.array_equal(merged["heads"]["xnli"]["out"]["bias"], np.ones(3))
    assert set(_flat(merged)) == set(_flat(encoder))
    with pytest.raises(UserError, match=r"'xnli' is part of no matrix"):
        lora.start(
            encoder, Lora(rank=2, alpha=2.0, targets=("xnli",)), jax.random.key(0)
        )


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (("mlp",), ["encoder/layers/mlp/kernel"]),
        (("attention/query",), ["encoder/layers/attention/query/kernel"]),
        (
            ("layers",),
            ["encoder/layers/attention/query/kernel", "encoder/layers/mlp/kernel"],
        ),
    ],
)
def test_a_target_is_whole_parts_of_a_path(encoder, targets, expected):
    assert lora.targeted(_flat(encoder), targets) == expected


@pytest.mark.parametrize("target", ["quer", "query/attention", "bias", "kernels", "*"])
def test_a_target_that_matches_nothing_is_refused_with_what_there_is(encoder, target):
    message = rf"lora_targets: '{target}' .* there are: attention, encoder, layers, mlp"
    with pytest.raises(UserError, match=message.replace("*'", r"\*'")):
        lora.targeted(_flat(encoder), ("mlp", target))


def test_a_rank_that_is_no_lower_than_the_matrix_is_refused(encoder):
    with pytest.raises(
        UserError, match=r"lora_rank=7 .*query/kernel \[6, 8\].* most 6"
    ):
        lora.start(
            encoder, Lora(rank=7, alpha=1.0, targets=("query",)), jax.random.key(0)
        )


def test_factors_lie_as_the_axes_that_they_share_with_their_matrix(encoder):
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ("f", "m"))

    def place(path, leaf):
        kernel = path[-1].key == "kernel"
        names = [None] * leaf.ndim
        names[-2:] = ["f", "m"] if kernel else names[-2:]
        return NamedSharding(mesh, PartitionSpec(*names))

    places = jax.tree_util.tree_map_with_path(place, encoder)
    some = Lora(rank=2, alpha=2.0, targets=("query",))
    found = lora.shardings(places, lora.start(encoder, some, jax.random.key(0)))
    query = found["encoder"]["layers"]["attention"]["query"]
    assert query["lora_a"].spec == PartitionSpec(None, "f", None)
    assert query["lora_b"].spec == PartitionSpec(None, None, "m")
    assert found["heads"] == places["heads"]
    assert lora.shardings(places, encoder) == places
