"""Training data that evaluation data is also made of.

An `Index` holds the texts of evaluation sets; training rows are streamed past it, so
memory is bounded by the evaluation sets however large the training data is. Found are,
by kind,

    question, context, sentence   the same text, whole, stands in training
    pair       the same two texts, or the same options, together
    id         the same question id: XQuAD's are SQuAD's, so a translated question shows
    passage    a tenth or more of a text's 13-word runs (`shingles.py`) stand somewhere
               in training, however paragraphs are cut there
    item       rows of the evaluation set with any of these

A tenth, because a shorter share is mostly phrases that many texts have: census figures
in Wikipedia's articles on towns make up 4 to 8 percent of some.

What is not found: a paraphrase, a translation under another id, a short phrase inside a
long text. So "none found" is no proof that there is none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from xtl_jax.data import shingles
from xtl_jax.data.rows import (
    ChoiceRow,
    PairRow,
    QuestionRow,
    RetrievalRow,
    Row,
    TaggedRow,
)

VERSION = 1  # of what counts as overlap: raise it when that changes
PASSAGE_SHARE = 0.1  # of a text's runs
_SHOWN = 3
_BATCH = 1 << 18  # units whose runs are hashed at once
_TABLE_BITS = 24  # of the table that tells most absent runs
_TABLE_SHIFT = np.uint64(64 - _TABLE_BITS)
_RECENT = 1024  # texts not looked at twice in a row: questions share their context


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overlap:
    """How many distinct evaluation texts (or items) of one kind occur in training."""

    kind: str  # item, passage, question, context, sentence, pair or id
    shared: int
    total: int  # in the evaluation set; of passages: texts long enough to have a run
    samples: tuple[str, ...]  # the first few; of a passage the words that were found


def texts(row: Row) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What of a row is compared: kind, and the text or texts that go together.

    Ids that are bare numbers count rows in a file, so they say nothing.

    Example:
        >>> list(texts(PairRow(id="1", first="A b.", second="B?", label="x")))
        [('pair', ('A b.', 'B?'))]
    """
    if isinstance(row, QuestionRow):
        yield "question", (row.question,)
        yield "context", (row.context,)
        if not row.id.isdigit():
            yield "id", (row.id,)
    elif isinstance(row, ChoiceRow):
        yield "pair", (row.context, row.question, *row.options)
    elif isinstance(row, PairRow):
        yield "pair", (row.first, row.second)
    elif isinstance(row, TaggedRow):
        yield "sentence", (" ".join(row.tokens),)
    elif isinstance(row, RetrievalRow):
        yield "sentence", (row.text,)
        if row.context:
            yield "context", (row.context,)
    else:
        yield "sentence", (row.text,)  # a whole line of plain text


def _class(kind: str) -> str:
    """Kinds that are compared with each other: a question may be a line of text."""
    return kind if kind in ("pair", "id") else "text"


def _cut(kind: str, parts: tuple[str, ...]) -> list[list[str]]:
    """Each part as units; an id stays as it is."""
    return [[part] if kind == "id" else shingles.units(part) for part in parts]


def _key(kind: str, cut: list[list[str]]) -> int:
    """A number that two texts share when they are the same to a reader."""
    return shingles.digest(
        f"{_class(kind)}: {' | '.join(' '.join(part) for part in cut)}"
    )


@dataclasses.dataclass(frozen=True)
class _Set:
    """One evaluation set: which of the index's texts are its own."""

    texts: range
    rows: tuple[tuple[int, ...], ...]  # numbers of each row's texts


