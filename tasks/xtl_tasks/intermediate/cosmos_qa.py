"""Cosmos QA: what a blog post leaves unsaid, four options.

In two formats: `cosmos_qa` lists the options and names one, `cosmos_qa_rank` takes the
most likely option.
"""

from __future__ import annotations

import functools

from xtl_jax.data import multiple_choice, readers, tfds_rows
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family
from xtl_tasks.ranked import ranked


def _files(part: str) -> tuple[str, ...]:
    return tuple(
        f"{folder}/{part}.{suffix}"
        for folder in ("cosmosqa/data", "cosmosqa", "cosmos_qa")
        for suffix in ("csv", "jsonl")
    )


FAMILY = Family(
    name="cosmos_qa",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={"train": _files("train"), "validation": _files("valid")},
    tfds={
        split: tfds_rows.TfdsSplit(
            name="cosmos_qa", split=split, row=tfds_rows.cosmos_qa
        )
        for split in ("train", "validation")
    },
    read=readers.cosmos_qa,
    prompt=functools.partial(multiple_choice.listed, name="cosmos_qa"),
    metric=accuracy.METRIC,
    labels=multiple_choice.choices(4),
    train_rows=25_262,
    split_rows={"validation": 2_985},
    card=Card(
        summary="Commonsense questions on English blog posts, four options.",
        trains_on="cosmos_qa",
        selection="English validation accuracy",
        normaliser="none: choice1 to choice4 must be exact",
        licence="CC BY 4.0",
        homepage="https://wilburone.github.io/cosmos/",
        traps=(
            "One option is often 'None of the above choices .', which cannot be ranked "
            "against the others by its likelihood alone. Other counts of its rows are "
            "in print (25,588 and 3,000); the release has 25,262 and 2,985. The test "
            "file has no labels."
        ),
        get="train.csv and valid.csv from the homepage's repository, into cosmosqa/",
    ),
)
RANKED = ranked(
    FAMILY,
    prompt=functools.partial(multiple_choice.ranked, name="cosmos_qa"),
    trains_on="cosmos_qa_rank",
)
