"""Learning rates by hand, Adafactor as T5X's own and layer by layer."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from etils import epath

from xtl_jax.checkpoint import names, t5x
from xtl_jax.errors import UserError
from xtl_jax.train import optimizer, state
from xtl_jax.train.step import make_train_step


@pytest.mark.parametrize(
    ("fields", "rates"),
    [
        ({}, {0: 2.0, 9: 2.0}),
        ({"warmup_steps": 4}, {0: 0.5, 1: 1.0, 2: 1.5, 3: 2.0, 4: 2.0, 9: 2.0}),
        ({"warmup_steps": 1}, {0: 2.0, 1: 2.0}),
        ({"schedule": "linear"}, {0: 2.0, 5: 1.0, 9: 0.2, 10: 0.0, 11: 0.0}),
        (
            {"schedule": "linear", "warmup_steps": 2},
            {0: 1.0, 1: 2.0, 2: 2.0, 6: 1.0, 10: 0.0},
        ),
        ({"schedule": "rsqrt"}, {0: 2.0, 3: 1.0, 15: 0.5}),
        (
            {"schedule": "rsqrt", "warmup_steps": 4},
            {0: 0.5, 3: 2.0, 4: 2.0, 16: 1.0, 64: 0.5},
        ),
    ],
)
def test_learning_rates_are_these(make_run, fields, rates):
    schedule = optimizer.schedule(make_run(steps=10, learning_rate=2.0, **fields))
    for step, rate in rates.items():
        np.testing.assert_allclose(schedule(jnp.int32(step)), rate, atol=1e-6)


def _unstacked(tree):
    return {
        f"{name}_{layer}": array[layer]
        for name, array in tree["layers"].items()
        for layer in range(len(array))
    }


def test_adafactor_treats_each_stacked_layer_as_a_parameter_of_its_own():
    rng = np.random.default_rng(0)
    sizes = np.array([1e-4, 1.0, 30.0], np.float32)

    def draw(*shape):
        """Layers of very unlike sizes: one is below the least, one is clipped."""
        values = rng.normal(size=(3, *shape)).astype(np.float32)
        return values * sizes.reshape(3, *(1 for _ in shape))

    def tree():
        return {"layers": {"kernel": draw(128, 130), "scale": draw(128)}}

    params, gradients = tree(), [tree() for _ in range(2)]
    ours = optimizer.adafactor(optax.constant_schedule(0.1))
    theirs = optax.adafactor(0.1, min_dim_size_to_factor=128)

    @jax.jit
    def run(params, gradients):
        ends = []
        for method, change in ((ours, lambda x: x), (theirs, _unstacked)):
            at = change(params)
            memory = method.init(at)
            for gradient in gradients:
                updates, memory = method.update(change(gradient), memory, at)
                at = optax.apply_updates(at, updates)
            ends.append(at)
        return _unstacked(ends[0]), ends[1]

    stacked, alone = run(params, gradients)
    start = _unstacked(params)
    for name, array in alone.items():
        assert not np.array_equal(array, start[name])
        np.testing.assert_allclose(stacked[name], array, rtol=2e-6, atol=2e-6)


def test_adamw_moves_by_the_learning_rate_and_decays_weights(make_run, optax_promotes):
    run = make_run(optimizer="adamw", learning_rate=0.1, weight_decay=0.5)
    method = optimizer.build(run)
    params = {"w": jnp.array([2.0, -4.0])}
    updates, _ = method.update(
        {"w": jnp.array([3.0, -7.0])}, method.init(params), params
    )
    # Adam's first step is the rate against the sign; decay is rate * 0.5 * w.
    np.testing.assert_allclose(updates["w"], [-0.1 - 0.1, 0.1 + 0.2], rtol=1e-5)


def test_gradients_are_clipped_to_a_global_norm(make_run, optax_promotes):
    run = make_run(optimizer="adamw", gradient_clip=1.0, learning_rate=1.0)
    method = optimizer.build(run)
    params = {"w": jnp.array([0.0, 0.0])}
    memory = method.init(params)
    _, memory = method.update({"w": jnp.array([30.0, 40.0])}, memory, params)
    moments = optax.tree_utils.tree_get(memory, "mu")["w"]  # a tenth of the gradient
    np.testing.assert_allclose(moments, [0.06, 0.08], rtol=1e-5)


@pytest.fixture(scope="module")
def three_steps(t5x_random, make_run):
    config = dataclasses.replace(t5x_random.config, dropout_rate=0.0)
    run = make_run()
    method = optimizer.build(run)
    update = jax.jit(make_train_step(config, run, method))
    at = state.at_zero(method, jax.tree.map(jnp.asarray, t5x_random.params))
    outputs = []
    for _ in range(3):
        at, output = update(at, t5x_random.batch)
        outputs.append(output)
    return config, jax.device_get(at), outputs


@pytest.fixture(scope="module")
def theirs(shared):
    with np.load(shared / "conformance/t5x/random_adafactor3.npz") as file:
        return dict(file)


def _arrays(config, tree):
    """T5X's names to our arrays, layer by layer."""
    for entry in names.entries(config):
        node = tree
        for key in entry.path.split("/"):
            node = node[key]
        for layer in range(entry.layers) if entry.layers else (None,):
            whole = layer is None or node.shape == (1,)  # optax's way to say "none"
            yield t5x.foreign(entry.path, layer), node if whole else node[layer]


