"""XNLI: the label whose text is the most likely, beside a label that is generated.

Ours reads a row once, padded to one of a few lengths, and asks for the likelihood of
each label. T5X pads every row to the longest of the split and generates the label: its
evaluation has no other way. Beside T5X itself, our own decoder works in that way.

Rows are random ids. Their lengths are log-normal and like those of XNLI's test set: its
languages have 44 to 59 pieces of XLM-R's vocabulary a row, and 103 to 139 the longest.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from xtl_jax.bench import contest, seq2seq
from xtl_jax.bench.contest import Entrant, Figures
from xtl_jax.data import store
from xtl_jax.model.sizes import ModelConfig

IN_ITS_WAY = "xtl_jax, generating padded rows"
_SPLIT = 5_010  # rows of XNLI's test set
_EOS = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What is measured.

    Attributes:
        model: its shape.
        examples: that we answer in a turn.
        peer_examples: that a peer answers in a turn, as one batch.
        batch_size: rows that we answer together.
        mean: tokens of a row.
        deviation: of the logarithm of the lengths.
        labels: ids of each label's text, with the end id.
        rounds: how often each is timed.
    """

    model: ModelConfig
    examples: int = 128
    peer_examples: int = 16
    batch_size: int = 64
    mean: float = 53.0
    deviation: float = 0.28
    labels: tuple[tuple[int, ...], ...] = ((333, _EOS), (334, _EOS), (335, _EOS))
    rounds: int = 3

    def lengths(self) -> np.ndarray:
        """Tokens of all rows of a split, the longest first."""
        rng = np.random.default_rng(0)
        middle = np.log(self.mean) - self.deviation**2 / 2
        drawn = np.rint(rng.lognormal(middle, self.deviation, _SPLIT))
        return np.sort(np.maximum(drawn, 8).astype(np.int64))[::-1]


def measure(
    setting: Setting,
    *,
    folder: pathlib.Path,
    t5x_python: str = "",
    tell: contest.Tell = lambda line: None,
) -> list[Figures]:
    """Seconds of an example, of all that are here; ours is the first.

    Args:
        setting: what is measured.
        folder: where model and rows are written.
        t5x_python: interpreter that has T5X; "" is this one.
        tell: is told what is done.
    """
    tell("parameters and rows are written")
    shared = write(setting, folder)
    return contest.measure(
        (
            Entrant(name=contest.OURS, make="step_ours:rank", setting=shared),
            *seq2seq.t5x_entrants("generate", shared, python=t5x_python)[:1],
            Entrant(name=IN_ITS_WAY, make="step_ours:generate", setting=shared),
        ),
        rounds=setting.rounds,
        tell=tell,
    )


def write(setting: Setting, folder: pathlib.Path) -> dict[str, Any]:
    """Model and rows into a folder; what each contestant is given."""
    seq2seq.write_model(setting.model, folder)
    lengths = setting.lengths()
    longest = int(lengths[0])
    # Evenly out of the sorted split: their mean is its mean.
    step = len(lengths) / setting.examples
    some = lengths[(np.arange(setting.examples) * step + step / 2).astype(int)]
    _write_store(folder / "store", some, setting)
    _write_padded(folder / "padded.npy", some, longest=longest, setting=setting)
    return {
        "folder": str(folder),
        "model": dataclasses.asdict(setting.model),
        "batch_size": setting.batch_size,
        "labels": setting.labels,
        "longest": longest,
        "generated": max(map(len, setting.labels)),
    }


def _write_store(folder: pathlib.Path, lengths: np.ndarray, setting: Setting) -> None:
    """A cached split of such rows, in a random order."""
    rng = np.random.default_rng(1)

    def rows() -> Iterator[store.Example]:
        for length in rng.permutation(lengths).tolist():
            inputs = rng.integers(2, setting.model.vocab, length).astype(np.int32)
            inputs[-1] = _EOS
            yield {"inputs": inputs, "targets": np.asarray(setting.labels[0])}

    card = {
        "task": "bench",
        "split": "test",
        "eos_id": _EOS,
        "eos": {"inputs": True, "targets": True},
    }
    store.write(folder, rows(), card)


def _write_padded(
    path: pathlib.Path, lengths: np.ndarray, *, longest: int, setting: Setting
) -> None:
    """Some of the rows, padded to the longest of the split."""
    rng = np.random.default_rng(2)
    rows = np.zeros((setting.peer_examples, longest), np.int32)
    for row, length in zip(rows, rng.choice(lengths, len(rows)), strict=True):
        row[:length] = rng.integers(2, setting.model.vocab, length)
    np.save(path, rows)
