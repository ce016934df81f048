"""HellaSwag: which of four endings continues a video's caption or a WikiHow text?

In two formats: `hellaswag` lists the endings and names one, `hellaswag_rank` takes the
most likely ending.
"""

from __future__ import annotations

import functools

from xtl_jax.data import multiple_choice, readers, tfds_rows
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family
from xtl_tasks.ranked import ranked


def _files(part: str) -> tuple[str, ...]:
    name = f"hellaswag_{part}.jsonl"
    return tuple(folder + name for folder in ("hellaswag/", "hellaswag/data/", ""))


FAMILY = Family(
    name="hellaswag",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={"train": _files("train"), "validation": _files("val")},
    tfds={
        split: tfds_rows.TfdsSplit(
            name="hellaswag", split=split, row=tfds_rows.hellaswag
        )
        for split in ("train", "validation")
    },
    read=readers.hellaswag,
    prompt=functools.partial(multiple_choice.listed, name="hellaswag"),
    metric=accuracy.METRIC,
    labels=multiple_choice.choices(4),
    train_rows=39_905,
    split_rows={"validation": 10_042},
    card=Card(
        summary="Which of four endings continues an English text.",
        trains_on="hellaswag",
        selection="English validation accuracy",
        normaliser="none: choice1 to choice4 must be exact",
        licence="MIT",
        homepage="https://rowanzellers.com/hellaswag/",
        traps=(
            "WikiHow's marks ([header], [title], [step]) stay in the text, as "
            "released; other harnesses remove them. Wrong endings were chosen to fool "
            "BERT, so scores of BERT's kin are low by construction. The activity label "
            "is not shown. The test file has no labels."
        ),
        get="hellaswag_train.jsonl and hellaswag_val.jsonl from the homepage's "
        "repository, into hellaswag/",
    ),
)
RANKED = ranked(
    FAMILY,
    prompt=functools.partial(multiple_choice.ranked, name="hellaswag"),
    trains_on="hellaswag_rank",
)
