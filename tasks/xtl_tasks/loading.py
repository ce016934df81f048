"""Rows and examples of any task: from release files if they are here, else from TFDS.

This is the only place that decides where rows come from, so a SeqIO task, `xtl data
show` and a cache all see the same ones in the same order.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from xtl_jax.attacks.attack import Resources
from xtl_jax.data import readers, sources, tfds_rows
from xtl_jax.data.prompts import Example
from xtl_jax.data.readers import Dropped, ReadOptions
from xtl_jax.errors import UserError
from xtl_tasks.family import Family, scored_language

if TYPE_CHECKING:
    from xtl_jax.attacks.augment import Augmentation
    from xtl_jax.attacks.lexicon import Lexicon


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmented:
    """Which training rows are attacked, and what attacks need beside a row."""

    how: Augmentation
    lexicons: Mapping[tuple[str, str], Lexicon] = dataclasses.field(
        default_factory=dict
    )  # by their two languages
    files: tuple[Mapping[str, Any], ...] = ()  # name, size and sha256 of each lexicon
    # What was done, by task: complete when a task's rows have been read to their end.
    counts: dict[str, collections.Counter[str]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def resources(self) -> Resources:
        """What attacks get, which choose the lexicons of a row's language."""
        return Resources(
            lexicons={"-".join(pair): each for pair, each in self.lexicons.items()}
        )

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the rows."""
        if not self.how.needs("lexicons"):
            return self.how.to_json()
        return {**self.how.to_json(), "lexicons": list(self.files)}


def augmentation_of(
    family: Family, *, split: str, settings: TaskSettings
) -> Augmented | None:
    """What is done to the rows of a split; None: they are left as they are.

    Only rows with labels are attacked, and only those that are trained on.
    """
    unlabelled = ("text", "parallel", "retrieval")
    if split != "train" or family.kind in unlabelled:
        return None
    return settings.augmented


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """Where data is, and how it is cut into tokens."""

    data_dir: str | None = None  # root of release paths
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    vocabulary: Any = None  # a Vocabulary (or SeqIO's own); only `build` needs it
    tfds_dir: str | None = None  # None: TFDS_DATA_DIR or TFDS's default
    answer_offsets: Literal["check", "first_occurrence"] = "check"
    augmented: Augmented | None = None  # training rows that are attacked

    def __post_init__(self) -> None:
        from xtl_tasks import catalog

        sources.check_file_settings(self.files, families=catalog.languages_by_family())
        ReadOptions(answer_offsets=self.answer_offsets)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows of one split are: files, or a TFDS set, or both of its parts'."""

    paths: tuple[str, ...] = ()
    tfds: str | None = None
    is_setting: bool = False  # named by the user: may be a subset
    parts: tuple[Source, ...] = ()  # of a family made of others: theirs

    def __str__(self) -> str:
        if self.parts:
            return "; ".join(map(str, self.parts))
        return f"TFDS {self.tfds}" if self.tfds else ", ".join(self.paths)

    def sets(self) -> tuple[str, ...]:
        """TFDS sets that it reads, those of its parts too."""
        own = (self.tfds,) if self.tfds else ()
        return (*own, *(name for part in self.parts for name in part.sets()))

    def files(self) -> tuple[str, ...]:
        """Files that it reads, those of its parts too."""
        return (*self.paths, *(path for part in self.parts for path in part.files()))


def named_file(
    family: Family, *, language: str, split: str, files: Mapping[str, str]
) -> str | None:
    """The user's file name for a split, also where another family's file is shared."""
    own = sources.file_setting(
        files, family=family.name, language=language, split=split
    )
    if own is not None or split not in family.shares:
        return own
    return sources.file_setting(
        files, family=family.shares[split], language=language, split=split
    )


def find_source(
    family: Family, language: str, *, split: str, settings: TaskSettings
) -> Source | None:
    """Where a split's rows are, or None if they are not on this machine.

    Raises:
        UserError: no such language or split, or a file that a setting names is missing.
    """
    family.check_split(split, language=language)
    named = named_file(family, language=language, split=split, files=settings.files)
    if named is not None:
        paths = sources.locate(
            (named,), data_dir=settings.data_dir or ".", language=language
        )
        if not paths:
            raise UserError(
                f"{family.task_name(language)}/{split}: the file setting {named!r} "
                f"names no file under {settings.data_dir or os.getcwd()} (tried with "
                f"{', '.join(s for s in sources.SUFFIXES if s)} too)"
            )
        return Source(paths=tuple(paths), is_setting=True)
    if family.parts:
        found = [
            find_source(part, language, split=split, settings=settings)
            for part in family.parts
        ]
        parts = tuple(source for source in found if source is not None)
        return Source(parts=parts) if len(parts) == len(found) else None
    paths = sources.locate(
        family.files_of(language, split=split),
        data_dir=settings.data_dir,
        language=language,
    )
    if paths:
        return Source(paths=tuple(paths))
    prepared = family.tfds.get(split)
    if prepared is not None and tfds_rows.is_prepared(
        prepared, language=language, tfds_dir=settings.tfds_dir
    ):
        return Source(tfds=prepared.filled(language))
    return None


