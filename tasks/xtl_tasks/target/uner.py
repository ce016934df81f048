"""UNER (Universal NER 1): entities marked by people, on UD's treebanks, 12 languages.

A language is that of its main treebank; the other treebanks of a language have a key of
their own, `en_pud`. Two formats of the same files: `uner` numbers the tokens and
projects exactly, `uner_spans` is mT5's.
"""

from __future__ import annotations

from xtl_jax.data import readers, tagging
from xtl_jax.metrics.tagging import SPAN_F1
from xtl_tasks.as_spans import as_spans
from xtl_tasks.family import Card, Family

# Key -> repository and file name, and sentences of train, validation and test.
_TREEBANKS: dict[str, tuple[str, tuple[int, int, int]]] = {
    "ceb": ("Cebuano-GJA/ceb_gja", (0, 0, 188)),
    "da": ("Danish-DDT/da_ddt", (4_383, 564, 565)),
    "de": ("German-PUD/de_pud", (0, 0, 1_000)),
    "en": ("English-EWT/en_ewt", (12_543, 2_001, 2_077)),
    "hr": ("Croatian-SET/hr_set", (6_914, 960, 1_136)),
    "pt": ("Portuguese-Bosque/pt_bosque", (7_018, 1_172, 1_167)),
    "ru": ("Russian-PUD/ru_pud", (0, 0, 1_000)),
    "sk": ("Slovak-SNK/sk_snk", (8_483, 1_060, 1_061)),
    "sr": ("Serbian-SET/sr_set", (3_328, 536, 520)),
    "sv": ("Swedish-Talbanken/sv_talbanken", (4_303, 504, 1_219)),
    "tl": ("Tagalog-TRG/tl_trg", (0, 0, 128)),
    "zh": ("Chinese-GSDSIMP/zh_gsdsimp", (3_997, 500, 500)),
    "en_pud": ("English-PUD/en_pud", (0, 0, 1_000)),
    "pt_pud": ("Portuguese-PUD/pt_pud", (0, 0, 1_000)),
    "sv_pud": ("Swedish-PUD/sv_pud", (0, 0, 1_000)),
    "zh_pud": ("Chinese-PUD/zh_pud", (0, 0, 1_000)),
    "tl_ugnayan": ("Tagalog-Ugnayan/tl_ugnayan", (0, 0, 94)),
}
LANGUAGES = tuple(key for key in _TREEBANKS if "_" not in key)
_SPLITS = {"train": "train", "validation": "dev", "test": "test"}
_ROWS = {
    f"{key}/{split}": rows
    for key, (_, counts) in _TREEBANKS.items()
    for split, rows in zip(_SPLITS, counts, strict=True)
    if rows
}

CARD = Card(
    summary="Named entities (PER, LOC, ORG) marked by people, 12 languages.",
    trains_on="uner.en (English EWT)",
    selection="uner.en validation F1 (English only)",
    normaliser="none: types and boundaries must be exact",
    licence="CC BY-SA 4.0; the texts as their UD treebanks",
    homepage="https://www.universalner.org",
    traps=(
        "It is no part of XTREME. Averages are over one treebank a language; en_pud, "
        "pt_pud, sv_pud, zh_pud and tl_ugnayan stand beside them. The PUD treebanks "
        "(de, ru and those) are parallel, the others are not. The type OTH, which "
        "Croatian and Serbian keep, is read as O, as UNER's own code does. Test "
        "sets can be small: tl has 23 entities, tl_ugnayan 33, ceb 49. Serbian is in "
        "Latin letters. Tokens are UD's words. Lengths 256 and 256 keep all but 4 in "
        "10,000 sentences whole. Other training languages are not zero-shot."
    ),
    get=(
        "the repositories UNER_TREEBANK of github.com/UniversalNER, unpacked into "
        "uner/UNER_TREEBANK/ (such as uner/UNER_English-EWT/en_ewt-ud-train.iob2)"
    ),
)

FAMILY = Family(
    name="uner",
    role="target",
    kind="tagging",
    languages=tuple(_TREEBANKS),
    standard_languages=LANGUAGES,
    names={key: name for key, (name, _) in _TREEBANKS.items()},
    files={
        split: (f"uner/UNER_{{name}}-ud-{part}.iob2", f"uner/{{name}}-ud-{part}.iob2")
        for split, part in _SPLITS.items()
    },
    split_languages={
        split: tuple(key for key in _TREEBANKS if f"{key}/{split}" in _ROWS)
        for split in _SPLITS
    },
    read=readers.named_entities,
    prompt=tagging.NER.prompt,
    postprocess=tagging.NER.postprocess,
    place=tagging.NER.place,
    tags=readers.ENTITY_TAGS,
    metric=SPAN_F1,
    train_rows=_ROWS["en/train"],
    split_rows=_ROWS,
    card=CARD,
)

SPANS = as_spans(
    FAMILY,
    summary="UNER in mT5's format: PER: a b $$ LOC: c.",
    traps=(
        "Where mT5's text would be misread, the places to pass over are named with "
        "type O, as in O: Paris $$ LOC: Paris (23 of 60,378 sentences); no other "
        "target differs from mT5's."
    ),
)
