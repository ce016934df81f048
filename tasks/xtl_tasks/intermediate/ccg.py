"""CCG supertagging: the lexical category of each word of the Wall Street Journal.

Intermediate task. CCGbank is licensed, so its files are not fetched.
"""

from __future__ import annotations

from xtl_jax.data import readers, tagging
from xtl_jax.metrics.tagging import TOKEN_ACCURACY
from xtl_tasks.family import Card, Family


def _files(sections: tuple[str, ...], *, split: str) -> tuple[str, ...]:
    """CCGbank's sections as it has them, or one prepared file."""
    return (
        *(
            " + ".join(f"{root}/data/AUTO/{section}/*.auto" for section in sections)
            for root in ("ccgbank_1_1", "ccg/ccgbank_1_1")
        ),
        f"ccg/{split}.stagged",
    )


FAMILY = Family(
    name="ccg",
    role="intermediate",
    kind="tagging",
    languages=("en",),
    standard_languages=("en",),
    files={
        "train": _files(("0[2-9]", "1[0-9]", "2[01]"), split="train"),
        "validation": _files(("00",), split="validation"),
        "test": _files(("23",), split="test"),
    },
    read=readers.supertags,
    prompt=tagging.CCG.prompt,
    postprocess=tagging.CCG.postprocess,
    place=tagging.CCG.place,
    metric=TOKEN_ACCURACY,
    train_rows=39_604,
    split_rows={"validation": 1_913, "test": 2_407},
    card=Card(
        summary="One CCG category for each word, such as (S[dcl]\\NP)/NP.",
        trains_on="ccg (CCGbank's sections 02-21)",
        selection="English validation accuracy (section 00)",
        normaliser="none: the category must be exact",
        licence="LDC User Agreement (LDC2005T13): not free, not to be passed on",
        homepage="https://catalog.ldc.upenn.edu/LDC2005T13",
        traps=(
            "Sections 02-21 have 39,604 sentences; the 38,015 training and 5,484 "
            "validation rows that are told of Phang et al. 2020 (not verified) are of "
            "a preparation that is not published. Accuracy is over all categories; CCG "
            "papers often report it over the 425 most frequent ones. Categories are "
            "spelled as text behind a sentinel, about seven tokens a word in an "
            "mT5-like vocabulary: inputs 256, targets 512. A category that no training "
            "sentence has can so be written, and is scored as any other. A file of "
            "your own with one sentence a line, word|POS|category, is named with "
            "--file ccg/train=PATH; its rows are not counted."
        ),
        get=(
            "CCGbank 1.1 from the Linguistic Data Consortium (LDC2005T13; its licence "
            "forbids fetching it for you) and unpack it so that DATA_DIR has "
            "ccgbank_1_1/data/AUTO/00/wsj_0001.auto and so on"
        ),
    ),
)