def test_losses_and_the_first_gradient_are_those_of_t5x(three_steps, theirs):
    _, _, outputs = three_steps
    for step, output in enumerate(outputs):
        loss = theirs[f"loss_before_step{step}"]
        np.testing.assert_allclose(output.sums.loss, loss, rtol=1e-6)
    norm = theirs["grad_norm_step0"]
    np.testing.assert_allclose(outputs[0].gradient_norm, norm, rtol=1e-6)


def test_parameters_after_three_steps_are_those_of_t5x(three_steps, theirs):
    config, end, _ = three_steps
    compared = 0
    for name, array in _arrays(config, end.params):
        np.testing.assert_allclose(
            *(array[..., :16], theirs[f"target3/{name}"]), atol=1e-6, rtol=0
        )
        compared += 1
    assert compared == sum(name.startswith("target3/") for name in theirs)


def test_second_moments_after_three_steps_are_those_of_t5x(three_steps, theirs):
    config, end, _ = three_steps
    moments = end.opt_state[0][0]  # the first stage of Adafactor
    compared = 0
    for part in ("v", "v_row", "v_col"):
        for name, array in _arrays(config, getattr(moments, part)):
            other = theirs[f"pstate3/{name}/{part}"]
            compared += 1
            assert array.any() == other.any()  # none and none, or some and some
            np.testing.assert_allclose(array[..., :16], other, rtol=1e-5, atol=1e-6)
    assert compared == sum(name.startswith("pstate3/") for name in theirs)


def test_moments_of_a_t5x_checkpoint_are_taken_over(shared, t5x_trained, make_run):
    folder = epath.Path(shared / "conformance/t5x/trained_legacy/checkpoint_300")
    step, moments = t5x.optimizer_state(folder)
    method = optimizer.build(make_run(gradient_clip=1.0))
    params = jax.tree.map(jnp.asarray, t5x_trained.params)
    state = optimizer.with_moments(
        method.init(params), t5x_trained.config, moments=moments, step=step
    )
    found = state[1][0]
    assert int(found.count) == 300
    compared = 0
    for part in ("v", "v_row", "v_col"):
        for name, array in _arrays(t5x_trained.config, getattr(found, part)):
            assert np.array_equal(array, moments[f"{name}/{part}"])
            compared += 1
    assert compared == sum(not name.endswith("/m") for name in moments)
    moments["encoder/encoder_norm/scale/v"] = np.zeros(3, np.float32)
    with pytest.raises(UserError, match=r"has \(3,\) for encoder/encoder_norm/scale/v"):
        optimizer.with_moments(
            method.init(params), t5x_trained.config, moments=moments, step=step
        )
