"""UDPOS: universal parts of speech in 38 languages, trained on English treebanks.

XTREME has 33 languages, XTREME-R five more. Both score F1 over merged runs of tags.
"""

from __future__ import annotations

from xtl_jax.data import readers, tagging
from xtl_jax.metrics.tagging import CHUNK_F1
from xtl_tasks.family import Card, Family

XTREME = (
    *("af", "ar", "bg", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr"),
    *("he", "hi", "hu", "id", "it", "ja", "kk", "ko", "mr", "nl", "pt", "ru"),
    *("ta", "te", "th", "tl", "tr", "ur", "vi", "yo", "zh"),
)
XTREME_R = (*XTREME, "lt", "pl", "uk", "wo", "ro")
_TEST_ALONE = ("th", "tl", "yo")


def _except(*languages: str) -> tuple[str, ...]:
    return tuple(language for language in XTREME_R if language not in languages)


FAMILY = Family(
    name="udpos",
    role="target",
    kind="tagging",
    languages=XTREME_R,
    standard_languages=XTREME,
    files={
        split: (f"udpos/{part}-{{language}}.tsv",)
        for split, part in (
            ("train", "train"),
            ("validation", "dev"),
            ("test", "test"),
        )
    },
    split_languages={
        "train": _except(*_TEST_ALONE),
        "validation": _except(*_TEST_ALONE, "kk"),
    },
    read=readers.parts_of_speech,
    prompt=tagging.POS.prompt,
    postprocess=tagging.POS.postprocess,
    place=tagging.POS.place,
    tags=readers.UPOS,
    metric=CHUNK_F1,
    train_rows=21_253,
    split_rows={"en/validation": 3_974},
    card=Card(
        summary="One of 17 universal parts of speech for each token, 38 languages.",
        trains_on="udpos.en (four English treebanks of UD)",
        selection="udpos.en validation F1 (English only)",
        normaliser="none: tags are compared as they are",
        licence=(
            "by treebank, most CC BY-SA; non-commercial (CC BY-NC-SA) for bg, el, et, "
            "eu, hu, ta, uk, ur and parts of ar, he, hi, it, pl, ru, tr"
        ),
        homepage="https://universaldependencies.org",
        traps=(
            "The published number is F1 over chunks, runs of one tag merged, and not "
            "accuracy (XLM-R 74.2 against 78.2); it needs seqeval before 1.0. Accuracy "
            "stands beside it. Averages here are over XTREME's 33 languages; "
            "XTREME-R's 38 have their own mean, its five are lt, pl, uk, wo, ro. "
            "XTREME's files have written forms, where UD has several words for one "
            "(French du, Arabic prefixes): a .conllu file, which --file may name, is "
            "read as UD's words and is not comparable. TFDS's xtreme_pos has those "
            "words too, and Tamil and Tagalog under each other's code, so it is not "
            "used. XTREME takes UD 2.5, XTREME-R 2.7: rows and tags differ. th, tl, "
            "yo have a test split alone, kk no validation. Lengths that keep 99.9 "
            "percent of sentences whole: inputs 256, targets 320 (Japanese, Chinese, "
            "Ukrainian and Italian are longest); 512 and 512 all but 5 in 100,000. "
            "Other training languages than English are not zero-shot."
        ),
        get=(
            "UD 2.5 and XTREME's scripts/download_data.sh, which writes "
            "udpos/SPLIT-LANGUAGE.tsv; it takes the tags out of test files, so write "
            "those with tags (utils_preprocess.py, udpos_preprocess) or name "
            "labelled ones"
        ),
    ),
)
