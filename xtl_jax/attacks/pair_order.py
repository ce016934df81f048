"""Pairs in the other order, and texts whose words are shuffled.

Whether two texts mean the same does not depend on which comes first; whether one
follows from the other does. So the texts of a paraphrase pair change places, those of
an NLI pair do not.

Shuffled words are a *probe*: the label may no longer hold. A model that answers as
before, and as surely, has not read the order of the words, which PAWS is all about.
"""

from __future__ import annotations

import dataclasses
import random

from xtl_jax.attacks import texts, words
from xtl_jax.attacks.attack import Attack, Attacked, Budget, Edit, Resources
from xtl_jax.attacks.by_row import ByRow
from xtl_jax.data.rows import PairRow, Row

# Labels of relations that hold in both directions (`xtl_jax.data.prompts`).
SYMMETRIC = ("paraphrase", "different_meaning", "duplicate", "not_duplicate")


def swap_pair(
    row: Row,
    *,
    language: str,
    rng: random.Random,
    budget: float,
    resources: Resources,
) -> Attacked:
    """The second text first."""
    assert isinstance(row, PairRow)
    if row.label not in SYMMETRIC:
        why = f"the relation {row.label!r} holds in one direction only"
        return Attacked(row=row, not_applied=why)
    if row.first == row.second:
        return Attacked(row=row, not_applied="both texts are the same")
    edits = (
        Edit("first", 0, 0, len(row.first), row.second),
        Edit("second", 0, 0, len(row.second), row.first),
    )
    swapped = dataclasses.replace(row, first=row.second, second=row.first)
    return Attacked(row=swapped, edits=edits)


def shuffle_words(
    row: Row,
    *,
    language: str,
    rng: random.Random,
    budget: float,
    resources: Resources,
) -> Attacked:
    """A share of the second text's words change places with each other."""
    assert isinstance(row, PairRow)
    spans = words.words(row.second, language)
    chosen = rng.sample(range(len(spans)), int(budget * len(spans)))
    sources = chosen[1:] + chosen[:1]
    edits = [
        Edit("second", 0, *spans[place], text=row.second[slice(*spans[comes])])
        for place, comes in zip(chosen, sources, strict=True)
        if row.second[slice(*spans[place])] != row.second[slice(*spans[comes])]
    ]
    return texts.changed(row, edits, otherwise="it has no two words to exchange")


def _no_words(language: str) -> str:
    if language in words.UNSPACED:
        return f"{language!r} puts no spaces between words: their order is not known"
    return ""


ATTACKS = (
    Attack(
        name="pair_swapped",
        group="pairs",
        summary="the two texts of a paraphrase pair change places",
        source="symmetry of paraphrase; Ribeiro et al. 2020 (CheckList) on QQP",
        budget=Budget(means="1: the whole pair", default=1, largest=1, whole=True),
        method=ByRow(swap_pair),
        kinds=(PairRow,),
    ),
    Attack(
        name="words_shuffled",
        group="pairs",
        summary="words of the second text change places; a probe",
        source="Pham et al. 2021; Sinha et al. 2021, word order",
        budget=Budget(
            means="the share of words that change places, rounded down",
            default=1.0,
            largest=1.0,
        ),
        method=ByRow(shuffle_words),
        kinds=(PairRow,),
        refuses=_no_words,
        keeps_label=False,
    ),
)
