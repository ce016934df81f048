"""XQuAD: 1,190 SQuAD questions, professionally translated; trained on English SQuAD."""

from __future__ import annotations

from xtl_jax.data import prompts, readers, tfds_rows
from xtl_jax.metrics import qa
from xtl_tasks.family import Card, Family

# XTREME's eleven; Romanian came later and is in no published average.
STANDARD = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")

FAMILY = Family(
    name="xquad",
    role="target",
    kind="qa",
    languages=(*STANDARD, "ro"),
    standard_languages=STANDARD,
    files={"test": ("xquad/xquad.{language}.json", "xquad.{language}.json")},
    tfds={
        "test": tfds_rows.TfdsSplit(
            name="xquad/{language}",
            split="test",
            row=tfds_rows.squad,
            languages=STANDARD,
        ),
    },
    read=readers.squad,
    prompt=prompts.question_answer,
    metric=qa.METRIC,
    split_rows={"test": 1_190},
    card=Card(
        summary="SQuAD in twelve languages, parallel, human translation.",
        trains_on="squad_v1",
        selection="squad_v1 validation F1 (English only)",
        normaliser=(
            "SQuAD v1.1's in every language: English articles go everywhere, "
            "other languages' stay, words are split at white space also in zh and th"
        ),
        licence="CC BY-SA 4.0",
        homepage="https://github.com/google-deepmind/xquad",
        traps=(
            "One split, called test here; there is no validation split. Its contexts "
            "are a part of SQuAD's validation paragraphs. Without white space between "
            "words (zh, th) F1 is close to exact match."
        ),
        get="xquad.LANGUAGE.json from the homepage, into xquad/",
    ),
)
