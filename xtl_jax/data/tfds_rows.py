"""Rows from TensorFlow Datasets, where it has the set and the set is prepared here.

Nothing is downloaded: a set that is not in TFDS's data directory raises an error that
says how to prepare it. The checks on rows are those that the readers of files make,
where TFDS has not made them itself.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from xtl_jax.data.prompts import DUPLICATE_WORDS, NLI_WORDS, PARAPHRASE_WORDS
from xtl_jax.data.rows import ChoiceRow, PairRow, QuestionRow, Row, TaggedRow
from xtl_jax.errors import UnlabelledError, UserError

_NO_LABEL = -1  # TFDS's class id of a row without a gold label


@dataclasses.dataclass(frozen=True, kw_only=True)
class TfdsSplit:
    """One split of a TFDS set, and how its examples become rows.

    `name` is `SET/CONFIG` and may hold `{language}`.
    """

    name: str
    split: str
    row: Callable[..., Row | None]  # (example, language=...) -> row; None: not ours
    languages: tuple[str, ...] | None = None  # None: all of the family's

    def has(self, language: str) -> bool:
        """Whether TFDS has this language; it lacks MLQA's pairs, for one."""
        return self.languages is None or language in self.languages

    def filled(self, language: str) -> str:
        """The set's name for one language."""
        return self.name.replace("{language}", language)


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def squad(example: Mapping[str, Any], *, language: str) -> QuestionRow:
    """A row of `squad/v1.1`, `xquad`, `mlqa` or `tydi_qa`."""
    row = _question(example)
    if not any(row.answers):
        raise UnlabelledError(f"(id {row.id!r}) has no answer")
    return row


def squad_v2(example: Mapping[str, Any], *, language: str) -> QuestionRow:
    """A row of `squad/v2.0`, whose questions may have no answer."""
    if bool(example["is_impossible"]):
        return dataclasses.replace(_question(example), answers=(), answer_starts=())
    return squad(example, language=language)


def _question(example: Mapping[str, Any]) -> QuestionRow:
    return QuestionRow(
        id=_text(example["id"]),
        question=_text(example["question"]),
        context=_text(example["context"]),
        answers=tuple(_text(text) for text in example["answers"]["text"]),
        answer_starts=tuple(int(n) for n in example["answers"]["answer_start"]),
        title=_text(example["title"]),
    )


def xnli(example: Mapping[str, Any], *, language: str) -> PairRow:
    """A row of `xnli`, whose examples hold all languages side by side.

    TFDS drops XNLI's pair ids; the reader numbers the rows instead.
    """
    hypotheses = dict(
        zip(
            map(_text, example["hypothesis"]["language"]),
            map(_text, example["hypothesis"]["translation"]),
            strict=True,
        )
    )
    return PairRow(
        id="",
        first=_text(example["premise"][language]),
        second=hypotheses[language],
        label=NLI_WORDS[int(example["label"])],
    )


def mnli(example: Mapping[str, Any], *, language: str) -> PairRow | None:
    """A row of `glue/mnli`, or None for one without a gold label."""
    row = snli(example, language=language)
    return row and dataclasses.replace(row, id=str(int(example["idx"])))


def snli(example: Mapping[str, Any], *, language: str) -> PairRow | None:
    """A row of `snli`, which drops ids, or None for one without a gold label."""
    if int(example["label"]) == _NO_LABEL:
        return None
    return PairRow(
        id="",
        first=_text(example["premise"]),
        second=_text(example["hypothesis"]),
        label=NLI_WORDS[int(example["label"])],
    )


def anli(example: Mapping[str, Any], *, language: str) -> PairRow:
    """A row of `anli`, whose classes are in MNLI's order."""
    return PairRow(
        id=_text(example["uid"]),
        first=_text(example["context"]),
        second=_text(example["hypothesis"]),
        label=NLI_WORDS[_class(example)],
    )


def qqp(example: Mapping[str, Any], *, language: str) -> PairRow:
    """A row of `glue/qqp`."""
    return PairRow(
        id=str(int(example["idx"])),
        first=_text(example["question1"]),
        second=_text(example["question2"]),
        label=DUPLICATE_WORDS[_class(example)],
    )


def pawsx(example: Mapping[str, Any], *, language: str) -> PairRow:
    """A row of `paws_x_wiki`, which drops ids."""
    return PairRow(
        id="",
        first=_text(example["sentence1"]),
        second=_text(example["sentence2"]),
        label=PARAPHRASE_WORDS[_class(example)],
    )


