"""Mewsli-X: which of a million entities a mention in the news means.

`mewslix.ar` has the mentions in Arabic news, `mewslix.pool` the entities, described in
fifty languages, one each. Entities of the two splits differ.
"""

from __future__ import annotations

from xtl_jax.data import prompts, readers
from xtl_jax.metrics import retrieval
from xtl_tasks.family import Card, Family, Search

LANGUAGES = ("ar", "de", "en", "es", "fa", "ja", "pl", "ro", "ta", "tr", "uk")
ENTITIES = 1_003_893
_DEV_ROWS = (318, 326, 316, 311, 72, 310, 304, 145, 312, 262, 315)
_TEST_ROWS = (1_501, 1_551, 1_490, 1_552, 458, 1_519, 1_562, 672, 1_567, 1_215, 1_537)


def _files(part: str) -> tuple[str, ...]:
    return tuple(
        f"{folder}wikinews_mentions-{part}.jsonl + {folder}candidate_set_entities.jsonl"
        for folder in ("mewslix/", "mewsli-x/", "mewsli_x/output/dataset/")
    )


def _rows(split: str, rows: tuple[int, ...]) -> dict[str, int]:
    counts = dict(zip(LANGUAGES, rows, strict=True)) | {readers.POOL: ENTITIES}
    return {f"{language}/{split}": count for language, count in counts.items()}


FAMILY = Family(
    name="mewslix",
    role="target",
    kind="retrieval",
    languages=(*LANGUAGES, readers.POOL),
    standard_languages=LANGUAGES,
    files={"validation": _files("dev"), "test": _files("test")},
    read=readers.mewslix,
    reads_together=True,
    prompt=prompts.sentence,
    metric=retrieval.MEWSLIX,
    search=Search(method="nearest", top=20, pool=readers.POOL),
    split_rows=_rows("validation", _DEV_ROWS) | _rows("test", _TEST_ROWS),
    card=Card(
        summary="Entities meant in news of eleven languages, among a million.",
        trains_on="nothing: the encoder as it is, or after intermediate tasks",
        selection="none here: XTREME-R tunes on English Wikipedia pairs of the release",
        normaliser="none: reciprocal rank of the entity among the first 20 found",
        licence="Apache-2.0; news CC BY 2.5, descriptions CC BY-SA",
        homepage=(
            "https://github.com/google-research/google-research/tree/master/"
            "dense_representations_for_entity_retrieval/mel"
        ),
        traps=(
            "XTREME-R calls the measure mAP@20: with one right entity it is the mean "
            "reciprocal rank. Its baseline is a dual encoder tuned on 167,719 English "
            "Wikipedia pairs, texts cut at 64 tokens; here the encoder is taken as it "
            "is, after whatever it was trained on. The data was sampled anew after the "
            "paper (version 20220518_6), so the paper's numbers are of other data. "
            "News texts are not in the archive: the release's script puts them in. The "
            "pool takes some 8 GB of memory to tokenise, and 4 bytes for each number "
            "of its vectors."
        ),
        get=(
            "the release's data by its script get-mewsli-x.sh (homepage); its output "
            "folder dataset/ as mewslix/"
        ),
    ),
)
