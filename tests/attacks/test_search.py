"""Searches against models whose weak spots are known."""

from __future__ import annotations

import itertools

import pytest

from xtl_jax.attacks import catalog, search, words
from xtl_jax.attacks.attack import NOTHING
from xtl_jax.attacks.search import Asked
from xtl_jax.data.rows import ChoiceRow, PairRow, QuestionRow, TaggedRow

NOISE = catalog.find("character_noise")
PAIR = PairRow(
    id="p",
    first="The children are playing in the large park today.",
    second="Some children are outside now.",
    label="entailment",
)
SHARED = {"language": "en", "seed": 0, "budget": 0.2, "resources": NOTHING}


def _needs(word):
    """A model that is right as long as one word stands."""

    def ask(rows):
        return [2.0 if word in row.second.split() else -1.0 for row in rows]

    return ask


def test_greedy_goes_for_the_word_that_matters():
    asked = Asked(_needs("outside"), margins=True)
    (found,) = search.greedy([PAIR], attack=NOISE, k=2, asked=asked, **SHARED)
    assert found.before == 2.0
    assert found.after == -1.0
    (edit,) = found.attacked.edits
    assert PAIR.second[edit.start : edit.end] == "outside"
    places = len(NOISE.places(PAIR, language="en"))
    # The clean text, each place left out once, and at most k candidates at one place.
    assert 1 + places < found.queries <= 1 + places + 2


def test_greedy_leaves_what_is_wrong_before_and_says_so():
    asked = Asked(_needs("inside"), margins=True)
    (found,) = search.greedy([PAIR], attack=NOISE, k=2, asked=asked, **SHARED)
    assert found.attacked.row == PAIR
    assert found.spared == "the model was wrong before"
    assert not found.attacked.not_applied
    assert found.queries == 1


def test_greedy_keeps_to_the_budget_of_each_field():
    """Every change hurts a little, so that all that is allowed is done."""
    clean = set(f"{PAIR.first} {PAIR.second}".split())

    def ask(rows):
        texts = [f"{row.first} {row.second}".split() for row in rows]
        return [-float(len(set(words) - clean)) for words in texts]

    asked = Asked(ask, margins=False)
    (found,) = search.greedy([PAIR], attack=NOISE, k=3, asked=asked, **SHARED)
    changed = {"first": 0, "second": 0}
    for edit in found.attacked.edits:
        changed[edit.field] += 1
    for field, count in changed.items():
        size = len(words.words(getattr(PAIR, field), "en"))
        assert count == max(1, int(0.2 * size))


def test_greedy_says_when_nothing_hurts():
    asked = Asked(lambda rows: [1.0] * len(rows), margins=True)
    (found,) = search.greedy([PAIR], attack=NOISE, k=2, asked=asked, **SHARED)
    assert found.spared == "no candidate made the model less sure"
    assert found.attacked.row == PAIR


@pytest.mark.parametrize("k", [1, 3, 6])
def test_the_worst_of_k_is_the_worst_of_its_draws(k):
    def ask(rows):
        return [float(sum(map(ord, row.first + row.second)) % 101) for row in rows]

    asked = Asked(ask, margins=False)
    (found,) = search.worst_of([PAIR], attack=NOISE, k=k, asked=asked, **SHARED)
    drawn = [
        NOISE.perturb(PAIR, language="en", seed=seed, budget=0.2).row
        for seed in range(k)
    ]
    assert found.after == min(ask(drawn))
    assert found.attacked.row in drawn
    assert found.queries == len(set(drawn))


def test_a_text_is_asked_about_once():
    calls = []

    def ask(rows):
        calls.extend(rows)
        return [0.0] * len(rows)

    asked = Asked(ask, margins=True)
    asked([PAIR, PAIR])
    asked([PAIR])
    assert calls == [PAIR]
    assert asked.queries == {"p": 1}


def test_random_is_no_worse_than_worst_of_k_for_every_model_of_words():
    """Of any model: the draw of the first seed is among the k."""
    for weights in itertools.product((0.0, 1.0), repeat=3):

        def ask(rows, weights=weights):
            return [
                sum(
                    w * (word in row.second)
                    for w, word in zip(weights, WORDS, strict=True)
                )
                for row in rows
            ]

        first = NOISE.perturb(PAIR, language="en", seed=0, budget=0.2).row
        asked = Asked(ask, margins=False)
        (found,) = search.worst_of([PAIR], attack=NOISE, k=5, asked=asked, **SHARED)
        assert found.after is not None
        assert found.after <= ask([first])[0]


WORDS = ("Some", "children", "outside")


@pytest.mark.parametrize(
    "row",
    [
        QuestionRow(
            id="q",
            question="Where does the Danube rise?",
            context="The Danube rises in Germany. It is long.",
            answers=("Germany",),
            answer_starts=(20,),
        ),
        TaggedRow(id="t", tokens=("Ada", "wrote", "programs"), tags=("A", "B", "A")),
        ChoiceRow(
            id="c",
            context="It rained all day.",
            question="effect",
            options=("I sat.", "I got wet."),
            answer=1,
        ),
    ],
    ids=lambda row: type(row).__name__,
)
def test_gold_stands_after_a_search(row):
    def ask(rows):
        return [-float(len(repr(row))) for row in rows]

    asked = Asked(ask, margins=False)
    (found,) = search.greedy([row], attack=NOISE, k=2, asked=asked, **SHARED)
    new = found.attacked.row
    assert new != row
    if isinstance(new, QuestionRow):
        assert new.context.startswith("Germany", new.answer_starts[0])
    elif isinstance(new, TaggedRow):
        assert len(new.tokens) == 3
        assert new.tags == row.tags
    else:
        assert (new.options, new.answer) == (row.options, row.answer)


def test_a_language_that_is_refused_is_said():
    attack = catalog.find("upper_case")
    row = PairRow(
        id="p", first="孩子们在玩。", second="孩子们在外面。", label="neutral"
    )
    asked = Asked(lambda rows: [1.0] * len(rows), margins=True)
    shared = {**SHARED, "language": "zh"}
    for found in (
        search.greedy([row], attack=attack, k=2, asked=asked, **shared),
        search.worst_of([row], attack=attack, k=2, asked=asked, **shared),
    ):
        assert "has no capitals" in found[0].attacked.not_applied
    assert not asked.queries