class Index:
    """The texts of evaluation sets, to be looked for in training rows.

    Example:
        >>> seen = QuestionRow(id="a1", question="Who?", context="Ada was here.",
        ...                    answers=("Ada",), answer_starts=(0,))
        >>> asked = dataclasses.replace(seen, id="a2", question="who")
        >>> found = Index({"mine": [asked]}).search([seen])["mine"]
        >>> [(each.kind, each.shared, each.total) for each in found]
        [('item', 1, 1), ('question', 1, 1), ('context', 1, 1), ('id', 0, 1)]
    """

    def __init__(self, sets: Mapping[str, Iterable[Row]]) -> None:
        self._hasher = shingles.Hasher()
        self._texts: list[tuple[str, tuple[str, ...]]] = []  # kind and parts
        self._whole: dict[int, list[int]] = {}  # key -> numbers of texts
        hashes, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        self._sets = {
            name: self._add(rows, hashes, owners) for name, rows in sets.items()
        }
        # By entry, a run of one text: whose it is, and which of the distinct ones.
        self._owners = np.concatenate(owners)
        self._hashes, self._entries = np.unique(
            np.concatenate(hashes), return_inverse=True
        )
        self._runs = np.bincount(self._owners, minlength=len(self._texts))
        self._table = np.zeros(1 << _TABLE_BITS, bool)
        self._table[self._hashes >> _TABLE_SHIFT] = True

    def _add(
        self, rows: Iterable[Row], hashes: list[np.ndarray], owners: list[np.ndarray]
    ) -> _Set:
        first = len(self._texts)
        numbers: dict[tuple[str, int], int] = {}
        pending = _Pending()
        placed = []
        for row in rows:
            mine = []
            for kind, parts in texts(row):
                cut = _cut(kind, parts)
                key = _key(kind, cut)
                number = numbers.get((kind, key))
                if number is None:
                    number = numbers[kind, key] = len(self._texts)
                    self._texts.append((kind, parts))
                    self._whole.setdefault(key, []).append(number)
                    pending.add(cut, owner=number)
                mine.append(number)
            placed.append(tuple(mine))
            if pending.size > _BATCH:
                self._keep(pending, hashes, owners)
        self._keep(pending, hashes, owners)
        return _Set(range(first, len(self._texts)), tuple(placed))

    def _keep(
        self, pending: _Pending, hashes: list[np.ndarray], owners: list[np.ndarray]
    ) -> None:
        cut, whose = pending.take()
        runs = self._hasher.runs(cut)
        hashes.append(runs.hashes)
        owners.append(np.asarray(whose, np.int64)[runs.owners])

    def search(self, rows: Iterable[Row]) -> dict[str, list[Overlap]]:
        """What of each evaluation set stands in training rows, by kind.

        A kind that the training rows have nothing to compare with is left out.
        """
        whole = np.zeros(len(self._texts), bool)
        runs = np.zeros(len(self._hashes), bool)
        classes: set[str] = set()
        recent: set[tuple[str, ...]] = set()
        pending = _Pending()
        for row in rows:
            for kind, parts in texts(row):
                classes.add(_class(kind))
                if parts in recent:
                    continue
                if len(recent) >= _RECENT:
                    recent.clear()
                recent.add(parts)
                cut = _cut(kind, parts)
                whole[self._whole.get(_key(kind, cut), [])] = True
                pending.add(cut, owner=0)
            if pending.size > _BATCH:
                self._look_up(pending, runs)
        self._look_up(pending, runs)
        hits = np.bincount(
            self._owners[runs[self._entries]], minlength=len(self._texts)
        )
        passage = (hits > 0) & (hits >= PASSAGE_SHARE * self._runs)
        return {
            name: self._report(one, whole=whole, passage=passage, runs=runs, of=classes)
            for name, one in self._sets.items()
        }

    def _look_up(self, pending: _Pending, found: np.ndarray) -> None:
        """Mark the runs that the waiting texts have."""
        hashes = self._hasher.runs(pending.take()[0]).hashes
        hashes = hashes[self._table[hashes >> _TABLE_SHIFT]]
        if len(hashes):  # so the index has some too
            at = np.searchsorted(self._hashes, hashes) % len(self._hashes)
            found[at[self._hashes[at] == hashes]] = True

    def _report(
        self,
        one: _Set,
        *,
        whole: np.ndarray,
        passage: np.ndarray,
        runs: np.ndarray,
        of: set[str],
    ) -> list[Overlap]:
        by_kind: dict[str, list[int]] = {}
        for number in one.texts:
            by_kind.setdefault(self._texts[number][0], []).append(number)
        report = []
        if of & {"text", "pair"}:
            long = [number for number in one.texts if self._runs[number]]
            report.append(self._counted("passage", long, passage, runs))
        for kind, numbers in by_kind.items():
            if _class(kind) in of:
                report.append(self._counted(kind, numbers, whole, None))
        report = [each for each in report if each.total]
        if not report:
            return []
        either = whole | passage
        touched = [row for row in one.rows if either[list(row)].any()]
        firsts = [next(n for n in row if either[n]) for row in touched[:_SHOWN]]
        samples = tuple(map(self._shown, firsts))
        items = Overlap(
            kind="item", shared=len(touched), total=len(one.rows), samples=samples
        )
        return [items, *report]

    def _counted(
        self,
        kind: str,
        numbers: list[int],
        found: np.ndarray,
        runs: np.ndarray | None,
    ) -> Overlap:
        shared = [number for number in numbers if found[number]]
        samples = [
            self._shown(number) if runs is None else self._first_run(number, runs)
            for number in shared[:_SHOWN]
        ]
        return Overlap(
            kind=kind, shared=len(shared), total=len(numbers), samples=tuple(samples)
        )

    def _shown(self, number: int) -> str:
        return " | ".join(part for part in self._texts[number][1] if part)

    def _first_run(self, number: int, found: np.ndarray) -> str:
        """The words of a text's first run that stands in training."""
        for cut in _cut(*self._texts[number]):
            runs = self._hasher.runs([cut])
            at = np.searchsorted(self._hashes, runs.hashes)
            for index in np.flatnonzero(found[at])[:1]:
                start = runs.starts[index]
                return shingles.spelled(cut[start : start + runs.sizes[index]])
        raise AssertionError("a passage that was found has a run that was found")


class _Pending:
    """Texts that wait to be hashed together, and whose they are."""

    def __init__(self) -> None:
        self.size = 0
        self._texts: list[list[str]] = []
        self._owners: list[int] = []

    def add(self, parts: Iterable[list[str]], *, owner: int) -> None:
        """Those long enough to hold a run."""
        for part in parts:
            if len(part) >= shingles.WORDS:
                self._texts.append(part)
                self._owners.append(owner)
                self.size += len(part)

    def take(self) -> tuple[list[list[str]], list[int]]:
        """All of them; none are left."""
        taken = self._texts, self._owners
        self.__init__()
        return taken
