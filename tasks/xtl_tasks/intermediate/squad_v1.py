"""SQuAD v1.1: questions on English Wikipedia, and the training set of all QA targets.

Intermediate task, and the English data on which XQuAD and MLQA are trained.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import qa
from xtl_tasks.family import Card, Family

FAMILY = Family(
    name="squad_v1",
    role="intermediate",
    kind="qa",
    languages=("en",),
    standard_languages=("en",),
    files={
        "train": ("squad/train-v1.1.json", "train-v1.1.json"),
        "validation": ("squad/dev-v1.1.json", "dev-v1.1.json"),
    },
    tfds={
        "train": tfds_rows.TfdsSplit(
            name="squad/v1.1", split="train", row=tfds_rows.squad
        ),
        "validation": tfds_rows.TfdsSplit(
            name="squad/v1.1", split="validation", row=tfds_rows.squad
        ),
    },
    read=readers.squad,
    prompt=prompts.question_answer,
    metric=qa.METRIC,
    train_rows=87_599,
    split_rows={"validation": 10_570},
    card=Card(
        summary="Answer a question with a span of an English Wikipedia paragraph.",
        trains_on="squad_v1",
        selection="English validation F1",
        normaliser=(
            "SQuAD v1.1: lower case, ASCII punctuation and English articles removed, "
            "white space made single"
        ),
        licence="CC BY-SA 4.0",
        homepage="https://rajpurkar.github.io/SQuAD-explorer/",
        traps=(
            "The paragraphs of its validation split are XQuAD's and LAReQA's: choosing "
            "a checkpoint on it has seen XQuAD's contexts. answer_start is the first "
            "occurrence of the answer, not always the meant one."
        ),
        get="train-v1.1.json and dev-v1.1.json from the homepage, into squad/",
    ),
)
