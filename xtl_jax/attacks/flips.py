"""Pieces of words exchanged by the gradient's advice, and triggers made of such pieces.

With g the slope of how sure a model is by the vector of a token, and E the vectors of
all pieces, exchanging the piece `old` for `new` changes that number by about

    (E[new] - E[old]) · g

Only exchanges that are texts count: `new` is made of letters of the script of `old`,
begins a word where `old` does, and the changed text tokenises into the old pieces with
that one in their place. The number is a guess; a model is asked about the best k of
them, and what it says decides.

    >>> from types import SimpleNamespace
    >>> listed = ["<s>", "▁the", "▁cat", "▁кот", "s", "▁7"]
    >>> vocabulary = SimpleNamespace(size=6, piece=listed.__getitem__)
    >>> [piece.text for piece in pieces(vocabulary)]
    ['the', 'cat', 'кот', 's']

Neither knows what a text means: an exchanged word may change what is right, so these
are probes of a model, while the attacks of the catalogue keep labels.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from xtl_jax.attacks import texts, words
from xtl_jax.attacks.attack import Attacked, Edit
from xtl_jax.attacks.search import Asked, Found
from xtl_jax.data.rows import PairRow, QuestionRow, Row

_LOOKED_AT = 16  # exchanges for each that is asked about: not all are texts
_TOKENS = 4  # that the exchanges that are asked about are of, at least
_SPACE = "\u2581"  # SentencePiece's mark of a word's beginning
KINDS = (QuestionRow, PairRow)
# Where a trigger goes, unless told.
TRIGGERED = {QuestionRow: "context", PairRow: "second"}


class Pieced(Protocol):
    """The part of a vocabulary that is needed."""

    size: int

    def piece(self, token: int) -> str:
        """How an id looks, with the mark of a word's beginning."""
        ...


class Tokeniser(Pieced, Protocol):
    """A vocabulary that cuts texts."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        ...


class Piece(NamedTuple):
    """A piece of a word that could stand for another."""

    token: int
    text: str
    begins: bool  # a word
    script: str


class Sloped(NamedTuple):
    """A token of a row's text, and the slope of how sure the model is by its vector."""

    field: str
    start: int  # characters in the field's text
    end: int
    token: int
    slope: np.ndarray  # [embed]


# Rows to the tokens of each, as far as the model reads them.
Slopes = Callable[[Sequence[Row]], Sequence[Sequence[Sloped]]]


def pieces(vocabulary: Pieced) -> list[Piece]:
    """All pieces that are made of letters of one script."""
    found = []
    for token in range(vocabulary.size):
        piece = vocabulary.piece(token)
        text = piece.removeprefix(_SPACE)
        if text.isalpha() and not text.startswith("<"):
            scripts = {words.script(character) for character in text}
            if len(scripts) == 1:
                found.append(Piece(token, text, piece != text, scripts.pop()))
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """The pieces that may stand in a text, with their vectors."""

    vocabulary: Any  # Tokeniser
    vectors: np.ndarray  # [vocab, embed], of all ids
    groups: Mapping[tuple[str, bool], tuple[np.ndarray, tuple[str, ...]]]

    @classmethod
    def of(cls, vocabulary: Any, vectors: np.ndarray) -> Table:
        """Pieces in groups that may stand for each other: by script and beginning."""
        groups: dict[tuple[str, bool], list[Piece]] = {}
        for piece in pieces(vocabulary):
            groups.setdefault((piece.script, piece.begins), []).append(piece)
        return cls(
            vocabulary=vocabulary,
            vectors=vectors,
            groups={
                key: (np.array([p.token for p in group]), tuple(p.text for p in group))
                for key, group in groups.items()
            },
        )

    def best(
        self, slope: np.ndarray, *, group: tuple[str, bool], old: int | None, k: int
    ) -> list[tuple[float, int, str]]:
        """The k pieces of a group that should lower the number most: change, id, text.

        Args:
            slope: at the token, [embed].
            group: script, and whether it begins a word.
            old: the id that stands there; None counts changes from nothing.
            k: how many.
        """
        if group not in self.groups:
            return []
        ids, listed = self.groups[group]
        change = self.vectors[ids] @ slope
        if old is not None:
            change = change - self.vectors[old] @ slope
        chosen = np.argsort(change, kind="stable")[:k]
        return [(float(change[i]), int(ids[i]), listed[i]) for i in chosen]


@dataclasses.dataclass
class _State:
    """A row on its way."""

    clean: Row
    row: Row
    before: float
    sure: float
    left: dict[str, int]  # words of each field that may still change
    changed: dict[str, set[int]]  # numbers of the words that did
    is_done: bool = False


