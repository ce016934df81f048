"""TyDi QA, gold passage task: questions asked by speakers, not translated.

Nine languages that differ in type. Zero-shot transfer trains on its English part.
"""

from __future__ import annotations

from collections.abc import Iterator

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.data.rows import QuestionRow
from xtl_jax.metrics import qa
from xtl_tasks.family import Card, Family

# Ids of the official files start with these names: "arabic-2387335860751143628-1".
NAMES = {
    "ar": "arabic",
    "bn": "bengali",
    "en": "english",
    "fi": "finnish",
    "id": "indonesian",
    "ko": "korean",
    "ru": "russian",
    "sw": "swahili",
    "te": "telugu",
}
_TRAIN_ROWS = {
    "ar": 14_805,
    "bn": 2_390,
    "en": 3_696,
    "fi": 6_855,
    "id": 5_702,
    "ko": 1_625,
    "ru": 6_490,
    "sw": 2_755,
    "te": 5_563,
}
_DEV_ROWS = {
    "ar": 921,
    "bn": 113,
    "en": 440,
    "fi": 782,
    "id": 565,
    "ko": 276,
    "ru": 812,
    "sw": 499,
    "te": 669,
}


def is_in(id: str, *, language: str) -> bool:
    """Whether a row belongs to a language, by its id; XTREME's bare numbers always do.

    Example:
        >>> is_in("korean-12-0", language="ko"), is_in("korean-12-0", language="ar")
        (True, False)
        >>> is_in("7", language="sw")
        True
    """
    name = id.partition("-")[0]
    return name == NAMES[language] or name not in NAMES.values()


def read(path: str, *, language: str, split: str, **options) -> Iterator[QuestionRow]:
    """Rows of one language, from XTREME's file by language or the official one of all.

    XTREME's training files number questions by document, so bare numbers repeat: they
    get a suffix. Ids as the official release has them must differ.
    """
    return readers.squad(
        path,
        language=language,
        split=split,
        keep_id=lambda id: is_in(id, language=language),
        may_repeat=str.isdigit,
        **options,
    )


def _tfds_row(example, *, language: str) -> QuestionRow | None:
    row = tfds_rows.squad(example, language=language)
    return row if is_in(row.id, language=language) else None


def _files(part: str) -> tuple[str, ...]:
    one_language = f"tydiqa-goldp-v1.1-{part}/tydiqa.goldp.{{language}}.{part}.json"
    all_languages = f"tydiqa-goldp-v1.1-{part}.json"
    folders = ("tydiqa_goldp/", "tydiqa/", "")
    return tuple(
        folder + name for folder in folders for name in (one_language, all_languages)
    )


FAMILY = Family(
    name="tydiqa_goldp",
    role="target",
    kind="qa",
    languages=tuple(NAMES),
    standard_languages=tuple(NAMES),
    files={"train": _files("train"), "validation": _files("dev")},
    tfds={
        split: tfds_rows.TfdsSplit(name="tydi_qa/goldp", split=split, row=_tfds_row)
        for split in ("train", "validation")
    },
    read=read,
    prompt=prompts.question_answer,
    metric=qa.METRIC,
    train_rows=_TRAIN_ROWS["en"],
    split_rows={f"{language}/train": n for language, n in _TRAIN_ROWS.items()}
    | {f"{language}/validation": n for language, n in _DEV_ROWS.items()},
    card=Card(
        summary="Questions by native speakers in nine languages, passage given.",
        trains_on="tydiqa_goldp.en",
        selection="tydiqa_goldp.en validation F1 (English only)",
        normaliser="SQuAD v1.1's in every language",
        licence="Apache-2.0",
        homepage="https://github.com/google-research-datasets/tydiqa",
        traps=(
            "XTREME scores the validation split and ships it without answers: such a "
            "file is refused; take the official one. Training in other languages than "
            "English is not zero-shot. The official macro average leaves English out, "
            "XTREME's keeps it. Ids repeat in XTREME's training files."
        ),
        get=(
            "tydiqa-goldp-v1.1-train.json and tydiqa-goldp-v1.1-dev.json from the "
            "homepage, into tydiqa_goldp/"
        ),
    ),
)
