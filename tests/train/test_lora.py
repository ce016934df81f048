"""Training with LoRA: the gradients of A and B, and nothing else is updated."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec

from xtl_jax.cli import devices
from xtl_jax.model import lora as loras
from xtl_jax.model.sizes import Lora
from xtl_jax.train import optimizer, sharding, state
from xtl_jax.train.config import MeshConfig
from xtl_jax.train.step import batch_loss, make_train_step

LORA = Lora(rank=4, alpha=6.0, targets=("query", "value", "wo"))


def _run(make_run, **fields):
    settings = {
        "initial_checkpoint": "base",
        "lora_rank": LORA.rank,
        "lora_alpha": LORA.alpha,
        "lora_targets": LORA.targets,
    }
    return make_run(**{**settings, **fields})


def _flat(tree):
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


@pytest.fixture(scope="module")
def whole_loss(toy, toy_batch):
    """The loss of a whole model and its gradient."""

    def loss(params, batch):
        sums = batch_loss(
            *(toy, params, batch), key=None, z_loss=1e-4, label_smoothing=0.0
        )
        return sums.loss

    compiled = jax.jit(jax.value_and_grad(loss))
    return lambda params: compiled(params, toy_batch)


@pytest.fixture(scope="module")
def random_factors(toy_params):
    rng = np.random.default_rng(5)
    started = loras.start(toy_params, LORA, jax.random.key(0))
    return jax.tree.map(lambda x: np.float32(0.2 * rng.normal(size=x.shape)), started)


def test_gradients_follow_from_those_of_the_whole_matrix(
    toy, toy_params, toy_batch, whole_loss, random_factors, make_run
):
    """With W + s A B the chain rule gives dA = s dW B^T and dB = s A^T dW."""
    own, whole = _flat(random_factors), _flat(toy_params)
    merged = dict(whole)
    for path in loras.targeted(whole, LORA.targets):
        a, b = (own[each] for each in loras.factors(path))
        merged[path] = whole[path] + np.float32(1.5) * np.matmul(a, b)
    flat, shape = jax.tree.flatten(toy_params)
    assert len(flat) == len(merged)
    tree = shape.unflatten([merged[path] for path in whole])
    value, gradient = whole_loss(tree)
    gradient = _flat(gradient)

    plain = optax.sgd(1.0)
    step = jax.jit(make_train_step(toy, _run(make_run), plain))
    before = state.at_zero(plain, jax.tree.map(jnp.asarray, random_factors))
    after, output = step(before, toy_batch, loras.frozen(toy_params))
    np.testing.assert_allclose(output.sums.loss, value, rtol=1e-5)
    moved = _flat(after.params)
    assert moved.keys() == own.keys()
    for path in loras.targeted(whole, LORA.targets):
        a, b = loras.factors(path)
        d_whole = gradient[path]
        expected = {
            a: 1.5 * np.matmul(d_whole, own[b].swapaxes(1, 2)),
            b: 1.5 * np.matmul(own[a].swapaxes(1, 2), d_whole),
        }
        for name, each in expected.items():
            limit = 1e-4 * np.abs(each).max()
            np.testing.assert_allclose(own[name] - moved[name], each, atol=limit)


def _two_steps(mesh_config, toy, run, params, batch):
    """Final state, outputs and frozen parameters, placed as `xtl train` does it."""
    method = optimizer.build(run)
    with devices.on_mesh(mesh_config) as mesh:
        places = sharding.params_sharding(mesh, toy)
        placed = jax.tree.map(jax.device_put, params, places)
        at, own = state.create(
            *(toy, method), mesh=mesh, seed=0, params=placed, lora=run.lora
        )
        frozen, rows = loras.frozen(placed), sharding.batch_sharding(mesh)
        update = jax.jit(
            make_train_step(toy, run, method),
            donate_argnums=0,
            in_shardings=(own, dict.fromkeys(batch, rows), loras.frozen(places)),
            out_shardings=(own, None),
        )
        on_mesh = {name: jax.device_put(array, rows) for name, array in batch.items()}
        outputs = []
        for _ in range(2):
            at, output = update(at, on_mesh, frozen)
            outputs.append(jax.device_get(output))
    return at, outputs, frozen


@pytest.fixture(scope="module")
def alone(toy, toy_params, toy_batch, make_run):
    run = _run(make_run, gradient_clip=1.0)
    return _two_steps(MeshConfig(data=1), toy, run, toy_params, toy_batch)


def test_the_first_step_sees_the_model_as_it_was(alone, toy_params, whole_loss):
    _, outputs, _ = alone
    value, _ = whole_loss(toy_params)
    np.testing.assert_allclose(outputs[0].sums.loss, value, rtol=1e-6)


def test_only_the_factors_are_in_the_state_and_the_rest_stays(alone, toy_params):
    at, _, frozen = alone
    # 6 attention kernels of [128, 32] and 2 feed-forward ones of [128, 128], 2 layers.
    trained = 2 * 4 * (6 * (128 + 32) + 2 * (128 + 128))
    assert sum(leaf.size for leaf in jax.tree.leaves(at.params)) == trained
    counters = [x for x in jax.tree.leaves(at.opt_state) if x.size <= 1]
    assert sum(x.size for x in jax.tree.leaves(at.opt_state)) == trained + len(counters)
    for one, other in zip(*map(jax.tree.leaves, (frozen, toy_params)), strict=True):
        assert np.array_equal(one, other)  # neither donated nor changed


def test_eight_devices_and_microbatches_compute_what_one_computes(
    alone, toy, toy_params, toy_batch, make_run
):
    one, one_outputs, _ = alone
    run = _run(make_run, gradient_clip=1.0, microbatches=2)
    mesh = MeshConfig(data=2, fsdp=2, model=2)
    many, outputs, _ = _two_steps(mesh, toy, run, toy_params, toy_batch)
    query = many.params["encoder"]["layers"]["attention"]["query"]
    assert query["lora_a"].sharding.spec == PartitionSpec(None, "fsdp", None)
    assert query["lora_b"].sharding.spec == PartitionSpec(None, None, "model")
    for mine, theirs in zip(outputs, one_outputs, strict=True):
        np.testing.assert_allclose(mine.sums, theirs.sums, rtol=2e-5)
        np.testing.assert_allclose(mine.gradient_norm, theirs.gradient_norm, rtol=1e-4)
    apart = total = 0
    for mine, theirs in zip(
        *map(jax.tree.leaves, (many.params, one.params)), strict=True
    ):
        # But for the few whose gradient is rounding alone: its sign is the whole step.
        apart += (np.abs(np.asarray(mine) - np.asarray(theirs)) > 2e-5).sum()
        total += mine.size
    assert apart / total < 1e-3


def test_adafactor_moves_a_b_that_is_zero_by_the_learning_rate(
    toy, toy_params, toy_batch, make_run
):
    """At its first step the second moment is the squared gradient: only signs remain.

    In proportion to the array it would be a thousandth of that.
    """
    run = _run(make_run, learning_rate=0.01)
    method = optimizer.build(run)
    mesh = sharding.mesh(MeshConfig(data=1))
    at, _ = state.create(
        *(toy, method), mesh=mesh, seed=0, params=toy_params, lora=run.lora
    )
    step = jax.jit(make_train_step(toy, run, method))
    after, _ = step(at, toy_batch, loras.frozen(toy_params))
    b = after.params["decoder"]["layers"]["self_attention"]["value"]["lora_b"]
    np.testing.assert_allclose(np.abs(b), 0.01, rtol=1e-3)


def test_fresh_factors_do_not_depend_on_the_mesh(toy, toy_params, make_run):
    run = _run(make_run)
    method = optimizer.build(run)
    one, other = (
        state.create(
            *(toy, method),
            mesh=sharding.mesh(mesh),
            seed=3,
            params=toy_params,
            lora=run.lora,
        )[0].params
        for mesh in (MeshConfig(data=1), MeshConfig(data=2, fsdp=2, model=2))
    )
    for mine, theirs in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