def hotflip(
    rows: Sequence[Row],
    *,
    language: str,
    budget: float,
    k: int,
    asked: Asked,
    slopes: Slopes,
    table: Table,
    fields: Sequence[str] = (),
) -> list[Found]:
    """One piece after another is exchanged, each word once, while that hurts.

    Args:
        rows: clean questions or pairs.
        language: of them.
        budget: the share of each field's words that may change, at least one.
        k: exchanges that the model is asked about at a time.
        asked: the model.
        slopes: of rows, by the model.
        table: the pieces of the model.
        fields: of rows, to keep it from the others; empty for all.
    """
    found: list[Found | None] = [None] * len(rows)
    states: dict[int, _State] = {}
    able = [number for number, row in enumerate(rows) if isinstance(row, KINDS)]
    before = dict(zip(able, asked([rows[number] for number in able]), strict=True))
    for number, row in enumerate(rows):
        if number not in before:
            why = f"hotflip does not apply to a {type(row).__name__}"
            found[number] = Found(attacked=Attacked(row=row, not_applied=why))
            continue
        left = {
            text.field: max(1, int(budget * len(words.words(text.value, language))))
            for text in texts.texts(row, fields=fields)
        }
        sure = before[number]
        changed: dict[str, set[int]] = {field: set() for field in left}
        states[number] = _State(
            row, row, sure, sure, left, changed, asked.is_wrong(sure)
        )
    while waiting := [state for state in states.values() if not state.is_done]:
        advised = slopes([state.row for state in waiting])
        tried = [
            _exchanges(state, of_row, language=language, k=k, table=table)
            for state, of_row in zip(waiting, advised, strict=True)
        ]
        said = iter(asked([row for of_row in tried for row, _, _ in of_row]))
        for state, of_row in zip(waiting, tried, strict=True):
            sure = [next(said) for _ in of_row]
            if not sure or min(sure) >= state.sure:
                state.is_done = True
                continue
            best = min(range(len(sure)), key=sure.__getitem__)
            state.row, field, word = of_row[best]
            state.sure = sure[best]
            state.left[field] -= 1
            state.changed[field].add(word)
            state.is_done = asked.is_wrong(state.sure) or not any(state.left.values())
    for number, state in states.items():
        found[number] = _ended(state, language=language, asked=asked)
    return [each for each in found if each is not None]


