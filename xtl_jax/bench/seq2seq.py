"""How long a training step of an mT5 takes, beside T5X and transformers.

All learn from the same random rows, none of them padding, from the same parameters, in
float32 with dropout and Adafactor; each has its own process (`contest.py`). Before
that, all give the loss of these rows without dropout: a fast wrong step is no result.

T5X takes part twice: as it ships, where it finds rows of the embedding by a product
with a one-hot matrix, and with rows gathered, which is one word changed.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from xtl_jax.bench import contest, infer
from xtl_jax.bench.contest import Entrant, Figures
from xtl_jax.checkpoint import huggingface, names, t5x
from xtl_jax.model.sizes import ModelConfig

T5X, GATHERED, TRANSFORMERS = "T5X", "T5X, embedding gathered", "transformers"
# 22.7 million parameters: small enough for a laptop, with a vocabulary that matters.
TINY = ModelConfig(
    vocab=32_128,
    embed=256,
    heads=4,
    head_dim=64,
    mlp=512,
    encoder_layers=4,
    decoder_layers=4,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured.

    Attributes:
        model: its shape.
        batch_size: rows.
        inputs: tokens of each row's inputs.
        targets: likewise.
        rounds: how often each is timed.
    """

    model: ModelConfig
    batch_size: int
    inputs: int = 256
    targets: int = 64
    rounds: int = 3

    @property
    def useful_flops(self) -> float:
        """Of one step: see `ModelConfig.train_flops`."""
        flops = self.model.train_flops(inputs=self.inputs, targets=self.targets)
        return self.batch_size * flops


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What came out; `figures[0]` is ours.

    Attributes:
        figures: of all contestants.
        useful_flops: of one step, for all the same.
        ceiling_flops: FLOP/s of the best matrix product that any of them made.
        program: text of our compiled step.
    """

    figures: tuple[Figures, ...]
    useful_flops: float
    ceiling_flops: float
    program: str

    def mfu_percent(self, figures: Figures) -> float:
        """Useful FLOP/s over the best matrix product of this machine."""
        return 100.0 * self.useful_flops / figures.seconds / self.ceiling_flops


def measure(
    setting: Setting,
    *,
    folder: pathlib.Path,
    t5x_python: str = "",
    tell: contest.Tell = lambda line: None,
) -> Result:
    """Time all that are here on one model.

    Args:
        setting: what is measured.
        folder: where the model is written.
        t5x_python: interpreter that has T5X; "" is this one.
        tell: is told what is done.
    """
    tell("parameters and rows are written")
    write_model(setting.model, folder)
    write_batch(setting, folder)
    given = shared(setting, folder)
    found = contest.measure(
        (
            Entrant(name=contest.OURS, make="step_ours:train", setting=given),
            Entrant(
                name=TRANSFORMERS,
                make="step_transformers:train",
                setting=given,
                package="transformers with torch",
            ),
            *t5x_entrants("train", given, python=t5x_python),
        ),
        rounds=setting.rounds,
        tell=tell,
    )
    return Result(
        figures=tuple(found),
        useful_flops=setting.useful_flops,
        ceiling_flops=max(each.matmul_flops for each in found),
        program=pathlib.Path(found[0].facts["program"]).read_text(),
    )


def shared(setting: Setting, folder: pathlib.Path) -> dict[str, Any]:
    """What each contestant is given."""
    return {
        "folder": str(folder),
        "batch_size": setting.batch_size,
        "lengths": {"inputs": setting.inputs, "targets": setting.targets},
        "model": dataclasses.asdict(setting.model),
    }


def t5x_entrants(
    what: str, given: Mapping[str, Any], *, python: str
) -> tuple[Entrant, Entrant]:
    """T5X as it ships, and with rows of its embedding gathered."""
    shipped, gathered = (
        Entrant(
            name=name,
            make=f"step_t5x:{what}",
            setting={**given, "gathered": name == GATHERED},
            package="T5X",
            python=python,
        )
        for name in (T5X, GATHERED)
    )
    return shipped, gathered


def write_model(model: ModelConfig, folder: pathlib.Path) -> None:
    """Random parameters, for transformers and for T5X."""
    source = infer.source(model)
    huggingface.write(source, epath.Path(folder) / "huggingface")
    arrays: dict[str, Any] = {
        t5x.foreign(entry.path, layer): source.read(entry, layer)
        for entry in names.entries(model)
        for layer in names.layers(entry)
    }
    np.savez(folder / "t5x.npz", **arrays)


def write_batch(setting: Setting, folder: pathlib.Path) -> None:
    """Random rows, as T5X's feature converter lays them out."""
    rng = np.random.default_rng(0)

    def ids(length: int) -> np.ndarray:
        shape = (setting.batch_size, length)
        return rng.integers(2, setting.model.vocab, shape).astype(np.int32)

    targets = ids(setting.targets)
    np.savez(
        folder / "batch.npz",
        encoder_input_tokens=ids(setting.inputs),
        decoder_input_tokens=np.pad(targets[:, :-1], ((0, 0), (1, 0))),
        decoder_target_tokens=targets,
        decoder_loss_weights=np.ones(targets.shape, np.int32),
    )
