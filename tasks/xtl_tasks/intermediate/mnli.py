"""MNLI: does an English premise entail a hypothesis? With T5's prompt and label words.

Intermediate task. The same rows, with mT5's prompt, are the training split of XNLI.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family

TRAIN_FILES = (
    "multinli_1.0/multinli_1.0_train.jsonl",
    "multinli_1.0/multinli_1.0_train.txt",
    "mnli/multinli_1.0_train.jsonl",
    "mnli/multinli_1.0_train.txt",
    "MNLI/train.tsv",
)
TRAIN_TFDS = tfds_rows.TfdsSplit(name="glue/mnli", split="train", row=tfds_rows.mnli)
TRAIN_ROWS = 392_702

FAMILY = Family(
    name="mnli",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={
        "train": TRAIN_FILES,
        "validation": (
            "multinli_1.0/multinli_1.0_dev_matched.jsonl",
            "multinli_1.0/multinli_1.0_dev_matched.txt",
            "mnli/multinli_1.0_dev_matched.jsonl",
            "mnli/multinli_1.0_dev_matched.txt",
            "MNLI/dev_matched.tsv",
        ),
    },
    tfds={
        "train": TRAIN_TFDS,
        "validation": tfds_rows.TfdsSplit(
            name="glue/mnli", split="validation_matched", row=tfds_rows.mnli
        ),
    },
    read=readers.nli,
    prompt=prompts.mnli,
    metric=accuracy.METRIC,
    labels=prompts.NLI_WORDS,
    train_rows=TRAIN_ROWS,
    split_rows={"validation": 9_815},
    card=Card(
        summary="Entailment, neutral or contradiction between two English sentences.",
        trains_on="mnli",
        selection="English validation accuracy (matched genres)",
        normaliser="none: the label word must be exact",
        licence="OANC, CC BY 3.0 and CC BY-SA 3.0 by genre",
        homepage="https://cims.nyu.edu/~sbowman/multinli/",
        traps=(
            "Rows labelled - (no agreement) are left out, as the release says: 9,815 "
            "of 10,000 matched validation rows remain. The mismatched genres are one "
            "setting away: mnli/validation=multinli_1.0/"
            "multinli_1.0_dev_mismatched.jsonl. GLUE's test files have no labels."
        ),
        get="multinli_1.0.zip from the homepage, unpacked into multinli_1.0/",
    ),
)
