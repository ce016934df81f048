"""Which network a config means: mT5, or an encoder."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax

from xtl_jax.model import encoder, t5
from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.sizes import ModelConfig
from xtl_jax.typing import Array

AnyConfig = ModelConfig | EncoderConfig


def init_params(config: AnyConfig, key: Array) -> Any:
    """Fresh parameters, boxed with their logical axis names."""
    if isinstance(config, EncoderConfig):
        return encoder.init_params(config, key)
    return t5.init_params(config, key)


@functools.lru_cache(maxsize=8)
def param_shapes(config: AnyConfig) -> Any:
    """Shape and dtype of each parameter, boxed likewise, with nothing computed.

    Tracing a network takes a second, and a stage asks many times.
    """
    return jax.eval_shape(lambda: init_params(config, jax.random.key(0)))


def from_json(values: Mapping[str, Any]) -> AnyConfig:
    """The config whose fields `run.json` holds; an encoder's has an architecture."""
    if "architecture" in values:
        return EncoderConfig(**values)
    return ModelConfig(**values)
