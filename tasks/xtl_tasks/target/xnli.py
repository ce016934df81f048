"""XNLI: MNLI's task in fifteen languages, trained in English only.

The split `train` of `xnli.en` is MNLI with XNLI's prompt, as mT5 trains it; digits as
targets, so that no label word can come out in another language.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family
from xtl_tasks.intermediate import mnli

LANGUAGES = (
    *("ar", "bg", "de", "el", "en", "es", "fr", "hi"),
    *("ru", "sw", "th", "tr", "ur", "vi", "zh"),
)


def _files(part: str) -> tuple[str, ...]:
    return (
        f"xnli/{part}-{{language}}.tsv",
        f"XNLI-1.0/xnli.{part}.tsv",
        f"XNLI-1.0/xnli.{part}.jsonl",
        f"xnli/XNLI-1.0/xnli.{part}.tsv",
        f"xnli/XNLI-1.0/xnli.{part}.jsonl",
    )


FAMILY = Family(
    name="xnli",
    role="target",
    kind="classification",
    languages=LANGUAGES,
    standard_languages=LANGUAGES,
    files={
        "train": (
            *mnli.TRAIN_FILES,
            "xnli/train-{language}.tsv",
            "XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",
        ),
        "validation": _files("dev"),
        "test": _files("test"),
    },
    tfds={
        "train": mnli.TRAIN_TFDS,
        "validation": tfds_rows.TfdsSplit(
            name="xnli", split="validation", row=tfds_rows.xnli
        ),
        "test": tfds_rows.TfdsSplit(name="xnli", split="test", row=tfds_rows.xnli),
    },
    read=readers.nli,
    prompt=prompts.xnli,
    metric=accuracy.METRIC,
    labels=prompts.NLI_DIGITS,
    train_languages=("en",),
    train_rows=mnli.TRAIN_ROWS,
    split_rows={"validation": 2_490, "test": 5_010},
    shares={"train": "mnli"},
    card=Card(
        summary="Entailment, neutral or contradiction in fifteen languages, parallel.",
        trains_on="xnli.en (MNLI's rows with XNLI's prompt)",
        selection="xnli.en validation accuracy (English only)",
        normaliser="none: the digit 0, 1 or 2 must be exact",
        licence="CC BY-NC 4.0",
        homepage="https://github.com/facebookresearch/XNLI",
        traps=(
            "Chance is 33.3 percent. Tabs separate and quotes mean nothing in its "
            ".tsv. The validation split of other languages may not choose a checkpoint "
            "in zero-shot transfer. Translated training data is another setting, not "
            "zero-shot. Non-commercial licence."
        ),
        get="XNLI-1.0.zip from the homepage, unpacked into XNLI-1.0/; MNLI to train",
    ),
)
