"""Heads that read all layers: against NumPy, and against the plain head."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from xtl_jax.checkpoint import names
from xtl_jax.errors import UserError
from xtl_jax.model.encoder import Encoder, init_params
from xtl_jax.model.encoder_sizes import EncoderConfig, Head

KINDS = {
    "classification": ("x", "y"),
    "choice": (),
    "span": (),
    "tagging": ("p", "q", "r"),
    "masked_lm": (),
}
CONFIG = EncoderConfig(
    architecture="xlm-roberta",
    vocab=32,
    embed=8,
    heads=2,
    mlp=8,
    layers=3,
    positions=12,
    dropout_rate=0.0,
)
TOKENS = jnp.asarray([[0, 7, 8, 2, 1], [0, 9, 4, 30, 2]])


def _config(layers):
    return CONFIG.with_heads(
        tuple(
            Head(name=kind, kind=kind, labels=labels, layers=layers)
            for kind, labels in KINDS.items()
        )
    )


def _params(config):
    fresh = nn.unbox(init_params(config, jax.random.key(0)))
    draw = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.5, jnp.float32), fresh
    )


def _logits(config, params, kind):
    tokens = jnp.stack([TOKENS, TOKENS[::-1]], 1) if kind == "choice" else TOKENS
    return Encoder(config).apply({"params": params}, tokens, head=kind, method="logits")


@pytest.fixture(scope="module", params=["mixture", "attention"])
def fused(request):
    config = _config(request.param)
    return config, _params(config)


def test_every_head_works_and_begins_at_the_mean_of_the_layers(fused):
    config, params = fused
    flat = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.zeros_like(leaf) if "over_layers" in str(path) else leaf,
        params,
    )
    _, states = Encoder(config).apply({"params": params}, TOKENS, method="states")
    mean = np.asarray(states[1:]).mean(axis=0)
    out = jax.tree.map(np.asarray, params["heads"]["tagging"]["out"])
    np.testing.assert_allclose(
        _logits(config, flat, "tagging"),
        mean @ out["kernel"] + out["bias"],
        rtol=1e-4,
        atol=1e-5,
    )
    shapes = {"classification": (2, 2), "choice": (2, 2), "span": (2, 5, 2)}
    shapes |= {"tagging": (2, 5, 3), "masked_lm": (2, 5, 32)}
    for kind, shape in shapes.items():
        found = _logits(config, params, kind)
        assert found.shape == shape
        assert np.abs(found - _logits(config, flat, kind)).max() > 1e-3


def test_a_mixture_with_all_weight_on_the_last_layer_is_the_plain_head():
    config = _config("mixture")
    params = _params(config)
    for head in params["heads"].values():
        head["over_layers"] = {"weights": jnp.asarray([-1e9, -1e9, 0.0])}
    plain = {
        name: {key: value for key, value in head.items() if key != "over_layers"}
        for name, head in params["heads"].items()
    }
    for kind in KINDS:
        np.testing.assert_allclose(
            _logits(config, params, kind),
            _logits(_config("last"), {**params, "heads": plain}, kind),
            rtol=1e-5,
            atol=1e-6,
        )


def test_attention_weighs_the_layers_at_each_token():
    config = _config("attention")
    params = _params(config)
    _, every = Encoder(config).apply({"params": params}, TOKENS, method="states")
    states = np.asarray(every[1:])
    head = jax.tree.map(np.asarray, params["heads"]["span"])
    query, key = head["over_layers"]["query"], head["over_layers"]["key"]
    asked = states[-1] @ query["kernel"] + query["bias"]
    keys = states @ key["kernel"] + key["bias"]
    scores = np.exp((asked * keys).sum(-1) / np.sqrt(8))
    weights = scores / scores.sum(axis=0)
    mixed = (weights[..., None] * states).sum(axis=0)
    np.testing.assert_allclose(
        _logits(config, params, "span"),
        mixed @ head["out"]["kernel"] + head["out"]["bias"],
        rtol=1e-4,
        atol=1e-5,
    )


def test_their_parameters_are_named_and_counted(fused):
    config, params = fused
    found = {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree.leaves_with_path(params)
    }
    named = {
        entry.path: (entry.layers, *entry.shape) if entry.layers else entry.shape
        for entry in names.entries(config)
    }
    assert found == named
    assert config.parameters == sum(leaf.size for leaf in jax.tree.leaves(params))
    assert config.train_flops(length=8, head="span") > _config("last").train_flops(
        length=8, head="span"
    ) * (config.task_heads[0].layers == "attention")


def test_another_way_of_reading_makes_another_head():
    head = Head(name="a", kind="span")
    assert head != dataclasses.replace(head, layers="mixture")
    with pytest.raises(UserError, match=r"Head\.layers"):
        Head(name="a", kind="span", layers="first")
