"""Tatoeba: for each English sentence, its translation among up to a thousand.

`tatoeba.sw` looks for the Swahili translation of each English sentence. There is one
split, `test`, and nothing to train on. XTREME has 36 languages, XTREME-R five more.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers
from xtl_jax.data.language_codes import ISO3
from xtl_jax.metrics import retrieval
from xtl_tasks.family import Card, Family, Search

XTREME = (
    *("af", "ar", "bg", "bn", "de", "el", "es", "et", "eu", "fa", "fi", "fr"),
    *("he", "hi", "hu", "id", "it", "ja", "jv", "ka", "kk", "ko", "ml", "mr"),
    *("nl", "pt", "ru", "sw", "ta", "te", "th", "tl", "tr", "ur", "vi", "zh"),
)
# and XTREME-R's
LANGUAGES = (*XTREME, "az", "lt", "pl", "ro", "uk")
# Sentence pairs: 1,000 but for these.
_FEWER_PAIRS = {
    "jv": 205,
    "ka": 746,
    "kk": 575,
    "ml": 687,
    "sw": 390,
    "ta": 307,
    "te": 234,
    "th": 548,
}

FAMILY = Family(
    name="tatoeba",
    role="target",
    kind="retrieval",
    languages=LANGUAGES,
    standard_languages=XTREME,
    files={
        "test": (
            "tatoeba/tatoeba.{name}-eng.{name} + tatoeba/tatoeba.{name}-eng.eng",
            "tatoeba/v1/tatoeba.{name}-eng.{name} + tatoeba/v1/tatoeba.{name}-eng.eng",
            "tatoeba/{language}-en.{language} + tatoeba/{language}-en.en",
        )
    },
    names=ISO3,
    read=readers.tatoeba,
    reads_together=True,
    prompt=prompts.sentence,
    metric=retrieval.TATOEBA,
    search=Search(method="nearest"),
    split_rows={  # of both sides
        f"{language}/test": 2 * _FEWER_PAIRS.get(language, 1_000)
        for language in LANGUAGES
    },
    card=Card(
        summary="English sentences and their translations into 41 languages.",
        trains_on="nothing: the encoder as it is, or after intermediate tasks",
        selection=(
            "none: no checkpoint, layer or pooling may be chosen on it; take what the "
            "English validation split of the training task chose"
        ),
        normaliser="none: the row that is nearest by cosine must be the right one",
        licence="CC BY 2.0 FR",
        homepage="https://github.com/facebookresearch/LASER/tree/main/data/tatoeba/v1",
        traps=(
            "Nothing is trained: vectors are the mean of encoder states, by default of "
            "the normalised last layer; mT5 has no published layer, and means of its "
            "raw middle layers nearly all point one way. XTREME took layer 7 of 12 "
            "(mBERT) or hidden state 14 of 24 (XLM-R), XTREME-R starts from a model "
            "tuned on SQuAD v1.1. The index holds the other language, the queries are "
            "English. XTREME ships the English side sorted, so that its files alone "
            "cannot be scored: LASER's, which it sorts, can. Averages here are over "
            "XTREME's 36 languages; XTREME-R's 41 have their own mean, its five are "
            "az, lt, pl, ro, uk. Fewer than 400 pairs in jv, sw, ta and te."
        ),
        get=(
            "tatoeba.XXX-eng.XXX and tatoeba.XXX-eng.eng from the homepage, into "
            "tatoeba/"
        ),
    ),
)
