"""PAN-X: persons, places and organisations in Wikipedia, 48 languages, silver labels.

XTREME's name for WikiAnn in the balanced splits of Rahimi et al. 2019. Two formats of
the same files: `panx` numbers the tokens and projects exactly, `panx_spans` is mT5's.
"""

from __future__ import annotations

from xtl_jax.data import readers, tagging, tfds_rows
from xtl_jax.metrics.tagging import SPAN_F1
from xtl_tasks.as_spans import as_spans
from xtl_tasks.family import Card, Family

XTREME = (
    *("ar", "he", "vi", "id", "jv", "ms", "tl", "eu", "ml", "ta", "te", "af", "nl"),
    *("en", "de", "el", "bn", "hi", "mr", "ur", "fa", "fr", "it", "pt", "es", "bg"),
    *("ru", "ja", "ka", "ko", "th", "sw", "yo", "my", "zh", "kk", "tr", "et", "fi"),
    "hu",
)
XTREME_R = (*XTREME, "qu", "pl", "uk", "az", "lt", "pa", "gu", "ro")


def _files(part: str) -> tuple[str, ...]:
    return (
        f"panx/{part}-{{language}}.tsv",
        f"panx_dataset/{{language}}-{part}",
        f"panx_dataset/{{language}}/{part}",
        f"wikiann/{{language}}/{part}",
    )


CARD = Card(
    summary="Named entities (PER, LOC, ORG) in Wikipedia sentences, 48 languages.",
    trains_on="panx.en",
    selection="panx.en validation F1 (English only)",
    normaliser="none: types and boundaries must be exact",
    licence="Wikipedia's text (CC BY-SA); none is stated for the labels",
    homepage="https://github.com/afshinrahimi/mmner",
    traps=(
        "Labels are silver: made from links and infoboxes, often one title a sentence. "
        "UNER has human ones for a few of the languages. F1 is lenient: an I- after O "
        "opens an entity. Averages here are over XTREME's 40 languages; XTREME-R's 48 "
        "have their own mean. jv, my, qu, yo, pa, gu have 100 test sentences. "
        "Chinese, Japanese and Thai are cut into characters, so up to 255 tokens; "
        "take lengths of 512 and 512 there, 256 and 256 in other languages. XTREME's "
        "test files have no tags: such a file is refused. Other training languages "
        "than English are not zero-shot."
    ),
    get=(
        "panx_dataset (AmazonPhotos.zip, linked in XTREME's scripts/download_data.sh), "
        "each LANGUAGE.tar.gz unpacked into panx_dataset/LANGUAGE/, or XTREME's "
        "panx/SPLIT-LANGUAGE.tsv"
    ),
)

FAMILY = Family(
    name="panx",
    role="target",
    kind="tagging",
    languages=XTREME_R,
    standard_languages=XTREME,
    files={
        "train": _files("train"),
        "validation": _files("dev"),
        "test": _files("test"),
    },
    tfds={
        split: tfds_rows.TfdsSplit(
            name="wikiann/{language}", split=split, row=tfds_rows.wikiann
        )
        for split in ("train", "validation", "test")
    },
    read=readers.named_entities,
    prompt=tagging.NER.prompt,
    postprocess=tagging.NER.postprocess,
    place=tagging.NER.place,
    tags=readers.ENTITY_TAGS,
    metric=SPAN_F1,
    train_rows=20_000,
    split_rows={"en/validation": 10_000, "en/test": 10_000},
    card=CARD,
)

SPANS = as_spans(
    FAMILY,
    summary="PAN-X in mT5's format: PER: a b $$ LOC: c.",
    traps=(
        "mT5's paper has another number, over types and texts without positions "
        "(mt5_span_f1). Where mT5's text would be misread, the places to pass over are "
        "named with type O, as in O: Paris $$ LOC: Paris; no other target differs from "
        "mT5's."
    ),
)
