"""PAWS-X: are two sentences of the same words paraphrases? Trained in English only.

The split `train` of `pawsx.en` is PAWS. Same and different pairs share nearly all
their words, so word overlap tells nothing.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family

LANGUAGES = ("de", "en", "es", "fr", "ja", "ko", "zh")
_FOLDERS = ("pawsx/x-final/", "x-final/", "paws-x/x-final/")


def _files(name: str, *, xtreme: str) -> tuple[str, ...]:
    release = tuple(f"{folder}{{language}}/{name}.tsv" for folder in _FOLDERS)
    return (*release, f"pawsx/{xtreme}-{{language}}.tsv")


FAMILY = Family(
    name="pawsx",
    role="target",
    kind="classification",
    languages=LANGUAGES,
    standard_languages=LANGUAGES,
    files={
        "train": _files("train", xtreme="train"),
        "validation": _files("dev_2k", xtreme="dev"),
        "test": _files("test_2k", xtreme="test"),
    },
    tfds={
        split: tfds_rows.TfdsSplit(
            name="paws_x_wiki/{language}", split=split, row=tfds_rows.pawsx
        )
        for split in ("train", "validation", "test")
    },
    read=readers.paraphrase,
    prompt=prompts.paraphrase,
    metric=accuracy.METRIC,
    labels=prompts.PARAPHRASE_WORDS,
    train_languages=("en",),
    train_rows=49_401,
    split_rows={"validation": 2_000, "test": 2_000},
    card=Card(
        summary="Paraphrase or not, in seven languages, parallel.",
        trains_on="pawsx.en (PAWS)",
        selection="pawsx.en validation accuracy (English only)",
        normaliser="none: the label words must be exact",
        licence="free for any purpose, with acknowledgement",
        homepage="https://github.com/google-research-datasets/paws",
        traps=(
            "The larger class has 55 percent of the test rows. Its languages are all "
            "well resourced. Labels are not the same in all of them: 3 (fr) to 32 (de) "
            "of 2,000 validation rows differ from English. A sentence that could not "
            "be translated reads NS: 80 sentences in 68 German validation rows, none "
            "in English; XTREME scores these rows too. English alone is cut into words "
            "by spaces. Quote marks are doubled by the rules of CSV, which is undone. "
            "XTREME's test files have no labels. Machine-translated training rows are "
            "another setting, not zero-shot."
        ),
        get="x-final.tar.gz from the homepage, unpacked into pawsx/x-final/",
    ),
)
