"""From the rows of any task to what an encoder reads: tokens and a label.

A task says nothing more for an encoder than it does for mT5. What kind of rows it has
decides the kind of *head*, the small layer that answers, and so the labels:

    rows            head             inputs                     label
    PairRow         classification   first, second              class of the pair
    ChoiceRow       choice           context + question, and    the right option
                                     an option: one input each
    QuestionRow     span             question, context          first and last token
    TaggedRow       tagging          the words                  a tag on each word
    TextRow         masked_lm        a piece of the text        hidden when it is read
    RetrievalRow    none             the text                   none: vectors only
    the same, of    contrastive      a sentence, and its        none: the two belong
     translations                    translation                together

The class of a pair is the place of its mT5 target among the family's labels. Tasks
that list options for mT5 and those that rank them (`_rank`) are the same here, and so
are the two formats of entity tagging. COPA asks for a `cause` or an `effect`; its
questions are put in the words that its authors asked people with.

A store (`store`) of these is made for one input length. Its `inputs` are whole inputs
without padding, and its `targets` the labels as numbers:

    classification  [class]
    choice          [answer, tokens of input 1, …, of input n]; the inputs are joined
    span            [first, last], 0 and 0: no answer here           (`labelled_spans`)
    tagging         one for each token, -1: none                      (`labelled_tags`)
    masked_lm, vectors   []
    contrastive     [tokens of input 1, of input 2]                (`labelled_pairs`)

A change of what is made here needs another `VERSION`.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol, TypeVar

from xtl_jax.data import (
    labelled_pairs,
    labelled_spans,
    labelled_tags,
    multiple_choice,
)
from xtl_jax.data.encoder_layout import SEPARATOR, SINGLE, Joined, Layout
from xtl_jax.data.prompts import Example
from xtl_jax.data.rows import ChoiceRow, PairRow, RetrievalRow, TextRow
from xtl_jax.data.store import Example as Stored
from xtl_jax.errors import UserError

VERSION = 1

# What a batch of a task asks for; "contrastive" alone has no head to answer with.
HeadKind = Literal[
    "classification", "choice", "span", "tagging", "masked_lm", "contrastive"
]
RowT = TypeVar("RowT")

_ROWS = 1024  # tokenised at a time
_SHORTEST_TEXT = 2  # tokens: one is hidden, one is left
# The questions of COPA's experiments (Roemmele et al. 2011).
_COPA = {
    "cause": "What was the cause of this?",
    "effect": "What happened as a result?",
}


class Task(Protocol):
    """The part of a family of the catalogue that is needed here."""

    @property
    def name(self) -> str:
        """Of the family."""
        ...

    @property
    def kind(self) -> str:
        """What it is for mT5."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Of a classification: mT5's targets by class."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """Of tagging: all tags there are; empty where only the training rows tell."""
        ...

    @property
    def prompt(self) -> Callable[[Any], Example]:
        """mT5's text of a row."""
        ...


def kind_of(family: Task) -> HeadKind | None:
    """The kind of head that a family needs; None: sentence vectors, no head."""
    kinds: dict[str, HeadKind | None] = {
        "qa": "span",
        "classification": "classification",
        "ranking": "choice",
        "tagging": "tagging",
        "text": "masked_lm",
        "retrieval": None,
        "parallel": "contrastive",
    }
    options = multiple_choice.choices(len(family.labels))
    if family.kind == "classification" and family.labels == options:
        return "choice"
    return kinds[family.kind]


def declared_labels(family: Task) -> tuple[str, ...]:
    """Labels by class, as far as the family itself says them.

    Empty for heads without labels, and for a tag set that only the training rows tell.
    """
    kind = kind_of(family)
    if kind == "classification":
        return family.labels
    return family.tags if kind == "tagging" else ()


def found_tags(tagged: Iterable[Any]) -> tuple[str, ...]:
    """All tags of some sentences, in alphabetical order, rare ones too."""
    return tuple(sorted({tag for row in tagged for tag in row.tags}))


def asked(row: ChoiceRow) -> str:
    """What options answer: the context and the question, whatever there is of them.

    Example:
        >>> row = ChoiceRow(id="1", context="It rained.", question="effect",
        ...                 options=("I sat.", "I got wet."), answer=1)
        >>> asked(row)
        'It rained. What happened as a result?'
    """
    question = _COPA.get(row.question, row.question)
    return " ".join(filter(None, (row.context, question)))


