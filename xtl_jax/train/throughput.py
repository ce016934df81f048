"""How near the hardware's limit a run is.

MFU (model FLOPs utilisation) here is the useful FLOPs of the rows of a step
(`ModelConfig.train_flops`: 6 per weight and token, no recomputation, look-ups free,
rows counted at their full length) per second, over the peak of all devices. Peaks of
TPUs and GPUs are their makers' dense bfloat16 figures; a CPU's is what one float32
product of large matrices reaches on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from xtl_jax.model.encoder_sizes import EncoderConfig
from xtl_jax.model.network import AnyConfig

# Dense bfloat16 FLOP/s of one JAX device, by the prefix of its `device_kind`.
PEAK_FLOPS = {
    "TPU v2": 22.5e12,  # a device is one core of the 45 TFLOP/s chip
    "TPU v3": 61.5e12,  # the same
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5": 459e12,
    "TPU v6 lite": 918e12,
    "TPU7x": 1153.5e12,  # half of the chip's 2307
    "NVIDIA A100": 312e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
}


def useful_flops(
    model: AnyConfig, *, rows: int, lengths: Mapping[str, int], frozen: bool
) -> float:
    """Of a training step at the full length of its rows: see `ModelConfig.train_flops`.

    An encoder's is of its widest head; batches of short rows are padded to less.

    Args:
        model: shape, an encoder's with its heads.
        rows: of the batch.
        lengths: tokens of `inputs` and `targets`; an encoder has no targets.
        frozen: whether the weights need no gradient of their own (LoRA).
    """
    if not isinstance(model, EncoderConfig):
        return rows * model.train_flops(**lengths, frozen=frozen)
    heads = [head.name for head in model.task_heads] or [None]
    return rows * max(
        model.train_flops(length=lengths["inputs"], head=head) for head in heads
    )


def peak_flops(clock: Callable[[], float]) -> float:
    """FLOP/s of all devices together; a CPU is measured with `clock` (seconds)."""
    devices = jax.devices()
    kind = devices[0].device_kind
    for prefix in sorted(PEAK_FLOPS, key=len, reverse=True):
        if kind.startswith(prefix):
            return PEAK_FLOPS[prefix] * len(devices)
    size = 1024
    square = jnp.ones((size, size), jnp.float32)
    product = jax.jit(lambda x: x @ x)
    product(square).block_until_ready()
    best = float("inf")
    for _ in range(10):
        began = clock()
        product(square).block_until_ready()
        best = min(best, clock() - began)
    # Virtual devices of one host share its cores: the host has one peak.
    return 2.0 * size**3 / best * jax.process_count()
