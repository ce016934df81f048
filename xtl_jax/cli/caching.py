"""The token stores that a command needs: found, or made now.

`ensure_cached` is what `xtl train`, `xtl predict` and `xtl data cache` call. SeqIO and
TensorFlow are imported only when something must be made; a machine with all caches
needs neither them nor the source files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import functools
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from xtl_jax.data import cache, prompts, sources, store
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    import seqio
    from xtl_tasks.family import Family
    from xtl_tasks.loading import Source, TaskSettings

    from xtl_jax.data.vocabulary import Vocabulary

Wanted = tuple[str, str]  # task and split


class Places(Protocol):
    """The part of `RunConfig` that says where data is."""

    @property
    def data_dir(self) -> str:
        """Folder of release files."""
        ...

    @property
    def cache_dir(self) -> str:
        """Folder of caches."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """Release files under other names."""
        ...


def ensure_cached(
    wanted: Iterable[Wanted], *, run: Places, vocabulary: Vocabulary
) -> dict[Wanted, Store]:
    """Opens the store of each (task, split), making those that are not there yet.

    Args:
        wanted: catalogue tasks, each with a split.
        run: where release files are and where caches go.
        vocabulary: to tokenise with.

    Raises:
        UserError: unknown task or split, no data and no cache, bad data, no space.
    """
    wanted = list(wanted)
    trains = any(split == "train" for _, split in wanted)
    prepare = training_settings if trains else task_settings
    settings = prepare(run, vocabulary=vocabulary)
    return {
        (name, split): ensure_one(
            name, split=split, settings=settings, cache_dir=run.cache_dir
        )
        for name, split in wanted
    }


def ensure_one(
    name: str, *, split: str, settings: TaskSettings, cache_dir: str
) -> Store:
    """Opens the store of one split of a catalogue task, made if it is not there."""
    from xtl_tasks import catalog

    family, language = catalog.find(name)
    recipe = recipe_of(
        family, language, split=split, settings=settings, cache_dir=cache_dir
    )
    folder = find(family, language, recipe, settings=settings, cache_dir=cache_dir)
    if folder is None:
        make = functools.partial(_task, family, language, settings=settings)
        folder = build(
            make, recipe, cache_dir=cache_dir, vocabulary=settings.vocabulary
        )
        tell_augmented(settings, task=recipe.task)
    return Store(folder)


def task_settings(run: Places, *, vocabulary: Vocabulary | None) -> TaskSettings:
    """What the task builder must know; only text-to-text needs a vocabulary."""
    from xtl_tasks.loading import TaskSettings

    return TaskSettings(
        data_dir=run.data_dir or None, files=dict(run.files), vocabulary=vocabulary
    )


def training_settings(run: Places, *, vocabulary: Vocabulary | None) -> TaskSettings:
    """The same with what a run does to its training rows, if anything.

    Raises:
        UserError: an attack needs a lexicon that is not given or cannot be read.
    """
    settings = task_settings(run, vocabulary=vocabulary)
    names = getattr(run, "augmentation", ())
    if not names:
        return settings  # attacks need packages that training from a cache does not
    from xtl_jax.attacks import augment

    how = augment.augmentation(
        names,
        share=getattr(run, "augmentation_share", 0.0),
        seed=getattr(run, "augmentation_seed", 0),
    )
    if how is None:
        return settings
    from xtl_tasks.loading import Augmented

    from xtl_jax.cli import lexicons

    given: Mapping[str, str] = getattr(run, "attack_lexicons", {})
    if how.needs("lexicons") and not given:
        raise UserError(
            "RunConfig.augmentation exchanges words for their translations and has no "
            "lexicon: give RunConfig.attack_lexicons={'en-de': 'FILE', …}, in MUSE's "
            "format"
        )
    if not how.needs("lexicons"):
        given = {}
    files = cache.digests(list(given.values()), cache_dir=run.cache_dir)
    changed = Augmented(how=how, lexicons=lexicons.read(given), files=files or ())
    return dataclasses.replace(settings, augmented=changed)


def augmentation_definition(
    family: Family, *, split: str, settings: TaskSettings
) -> dict[str, Any]:
    """What a store's recipe says of attacked rows; nothing where none are."""
    from xtl_tasks import loading

    change = loading.augmentation_of(family, split=split, settings=settings)
    return {} if change is None else {"augmentation": change.to_json()}


def tell_augmented(settings: TaskSettings, *, task: str) -> dict[str, int]:
    """What was done to the rows of a task that have just been read, said and given."""
    from xtl_jax.cli.progress import tell

    change = settings.augmented
    counts = {} if change is None else dict(change.counts.get(task, {}))
    if counts:
        kept = "; ".join(f"{n:,} {w}" for w, n in counts.items() if ":" in w)
        done = f"{counts.get('attacked', 0):,} of {counts['rows']:,}"
        tell(f"{task}: {done} training rows attacked{f'; {kept}' if kept else ''}")
    return counts


