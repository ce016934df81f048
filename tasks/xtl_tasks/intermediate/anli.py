"""ANLI: inference whose hypotheses were written to fool a model, in three rounds.

Results are reported by round (`anli_r1`, `anli_r2`, `anli_r3`) and over all three
(`anli`), which is a part of ANLI+.
"""

from __future__ import annotations

import functools

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family

_TRAIN_ROWS = {1: 16_946, 2: 45_460, 3: 100_459}
_DEV_ROWS = {1: 1_000, 2: 1_000, 3: 1_200}  # of the test splits too
_PROMPT = functools.partial(prompts.inference, name="anli")


def _card(name: str, summary: str) -> Card:
    return Card(
        summary=summary,
        trains_on=name,
        selection="English validation accuracy",
        normaliser="none: the label word must be exact",
        licence="CC BY-NC 4.0",
        homepage="https://github.com/facebookresearch/anli",
        traps=(
            "Written against models of 2019, which do badly on it by construction: it "
            "says more on the distance to them than on inference. Rounds differ in "
            "difficulty and in sources, so the share of each decides the mean over "
            "all. Contexts of training and dev rows are often the same paragraph. "
            "Non-commercial licence."
        ),
        get="anli_v1.0.zip from the homepage, unpacked into anli_v1.0/",
    )


def _files(number: int, part: str) -> tuple[str, ...]:
    name = f"R{number}/{part}.jsonl"
    return tuple(
        f"{folder}{name}" for folder in ("anli_v1.0/", "anli/anli_v1.0/", "anli/")
    )


def _round(number: int) -> Family:
    parts = {"train": "train", "validation": "dev", "test": "test"}
    return Family(
        name=f"anli_r{number}",
        role="intermediate",
        kind="classification",
        languages=("en",),
        standard_languages=("en",),
        files={split: _files(number, part) for split, part in parts.items()},
        tfds={
            split: tfds_rows.TfdsSplit(
                name=f"anli/r{number}", split=split, row=tfds_rows.anli
            )
            for split in parts
        },
        read=readers.nli,
        prompt=_PROMPT,
        metric=accuracy.METRIC,
        labels=prompts.NLI_WORDS,
        train_rows=_TRAIN_ROWS[number],
        split_rows={"validation": _DEV_ROWS[number], "test": _DEV_ROWS[number]},
        card=_card(
            f"anli_r{number}",
            f"Adversarial inference, English: round {number} of three.",
        ),
    )


ROUNDS = tuple(_round(number) for number in (1, 2, 3))

FAMILY = Family(
    name="anli",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={},
    parts=ROUNDS,
    read=readers.nli,
    prompt=_PROMPT,
    metric=accuracy.METRIC,
    labels=prompts.NLI_WORDS,
    train_rows=sum(_TRAIN_ROWS.values()),
    split_rows={
        "validation": sum(_DEV_ROWS.values()),
        "test": sum(_DEV_ROWS.values()),
    },
    card=_card("anli", "Adversarial inference, English: all three rounds."),
)
