"""SNLI: does a hypothesis follow from a picture's caption? A part of ANLI+."""

from __future__ import annotations

import functools

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family


def _files(part: str) -> tuple[str, ...]:
    names = (f"snli_1.0/snli_1.0_{part}.jsonl", f"snli_1.0/snli_1.0_{part}.txt")
    return tuple(folder + name for folder in ("", "snli/") for name in names)


FAMILY = Family(
    name="snli",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={
        "train": _files("train"),
        "validation": _files("dev"),
        "test": _files("test"),
    },
    tfds={
        split: tfds_rows.TfdsSplit(name="snli", split=split, row=tfds_rows.snli)
        for split in ("train", "validation", "test")
    },
    read=readers.nli,
    prompt=functools.partial(prompts.inference, name="snli"),
    metric=accuracy.METRIC,
    labels=prompts.NLI_WORDS,
    train_rows=549_367,
    split_rows={"validation": 9_842, "test": 9_824},
    card=Card(
        summary="Entailment, neutral or contradiction between an English caption and a "
        "sentence.",
        trains_on="snli",
        selection="English validation accuracy",
        normaliser="none: the label word must be exact",
        licence="CC BY-SA 4.0",
        homepage="https://nlp.stanford.edu/projects/snli/",
        traps=(
            "Rows labelled - (no agreement) are left out, as the release says: 549,367 "
            "of 550,152 training rows remain. Hypotheses alone give much of the label "
            "away. The counterfactual revisions of other authors contain its rows."
        ),
        get="snli_1.0.zip from the homepage, unpacked into snli_1.0/",
    ),
)
