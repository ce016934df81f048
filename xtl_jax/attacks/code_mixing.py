"""Words exchanged for their translations, as speakers of two languages mix them.

Which language a word is taken from, and which of its translations, the seed decides.
Lexicons are read from files (`lexicon`) or built from translated sentences
(`lexicon_build`). A word's case is carried over. In Chinese, Japanese, Thai and their
like the words are the longest entries that stand in the text, from its beginning on,
and the budget is a share of these.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from xtl_jax.attacks import words
from xtl_jax.attacks.attack import Attack, Attacked, Place, Resources
from xtl_jax.attacks.by_word import SHARE_OF_WORDS, ByWord
from xtl_jax.attacks.lexicon import Lexicon
from xtl_jax.data.rows import Row


class ByLexicon:
    """A word attack whose words come from the lexicons that it is given."""

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
        """The row with a share of its words in other languages."""
        known = lexicons(resources, language=language)
        if not known:
            given = ", ".join(
                f"{each.source} to {each.target}"
                for each in resources.lexicons.values()
            )
            why = f"no lexicon from {language!r}; given: {given}"
            return Attacked(row=row, not_applied=why)
        return by_lexicon(known).perturb(
            row,
            name=name,
            language=language,
            seed=seed,
            budget=budget,
            resources=resources,
            fields=fields,
        )

    def places(
        self, row: Row, *, language: str, resources: Resources, fields: Sequence[str]
    ) -> tuple[Place, ...]:
        """The words of the row that no gold answer overlaps."""
        known = lexicons(resources, language=language)
        return by_lexicon(known).places(
            row, language=language, resources=resources, fields=fields
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
        """Up to `k` translations of one word, each in its row."""
        return by_lexicon(lexicons(resources, language=language)).candidates_at(
            row,
            place,
            name=name,
            language=language,
            seed=seed,
            k=k,
            resources=resources,
        )


def lexicons(resources: Resources, *, language: str) -> tuple[Lexicon, ...]:
    """The given lexicons from a language, by the name of the language they lead to."""
    found = sorted(resources.lexicons.items())
    return tuple(each for _, each in found if each.source == language)


def by_lexicon(known: Sequence[Lexicon]) -> ByWord:
    """The word attack of these lexicons."""

    def alter(
        word: str, *, around: str, language: str, rng: random.Random
    ) -> str | None:
        folded = word.lower()
        having = [each.entries[folded] for each in known if folded in each.entries]
        if not having:
            return None
        new = rng.choice(rng.choice(having))
        if word.isupper() and len(word) > 1:
            return new.upper()
        return new[0].upper() + new[1:] if word[0].isupper() else new

    def find(text: str, language: str) -> list[tuple[int, int]]:
        if language not in words.UNSPACED:
            return words.words(text, language)
        return _longest(text.lower(), known)

    return ByWord(alter, find=find, nothing="none of its words is in the lexicons")


def _longest(text: str, known: Sequence[Lexicon]) -> list[tuple[int, int]]:
    """The places of entries in a text without spaces, the longest first at each."""
    entries = {word for each in known for word in each.entries}
    sizes = sorted({len(word) for word in entries}, reverse=True)
    found, at = [], 0
    cuts = {0, *itertools.accumulate(map(len, words.clusters(text)))}
    while at < len(text):
        fits = (
            size
            for size in sizes
            if text[at : at + size] in entries and {at, at + size} <= cuts
        )
        size = next(fits, 0)
        if size:
            found.append((at, at + size))
        at += size or 1
    return found


ATTACKS = (
    Attack(
        name="code_mixed",
        group="languages",
        summary="words exchanged for their translations",
        source="Qin et al. 2020 (CoSDA-ML); Tan and Joty 2021",
        budget=SHARE_OF_WORDS,
        method=ByLexicon(),
        needs=("lexicons",),
    ),
)
