"""How many packed examples a second the feed gives, from a cache, on one core.

A store of random examples is written, and batches are made one after the other in one
thread: order, packing, and moving every token. Two kinds of lengths: all *equal* (57
and 8 tokens), and *varied* around the same means as real ones are (log-normal inputs).
The first batches are not counted: they bring the store into the page cache.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from xtl_jax.data import store
from xtl_jax.data.features import Lengths
from xtl_jax.data.pipeline import Feed

Kind = Literal["equal", "varied"]
LENGTHS = Lengths(inputs=512, targets=128)
_WARM_UP = 10  # batches


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured.

    Attributes:
        kind: of lengths.
        examples: in the store.
        inputs: mean tokens of an example's inputs, EOS included.
        targets: likewise.
        lengths: of a row.
        batch_size: rows.
        batches: how many are timed.
    """

    kind: Kind = "varied"
    examples: int = 500_000
    inputs: int = 57
    targets: int = 8
    lengths: Lengths = LENGTHS
    batch_size: int = 128
    batches: int = 300


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What came out."""

    kind: str
    examples: int  # given in the timed batches
    tokens_per_example: float
    wall_seconds: float
    cpu_seconds: float
    examples_per_second: int  # of CPU time: one core's
    tokens_per_second: int
    fill_percent: float  # of the input positions


def _sizes(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    count = setting.examples
    if setting.kind == "equal":
        return np.full(count, setting.inputs), np.full(count, setting.targets)
    rng = np.random.default_rng(0)
    sigma = 0.5  # of the logarithm; MNLI's is 0.5, SQuAD's 0.4
    inputs = rng.lognormal(np.log(setting.inputs) - sigma**2 / 2, sigma, count)
    targets = 2 + rng.poisson(setting.targets - 2, count)
    return (
        np.clip(np.rint(inputs), 4, setting.lengths.inputs).astype(np.int64),
        np.clip(targets, 2, setting.lengths.targets),
    )


def write_store(folder: pathlib.Path, setting: Setting) -> store.Store:
    """A store of random tokens, each example ending in EOS."""

    def rows() -> Iterator[store.Example]:
        tokens = np.random.default_rng(1).integers(2, 250_000, 1024, np.int32)
        tokens[-1] = 1
        for given in zip(*(sizes.tolist() for sizes in _sizes(setting)), strict=True):
            yield {
                name: tokens[-size:]
                for name, size in zip(("inputs", "targets"), given, strict=True)
            }

    card = {
        "task": "bench",
        "split": "train",
        "eos_id": 1,
        "eos": {"inputs": True, "targets": True},
    }
    return store.Store(store.write(folder, rows(), card))


def measure(
    opened: store.Store,
    setting: Setting,
    *,
    wall: Callable[[], float],
    cpu: Callable[[], float],
) -> Result:
    """Times the feed over a store.

    Args:
        opened: from `write_store`, or any other.
        setting: what to measure.
        wall: clock in seconds.
        cpu: CPU seconds of this process.
    """
    feed = Feed(
        {"bench": opened},
        rates={"bench": 1.0},
        lengths=setting.lengths,
        batch_size=setting.batch_size,
        seed=0,
        pack=True,
    )
    position = None
    for step in range(_WARM_UP):
        position = feed.make(step, position).next_position
    examples = tokens = inputs = 0
    began, began_cpu = wall(), cpu()
    for step in itertools.islice(itertools.count(_WARM_UP), setting.batches):
        made = feed.make(step, position)
        position = made.next_position
        # Sums cost about a tenth of the making; they are part of the time.
        examples += int(made.batch["encoder_segment_ids"].max(axis=1).sum())
        used = int(np.count_nonzero(made.batch["encoder_input_tokens"]))
        inputs += used
        tokens += used + int(np.count_nonzero(made.batch["decoder_target_tokens"]))
    took, took_cpu = wall() - began, cpu() - began_cpu
    positions = setting.batches * setting.batch_size * setting.lengths.inputs
    return Result(
        kind=setting.kind,
        examples=examples,
        tokens_per_example=round(tokens / examples, 2),
        wall_seconds=round(took, 3),
        cpu_seconds=round(took_cpu, 3),
        examples_per_second=round(examples / took_cpu),
        tokens_per_second=round(tokens / took_cpu),
        fill_percent=round(100 * inputs / positions, 2),
    )
