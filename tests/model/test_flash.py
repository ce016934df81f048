"""Attention as kernels against the plain products, interpreted on the CPU."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.experimental import pallas as pl
from jax.sharding import AbstractDevice, AbstractMesh

from xtl_jax.cli import doctor
from xtl_jax.model import flash, flash_check, flash_kernel
from xtl_jax.model.layers import Attention, RelativeBias
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.model.t5 import T5, init_params
from xtl_jax.train import sharding
from xtl_jax.train.config import MeshConfig

AXES = ("data", "fsdp", "model")
CONFIG = ModelConfig(
    vocab=128,
    embed=32,
    heads=2,
    head_dim=64,
    mlp=32,
    encoder_layers=1,
    decoder_layers=1,
    dtype="bfloat16",
)
WIDE = dataclasses.replace(CONFIG, dtype="float32", dropout_rate=0.5)


@pytest.fixture
def kernels(monkeypatch):
    """Kernels are interpreted and used for long rows, until `off` is called."""

    def off():
        monkeypatch.setattr(flash, "fits", lambda *_, **__: False)

    def long(_, *, batch, queries, keys):
        return queries >= flash.LANES  # parameters are made from short ones

    monkeypatch.setattr(
        *(flash_kernel.pl, "pallas_call"),
        functools.partial(pl.pallas_call, interpret=True),
    )
    monkeypatch.setattr(flash, "fits", long)
    return off


def _segments(rng, rows, length):
    """Some texts in each row, the last row full of padding."""
    found = np.sort(rng.integers(0, 4, (rows, length)))[:, ::-1]
    found[-1] = 0
    return jnp.asarray(found, jnp.int32)


def _close(found, expected):
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-6 * scale)


@pytest.mark.parametrize(
    ("queries", "keys", "causal", "change"),
    [
        (256, 256, False, {}),
        (128, 128, True, {"heads": 4, "head_dim": 32}),
        (128, 384, False, {"head_dim": 128}),
    ],
    ids=["encoder", "causal", "cross"],
)
def test_values_and_gradients_are_those_of_plain_attention(
    kernels, queries, keys, causal, change
):
    config = dataclasses.replace(WIDE, **change)
    rng = np.random.default_rng(0)
    x, source, wanted = (
        jnp.asarray(rng.normal(size=(3, length, 32)), jnp.float32)
        for length in (queries, keys, queries)
    )
    of_queries, of_keys = (_segments(rng, 3, each) for each in (queries, keys))
    segments = (of_queries, of_queries if queries == keys else of_keys)
    attention = Attention(config, "train", causal=causal)
    positions = RelativeBias(config, bidirectional=not causal)
    table = {
        "rel_embedding": jnp.asarray(rng.normal(size=(config.heads, 32)), jnp.float32)
    }
    sizes = (config.embed, config.joined_kv)
    params = {
        name: {"kernel": jnp.asarray(rng.normal(size=shape) * 0.2, jnp.float32)}
        for name, shape in (
            *((name, sizes) for name in ("query", "key", "value")),
            ("out", sizes[::-1]),
        )
    }

    def loss(params, table, x, source):
        bias = None
        if queries == keys:
            bias = positions.apply(
                {"params": table}, 3, queries, method=RelativeBias.for_layers
            )
        found = attention.apply(
            {"params": params},
            *(x, source, bias, segments),
            rngs={"dropout": jax.random.key(0)},
        )
        return jnp.sum(found * wanted), found

    def both():
        of_all = jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True)
        return jax.jit(of_all)(params, table, x, source)

    (_, found), gradients = both()
    kernels()
    (_, expected), plain = both()
    _close((found, gradients), (expected, plain))


def test_a_device_is_asked_whether_its_kernels_are_right(kernels, monkeypatch):
    found = flash_check.differences()
    assert [each.of for each in found] == 2 * [
        *("values", "queries", "keys", "mixed values", "bias")
    ]
    assert all(each.relative < flash_check.MOST for each in found)
    right = flash_kernel._mask
    monkeypatch.setattr(  # a chip that takes no notice of the order
        *(flash_kernel, "_mask"),
        lambda *args, causal: right(*args, causal=False),
    )
    jax.clear_caches()
    for each in flash_check.differences():
        assert (each.relative > flash_check.MOST) is each.causal
    (message, *more) = doctor._kernels(["TPU v9 (tpu)"])
    assert len(more) == 4
    assert message.startswith("attention on TPU v9 (tpu): a kernel's values differ")
    kernels()
    assert flash_check.differences() == []
    assert doctor._kernels(["Something (cpu)"]) == []


def test_devices_share_rows_and_heads_and_sum_what_the_table_learns(kernels):
    config = dataclasses.replace(WIDE, heads=4)
    mesh = sharding.mesh(MeshConfig(data=2, fsdp=2, model=2))
    params = nn.meta.unbox(init_params(config, jax.random.key(0)))
    rng = np.random.default_rng(1)
    ids = jnp.asarray(rng.integers(2, 128, (8, 128)), jnp.int32)
    segments = _segments(rng, 8, 128)
    batch = {
        "encoder_input_tokens": ids,
        "encoder_segment_ids": segments,
        "decoder_input_tokens": ids,
        "decoder_target_tokens": ids,
        "decoder_segment_ids": segments,
    }
    seen = (segments > 0)[..., None]

    def loss(params):
        hidden = T5(config).apply({"params": params}, batch, method="hidden")
        return jnp.sum(jnp.where(seen, jnp.square(hidden), 0.0))

    def both():
        with jax.set_mesh(mesh), nn.logical_axis_rules(sharding.RULES):
            return jax.jit(jax.value_and_grad(loss))(params)

    found = both()
    kernels()
    _close(found, both())


def _mesh(data=1, model=1, *, platform="tpu", kind="TPU v5 lite"):
    device = AbstractDevice(kind, 1, platform)
    return AbstractMesh((data, 1, model), AXES, abstract_device=device)


@pytest.mark.parametrize(
    ("mesh", "config", "shape", "fits"),
    [
        (_mesh(), CONFIG, (8, 512, 128), True),
        (_mesh(8), CONFIG, (8, 512, 512), True),
        (_mesh(platform="cpu"), CONFIG, (8, 512, 128), False),
        (_mesh(kind="TPU v3"), CONFIG, (8, 512, 128), False),
        (_mesh(), WIDE, (8, 512, 128), False),  # float32
        (_mesh(), CONFIG, (8, 512, 100), False),
        (_mesh(), CONFIG, (8, 2048, 128), False),
        (_mesh(8), CONFIG, (12, 512, 512), False),  # rows do not divide
        (_mesh(1, 2), CONFIG, (8, 512, 512), False),  # one head for each device
        (_mesh(), dataclasses.replace(CONFIG, head_dim=48), (8, 128, 128), False),
    ],
)
def test_kernels_are_used_where_they_can_run(mesh, config, shape, fits):
    batch, queries, keys = shape
    with (
        jax.sharding.use_abstract_mesh(mesh),
        nn.logical_axis_rules(sharding.RULES),
    ):
        found = flash.fits(config, batch=batch, queries=queries, keys=keys)
    assert found is fits
    assert not flash.fits(config, batch=batch, queries=queries, keys=keys)


def test_a_step_for_a_tpu_has_no_array_of_queries_times_keys():
    batch = {
        "encoder_input_tokens": jax.ShapeDtypeStruct((2, 384), jnp.int32),
        "decoder_input_tokens": jax.ShapeDtypeStruct((2, 256), jnp.int32),
        "decoder_target_tokens": jax.ShapeDtypeStruct((2, 256), jnp.int32),
    }

    def loss(params, batch):
        hidden = T5(CONFIG, "train").apply(
            *({"params": params}, batch),
            method="hidden",
            rngs={"dropout": jax.random.key(0)},
        )
        return jnp.sum(hidden.astype(jnp.float32))

    def text(platform):
        with (
            jax.sharding.use_abstract_mesh(_mesh(platform=platform)),
            nn.logical_axis_rules(sharding.RULES),
        ):
            shapes = jax.eval_shape(
                lambda: nn.meta.unbox(init_params(CONFIG, jax.random.key(0)))
            )
            traced = jax.jit(jax.grad(loss)).trace(shapes, batch)
            return traced.lower(lowering_platforms=(platform,)).as_text()

    squares = ("384x384x", "256x256x", "256x384x")
    on_tpu, on_cpu = text("tpu"), text("cpu")
    assert on_tpu.count("tpu_custom_call") >= 6  # three attentions, there and back
    assert not any(square in on_tpu for square in squares)
    assert all(square in on_cpu for square in squares)
