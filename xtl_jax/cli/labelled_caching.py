"""The stores of labelled examples that encoders read: found, or made now.

They lie beside mT5's, `CACHE_DIR/TASK/SPLIT-HASH`, and are found in the same way: the
hash covers the files, the vocabulary, the length and the labels. Nothing here imports
SeqIO; a task whose rows come from TFDS needs TensorFlow to be made, no other does.

The labels of a tagging task stand in the catalogue where the set of tags is closed.
Else (CCG) they are the tags of the training rows, or of a cache made from them. Where
neither is here, a store of that task has no label at all and can still be predicted and
scored: a head knows its tags.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from xtl_jax.cli import caching
from xtl_jax.data import cache, labelled, prompts, store
from xtl_jax.data.encoder_layout import PAIR
from xtl_jax.data.store import Store
from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_tasks.family import Family
    from xtl_tasks.loading import TaskSettings

    from xtl_jax.data.encoder_layout import Layout
    from xtl_jax.data.encoder_vocabulary import EncoderVocabulary

RowT = TypeVar("RowT")
_SHOWN = 64  # rows between two moves of the progress bar


class Run(caching.Places, Protocol):
    """The part of `RunConfig` that decides labelled examples."""

    @property
    def lengths(self) -> Mapping[str, int]:
        """Tokens; of encoders `inputs` counts."""
        ...

    @property
    def window_stride(self) -> int:
        """Context tokens that two windows share."""
        ...

    @property
    def question_length(self) -> int:
        """Tokens of a question at most."""
        ...

    @property
    def tagged_piece(self) -> str:
        """Which piece of a word has its tag."""
        ...


def ensure_store(
    task_name: str, *, split: str, run: Run, vocabulary: EncoderVocabulary
) -> Store:
    """Opens the store of one split of a task, made if it is not there.

    Args:
        task_name: of the catalogue.
        split: train, validation or test.
        run: where data is, and how inputs are laid out.
        vocabulary: to tokenise with.

    Raises:
        UserError: unknown task or split, no data and no cache, bad data, no space.
    """
    from xtl_tasks import catalog

    family, language = catalog.find(task_name)
    prepare = caching.training_settings if split == "train" else caching.task_settings
    settings = prepare(run, vocabulary=None)
    layout = layout_of(run, vocabulary)
    labels = labels_of(family, run=run)
    recipe = _recipe(
        family,
        language,
        split=split,
        layout=layout,
        labels=labels,
        settings=settings,
        cache_dir=run.cache_dir,
    )
    folder = caching.find(
        family, language, recipe, settings=settings, cache_dir=run.cache_dir
    )
    if folder is not None:
        return Store(folder)

    def make() -> tuple[dict[str, Any], Iterator[store.Example]]:
        from xtl_tasks import loading

        rows = loading.rows(family, language, split=split, settings=settings)
        card = recipe.card() | {
            "kind": labelled.kind_of(family),
            "length": layout.length,
            "labels": list(labels),
            "ids": {
                "pad": vocabulary.pad_id,
                "mask": vocabulary.mask_id,
                "first": vocabulary.first_id,
                "size": vocabulary.size,
            },
        }
        examples = labelled.examples(
            _shown(
                rows,
                f"labelling {recipe.task} {split}",
                total=family.rows_published(language=language, split=split),
            ),
            family=family,
            task=recipe.task,
            split=split,
            layout=layout,
            labels=labels,
            keep_text=recipe.keep_text,
            card=card,
        )
        return card, examples

    folder = cache.write_once(recipe, make, cache_dir=run.cache_dir)
    caching.tell_augmented(settings, task=recipe.task)
    return Store(folder)


def labels_of(family: Family, *, run: caching.Places) -> tuple[str, ...]:
    """Labels of a family's head by class; empty for heads that have none.

    Where only training rows tell (CCG), they are read; without them there are those of
    the one cache that was made from such rows, or none.

    Raises:
        UserError: the training rows are here and wrong.
    """
    from xtl_tasks import loading

    declared = labelled.declared_labels(family)
    if declared or labelled.kind_of(family) != "tagging":
        return declared
    settings = caching.task_settings(run, vocabulary=None)
    language = family.languages[0]
    source = loading.find_source(family, language, split="train", settings=settings)
    if source is None:
        return _cached_labels(run.cache_dir, task=family.task_name(language))
    return labelled.found_tags(
        loading.rows(family, language, split="train", settings=settings)
    )


def _cached_labels(cache_dir: str, *, task: str) -> tuple[str, ...]:
    folders = sorted((pathlib.Path(cache_dir) / task).glob("train-*"))
    found = {tuple(store.read_card(each).get("labels", ())) for each in folders} - {()}
    if len(found) > 1:
        raise UserError(
            f"the caches of {task} in {cache_dir} have different sets of tags, and the "
            "training file that would decide is not here; delete all but one cache, or "
            "give --data_dir"
        )
    return found.pop() if found else ()


def layout_of(run: Run, vocabulary: EncoderVocabulary) -> Layout:
    """How a run lays inputs out."""
    from xtl_jax.data.encoder_layout import Layout

    return Layout(
        vocabulary=vocabulary,
        length=run.lengths["inputs"],
        stride=run.window_stride,
        question_length=run.question_length,
        tagged_piece=run.tagged_piece,
    )


def check_windows(tasks: Iterable[str], *, run: Run) -> None:
    """Refuse lengths at which the longest questions leave contexts no room.

    A store refuses the row that shows it; this is for when no row is read yet.

    Raises:
        UserError: it names a task, and settings that would do.
    """
    from xtl_tasks import catalog

    room = run.lengths["inputs"] - PAIR - run.question_length
    if room > run.window_stride:
        return
    for task in tasks:
        if labelled.kind_of(catalog.find(task)[0]) == "span":
            raise UserError(
                f"{task}: beside a question of RunConfig.question_length="
                f"{run.question_length} tokens {max(room, 0)} of "
                f"{run.lengths['inputs']} are left for its context, of which "
                f"RunConfig.window_stride={run.window_stride} are shared by two "
                "windows; give a longer input length, a smaller stride or shorter "
                "questions"
            )


def _recipe(
    family: Family,
    language: str,
    *,
    split: str,
    layout: Layout,
    labels: tuple[str, ...],
    settings: TaskSettings,
    cache_dir: str,
) -> cache.Recipe:
    """Everything that decides the content of a task's store."""
    family.check_split(split, language=language)
    kind = labelled.kind_of(family)
    definition: dict[str, Any] = {
        "family": family.name,
        "language": language,
        "prompt": caching.function_name(family.prompt),
        "prompts_version": prompts.VERSION,
        "labelled_version": labelled.VERSION,
        "kind": kind,
        "labels": list(labels),
        "length": layout.length,
        "answer_offsets": settings.answer_offsets,
        **caching.augmentation_definition(family, split=split, settings=settings),
    }
    if kind == "tagging" and layout.tagged_piece != "first":
        definition["tagged_piece"] = layout.tagged_piece
    if kind == "span":
        definition["stride"] = layout.stride
        definition["question_length"] = layout.question_length
    return cache.Recipe(
        task=family.task_name(language),
        split=split,
        definition=definition,
        vocabulary_sha256=layout.vocabulary.sha256,
        sources=caching.source_digests(
            family, language, split=split, settings=settings, cache_dir=cache_dir
        ),
        keep_text=split != "train" and kind != "masked_lm",
    )


def _shown(
    rows: Iterable[RowT], description: str, *, total: int | None
) -> Iterator[RowT]:
    """The same rows, with a progress bar on stderr while they are read."""
    from xtl_jax.cli import progress

    with progress.counting(description, total=total) as done:
        for number, row in enumerate(rows, start=1):
            yield row
            if number % _SHOWN == 0:
                done(number)
