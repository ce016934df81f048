"""MLQA: questions and contexts in seven languages, in every combination of the two.

`mlqa.ar` has both in Arabic; `mlqa.en-ar` asks in Arabic about an English context. The
answer is in the context's language, and so is the scorer's normaliser. Seven
same-language keys are the standard ones; 42 pairs make 49 keys.
"""

from __future__ import annotations

import itertools

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import mlqa
from xtl_tasks.family import Card, Family

STANDARD = ("ar", "de", "en", "es", "hi", "vi", "zh")
PAIRS = tuple(
    f"{context}-{question}" for context, question in itertools.permutations(STANDARD, 2)
)
_FILE = "{split}/{split}-context-{{context}}-question-{{question}}.json"
_DEV_ROWS = {
    "ar": 517,
    "de": 512,
    "en": 1_148,
    "es": 500,
    "hi": 507,
    "vi": 511,
    "zh": 504,
}
_TEST_ROWS = {
    "ar": 5_335,
    "de": 4_517,
    "en": 11_590,
    "es": 5_253,
    "hi": 4_918,
    "vi": 5_495,
    "zh": 5_137,
}


def _files(split: str) -> tuple[str, ...]:
    name = _FILE.format(split=split)
    return (f"mlqa/MLQA_V1/{name}", f"MLQA_V1/{name}", f"mlqa/{name}")


def _rows(split: str, rows: dict[str, int]) -> dict[str, int]:
    """Every question has an English version, so a pair with en has the other's rows."""
    published = {f"{language}/{split}": count for language, count in rows.items()}
    for language, count in rows.items():
        if language != "en":
            published[f"en-{language}/{split}"] = count
            published[f"{language}-en/{split}"] = count
    return published


FAMILY = Family(
    name="mlqa",
    role="target",
    kind="qa",
    languages=STANDARD + PAIRS,
    standard_languages=STANDARD,
    files={"validation": _files("dev"), "test": _files("test")},
    tfds={
        split: tfds_rows.TfdsSplit(
            name="mlqa/{language}",
            split=split,
            row=tfds_rows.squad,
            languages=STANDARD,
        )
        for split in ("validation", "test")
    },
    read=readers.squad,
    prompt=prompts.question_answer,
    metric=mlqa.METRIC,
    split_rows=_rows("validation", _DEV_ROWS) | _rows("test", _TEST_ROWS),
    card=Card(
        summary="Extractive questions on Wikipedia in seven languages and all pairs.",
        trains_on="squad_v1",
        selection="squad_v1 validation F1 (English only)",
        normaliser=(
            "MLQA's own: articles by language, all Unicode punctuation removed, "
            "Chinese split by character"
        ),
        licence="CC BY-SA 3.0",
        homepage="https://github.com/facebookresearch/MLQA",
        traps=(
            "Its seven languages are all well resourced: it says nothing on "
            "low-resource transfer. Not fully parallel: languages have different "
            "questions. XTREME ships the test split without answers."
        ),
        get="MLQA_V1.zip from the homepage, unpacked into mlqa/MLQA_V1/",
    ),
)
