"""Social IQa: what people in a situation feel, want or do, three options.

XTREME-R trains XCOPA on it first, then on English COPA. In two formats: `social_iqa`
lists the options and names one, `social_iqa_rank` takes the most likely option.
"""

from __future__ import annotations

import functools

from xtl_jax.data import multiple_choice, readers
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family
from xtl_tasks.ranked import ranked

_FOLDERS = ("social_iqa/", "siqa/", "")


def _files(first: str, later: str) -> tuple[str, ...]:
    """Files of the first version, labels apart, and of version 1.4."""
    archive = "socialiqa-train-dev"
    return tuple(
        name
        for folder in _FOLDERS
        for name in (
            f"{folder}{archive}/{first}.jsonl + {folder}{archive}/{first}-labels.lst",
            f"{folder}socialIQa_v1.4_{later}.jsonl",
        )
    )


FAMILY = Family(
    name="social_iqa",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={"train": _files("train", "trn"), "validation": _files("dev", "dev")},
    read=readers.social_iqa,
    reads_together=True,
    prompt=functools.partial(multiple_choice.listed, name="social_iqa"),
    metric=accuracy.METRIC,
    labels=multiple_choice.choices(3),
    train_rows=33_410,
    split_rows={"validation": 1_954},
    card=Card(
        summary="English questions on people in a situation, three options.",
        trains_on="social_iqa",
        selection="English validation accuracy",
        normaliser="none: choice1 to choice3 must be exact",
        licence="CC BY 4.0",
        homepage="https://maartensap.github.io/social-iqa/",
        traps=(
            "Labels of the first version lie in a file of their own, 1 to 3: name both "
            "files, 'train.jsonl + train-labels.lst'. Rows have no ids: the line "
            "number is one. The test file has no labels. In 38 rows two options have "
            "the same text."
        ),
        get="socialiqa-train-dev.zip from the homepage, unpacked into social_iqa/",
    ),
)
RANKED = ranked(
    FAMILY,
    prompt=functools.partial(multiple_choice.ranked, name="social_iqa"),
    trains_on="social_iqa_rank",
)
