"""How long a step of fine-tuning an encoder takes, beside Hugging Face transformers.

An encoder with a classification head is written as a Hugging Face folder and read by
both. Both make the same updates (AdamW, clipping at 1.0, dropout, float32) on the same
random rows, in turns, and the medians are compared. A turn is two steps, of which the
second is timed: neither compilation nor what the other left in caches is counted.

Before that, both give the loss of the same rows without dropout: a fast wrong step is
no result.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from xtl_jax.bench import pairs
from xtl_jax.checkpoint import huggingface, names
from xtl_jax.model.encoder_sizes import EncoderConfig, Head
from xtl_jax.train import optimizer as optimizers
from xtl_jax.train import state as states
from xtl_jax.train.config import RunConfig
from xtl_jax.train.labels import (
    LabelBatch,
    inputs_of,
    label_sums,
    objective,
    other_heads,
)
from xtl_jax.train.step import make_train_step

Step = Callable[[], None]
HEAD = Head(name="bench", kind="classification", labels=("0", "1", "2"))
_RATE = 1e-5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured.

    Attributes:
        model: its shape; heads in it are not used.
        batch_size: rows.
        length: tokens of each, none of them padding.
        rounds: how often each is timed.
    """

    model: EncoderConfig
    batch_size: int = 32
    length: int = 128
    rounds: int = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What came out. `ratio` is the peer's time over ours: more is better."""

    seconds: float  # median, of one step
    tokens_per_second: float
    loss: float  # before the first step, without dropout
    peer_seconds: float | None  # None where the peer is not installed
    peer_loss: float | None
    ratio: float | None
    ratio_spread: tuple[float, float] | None  # of the rounds


def source(config: EncoderConfig, *, seed: int = 0) -> names.Source:
    """A random checkpoint as such encoders begin: arrays are made when asked for."""

    def read(entry: names.Entry, layer: int | None) -> np.ndarray:
        rng = np.random.default_rng([seed, *entry.path.encode(), layer or 0])
        if entry.path.endswith("scale"):
            return np.ones(entry.shape, np.float32)
        if entry.path.endswith("bias"):
            return np.zeros(entry.shape, np.float32)
        return rng.standard_normal(entry.shape, np.float32) * np.float32(0.02)

    return names.Source(config=config, name="random", step=0, read=read)


def measure(
    setting: Setting, *, folder: pathlib.Path, clock: Callable[[], float]
) -> Result:
    """Time both on one model.

    Args:
        setting: what is measured.
        folder: where the model is written.
        clock: seconds.
    """
    config = setting.model.with_heads((HEAD,))
    made = source(config)
    rng = np.random.default_rng(0)
    shape = (setting.batch_size, setting.length)
    tokens = rng.integers(5, config.vocab, shape)
    labels = rng.integers(0, len(HEAD.labels), setting.batch_size)
    loss, ours = _ours(config, made, tokens, labels)
    peer_loss, theirs = _transformers(made, tokens, labels, folder) or (None, None)
    timing = pairs.timed(ours, theirs, rounds=setting.rounds, clock=clock)
    return Result(
        tokens_per_second=tokens.size / timing.seconds,
        loss=loss,
        peer_loss=peer_loss,
        **timing._asdict(),
    )


def _ours(
    config: EncoderConfig, made: names.Source, tokens: np.ndarray, labels: np.ndarray
) -> tuple[float, Step]:
    """The first loss, and what makes a step."""
    run = settings(tokens)
    batch = labelled(tokens, labels)
    params = jax.tree.map(jnp.asarray, names.tree(made))
    sums = jax.jit(lambda p, b: label_sums(config, p, b, key=None))(params, batch)
    update = updating(config, run)
    state: Any = states.at_zero(optimizers.build(run), params)

    def step() -> None:
        nonlocal state
        state, _ = update(state, batch)
        jax.block_until_ready(state)

    return float(sums.loss / sums.tokens), step


def labelled(tokens: np.ndarray, labels: np.ndarray) -> LabelBatch:
    """Rows of ids and their labels as a batch of `HEAD`."""
    return LabelBatch(
        tokens=jnp.asarray(tokens, jnp.int32),
        labels=jnp.asarray(labels, jnp.int32),
        head=HEAD.name,
    )


def settings(tokens: np.ndarray, **fields: Any) -> RunConfig:
    """AdamW, clipping at 1.0, on such rows; `fields` are set beside that."""
    return RunConfig(
        task="bench",
        steps=1,
        lengths={"inputs": tokens.shape[1], "targets": 2},
        vocabulary="bytes",
        run_dir="",
        batch_size=len(tokens),
        optimizer="adamw",
        learning_rate=_RATE,
        gradient_clip=1.0,
        loss_normalizing_factor="tokens",
        **fields,
    )


def updating(config: EncoderConfig, run: RunConfig) -> Any:
    """The compiled step of a run, which updates a state in place."""
    return jax.jit(
        make_train_step(
            *(config, run, optimizers.build(run)),
            objective=objective(config, run),
            inputs=inputs_of(config),
            kept=other_heads,
        ),
        donate_argnums=0,
    )


def _transformers(
    made: names.Source, tokens: np.ndarray, labels: np.ndarray, folder: pathlib.Path
) -> tuple[float, Step] | None:
    """The same of the peer, where it is installed."""
    try:
        import torch
        import transformers
    except ImportError:
        return None
    path = epath.Path(folder) / "model"
    huggingface.write(made, path)
    peer: Any = transformers.AutoModelForSequenceClassification.from_pretrained(
        str(path)
    )
    batch = {
        "input_ids": torch.from_numpy(tokens),
        "attention_mask": torch.ones(tokens.shape, dtype=torch.int64),
        "labels": torch.from_numpy(labels),
    }
    peer.eval()
    with torch.inference_mode():
        loss = float(peer(**batch).loss)
    peer.train()
    optimizer = torch.optim.AdamW(peer.parameters(), lr=_RATE, weight_decay=0.0)

    def step() -> None:
        optimizer.zero_grad()
        peer(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        optimizer.step()

    return loss, step
