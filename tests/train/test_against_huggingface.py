"""Ten steps of SGD and of Adafactor go where PyTorch's went."""

from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from xtl_jax.checkpoint import huggingface, names
from xtl_jax.train import optimizer, state
from xtl_jax.train.step import make_train_step


def _by_name(config, tree):
    """Hugging Face's names to our arrays, one a layer."""
    found = {}
    for entry in names.entries(config):
        node = tree
        for key in entry.path.split("/"):
            node = node[key]
        for layer in range(entry.layers) if entry.layers else (None,):
            name = huggingface.foreign(entry.path, layer)
            found[name] = node if layer is None else node[layer]
    return found


def _stacked(config, flat):
    tree = {}
    for entry in names.entries(config):
        layers = range(entry.layers) if entry.layers else (None,)
        arrays = [flat[huggingface.foreign(entry.path, layer)] for layer in layers]
        *parents, leaf = entry.path.split("/")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})
        node[leaf] = jnp.stack(arrays) if entry.layers else arrays[0]
    return tree


def _unstacking(config, method):
    """`method` on single layers: its factoring knows nothing of stacked ones."""

    def update(updates, memory, params=None):
        flat, memory = method.update(
            *(_by_name(config, updates), memory, _by_name(config, params))
        )
        return _stacked(config, flat), memory

    return optax.GradientTransformation(
        lambda params: method.init(_by_name(config, params)), update
    )


def _remembering():
    """Passes gradients on and keeps the last ones as its state."""
    return optax.GradientTransformation(
        lambda params: jax.tree.map(jnp.zeros_like, params),
        lambda updates, memory, params=None: (updates, updates),
    )


def _method(name, config):
    if name == "sgd":
        return optax.sgd(0.1)
    # Unlike ours and T5X's, every tensor of two axes is factored, however small.
    return _unstacking(
        config,
        optax.chain(
            optax.scale_by_factored_rms(decay_rate=0.8, min_dim_size_to_factor=1),
            optimizer._clip_by_layer_rms(1.0),
            optax.scale_by_learning_rate(1e-3),
            optimizer._scale_by_layer_rms(1e-3),
        ),
    )


@pytest.fixture(scope="module")
def theirs(shared):
    folder = shared / "conformance/hf"
    with np.load(folder / "mt5_training.npz") as file:
        arrays = dict(file)
    return arrays, json.loads((folder / "mt5_training.json").read_text())


@pytest.fixture(scope="module", params=["sgd", "adafactor"])
def trained(request, hf_tiny, theirs, make_run):
    """What they say, what we found: losses, gradients, parameters."""
    arrays, document = theirs
    config = dataclasses.replace(hf_tiny.config, dropout_rate=0.0)
    run = make_run(z_loss=0.0, loss_normalizing_factor="tokens")
    method = optax.chain(_remembering(), _method(request.param, config))
    update = jax.jit(make_train_step(config, run, method))
    targets = np.maximum(arrays["batches.labels"], 0)
    batches = [
        {
            "encoder_input_tokens": arrays["batches.input_ids"][i],
            "decoder_input_tokens": arrays["batches.decoder_input_ids"][i],
            "decoder_target_tokens": targets[i],
            "decoder_loss_weights": (targets[i] > 0).astype(np.float32),
        }
        for i in range(len(targets))
    ]
    at = state.at_zero(method, jax.tree.map(jnp.asarray, hf_tiny.params))
    outputs, first_gradient = [], None
    for batch in batches:
        at, output = update(at, batch)
        outputs.append(output)
        first_gradient = first_gradient or at.opt_state[0]
    after = [update(at, batch)[1] for batch in batches]

    def norms(tree):
        flat = _by_name(config, tree)
        return [np.linalg.norm(flat[name]) for name in document["parameter_names"]]

    moved = jax.tree.map(
        lambda new, old: np.asarray(new) - old, at.params, hf_tiny.params
    )
    found = {
        "loss": [float(o.sums.loss / o.sums.tokens) for o in outputs],
        "loss_after": [float(o.sums.loss / o.sums.tokens) for o in after],
        "global_grad_norm": [float(o.gradient_norm) for o in outputs],
        "first_step_grad_norm": norms(first_gradient),
        "final_parameter_norm": norms(at.params),
        "final_update_norm": norms(moved),
    }
    return {k: (v, arrays[f"{request.param}.{k}"]) for k, v in found.items()}


@pytest.mark.parametrize(
    ("what", "tolerance"),
    [
        ("loss", {"atol": 5e-5, "rtol": 0}),
        ("loss_after", {"atol": 5e-5, "rtol": 0}),
        ("global_grad_norm", {"rtol": 5e-5}),
        ("first_step_grad_norm", {"rtol": 5e-5}),
        ("final_parameter_norm", {"rtol": 1e-5}),
        ("final_update_norm", {"rtol": 1e-4}),
    ],
)
def test_ten_steps_agree(trained, what, tolerance):
    np.testing.assert_allclose(*trained[what], **tolerance)
