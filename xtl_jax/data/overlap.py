"""Training data that evaluation data is also made of.

Texts are compared after normalisation: compatibility forms united, case folded,
everything but letters and digits taken for a space. Found are

    question   the same question is asked in training
    context    the same paragraph; in plain training text, anywhere inside a document
    pair       the same two texts, as premise and hypothesis or as paraphrases
    id         the same question id: XQuAD's are SQuAD's, so a translated question shows

What is not found: a paraphrase, a paragraph cut differently, a translation under
another id. So "none found" is no proof that there is none.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Iterator

from xtl_jax.data.rows import (
    ChoiceRow,
    PairRow,
    QuestionRow,
    Row,
    TaggedRow,
    TextRow,
)

_SHOWN = 3
_SHORTEST = 40  # characters of a context that is looked for inside documents
_BETWEEN = re.compile(r"[\W_]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overlap:
    """How many distinct evaluation texts of one kind occur in training."""

    kind: str  # question, context, pair or id
    shared: int
    total: int  # distinct ones in the evaluation set
    samples: tuple[str, ...]  # the first few, as they stand in the evaluation set


def normalised(text: str) -> str:
    """What two texts have in common when they are the same to a reader.

    Example:
        >>> normalised("  “Where is Ａda’s HOUSE?” ")
        'where is ada s house'
    """
    return _BETWEEN.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def texts(row: Row) -> Iterator[tuple[str, str]]:
    """What of a row is compared: (kind, text).

    Example:
        >>> list(texts(PairRow(id="1", first="A b.", second="B?", label="x")))
        [('pair', 'A b. | B?')]
    """
    if isinstance(row, QuestionRow):
        yield "question", row.question
        yield "context", row.context
        yield "id", row.id
    elif isinstance(row, ChoiceRow):
        yield "pair", f"{row.context} {row.question} | {' '.join(row.options)}"
    elif isinstance(row, TaggedRow):
        yield "context", " ".join(row.tokens)
    elif isinstance(row, PairRow):
        yield "pair", f"{row.first} | {row.second}"
    else:
        yield "text", row.text


class Training:
    """The texts of a training split, to hold evaluation sets against."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._seen: dict[str, set[str]] = {}
        documents = []
        for row in rows:
            for kind, text in texts(row):
                if isinstance(row, TextRow):
                    documents.append(normalised(text))
                else:
                    self._seen.setdefault(kind, set()).add(_key(kind, text))
        self._documents = "\n".join(documents)

    def overlap(self, rows: Iterable[Row]) -> list[Overlap]:
        """What of an evaluation split was seen, by kind; kinds not comparable are out.

        Example:
            >>> seen = QuestionRow(id="1", question="Who?", context="Ada was here.",
            ...                    answers=("Ada",), answer_starts=(0,))
            >>> asked = dataclasses.replace(seen, id="2", question="who")
            >>> [(o.kind, o.shared, o.total) for o in Training([seen]).overlap([asked])]
            [('question', 1, 1), ('context', 1, 1), ('id', 0, 1)]
        """
        distinct: dict[str, dict[str, str]] = {}
        for row in rows:
            for kind, text in texts(row):
                distinct.setdefault(kind, {}).setdefault(_key(kind, text), text)
        found = []
        for kind, by_key in distinct.items():
            if not (kind in self._seen or (kind == "context" and self._documents)):
                continue
            shared = [text for key, text in by_key.items() if self._has(kind, key)]
            found.append(
                Overlap(
                    kind=kind,
                    shared=len(shared),
                    total=len(by_key),
                    samples=tuple(shared[:_SHOWN]),
                )
            )
        return found

    def _has(self, kind: str, key: str) -> bool:
        if key in self._seen.get(kind, ()):
            return True
        return kind == "context" and len(key) >= _SHORTEST and key in self._documents


def _key(kind: str, text: str) -> str:
    return text if kind == "id" else normalised(text)