def recipe_of(
    family: Family,
    language: str,
    *,
    split: str,
    settings: TaskSettings,
    cache_dir: str | os.PathLike[str],
) -> cache.Recipe:
    """Everything that decides the content of a catalogue task's store."""
    family.check_split(split, language=language)
    is_text = family.kind == "text"
    return cache.Recipe(
        task=family.task_name(language),
        split=split,
        definition={
            "family": family.name,
            "language": language,
            "prompt": function_name(family.prompt),
            "prompts_version": prompts.VERSION,
            "labels": list(family.labels),
            "answer_offsets": settings.answer_offsets,
            "eos": True,
            **augmentation_definition(family, split=split, settings=settings),
        },
        vocabulary_sha256=settings.vocabulary.sha256,
        sources=source_digests(
            family, language, split=split, settings=settings, cache_dir=cache_dir
        ),
        transform=dict(family.card.transform) if is_text else None,
        keep_text=split != "train" and not is_text,
    )


def source_digests(
    family: Family,
    language: str,
    *,
    split: str,
    settings: TaskSettings,
    cache_dir: str | os.PathLike[str],
) -> tuple[dict[str, Any], ...] | None:
    """Name, size and checksum of a split's files; None where they are not here."""
    source = source_of(family, language, split=split, settings=settings)
    if source is None:
        return None
    return cache.digests(_files(source, settings=settings), cache_dir=cache_dir)


def function_name(function: Callable[..., Any]) -> str:
    """A function's name, without its module: moving it changes nothing."""
    if isinstance(function, functools.partial):
        settings = ",".join(f"{k}={v}" for k, v in sorted(function.keywords.items()))
        return f"{function_name(function.func)}({settings})"
    return function.__qualname__


def source_of(
    family: Family, language: str, *, split: str, settings: TaskSettings
) -> Source | None:
    """Where a split's rows are; None where they are not here, be it by setting."""
    from xtl_tasks import loading

    try:
        return loading.find_source(family, language, split=split, settings=settings)
    except UserError:  # a file setting names a file that this machine has not
        return None


def _files(source: Source, *, settings: TaskSettings) -> list[str]:
    """The files whose content decides: of TFDS the one that describes the set."""
    from xtl_jax.data import tfds_rows

    found = list(source.files())
    for name in source.sets():
        folder = pathlib.Path(tfds_rows.folder_of(settings.tfds_dir)) / name
        found += [f"tfds:{name}", *map(str, sorted(folder.glob("*/dataset_info.json")))]
    return found


def find(
    family: Family,
    language: str,
    recipe: cache.Recipe,
    *,
    settings: TaskSettings,
    cache_dir: str | os.PathLike[str],
) -> pathlib.Path | None:
    """The folder of a store, or None if it can be made.

    Raises:
        UserError: there is neither a cache nor the data to make it.
    """
    try:
        folder = cache.find(recipe, cache_dir=cache_dir)
    except UserError:
        here = pathlib.Path(cache_dir) / recipe.task
        if not any(here.glob(f"{recipe.split}-*")):
            from xtl_tasks import loading

            # No cache at all: say how to get the data.
            loading.find_source(family, language, split=recipe.split, settings=settings)
            loading.rows(family, language, split=recipe.split, settings=settings)
        raise
    if folder is not None and recipe.sources is None:
        _check_made_from(folder, family, language, recipe.split, settings=settings)
    return folder


def _check_made_from(
    folder: pathlib.Path,
    family: Family,
    language: str,
    split: str,
    *,
    settings: TaskSettings,
) -> None:
    """A file that a setting names and that is not here must be what a cache is of."""
    from xtl_tasks import loading

    named = loading.named_file(
        family, language=language, split=split, files=settings.files
    )
    if named is None:
        return
    wanted = sources.expand(named, language=language).rpartition("/")[2]
    held = [source["name"] for source in store.read_card(folder)["sources"] or ()]
    allowed = [wanted + suffix for suffix in sources.SUFFIXES]
    if any(fnmatch.fnmatch(name, each) for name in held for each in allowed):
        return
    raise UserError(
        f"{family.task_name(language)}/{split}: the file setting {named!r} names no "
        f"file here, and the only cache ({folder}) was made from {', '.join(held)}; "
        "mend the name, or leave the setting out to use that cache"
    )


def _task(family: Family, language: str, *, settings: TaskSettings) -> seqio.Task:
    from xtl_tasks import build as tasks

    return tasks.build(family, language, settings=settings, for_cache=True)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Closes stderr to what TensorFlow's libraries write to it while they load.

    It is about GPUs that are not there, repeated, and no setting of theirs stops it;
    an exception is raised as ever.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def build(
    make: Callable[[], seqio.Task],
    recipe: cache.Recipe,
    *,
    cache_dir: str | os.PathLike[str],
    vocabulary: Vocabulary,
) -> pathlib.Path:
    """Makes a store, with a progress bar on stderr."""
    from xtl_jax.cli import progress

    with quiet_import():
        import tensorflow as tf

        task = make()  # imports SeqIO
        tf.config.set_visible_devices([], "GPU")  # the accelerator is for jax
        tf.constant(0)  # looks for devices, once
    with progress.bar() as display:  # on stderr
        shown = display.add_task(
            f"tokenising {recipe.task} {recipe.split}", total=None, note=""
        )
        return cache.build(
            task,
            recipe,
            cache_dir=cache_dir,
            vocabulary=vocabulary,
            progress=lambda done, total: (
                display.update(shown, completed=done, total=total)
                if done % 64 == 0 or done == total
                else None
            ),
        )
