"""How fast texts are generated, beside Hugging Face transformers on the same work.

A random model of a given shape is written as a Hugging Face folder, and read by both;
both generate the same number of ids for the same random inputs, in turns, and the
medians are compared. The end id is made the least probable one, so that no text ends
early. Compilation is not counted: each is run once before the clock.

Greedy ids of the two are compared as well: a fast wrong answer is no result.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from etils import epath

from xtl_jax.bench import pairs
from xtl_jax.checkpoint import huggingface, names
from xtl_jax.infer import model as models
from xtl_jax.model import decoding
from xtl_jax.model.sizes import ModelConfig

Generate = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured.

    Attributes:
        model: its shape.
        batch_size: rows.
        inputs: tokens of each.
        generated: ids written for each.
        beams: 1 decodes greedily.
        rounds: how often each is timed.
    """

    model: ModelConfig
    batch_size: int = 8
    inputs: int = 256
    generated: int = 32
    beams: int = 1
    rounds: int = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What came out. `ratio` is the peer's time over ours: more is better."""

    beams: int
    seconds: float  # median
    ids_per_second: float
    peer_seconds: float | None  # None where the peer is not installed
    ratio: float | None
    ratio_spread: tuple[float, float] | None  # of the rounds
    same_ids_percent: float | None


def source(config: ModelConfig, *, seed: int = 0) -> names.Source:
    """A random checkpoint that never ends a text: arrays are made when asked for."""

    def read(entry: names.Entry, layer: int | None) -> np.ndarray:
        rng = np.random.default_rng([seed, *entry.path.encode(), layer or 0])
        if entry.path.endswith("scale"):
            return np.ones(entry.shape, np.float32)
        scale = entry.shape[0] ** -0.5 if entry.path.endswith("kernel") else 1.0
        if "query" in entry.path:  # as T5 begins; else attention looks at one token
            scale *= config.head_dim**-0.5
        array = rng.standard_normal(entry.shape, np.float32) * np.float32(scale)
        if entry.path == "logits_dense/kernel":
            # Its logit is 0, and the best of so many others is far above.
            array[:, decoding.EOS] = 0.0
        return array

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
    path = epath.Path(folder) / "model"
    huggingface.write(source(setting.model), path)
    rng = np.random.default_rng(0)
    ids = rng.integers(2, setting.model.vocab, (setting.batch_size, setting.inputs))
    ours, theirs = _ours(setting, path), _transformers(setting, path)
    said = ours(ids)
    expected = None if theirs is None else theirs(ids)
    timing = pairs.timed(
        lambda: ours(ids),
        None if theirs is None else lambda: theirs(ids),
        rounds=setting.rounds,
        clock=clock,
    )
    written = setting.batch_size * setting.generated
    return Result(
        beams=setting.beams,
        ids_per_second=written / timing.seconds,
        same_ids_percent=None
        if expected is None
        else 100.0 * float((said == expected).mean()),
        **timing._asdict(),
    )


def _ours(setting: Setting, path: epath.Path) -> Generate:
    model = models.load(str(path))
    params = jax.device_put(model.params)
    method = models.method(beams=setting.beams, length_penalty=1.0, rule="huggingface")

    def generate(ids: np.ndarray) -> np.ndarray:
        found = models.generate(
            *(model.config, params, ids.astype(np.int32)),
            max_length=setting.generated,
            vocabulary_size=model.vocabulary_size,
            method=method,
        )
        return np.asarray(found.tokens)

    return generate


def _transformers(setting: Setting, path: epath.Path) -> Generate | None:
    try:
        import torch
        import transformers
    except ImportError:
        return None
    peer: Any = transformers.MT5ForConditionalGeneration.from_pretrained(str(path))
    peer.eval()

    def generate(ids: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found = peer.generate(
                input_ids=torch.from_numpy(ids),
                max_new_tokens=setting.generated,
                num_beams=setting.beams,
                length_penalty=1.0,
                do_sample=False,
            )
        return found.numpy()[:, 1:]

    return generate
