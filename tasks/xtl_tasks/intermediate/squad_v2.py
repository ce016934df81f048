"""SQuAD v2.0: SQuAD's questions, and as many that the paragraph does not answer.

mT5 has no format for these: the prompt is SQuAD v1.1's, and the target of a question
without an answer is `unanswerable`, which is scored as the empty answer. How likely
that target is, is recorded with each prediction: the no-answer score that the official
script searches its best threshold over.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import squad_v2
from xtl_tasks.family import Card, Family

FAMILY = Family(
    name="squad_v2",
    role="intermediate",
    kind="qa",
    languages=("en",),
    standard_languages=("en",),
    files={
        "train": ("squad/train-v2.0.json", "train-v2.0.json"),
        "validation": ("squad/dev-v2.0.json", "dev-v2.0.json"),
    },
    tfds={
        split: tfds_rows.TfdsSplit(
            name="squad/v2.0", split=split, row=tfds_rows.squad_v2
        )
        for split in ("train", "validation")
    },
    read=readers.squad_v2,
    prompt=prompts.question_answer,
    postprocess=prompts.answer_or_none,
    candidates=(prompts.NO_ANSWER,),
    metric=squad_v2.METRIC,
    train_rows=130_319,
    split_rows={"validation": 11_873},
    card=Card(
        summary="Answer a question with a span of an English paragraph, or say that it "
        "has none.",
        trains_on="squad_v2",
        selection="English validation F1",
        normaliser=(
            "SQuAD's: lower case, ASCII punctuation and English articles removed, "
            "white space made single; `unanswerable` is the empty answer"
        ),
        licence="CC BY-SA 4.0",
        homepage="https://rajpurkar.github.io/SQuAD-explorer/",
        traps=(
            "Half of the validation questions have no answer: always saying so scores "
            "50.1. A third of the training questions have none. Its plausible_answers "
            "are wrong on purpose and not read. Its validation paragraphs are SQuAD "
            "v1.1's, and so XQuAD's and LAReQA's. The same prompt as squad_v1's asks "
            "for another behaviour: trained together, the two blur."
        ),
        get="train-v2.0.json and dev-v2.0.json from the homepage, into squad/",
    ),
)
