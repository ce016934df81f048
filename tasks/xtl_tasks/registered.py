"""Importing this fills SeqIO's registry: SeqIO's and T5X's tools find all tasks.

    python -m t5x.main --gin.MIXTURE_OR_TASK_MODULE="'xtl_tasks.registered'" …

It is the only module of the project that acts when it is imported. Settings come from
the environment: XTL_DATA_DIR (root of release files), TFDS_DATA_DIR, XTL_VOCABULARY (a
SentencePiece model's path or `bytes`; mT5's public file if unset) and XTL_EXTRA_IDS
(sentinels to add; mT5's file holds its own). Data is looked for when a dataset is made,
so tasks whose data is not here are registered all the same. Names of language pairs
have an underscore: `mlqa.en_ar`.
"""

from __future__ import annotations

import os

import seqio

from xtl_jax.data import vocabulary
from xtl_jax.errors import UserError
from xtl_tasks import build, catalog, mixtures
from xtl_tasks.loading import TaskSettings

# Opened when a task is first used, not when this is imported.
MT5_VOCABULARY = "gs://t5-data/vocabs/mc4.250000.100extra/sentencepiece.model"


def settings() -> TaskSettings:
    """Task settings from the environment."""
    spec = os.environ.get("XTL_VOCABULARY")
    extra_ids = os.environ.get("XTL_EXTRA_IDS", "0")
    if not extra_ids.isdecimal():
        raise UserError(f"XTL_EXTRA_IDS must be a whole number, got {extra_ids!r}")
    return TaskSettings(
        data_dir=os.environ.get("XTL_DATA_DIR"),
        vocabulary=vocabulary.load(spec, extra_ids=int(extra_ids))
        if spec
        else seqio.SentencePieceVocabulary(MT5_VOCABULARY),
    )


def register(at: TaskSettings) -> None:
    """Add every task and mixture of the catalogue that is not there yet."""
    for family in catalog.FAMILIES:
        for language in family.languages:
            name = build.seqio_name(family.task_name(language))
            if name not in seqio.TaskRegistry.names():
                task = build.build(family, language, settings=at)
                seqio.TaskRegistry.add_provider(name, task)
    for mixture in mixtures.MIXTURES:
        if mixture.name not in seqio.MixtureRegistry.names():
            seqio.MixtureRegistry.add(
                mixture.name,
                [
                    (build.seqio_name(task), rate)
                    for task, rate in mixture.rates.items()
                ],
            )


register(settings())
