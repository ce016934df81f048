"""The part of Hugging Face transformers (torch) in contests: a training step."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xtl_jax.bench.contestant import Contestant


def train(setting: Mapping[str, Any]) -> Contestant:
    """A step of mT5 with transformers' own Adafactor, dropout as the model has it."""
    import torch
    import transformers
    from transformers.optimization import Adafactor

    folder = pathlib.Path(setting["folder"])
    model: Any = transformers.MT5ForConditionalGeneration.from_pretrained(
        str(folder / "huggingface")
    )
    with np.load(folder / "batch.npz") as arrays:
        inputs = torch.from_numpy(arrays["encoder_input_tokens"]).long()
        targets = torch.from_numpy(arrays["decoder_target_tokens"]).long()
    batch = {
        "input_ids": inputs,
        "attention_mask": torch.ones_like(inputs),
        "labels": targets,
    }
    model.eval()
    with torch.inference_mode():
        loss = float(model(**batch).loss)
    model.train()
    optimizer = Adafactor(
        model.parameters(),
        lr=1e-3,
        scale_parameter=True,
        relative_step=False,
        warmup_init=False,
    )

    def work() -> None:
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()

    def product(size: int) -> Callable[[], object]:
        square = torch.ones((size, size))
        return lambda: square @ square

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return Contestant({"loss": loss, "versions": versions}, work, product)
