"""Importing this fills SeqIO's registry: SeqIO's and T5X's tools find all tasks.

    python -m t5x.main --gin.MIXTURE_OR_TASK_MODULE="'xtl_tasks.registered'" …

It is the only module of the project that acts when it is imported. Settings come from
the environment: XTL_DATA_DIR (root of release files), XTL_FILES (files under other
names, `FAMILY/SPLIT=PATH`, separated by white space), TFDS_DATA_DIR, XTL_VOCABULARY (a
SentencePiece model's path or `bytes`; mT5's public file if unset) and XTL_EXTRA_IDS
(sentinels to add; mT5's file holds its own). Data is looked for when a dataset is made,
so tasks whose data is not here are registered all the same. Names of language pairs
have an underscore: `mlqa.en_ar`. Mixtures with fixed rates are here; rates that change
while training are `xtl train`'s alone. `add` takes a mixture of your own.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import seqio

from xtl_jax.data import sources, vocabulary
from xtl_jax.data.mixture import MixtureConfig
from xtl_jax.errors import UserError
from xtl_tasks import build, catalog, loading, mixtures
from xtl_tasks.loading import TaskSettings

# Opened when a task is first used, not when this is imported.
MT5_VOCABULARY = "gs://t5-data/vocabs/mc4.250000.100extra/sentencepiece.model"


def settings() -> TaskSettings:
    """Task settings from the environment.

    Raises:
        UserError: a variable that cannot be read.
    """
    spec = os.environ.get("XTL_VOCABULARY")
    extra_ids = os.environ.get("XTL_EXTRA_IDS", "0")
    if not extra_ids.isdecimal():
        raise UserError(f"XTL_EXTRA_IDS must be a whole number, got {extra_ids!r}")
    return TaskSettings(
        data_dir=os.environ.get("XTL_DATA_DIR"),
        files=sources.parse_file_settings(os.environ.get("XTL_FILES", "").split()),
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
            add(mixture, at=at)


def add(mixture: MixtureConfig, *, at: TaskSettings | None = None) -> seqio.Mixture:
    """Add a mixture, such as one of your own; its tasks are there already.

    A rate that depends on numbers of examples is a function: SeqIO calls it when the
    mixture is read, and the data is counted then.

    Args:
        mixture: with fixed rates and without budgets.
        at: where data is counted; None: as the environment says.

    Raises:
        UserError: rates that change, or budgets, which SeqIO has no way to say.
    """
    whole = mixtures.expand(mixture)
    if not whole.is_static or whole.examples:
        what = "has budgets" if whole.is_static else "has rates that change"
        raise UserError(
            f"mixture {mixture.name!r} {what}: SeqIO and T5X know fixed rates of whole "
            "tasks only; `xtl train` has the others"
        )
    if not whole.depends_on_sizes:
        rates: dict[str, Any] = dict(whole.shares({}))
    else:
        counted = at or settings()

        @functools.cache
        def shares() -> dict[str, float]:
            return whole.shares({t: _examples(t, at=counted) for t in whole.tasks})

        rates = {t: functools.partial(_share, shares, t) for t in whole.members}
    return seqio.MixtureRegistry.add(
        mixture.name, [(build.seqio_name(task), rate) for task, rate in rates.items()]
    )


def _share(
    shares: Callable[[], Mapping[str, float]], name: str, task: seqio.Task
) -> float:
    """A rate as SeqIO asks for it: of a task that is known by name."""
    del task
    return shares()[name]


_COUNTS: dict[tuple[str, str | None], int] = {}  # of rows, which are slow to count


def _examples(name: str, *, at: TaskSettings) -> int:
    """Training examples of a task: as SeqIO has cached them, else the rows that are."""
    task = seqio.TaskRegistry.get(build.seqio_name(name))
    if task.cache_dir:
        return int(task.get_cached_stats("train")["examples"])
    family, language = catalog.find(name)
    source = loading.find_source(family, language, split="train", settings=at)
    key = (name, str(source) if source else None)
    if key not in _COUNTS:
        rows = loading.rows(family, language, split="train", settings=at)
        _COUNTS[key] = sum(1 for _ in rows)
    return _COUNTS[key]


register(settings())
