"""COPA: which of two sentences is the cause, or the effect, of a third? English.

With T5's prompt, and the second stage of XCOPA's training. In two formats: `copa` lists
the two and names one, `copa_rank` takes the more likely one.
"""

from __future__ import annotations

import functools

from xtl_jax.data import multiple_choice, readers, tfds_rows
from xtl_jax.metrics import accuracy
from xtl_tasks.family import Card, Family
from xtl_tasks.ranked import ranked

# XCOPA is read and asked in the same way.
LISTED = functools.partial(multiple_choice.listed, name="copa", context="premise")
SCORED = functools.partial(multiple_choice.ranked, name="copa", context="premise")


def _files(part: str, original: str) -> tuple[str, ...]:
    """SuperGLUE's, XTREME-R's and the original's."""
    return (
        f"COPA/{part}.jsonl",
        f"copa/COPA/{part}.jsonl",
        f"super_glue/COPA/{part}.jsonl",
        f"xcopa/{part}-en.jsonl",
        f"COPA-resources/datasets/{original}",
        f"copa/{original}",
    )


FAMILY = Family(
    name="copa",
    role="intermediate",
    kind="classification",
    languages=("en",),
    standard_languages=("en",),
    files={
        "train": _files("train", "copa-dev.xml"),
        "validation": _files("val", "copa-dev.xml"),
        # SuperGLUE and XTREME-R took the labels of the test split out: original first.
        "test": _files("test", "copa-test.xml")[::-1],
    },
    tfds={
        split: tfds_rows.TfdsSplit(
            name="super_glue/copa", split=split, row=tfds_rows.copa
        )
        for split in ("train", "validation")
    },
    read=readers.copa,
    prompt=LISTED,
    metric=accuracy.METRIC,
    labels=multiple_choice.choices(2),
    train_rows=400,
    split_rows={"validation": 100, "test": 500},
    card=Card(
        summary="Which of two English sentences is the cause or effect of a third.",
        trains_on="copa",
        selection="English validation accuracy",
        normaliser="none: choice1 or choice2 must be exact",
        licence="BSD-2-Clause",
        homepage="https://people.ict.usc.edu/~gordon/copa.html",
        traps=(
            "400 training rows: scores vary much between seeds. SuperGLUE's training "
            "and validation rows are the original's dev set; its test file has no "
            "labels, and XTREME-R's has 0 in every row: both are refused, the original "
            "XML has them. XCOPA's rows are translations of its validation and test "
            "rows: do not train on those."
        ),
        get="COPA.zip from SuperGLUE, unpacked into COPA/; COPA-resources.tgz from the "
        "homepage, for test labels",
    ),
)
RANKED = ranked(FAMILY, prompt=SCORED, trains_on="copa_rank")