def _exchanges(
    state: _State,
    tokens: Sequence[Sloped],
    *,
    language: str,
    k: int,
    table: Table,
) -> list[tuple[Row, str, int]]:
    """The best k texts with one piece exchanged: row, field and number of the word."""
    guesses: list[tuple[float, Sloped, str, int, int]] = []
    of_field = {text.field: text for text in texts.texts(state.row)}
    spans = {
        field: words.words(text.value, language) for field, text in of_field.items()
    }
    for token in tokens:
        if not state.left.get(token.field) or token.start == token.end:
            continue
        text = of_field[token.field]
        word = _word_at(spans[token.field], token.start, token.end)
        fixed = any(
            token.start < end and start < token.end for start, end in text.fixed
        )
        if word is None or fixed or word in state.changed[token.field]:
            continue
        old = text.value[token.start : token.end]
        scripts = {words.script(character) for character in old}
        if not old.isalpha() or len(scripts) != 1:
            continue
        begins = table.vocabulary.piece(token.token).startswith(_SPACE)
        for change, new, letters in table.best(
            token.slope, group=(scripts.pop(), begins), old=token.token, k=k
        ):
            if change < 0 and letters != old:
                guesses.append((change, token, letters, new, word))
    guesses.sort(key=lambda guess: guess[0])
    found: list[tuple[Row, str, int]] = []
    of_token: collections.Counter[tuple[str, int]] = collections.Counter()
    for _, token, letters, new, word in guesses[: _LOOKED_AT * k]:
        place = (token.field, token.start)
        if of_token[place] == max(1, k // _TOKENS):
            continue  # the guess is one of the first order: look at other places too
        text = of_field[token.field].value
        changed = text[: token.start] + letters + text[token.end :]
        same_words = len(words.words(changed, language)) == len(spans[token.field])
        if same_words and _reads_as(table.vocabulary, text, changed, token.token, new):
            edit = Edit(token.field, 0, token.start, token.end, letters)
            of_token[place] += 1
            found.append((texts.edited(state.row, [edit]), token.field, word))
            if len(found) == k:
                break
    return found


def _reads_as(
    vocabulary: Tokeniser, old: str, new: str, before: int, after: int
) -> bool:
    """Whether two texts are the same pieces but for one."""
    first, second = vocabulary.encode(old), vocabulary.encode(new)
    if len(first) != len(second):
        return False
    differing = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    return differing == [(before, after)]


def _word_at(spans: Sequence[tuple[int, int]], start: int, end: int) -> int | None:
    """The number of the word that a token is part of."""
    for number, (first, last) in enumerate(spans):
        if first <= start and end <= last:
            return number
    return None


def _ended(state: _State, *, language: str, asked: Asked) -> Found:
    edits = []
    for field, numbers in state.changed.items():
        old, new = getattr(state.clean, field), getattr(state.row, field)
        before, after = words.words(old, language), words.words(new, language)
        edits += [
            Edit(field, 0, *before[word], new[slice(*after[word])])
            for word in sorted(numbers)
        ]
    spared = ""
    if not edits:
        spared = "the model was wrong before"
        if not asked.is_wrong(state.before):
            spared = "no exchange of a piece made the model less sure"
    return Found(
        attacked=Attacked(row=state.row, edits=tuple(edits)),
        queries=asked.queries[state.clean.id],
        before=state.before,
        after=state.sure,
        spared=spared,
    )


class Trigger(NamedTuple):
    """Words that are put before every text of a field."""

    field: str
    text: str  # with the space behind it, where the language has one
    before: float  # mean sureness of the rows it was found on, without it
    after: float  # and with it
    queries: int


def find_trigger(
    rows: Sequence[Row],
    *,
    language: str,
    tokens: int,
    k: int,
    rounds: int,
    asked: Asked,
    slopes: Slopes,
    table: Table,
    fields: Sequence[str] = (),
) -> Trigger | str:
    """The words that, before every text of a field, make the model least sure.

    From a frequent word repeated, one word after another is exchanged for the best of
    the k that the mean slope names, by the mean of what the model says.

    Args:
        rows: that it is found on; not those that it is tried on.
        language: of them.
        tokens: words of the trigger.
        k: words that the model is asked about at each place.
        rounds: times that every place is gone through at most.
        asked: the model.
        slopes: of rows, by the model.
        table: the pieces of the model.
        fields: the field, if not the context of questions or the second text of pairs.

    Returns:
        The trigger, or why there is none.
    """
    rows = [row for row in rows if isinstance(row, KINDS)]
    if not rows:
        return "universal_trigger is for questions and pairs"
    field = fields[0] if fields else TRIGGERED[type(rows[0])]
    spaced = language not in words.UNSPACED
    letters = [c for row in rows for c in getattr(row, field) if c.isalpha()]
    scripts = [words.script(character) for character in letters[:2000]]
    script = max(sorted(set(scripts)), key=scripts.count) if scripts else ""
    group = (script, spaced)
    if group not in table.groups:
        return f"the vocabulary has no word of letters in the script of {language!r}"
    chosen = [table.groups[group][1][0]] * tokens
    before = float(np.mean(asked(rows)))
    first = _text(chosen, spaced)
    best = float(np.mean(asked([put(row, field, first) for row in rows])))
    for _ in range(rounds):
        improved = False
        for place in range(tokens):
            text = _text(chosen, spaced)
            begin = len(_text(chosen[:place], spaced))
            end = begin + len(chosen[place])
            said = slopes([put(row, field, text) for row in rows])
            slope = np.sum(
                [
                    token.slope
                    for of_row in said
                    for token in of_row
                    if token.field == field and token.start < end and begin < token.end
                ],
                axis=0,
            )
            if not np.ndim(slope):
                continue  # no text is long enough for the model to see it
            for _, _, word in table.best(slope, group=group, old=None, k=k):
                tried = [*chosen[:place], word, *chosen[place + 1 :]]
                changed = [put(row, field, _text(tried, spaced)) for row in rows]
                mean = float(np.mean(asked(changed)))
                if mean < best:
                    best, chosen, improved = mean, tried, True
        if not improved:
            break
    return Trigger(
        field=field,
        text=_text(chosen, spaced),
        before=before,
        after=best,
        queries=sum(asked.queries.values()),
    )


def put(row: Row, field: str, text: str) -> Row:
    """A row with a text before one of its fields; answers move along."""
    return texts.edited(row, [Edit(field, 0, 0, 0, text)])


def _text(chosen: Sequence[str], spaced: bool) -> str:
    """Words of a trigger as they stand before a text."""
    space = " " if spaced else ""
    return "".join(word + space for word in chosen)
