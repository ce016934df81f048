"""What a family is: one task over its languages, as plain values.

A *family* says where its rows are (`files`, `tfds`), how they are read (`read`), what
text the model sees (`prompt`), how answers are scored (`metric`) and what a careful
user must know (`card`). It builds nothing: `build.py` turns any family and language
into a SeqIO task, and `loading.py` into rows or examples.

A task is named `FAMILY` where the family has one language and `FAMILY.LANGUAGE`
otherwise: `squad_v1`, `mlqa.ar`. MLQA also has pairs `CONTEXT-QUESTION`: `mlqa.en-ar`
asks in Arabic about an English text. The language that is scored is the context's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from xtl_jax.data.prompts import Example
from xtl_jax.data.readers import ReadOptions
from xtl_jax.data.tagging import Placed
from xtl_jax.data.tfds_rows import TfdsSplit
from xtl_jax.errors import UserError, near
from xtl_jax.metrics.metric import Metric

Role = Literal["intermediate", "target", "unsupervised"]
# ranking: the option with the highest log-likelihood is the answer, nothing is decoded.
# tagging: one tag a token. retrieval: nearest neighbours of sentence vectors.
# parallel: sentences and their translations, for encoders to learn from.
Kind = Literal[
    "qa", "classification", "ranking", "tagging", "retrieval", "text", "parallel"
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """The protocol card of a family: how it is used in the field, and its traps."""

    summary: str
    trains_on: str  # the English training set that zero-shot transfer uses
    selection: str  # what may choose a checkpoint
    normaliser: str  # what the scorer does to texts before it compares them
    licence: str
    homepage: str
    traps: str
    get: str  # how to get the files
    toy: bool = False  # generated for this project: numbers mean nothing elsewhere
    transform: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """How a retrieval family's queries find candidates by their sentence vectors.

    `nearest` takes the `top` candidates of highest cosine; `mining` pairs the sentences
    of two texts by margin, above a threshold that the validation split of the same
    language decides.
    """

    method: Literal["nearest", "mining"]
    top: int = 1  # ids of a prediction; mining finds at most one
    # Where all languages search the same candidates: the key of `languages` that holds
    # them and no query. It is no language: it is neither scored nor averaged.
    pool: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """One task over its languages."""

    name: str
    role: Role
    kind: Kind
    languages: tuple[str, ...]  # every key that can be built, pairs included
    standard_languages: tuple[str, ...]  # the ones that tables average
    files: Mapping[str, tuple[str, ...]]  # split -> release paths, tried in order
    read: Callable[..., Any]  # (path, language=, split=, options=, dropped=) -> rows
    prompt: Callable[[Any], Example]
    metric: Metric | None
    card: Card
    tfds: Mapping[str, TfdsSplit] = dataclasses.field(default_factory=dict)
    # What guessing scores on rows (context, reference), in percent of the metric's
    # primary value; for tasks whose labels do not tell.
    chance: Callable[..., float] | None = None  # (rows, language=)
    # (raw prediction, context=) -> scored text; None: by kind (prompts.postprocess).
    postprocess: Callable[..., str] | None = None
    labels: tuple[str, ...] = ()  # classification: target texts by class id
    # tagging: every tag there is; empty where only the training rows tell.
    tags: tuple[str, ...] = ()
    # tagging: (raw prediction, context=) -> tags, and what could not be placed.
    place: Callable[..., Placed] | None = None
    train_languages: tuple[str, ...] | None = None  # None: all that have `train`
    # Splits that only some languages have: split -> those languages.
    split_languages: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict
    )
    # Where the code of a language does not tell its files: language -> `{name}`.
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # As published, of the English or only language; asserted for release files.
    train_rows: int | None = None
    # Published rows elsewhere: key SPLIT or LANGUAGE/SPLIT.
    split_rows: Mapping[str, int] = dataclasses.field(default_factory=dict)
    # Files that several families share: split -> family whose file settings apply too.
    shares: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # Families whose rows, one family after another, are this one's where no file of its
    # own is named. Their file settings and row counts apply.
    parts: tuple[Family, ...] = ()
    # Whether `read` takes all paths of a split at once, as a sequence, not one by one.
    reads_together: bool = False
    # Targets whose log-likelihood is recorded for every example beside its answer.
    candidates: tuple[str, ...] = ()
    search: Search | None = None  # retrieval: how
    # Encoders: the family whose head this one trains, where they answer the same
    # question (a translation, the same rows in another text format); "" is its own.
    shares_head: str = ""

    def __post_init__(self) -> None:
        if self.kind == "classification" and not self.labels:
            raise ValueError(f"Family {self.name!r}: classification needs labels")
        if (self.kind == "retrieval") != (self.search is not None):
            raise ValueError(f"Family {self.name!r}: retrieval, and it alone, searches")
        if (self.kind == "tagging") != (self.place is not None):
            raise ValueError(f"Family {self.name!r}: tagging, and it alone, has places")
        extra = set(self.standard_languages) - set(self.languages)
        if extra:
            raise ValueError(
                f"Family {self.name!r}: standard languages {sorted(extra)} are not "
                "among its languages"
            )

    @property
    def head_name(self) -> str:
        """Name of the head that an encoder learns this family with."""
        shared = {"text": "masked_lm", "parallel": "contrastive"}
        return shared.get(self.kind) or self.shares_head or self.name

    def task_name(self, language: str) -> str:
        """`FAMILY`, or `FAMILY.LANGUAGE` where there are several languages."""
        self.check_language(language)
        return self.name if self.has_one_language else f"{self.name}.{language}"

    @property
    def has_one_language(self) -> bool:
        """Whether the language is left out of the task's name."""
        return len(self.languages) == 1

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that the release has, in the order train, validation, test.

        Of a family made of others: those that all of them have.
        """
        known = ("train", "validation", "test")
        if self.parts:
            return tuple(s for s in known if all(s in p.splits for p in self.parts))
        return tuple(s for s in known if s in self.files or s in self.tfds)

    @property
    def releases(self) -> tuple[Family, ...]:
        """The families whose files are read: itself, or those that it is made of."""
        return tuple(each for part in self.parts for each in part.releases) or (self,)

    def splits_of(self, language: str) -> tuple[str, ...]:
        """Splits that one language has; some families train in English only."""
        having = dict(self.split_languages)
        if self.train_languages is not None:
            having["train"] = self.train_languages
        return tuple(
            split
            for split in self.splits
            if language in having.get(split, self.languages)
        )

    def files_of(self, language: str, *, split: str) -> tuple[str, ...]:
        """Release paths of a split, tried in order, `{name}` filled in."""
        name = self.names.get(language, language)
        return tuple(path.replace("{name}", name) for path in self.files.get(split, ()))

    def check_language(self, language: str) -> None:
        """Refuse a language that the family lacks, with the near ones."""
        if language not in self.languages:
            raise UserError(
                f"{self.name} has no language {language!r}; near: "
                f"{near(language, self.languages)}; it has: "
                f"{', '.join(self.languages[:20])}"
                f"{', …' if len(self.languages) > 20 else ''}"
            )

    def check_split(self, split: str, *, language: str) -> None:
        """Refuse a split that the release lacks, saying what it has."""
        self.check_language(language)
        have = self.splits_of(language)
        if split not in have:
            why = (
                f" (it trains on {self.card.trains_on})"
                if split == "train" and self.card.trains_on
                else ""
            )
            raise UserError(
                f"{self.task_name(language)} has no split {split!r}{why}; it has: "
                f"{', '.join(have)}"
            )

    def rows_published(self, *, language: str, split: str) -> int | None:
        """Published number of rows of a split, or None where it is not stated."""
        default = self.split_rows.get(split)
        if split == "train" and (self.has_one_language or language == "en"):
            default = self.train_rows
        return self.split_rows.get(f"{language}/{split}", default)


def scored_language(language: str) -> str:
    """Language whose scorer applies: the context's, for a pair; without a treebank.

    Example:
        >>> scored_language("en-ar"), scored_language("sw"), scored_language("en_pud")
        ('en', 'sw', 'en')
    """
    language = language.partition("_")[0]
    return language.split("-")[0] if len(language) == 5 else language


__all__ = [
    "Card",
    "Family",
    "Kind",
    "ReadOptions",
    "Role",
    "Search",
    "scored_language",
]