def hellaswag(example: Mapping[str, Any], *, language: str) -> ChoiceRow:
    """A row of `hellaswag`, which drops ids."""
    return ChoiceRow(
        id="",
        context=_text(example["context"]),
        question="",
        options=tuple(map(_text, example["endings"])),
        answer=_class(example),
    )


def cosmos_qa(example: Mapping[str, Any], *, language: str) -> ChoiceRow:
    """A row of `cosmos_qa`."""
    return ChoiceRow(
        id=_text(example["id"]),
        context=_text(example["context"]),
        question=_text(example["question"]),
        options=tuple(_text(example[f"answer{number}"]) for number in range(4)),
        answer=_class(example),
    )


def copa(example: Mapping[str, Any], *, language: str) -> ChoiceRow:
    """A row of `super_glue/copa`."""
    return ChoiceRow(
        id=str(int(example["idx"])),
        context=_text(example["premise"]),
        question=_text(example["question"]),
        options=(_text(example["choice1"]), _text(example["choice2"])),
        answer=_class(example),
    )


def _class(example: Mapping[str, Any]) -> int:
    label = int(example["label"])
    if label == _NO_LABEL:
        raise UnlabelledError("has no label")
    return label


_WIKIANN_TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")


def wikiann(example: Mapping[str, Any], *, language: str) -> TaggedRow:
    """A row of `wikiann`, which has no ids; `read` numbers the rows."""
    return TaggedRow(
        id="",
        tokens=tuple(map(_text, example["tokens"])),
        tags=tuple(_WIKIANN_TAGS[int(tag)] for tag in example["tags"]),
    )


def is_prepared(source: TfdsSplit, *, language: str, tfds_dir: str | None) -> bool:
    """Whether the set lies in TFDS's data directory, without importing TFDS."""
    return source.has(language) and bool(
        _versions(source, language=language, tfds_dir=tfds_dir)
    )


def _versions(source: TfdsSplit, *, language: str, tfds_dir: str | None) -> list[str]:
    """Folders of the set's prepared versions, newest last."""
    folder = os.path.join(folder_of(tfds_dir), source.filled(language))
    if not os.path.isdir(folder):
        return []
    numbered = [
        (tuple(map(int, version.split("."))), os.path.join(folder, version))
        for version in os.listdir(folder)
        if all(part.isdecimal() for part in version.split("."))
    ]
    return [
        place
        for _, place in sorted(numbered)
        if os.path.isfile(os.path.join(place, "dataset_info.json"))
    ]


def folder_of(tfds_dir: str | None) -> str:
    """TFDS's data directory: as given, `TFDS_DATA_DIR`, or its default."""
    default = os.path.join(os.path.expanduser("~"), "tensorflow_datasets")
    return tfds_dir or os.environ.get("TFDS_DATA_DIR") or default


def read(source: TfdsSplit, *, language: str, tfds_dir: str | None) -> Iterator[Row]:
    """Rows of a prepared TFDS set, in its own order.

    Raises:
        UserError: the set is damaged, lacks the split, or is unlabelled.
    """
    import tensorflow_datasets as tfds

    name = source.filled(language)
    folder = folder_of(tfds_dir)
    # The newest version on disk, whichever version the installed TFDS would write.
    place = _versions(source, language=language, tfds_dir=tfds_dir)[-1]
    try:
        builder: Any = tfds.builder_from_directory(place)
        data = tfds.as_numpy(
            builder.as_dataset(split=source.split, shuffle_files=False)
        )
    except (ValueError, AssertionError, KeyError, OSError) as error:
        raise UserError(
            f"TFDS {name} split {source.split!r} in {place}: {error}; prepare it again "
            f"with `tfds build {name} --data_dir={folder}`"
        ) from None
    kept = 0
    for number, example in enumerate(data):
        try:
            row = source.row(example, language=language)
        except UnlabelledError as error:
            raise UnlabelledError(
                f"TFDS {name} split {source.split!r}: row {number} {error}: the split "
                "is unlabelled and cannot be trained on or scored"
            ) from None
        if row is None:
            continue
        if not row.id:
            # As the readers of files do: sentences of two languages share no id.
            id = f"{language}-{number}" if isinstance(row, TaggedRow) else str(number)
            row = dataclasses.replace(row, id=id)
        kept += 1
        yield row
    if not kept:
        raise UserError(
            f"TFDS {name} split {source.split!r} in {folder} holds no row in "
            f"{language!r}"
        )