def rows(
    family: Family,
    language: str,
    *,
    split: str,
    settings: TaskSettings,
    dropped: Dropped | None = None,
) -> Iterator[Any]:
    """Rows of one split, in the release's order, each checked.

    Args:
        family: which task.
        language: which of its languages, or pair.
        split: train, validation or test.
        settings: where the data is.
        dropped: counts the rows that the release says to leave out, by reason.

    Raises:
        UserError: the data is not here (says how to get it), or is not right.
    """
    found = _clean_rows(
        family, language, split=split, settings=settings, dropped=dropped
    )
    change = augmentation_of(family, split=split, settings=settings)
    if change is None:
        return found
    from xtl_jax.attacks import augment

    counts = change.counts[family.task_name(language)] = collections.Counter()
    return augment.augmented(
        found,
        language=scored_language(language),
        how=change.how,
        resources=change.resources,
        counts=counts,
    )


def _clean_rows(
    family: Family,
    language: str,
    *,
    split: str,
    settings: TaskSettings,
    dropped: Dropped | None,
) -> Iterator[Any]:
    source = find_source(family, language, split=split, settings=settings)
    if source is None:
        raise UserError(_how_to_get(family, language, split=split, settings=settings))
    if source.parts:
        return _from_parts(
            family, language, split=split, settings=settings, dropped=dropped
        )
    if source.tfds is not None:
        return tfds_rows.read(
            family.tfds[split], language=language, tfds_dir=settings.tfds_dir
        )
    found = _from_files(
        family,
        language,
        split=split,
        source=source,
        options=ReadOptions(answer_offsets=settings.answer_offsets),
        dropped=dropped,
    )
    expected = family.rows_published(language=language, split=split)
    if expected is None or source.is_setting:
        return found
    return readers.check_count(
        found,
        expected=expected,
        name=source.paths[0],
        what=f"{family.task_name(language)}/{split}",
    )


def _from_parts(
    family: Family,
    language: str,
    *,
    split: str,
    settings: TaskSettings,
    dropped: Dropped | None,
) -> Iterator[Any]:
    """Rows of one part after the other; a part's name keeps their ids apart."""
    for part in family.parts:
        for row in _clean_rows(
            part, language, split=split, settings=settings, dropped=dropped
        ):
            yield dataclasses.replace(row, id=f"{part.name}:{row.id}")


def _from_files(
    family: Family,
    language: str,
    *,
    split: str,
    source: Source,
    options: ReadOptions,
    dropped: Dropped | None,
) -> Iterator[Any]:
    for path in (source.paths,) if family.reads_together else source.paths:
        yield from family.read(
            path, language=language, split=split, options=options, dropped=dropped
        )


def _how_to_get(
    family: Family, language: str, *, split: str, settings: TaskSettings
) -> str:
    if family.parts:
        missing = [
            _how_to_get(part, language, split=split, settings=settings)
            for part in family.parts
            if find_source(part, language, split=split, settings=settings) is None
        ]
        return " ".join([f"{family.task_name(language)} is made of others.", *missing])
    lines = [f"{family.task_name(language)}/{split}: its data is not here."]
    candidates = [
        sources.expand(name, language=language)
        for name in family.files_of(language, split=split)
    ]
    if not settings.data_dir:
        lines.append("No data directory is set: pass --data_dir or set XTL_DATA_DIR.")
    else:
        lines.append(f"Looked in {settings.data_dir} for: {'; '.join(candidates)}")
        lines.append("(also with .xz, .gz, .bz2).")
    prepared = family.tfds.get(split)
    if prepared is not None and not prepared.has(language):
        prepared = None
    if prepared is not None:
        folder = tfds_rows.folder_of(settings.tfds_dir)
        name = prepared.filled(language)
        lines.append(f"Looked for TFDS {name} in {folder}.")
    if not family.card.toy and family.kind not in ("text", "parallel"):
        task = family.task_name(language)
        lines.append(f"`xtl data get {task} --data_dir=DATA` fetches it. Or by hand:")
    lines.append(f"Get {family.card.get}; or name a file with --file")
    lines.append(f"{family.name}/{split}=PATH.")
    if prepared is not None:
        lines.append(f"Or prepare TFDS: `tfds build {name} --data_dir={folder}`.")
    return " ".join(lines)


def examples(
    family: Family,
    language: str,
    *,
    split: str,
    settings: TaskSettings,
    dropped: Dropped | None = None,
) -> Iterator[Example]:
    """Rows with the family's prompt applied."""
    for row in rows(family, language, split=split, settings=settings, dropped=dropped):
        yield family.prompt(row)