def examples(
    rows: Iterable[Any],
    *,
    family: Task,
    task: str,
    split: str,
    layout: Layout,
    labels: tuple[str, ...],
    keep_text: bool,
    card: dict[str, Any],
) -> Iterator[Stored]:
    """The rows of a split as a store keeps them.

    Args:
        rows: of the split, in order.
        family: which task.
        task: its name with the language, for errors.
        split: likewise.
        layout: of inputs.
        labels: by class; of classification and tagging.
        keep_text: whether examples keep what evaluation needs (`meta`).
        card: of the store: `counts` and `cut_share` are put into it, which are complete
            when the last example has been taken.

    Raises:
        UserError: a row that cannot be labelled, or of which nothing is left in tokens.
    """
    counts: collections.Counter[str] = collections.Counter()
    card["counts"] = counts

    def place(row: Any) -> str:
        return f"{task} {split}, example {row.id!r}"

    kind = kind_of(family)
    made: Iterator[Stored]
    if kind == "span":
        made = labelled_spans.examples(
            rows,
            layout=layout,
            prompt=family.prompt,
            keep_text=keep_text,
            counts=counts,
            place=place,
        )
    elif kind == "contrastive":
        made = labelled_pairs.examples(rows, layout=layout, counts=counts, place=place)
    elif kind == "tagging":
        made = labelled_tags.examples(
            rows,
            layout=layout,
            labels=labels,
            prompt=family.prompt,
            keep_text=keep_text,
            counts=counts,
        )
    else:
        make = _Maker(family, layout=layout, counts=counts, place=place)
        makers: dict[str | None, Callable[[list[Any]], Iterator[Stored]]] = {
            "classification": make.pairs,
            "choice": make.choices,
            "masked_lm": make.pieces,
            None: make.sentences,
        }
        made = (each for part in _parts(rows) for each in makers[kind](part))
    for example in made:
        if keep_text:
            yield example
        else:
            yield {name: example[name] for name in ("inputs", "targets")}
    whole = counts["words" if kind == "tagging" else "rows"]
    card["cut_share"] = counts["cut"] / whole if whole else 0.0


def _parts(rows: Iterable[RowT]) -> Iterator[list[RowT]]:
    left = iter(rows)
    while part := list(itertools.islice(left, _ROWS)):
        yield part


class _Maker:
    """Examples of rows that are one example each, some rows at a time."""

    def __init__(
        self,
        family: Task,
        *,
        layout: Layout,
        counts: collections.Counter[str],
        place: Callable[[Any], str],
    ) -> None:
        self._family = family
        self._layout = layout
        self._counts = counts
        self._place = place
        self._encode = layout.vocabulary.encode_batch
        self._options = 0

    def _count(self, row: Any, *inputs: Joined) -> None:
        """Counts a row; refuses one of which nothing is left."""
        if not all(each.texts for each in inputs):
            raise UserError(
                f"{self._place(row)}: its text has no token, so nothing could be read "
                "in it; mend or remove the row in the source file"
            )
        self._counts["rows"] += 1
        self._counts["cut"] += any(each.is_cut for each in inputs)

    def pairs(self, rows: list[PairRow]) -> Iterator[Stored]:
        """Two texts and the class of their relation."""
        family = self._family
        firsts = self._encode([row.first for row in rows])
        seconds = self._encode([row.second for row in rows])
        for row, first, second in zip(rows, firsts, seconds, strict=True):
            example = family.prompt(row)
            if example.targets not in family.labels:
                raise UserError(
                    f"{self._place(row)}: its label {example.targets!r} is none of "
                    f"{', '.join(family.labels)}"
                )
            joined = self._layout.pair(first, second)
            self._count(row, joined)
            yield {
                "inputs": joined.tokens,
                "targets": [family.labels.index(example.targets)],
                "meta": _meta(example, f"{row.first}{SEPARATOR}{row.second}"),
            }

    def choices(self, rows: list[ChoiceRow]) -> Iterator[Stored]:
        """What is asked beside each of its options."""
        questions = self._encode([asked(row) for row in rows])
        options = iter(
            self._encode([option.strip() for row in rows for option in row.options])
        )
        for row, question in zip(rows, questions, strict=True):
            self._options = self._options or len(row.options)
            if len(row.options) != self._options:
                raise UserError(
                    f"{self._place(row)}: has {len(row.options)} options, the rows "
                    f"before it {self._options}; all rows of a task need as many"
                )
            joined = [self._layout.pair(question, next(options)) for _ in row.options]
            self._count(row, *joined)
            meta = _meta(self._family.prompt(row), asked(row))
            meta["options"] = [option.strip() for option in row.options]
            yield {
                "inputs": [token for each in joined for token in each.tokens],
                "targets": [row.answer, *(len(each.tokens) for each in joined)],
                "meta": meta,
            }

    def sentences(self, rows: list[RetrievalRow]) -> Iterator[Stored]:
        """A text that is turned into a vector."""
        made = [self._family.prompt(row) for row in rows]
        texts = self._encode([example.inputs for example in made])
        for row, example, text in zip(rows, made, texts, strict=True):
            joined = self._layout.single(text)
            self._count(row, joined)
            yield {
                "inputs": joined.tokens,
                "targets": [],
                "meta": _meta(example, example.inputs),
            }

    def pieces(self, rows: list[TextRow]) -> Iterator[Stored]:
        """A text in pieces that fill an input; words of them are hidden later."""
        room = self._layout.length - SINGLE
        texts = self._encode([row.text for row in rows])
        for row, text in zip(rows, texts, strict=True):
            self._counts["rows"] += 1
            for begin in range(0, len(text), room):
                piece = text[begin : begin + room]
                if len(piece) < _SHORTEST_TEXT:
                    self._counts["left_out"] += 1
                    continue
                self._counts["windows"] += 1
                yield {
                    "inputs": self._layout.single(piece).tokens,
                    "targets": [],
                    "meta": {"id": row.id},
                }


def _meta(example: Example, inputs: str) -> dict[str, Any]:
    """Text of an example, under the names that mT5's stores have."""
    meta: dict[str, Any] = {
        "id": example.id,
        "inputs": inputs,
        "targets": example.targets,
        "references": list(example.references),
        "context": example.context or None,
    }
    if example.side:
        meta["side"] = example.side
    return meta
