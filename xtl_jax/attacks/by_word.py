"""Word attacks: a share of a text's places, each changed by itself.

Every field of the row has its own share: of `n` words, `max(1, floor(share × n))` are
changed at most, each once. The words are drawn in an order that the seed decides; one
that cannot be changed, or that overlaps a gold answer, is passed over. Words of answers
count among the `n`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from xtl_jax.attacks import texts, words
from xtl_jax.attacks.attack import Attacked, Budget, Edit, Place, Resources
from xtl_jax.attacks.texts import Text
from xtl_jax.data.rows import Row, TaggedRow

SHARE_OF_WORDS = Budget(
    means="the share of each field's words that are changed, at least one word",
    default=0.1,
    largest=1.0,
)

ALL_WORDS = dataclasses.replace(SHARE_OF_WORDS, default=1.0)

# The places of a text that an attack may look at, as spans.
Finder = Callable[[str, str], list[tuple[int, int]]]


class Alter(Protocol):
    """One word changed; None where this attack cannot change it."""

    def __call__(
        self, word: str, *, around: str, language: str, rng: random.Random
    ) -> str | None:
        """The changed word.

        Args:
            word: what stands at the place.
            around: the whole text, to draw letters from.
            language: the code of its language.
            rng: all randomness.
        """
        ...


@dataclasses.dataclass(frozen=True)
class ByWord:
    """A word attack: where it looks, and what it does there."""

    alter: Alter
    find: Finder = words.words
    nothing: str = "it has no word that this attack can change"

    def perturb(
        self,
        row: Row,
        *,
        name: str,
        language: str,
        seed: int,
        budget: float,
        resources: Resources,
        fields: Sequence[str],
    ) -> Attacked:
        """The row with a share of its words changed."""
        del resources
        edits: list[Edit] = []
        found = texts.texts(row, fields=fields)
        for field in dict.fromkeys(text.field for text in found):
            group = [text for text in found if text.field == field]
            rng = random.Random(f"{seed}/{name}/{row.id}/{field}")
            edits += self._field(group, language=language, rng=rng, share=budget)
        return texts.changed(row, sorted(edits), otherwise=self.nothing)

    def _field(
        self,
        group: Sequence[Text],
        *,
        language: str,
        rng: random.Random,
        share: float,
    ) -> list[Edit]:
        """The edits of one field, whose texts are one, or the tokens of a sentence."""
        spans = [
            (which, start, end)
            for which, text in enumerate(group)
            for start, end in self._spans(text, language)
        ]
        most = max(1, int(share * len(spans)))
        edits: list[Edit] = []
        for position in _shuffled(len(spans), rng):
            which, start, end = spans[position]
            text = group[which]
            if _touches(text.fixed, start, end):
                continue
            new = self._new(text.value, (start, end), text.field, language, rng)
            if new is not None:
                edits.append(Edit(text.field, text.index, start, end, new))
                if len(edits) == most:
                    break
        return edits

    def _new(
        self,
        text: str,
        span: tuple[int, int],
        field: str,
        language: str,
        rng: random.Random,
    ) -> str | None:
        """What comes to stand at a place; None where it would stay as it is.

        A token stays one token: it is not emptied and gets no white space.
        """
        word = text[slice(*span)]
        new = self.alter(word, around=text, language=language, rng=rng)
        if new is None or new == word:
            return None
        return None if field == "tokens" and new.split() != [new] else new

    def _spans(self, text: Text, language: str) -> list[tuple[int, int]]:
        """The places of a text; a token is one place, whatever it is made of."""
        spans = self.find(text.value, language)
        if text.field == "tokens":
            return [(0, len(text.value))] if spans else []
        return spans

    def places(
        self, row: Row, *, language: str, resources: Resources, fields: Sequence[str]
    ) -> tuple[Place, ...]:
        """The words of the row that no gold answer overlaps."""
        return tuple(
            Place(text.field, text.index, start, end)
            for text in texts.texts(row, fields=fields)
            for start, end in self._spans(text, language)
            if not _touches(text.fixed, start, end)
        )

    def candidates_at(
        self,
        row: Row,
        place: Place,
        *,
        name: str,
        language: str,
        seed: int,
        k: int,
        resources: Resources,
    ) -> tuple[Attacked, ...]:
        """Up to `k` rows with another word at `place`; tries 4 times as often."""
        del resources
        value = getattr(row, place.field)
        value = value[place.index] if isinstance(row, TaggedRow) else value
        span = (place.start, place.end)
        rng = random.Random(f"{seed}/{name}/{row.id}/{place}")
        found: dict[str, None] = {}
        for _ in range(4 * k):
            new = self._new(value, span, place.field, language, rng)
            if new is not None:
                found[new] = None
            if len(found) == k:
                break
        edits = [Edit(*place, text=new) for new in found]
        return tuple(
            Attacked(row=texts.edited(row, [edit]), edits=(edit,)) for edit in edits
        )


def _touches(fixed: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Whether a place overlaps, or splits, a stretch that must stay."""
    return any(start < last and first < end for first, last in fixed)


def _shuffled(count: int, rng: random.Random) -> Iterator[int]:
    """The numbers below `count` in random order, drawn one by one."""
    moved: dict[int, int] = {}
    for position in range(count):
        chosen = position + int(rng.random() * (count - position))
        yield moved.get(chosen, chosen)
        moved[chosen] = moved.get(position, position)
