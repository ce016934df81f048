"""From names of tasks to their token stores, made where they are missing.

Whoever needs examples (`xtl data cache`, `train`, `predict`, `run`) asks here. A store
that exists is only opened: nothing of SeqIO or TensorFlow is imported.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli.progress import counting, tell
from xtl_jax.data import cache, prompts
from xtl_jax.data.store import Store

if TYPE_CHECKING:
    from xtl_tasks.family import Family
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.data.vocabulary import Vocabulary
    from xtl_jax.train.config import RunConfig

Wanted = tuple[str, str]  # task name, split


def settings_of(run: RunConfig, vocabulary: Vocabulary | None = None) -> TaskSettings:
    """Where a run's data is."""
    from xtl_tasks.loading import TaskSettings

    return TaskSettings(
        data_dir=run.data_dir or None, files=run.files, vocabulary=vocabulary
    )


def ensure_cached(
    wanted: Sequence[Wanted], *, run: RunConfig, vocabulary: Vocabulary
) -> dict[Wanted, Store]:
    """Stores of task splits, found or made.

    Raises:
        UserError: data is neither cached nor here, or is not right.
    """
    settings = settings_of(run, vocabulary)
    found = {}
    for task, split in wanted:
        found[task, split] = ensure_one(
            task, split, settings=settings, cache_dir=run.cache_dir
        )
    return found


def ensure_one(
    task: str, split: str, *, settings: TaskSettings, cache_dir: str
) -> Store:
    """The store of one split of one task, found or made."""
    from xtl_tasks import catalog

    family, language = catalog.find(task)
    recipe = recipe_of(
        family, language, split=split, settings=settings, cache_dir=cache_dir
    )
    folder = cache.find(recipe, cache_dir=cache_dir)
    if folder is None:
        folder = _build(
            family, language, recipe=recipe, settings=settings, cache_dir=cache_dir
        )
    return Store(folder)


def recipe_of(
    family: Family,
    language: str,
    *,
    split: str,
    settings: TaskSettings,
    cache_dir: str,
) -> cache.Recipe:
    """Everything that decides what the store of a split holds."""
    from xtl_tasks import loading

    source = loading.find_source(family, language, split=split, settings=settings)
    sources = None
    if source is not None:
        paths = [f"tfds:{source.tfds}"] if source.tfds else list(source.paths)
        sources = cache.digests(paths, cache_dir=cache_dir)
    return cache.Recipe(
        task=family.task_name(language),
        split=split,
        definition={
            "family": family.name,
            "language": language,
            "prompt": f"{family.prompt.__name__}/{prompts.VERSION}",
            "answer_offsets": settings.answer_offsets,
        },
        vocabulary_sha256=settings.vocabulary.sha256,
        sources=sources,
        transform=family.card.transform or None,
        keep_text=family.kind != "text",
    )


def _build(
    family: Family,
    language: str,
    *,
    recipe: cache.Recipe,
    settings: TaskSettings,
    cache_dir: str,
) -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
    from xtl_tasks import build

    task = build.build(family, language, settings=settings, for_cache=True)
    name = f"tokenising {recipe.task} {recipe.split}"
    with counting(name, total=None) as progress, _quiet_tensorflow():
        folder = cache.build(
            task,
            recipe,
            cache_dir=cache_dir,
            vocabulary=settings.vocabulary,
            progress=lambda done: progress(done) if done % 100 == 0 else None,
        )
    tell(f"cached {recipe.task} {recipe.split} in {folder}")
    return folder


@contextlib.contextmanager
def _quiet_tensorflow() -> Any:
    """TensorFlow's remarks about the processor help nobody here."""
    import logging

    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
