"""QQP: do two questions of Quora ask the same? With T5's prompt and label words."""

from __future__ import annotations

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family

_DIFFERENT, _SAME = prompts.DUPLICATE_WORDS

FAMILY = Family(
    name="qqp",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={
        "train": ("QQP/train.tsv", "qqp/QQP/train.tsv", "glue/QQP/train.tsv"),
        "validation": ("QQP/dev.tsv", "qqp/QQP/dev.tsv", "glue/QQP/dev.tsv"),
    },
    tfds={
        split: tfds_rows.TfdsSplit(name="glue/qqp", split=split, row=tfds_rows.qqp)
        for split in ("train", "validation")
    },
    read=readers.duplicates,
    prompt=prompts.qqp,
    metric=accuracy.with_f1(positive=_SAME, negative=_DIFFERENT),
    labels=prompts.DUPLICATE_WORDS,
    train_rows=363_846,
    split_rows={"validation": 40_430},
    card=Card(
        summary="Whether two English questions ask the same.",
        trains_on="qqp",
        selection="English validation accuracy",
        normaliser=(
            "none: the label must be exact; for F1 a text that is no label counts as "
            "the wrong one of the two, as in T5"
        ),
        licence="Quora's terms of use: non-commercial",
        homepage="https://gluebenchmark.com/tasks",
        traps=(
            "63 percent are not duplicates: report F1 too. GLUE's first archive "
            "(QQP.zip) has rows cut by line ends, which are refused here; "
            "QQP-clean.zip has 363,846 rows, TFDS and the T5 library count 363,849. "
            "GLUE's test file has no labels. Quora's own quora_duplicate_questions.tsv "
            "has no splits: name it, or a part of it, with --file."
        ),
        get="QQP-clean.zip from GLUE's homepage, unpacked into QQP/",
    ),
)
