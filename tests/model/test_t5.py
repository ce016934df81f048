"""What must not change a result: padding, packing, recomputation; and what must."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xtl_jax.checkpoint import names
from xtl_jax.infer.model import LoadedModel
from xtl_jax.model.loss import token_losses
from xtl_jax.model.t5 import T5, init_params
from xtl_jax.train.step import batch_loss, step_key


def _loss(config, params, batch, key=None):
    return batch_loss(
        *(config, params, batch), key=key, z_loss=1e-4, label_smoothing=0.0
    )


def _slope(config):
    def objective(params, batch):
        return _loss(config, params, batch).loss

    return jax.jit(jax.value_and_grad(objective))


@pytest.fixture(scope="module")
def slope(toy):
    """Loss and gradients, compiled once for all tests with segment ids."""
    return _slope(toy)


def _with_segments(batch):
    return {
        **batch,
        "encoder_segment_ids": (batch["encoder_input_tokens"] > 0).astype(np.int32),
        "decoder_segment_ids": (batch["decoder_target_tokens"] > 0).astype(np.int32),
    }


def _packed(batch, pairs):
    """Rows `pairs` of a batch side by side, then empty rows up to as many as before."""
    single = _with_segments(batch)
    out = {name: np.zeros_like(array) for name, array in single.items()}
    for row, members in enumerate(pairs):
        at = {"encoder": 0, "decoder": 0}
        for segment, member in enumerate(members, start=1):
            for side in at:
                used = int(single[f"{side}_segment_ids"][member].sum())
                here = slice(at[side], at[side] + used)
                at[side] += used
                for name in single:
                    if name.startswith(side):
                        out[name][row, here] = single[name][member, :used]
                out[f"{side}_segment_ids"][row, here] = segment
    return out


@pytest.fixture(scope="module")
def pairs_that_fit(toy_batch):
    """The batch of short rows twice: each alone in its row, and packed by two."""
    short = {
        name: np.where(np.arange(array.shape[1]) < array.shape[1] // 2, array, 0)
        for name, array in toy_batch.items()
    }
    short = {name: array.astype(toy_batch[name].dtype) for name, array in short.items()}
    packed = _packed(short, [(0, 1), (2, 3), (4, 5), (6, 7)])
    return _with_segments(short), packed


@pytest.fixture(scope="module")
def token_loss(toy):
    @jax.jit
    def losses(params, batch):
        logits = T5(toy).apply({"params": params}, batch)
        loss, _ = token_losses(logits, batch["decoder_target_tokens"], z_loss=1e-4)
        return loss * batch["decoder_loss_weights"]

    return losses


def test_packing_does_not_change_the_loss_of_any_token(
    toy_params, pairs_that_fit, token_loss
):
    alone, packed = (np.asarray(token_loss(toy_params, b)) for b in pairs_that_fit)
    single, pair = (b["decoder_target_tokens"] > 0 for b in pairs_that_fit)
    # Both read row by row, the padding left out, are the same tokens in order.
    assert single.sum() == pair.sum() > 8
    assert pair[4:].sum() == 0
    np.testing.assert_allclose(alone[single], packed[pair], rtol=1e-5, atol=1e-5)


def test_packing_does_not_change_loss_or_gradients(toy_params, pairs_that_fit, slope):
    (alone, g_alone), (packed, g_packed) = (
        slope(toy_params, batch) for batch in pairs_that_fit
    )
    np.testing.assert_allclose(alone, packed, rtol=1e-5)
    _same_gradients(g_alone, g_packed)


def test_without_segment_ids_packed_neighbours_would_be_seen(
    toy_params, pairs_that_fit, token_loss
):
    """The test above would notice: attention across examples changes losses."""
    _, packed = pairs_that_fit
    merged = {
        name: np.minimum(array, 1) if name.endswith("segment_ids") else array
        for name, array in packed.items()
    }
    apart, seen = (np.asarray(token_loss(toy_params, b)) for b in (packed, merged))
    assert np.abs(apart - seen).max() > 1e-2


def test_segment_ids_of_rows_with_one_example_change_nothing(
    toy, toy_params, toy_batch, token_loss
):
    with_ids = token_loss(toy_params, _with_segments(toy_batch))
    np.testing.assert_array_equal(with_ids, token_loss(toy_params, toy_batch))


def test_more_padding_does_not_change_a_score(toy, toy_params, toy_batch):
    model = LoadedModel(
        config=toy,
        params=toy_params,
        source="toy",
        step=0,
        vocabulary_size=toy.vocab,
    )
    inputs = toy_batch["encoder_input_tokens"]
    targets = toy_batch["decoder_target_tokens"]
    wider = model.score(
        inputs=np.pad(inputs, ((0, 0), (0, 7))),
        targets=np.pad(targets, ((0, 0), (0, 5))),
    )
    scores = model.score(inputs=inputs, targets=targets)
    np.testing.assert_allclose(wider, scores, rtol=1e-5)
    assert (scores < 0).all()


def test_recomputation_and_chunks_change_no_gradient(
    toy, toy_params, pairs_that_fit, slope
):
    batch, _ = pairs_that_fit
    loss, gradient = slope(toy_params, batch)
    for change in ({"remat": "minimal"}, {"remat": "full", "loss_chunks": 4}):
        other = _slope(dataclasses.replace(toy, **change))
        other_loss, other_gradient = other(toy_params, batch)
        np.testing.assert_allclose(other_loss, loss, rtol=1e-6)
        _same_gradients(other_gradient, gradient)


def test_gradients_are_the_slopes_of_the_loss(toy_params, pairs_that_fit, slope):
    batch, _ = pairs_that_fit
    _, gradient = slope(toy_params, batch)
    leaves, tree = jax.tree_util.tree_flatten(toy_params)
    slopes = jax.tree_util.tree_leaves(gradient)
    for number in range(0, len(leaves), 4):
        exact = np.asarray(slopes[number])
        place = np.unravel_index(np.abs(exact).argmax(), exact.shape)
        step, losses = 3e-3, []
        for sign in (1, -1):
            moved = leaves.copy()
            moved[number] = leaves[number].copy()
            moved[number][place] += sign * step
            losses.append(float(slope(tree.unflatten(moved), batch)[0]))
        measured = (losses[0] - losses[1]) / (2 * step)
        np.testing.assert_allclose(measured, exact[place], rtol=0.02)


def test_bfloat16_computes_float32_losses_and_gradients_near_the_exact_ones(
    toy, toy_params, pairs_that_fit, slope
):
    batch, _ = pairs_that_fit
    exact, exact_gradient = slope(toy_params, batch)
    half = _slope(dataclasses.replace(toy, dtype="bfloat16"))
    loss, gradient = half(toy_params, batch)
    assert loss.dtype == jnp.float32
    for leaf, other in zip(
        jax.tree.leaves(gradient), jax.tree.leaves(exact_gradient), strict=True
    ):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()
        alike = np.vdot(leaf, other) / (np.linalg.norm(leaf) * np.linalg.norm(other))
        assert alike > 0.95
    np.testing.assert_allclose(loss, exact, rtol=2e-2)
    assert loss != exact


def test_dropout_is_decided_by_the_seed_and_the_step(toy, toy_params, toy_batch):
    dropping = dataclasses.replace(toy, dropout_rate=0.1)

    @jax.jit
    def compiled(params, batch, seed, step):
        return _loss(dropping, params, batch, step_key(seed, step)).loss

    def loss(seed, step):
        return float(compiled(toy_params, toy_batch, seed, step))

    first = loss(0, 5)
    assert loss(0, 5) == first
    assert len({first, loss(0, 6), loss(1, 5)}) == 3


def test_fresh_parameters_have_the_names_and_shapes_of_the_table(toy):
    shapes = jax.eval_shape(lambda: init_params(toy, jax.random.key(0)))
    found = {
        "/".join(key.key for key in path[:-1]): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(shapes)
    }
    table = {
        entry.path: (*((entry.layers,) if entry.layers else ()), *entry.shape)
        for entry in names.entries(toy)
    }
    assert found == table
    assert toy.parameters == sum(np.prod(shape) for shape in table.values())


def _same_gradients(one, other):
    for mine, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        mine, theirs = np.asarray(mine), np.asarray(theirs)
        limit = 1e-5 * np.abs(theirs).max()
        np.testing.assert_allclose(mine, theirs, atol=limit, rtol=1e-4)
