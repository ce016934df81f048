"""The sampled world: who could live where, and in which split it may be said.

A *fact* is (person, relation, value), such as (anna, home, paris). The world does not
settle once and for all where Anna lives: each text is a page of its own in which she
lives somewhere, so that a reader has to read. What the world settles, from its seed, is
the split in which each fact may occur: a fact of `test` is stated in no text, no
context and no hypothesis of `train` or `validation`, in any language.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from xtl_jax.world import language
from xtl_jax.world.lexicons import LEXICONS

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SHARES: Mapping[Split, float] = {"train": 0.5, "validation": 0.25, "test": 0.25}


class Fact(NamedTuple):
    """One thing that may be true of a person; keys, not words."""

    person: str
    relation: str
    value: str

    @property
    def category(self) -> str:
        """Category of the value: city, job, year, food, tongue or thing."""
        return language.RELATIONS[self.relation]


class World:
    """The facts of one seed, dealt out to splits."""

    def __init__(self, *, seed: int) -> None:
        """Deal the values of every person and relation to the three splits."""
        self.seed = seed
        rng = random.Random(f"world {seed}")
        self._values: dict[tuple[Split, str, str], tuple[str, ...]] = {}
        for relation, category in language.RELATIONS.items():
            for person in language.PEOPLE:
                values = list(values_of(category))
                rng.shuffle(values)
                first = 0
                for split in SPLITS:
                    last = first + round(len(values) * SHARES[split])
                    self._values[split, relation, person] = tuple(values[first:last])
                    first = last

    def values(self, split: Split, *, person: str, relation: str) -> tuple[str, ...]:
        """Values that this person may have in this split."""
        return self._values[split, relation, person]

    def draw(
        self,
        rng: random.Random,
        *,
        split: Split,
        person: str,
        relation: str,
        avoid: Sequence[str] = (),
    ) -> Fact | None:
        """A fact of the split whose value is none of `avoid`; None if there is none."""
        values = self.values(split, person=person, relation=relation)
        allowed = [value for value in values if value not in avoid]
        return Fact(person, relation, rng.choice(allowed)) if allowed else None


def values_of(category: str) -> tuple[str, ...]:
    """Every key of a category, in the order of the lexicons.

    Example:
        >>> values_of("year")[:3]
        ('1950', '1954', '1958')
    """
    if category == "year":
        return language.YEARS
    return tuple(LEXICONS["en"].words[category])
