"""CommonsenseQA: a question without a text, five options.

In two formats: `commonsense_qa` lists the options and names one, `commonsense_qa_rank`
takes the most likely option.
"""

from __future__ import annotations

import functools

from xtl_jax.data import multiple_choice, readers
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family
from xtl_tasks.ranked import ranked


def _files(part: str) -> tuple[str, ...]:
    name = f"{part}_rand_split.jsonl"
    return (f"commonsenseqa/{name}", f"commonsense_qa/{name}", name)


FAMILY = Family(
    name="commonsense_qa",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={"train": _files("train"), "validation": _files("dev")},
    read=readers.commonsense_qa,
    prompt=functools.partial(multiple_choice.listed, name="commonsense_qa"),
    metric=accuracy.METRIC,
    labels=multiple_choice.choices(5),
    train_rows=9_741,
    split_rows={"validation": 1_221},
    card=Card(
        summary="English questions of common sense, five options.",
        trains_on="commonsense_qa",
        selection="English validation accuracy",
        normaliser="none: choice1 to choice5 must be exact",
        licence="MIT",
        homepage="https://www.tau-nlp.org/commonsenseqa",
        traps=(
            "The random split (rand) is the one in use; the split by question token "
            "(qtoken) is another. The test file has no answers. In 146 rows two "
            "options have the same text; in 48 of them it is the right one's: ranking "
            "takes either for right, naming only one of them."
        ),
        get="train_rand_split.jsonl and dev_rand_split.jsonl from the homepage, into "
        "commonsenseqa/",
    ),
)
RANKED = ranked(
    FAMILY,
    prompt=functools.partial(multiple_choice.ranked, name="commonsense_qa"),
    trains_on="commonsense_qa_rank",
)
