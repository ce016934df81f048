"""The toy tasks, as facts: each item is drawn once and then said in every language.

So row i of a file means the same in all languages, and a difference between languages
is a difference of language, not of difficulty.

- `qa`: four statements and a question. Two other people have a value of the same
  relation and the person asked for has a second fact, often a city too, so neither the
  type of the answer nor the name alone gives it away.
- `nli`: a premise of two statements and a hypothesis. Restated in the other words:
  entailment. The person with another value: contradiction. Somebody of whom the premise
  says nothing, or something that it does not say: neutral.
- `paraphrase`: the same fact in two ways, or two facts that share words.
- `tagging`: one statement with universal parts of speech.
- `retrieval`: two statements about one person; the row with the same id is the match.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from xtl_jax.world import language
from xtl_jax.world.facts import Fact, Split, World

NLI_LABELS = ("entailment", "neutral", "contradiction")  # in the order of XNLI's ids


class Said(NamedTuple):
    """A fact and the way in which it is stated (0 or 1)."""

    fact: Fact
    way: int


class Question(NamedTuple):
    """An item of `qa`: a context and the fact that is asked for."""

    id: str
    context: tuple[Said, ...]
    asked: Said  # one of the context


class Pair(NamedTuple):
    """An item of `nli` or `paraphrase`."""

    first: tuple[Said, ...]
    second: Said
    label: str


def questions(world: World, *, split: Split, count: int) -> list[Question]:
    """Draw `count` different items of `qa`."""
    rng = _rng(world, "qa", split)
    items: dict[tuple[Said, ...], Question] = {}
    relations = tuple(language.RELATIONS)
    while len(items) < count:
        relation = relations[len(items) % len(relations)]
        person, *others = rng.sample(language.PEOPLE, 3)
        asked = _say(rng, _draw(world, rng, split, person, relation))
        context = [asked]
        values = [asked.fact.value]
        for other in others:
            fact = world.draw(
                rng, split=split, person=other, relation=relation, avoid=values
            )
            if fact is not None:
                context.append(_say(rng, fact))
                values.append(fact.value)
        second = _second_relation(rng, relation)
        fact = world.draw(
            rng, split=split, person=person, relation=second, avoid=values
        )
        if len(context) < 3 or fact is None:
            continue
        context.append(_say(rng, fact))
        rng.shuffle(context)
        key = (*context, asked)
        items.setdefault(
            key, Question(f"{split}-{len(items):05d}", tuple(context), asked)
        )
    return list(items.values())


def inferences(world: World, *, split: Split, count: int) -> list[Pair]:
    """Draw `count` items of `nli`, the labels in turn, so that they are balanced."""
    rng = _rng(world, "nli", split)
    items: list[Pair] = []
    seen: set[Pair] = set()
    while len(items) < count:
        label = NLI_LABELS[len(items) % len(NLI_LABELS)]
        item = _inference(world, rng, split, label)
        if item is not None and item not in seen:
            seen.add(item)
            items.append(item)
    return _shuffled(rng, items)


def paraphrases(world: World, *, split: Split, count: int) -> list[Pair]:
    """Draw `count` items of `paraphrase`, half of them paraphrases."""
    rng = _rng(world, "paraphrase", split)
    items: list[Pair] = []
    seen: set[Pair] = set()
    while len(items) < count:
        label = str(len(items) % 2)
        person, other = rng.sample(language.PEOPLE, 2)
        relation = rng.choice(tuple(language.RELATIONS))
        fact = _draw(world, rng, split, person, relation)
        said = _say(rng, fact)
        if label == "1":
            second: Said | None = Said(fact, 1 - said.way)
        else:
            second = _near_miss(world, rng, split, fact, other)
        if second is None:
            continue
        item = Pair((said,), second, label)
        if item not in seen:
            seen.add(item)
            items.append(item)
    return _shuffled(rng, items)


def statements(
    world: World, *, split: Split, count: int, task: str, length: int
) -> list[tuple[Said, ...]]:
    """Draw `count` different tuples of `length` statements about one person."""
    rng = _rng(world, task, split)
    items: dict[tuple[Said, ...], None] = {}
    while len(items) < count:
        person = rng.choice(language.PEOPLE)
        relations = rng.sample(tuple(language.RELATIONS), length)
        items[
            tuple(
                _say(rng, _draw(world, rng, split, person, relation))
                for relation in relations
            )
        ] = None
    return list(items)


def _inference(
    world: World, rng: random.Random, split: Split, label: str
) -> Pair | None:
    person, other, stranger = rng.sample(language.PEOPLE, 3)
    relation = rng.choice(language.SINGLE_VALUED)
    fact = _draw(world, rng, split, person, relation)
    said = _say(rng, fact)
    second_relation = (
        relation if rng.random() < 0.5 else rng.choice(tuple(language.RELATIONS))
    )
    distractor = world.draw(
        rng, split=split, person=other, relation=second_relation, avoid=[fact.value]
    )
    if distractor is None:
        return None
    premise = [said, _say(rng, distractor)]
    rng.shuffle(premise)
    if label == "entailment":
        hypothesis: Fact | None = fact
    elif label == "contradiction":
        # Half of the time the value of the other person, if it may be said of this one.
        values = world.values(split, person=person, relation=relation)
        if distractor.value in values and rng.random() < 0.5:
            hypothesis = fact._replace(value=distractor.value)
        else:
            hypothesis = world.draw(
                rng, split=split, person=person, relation=relation, avoid=[fact.value]
            )
    elif rng.random() < 0.7:  # neutral: somebody of whom nothing is said
        values = world.values(split, person=stranger, relation=relation)
        if fact.value in values and rng.random() < 0.7:
            hypothesis = Fact(stranger, relation, fact.value)
        else:
            hypothesis = _draw(world, rng, split, stranger, relation)
    else:  # neutral: something that is not said of the person
        unsaid = [r for r in language.SINGLE_VALUED if r != relation]
        hypothesis = _draw(world, rng, split, person, rng.choice(unsaid))
    if hypothesis is None:
        return None
    return Pair(tuple(premise), Said(hypothesis, 1 - said.way), label)


def _near_miss(
    world: World, rng: random.Random, split: Split, fact: Fact, other: str
) -> Said | None:
    """A fact that differs in the value or in the person."""
    if rng.random() < 0.5:
        miss = world.draw(
            rng,
            split=split,
            person=fact.person,
            relation=fact.relation,
            avoid=[fact.value],
        )
    else:
        values = world.values(split, person=other, relation=fact.relation)
        miss = fact._replace(person=other) if fact.value in values else None
    return None if miss is None else _say(rng, miss)


def _second_relation(rng: random.Random, relation: str) -> str:
    """Another relation; the other city relation for a city, half of the time."""
    category = language.RELATIONS[relation]
    others = [r for r in language.RELATIONS if r != relation]
    twins = [r for r in others if language.RELATIONS[r] == category]
    return rng.choice(twins if twins and rng.random() < 0.5 else others)


def _draw(
    world: World, rng: random.Random, split: Split, person: str, relation: str
) -> Fact:
    fact = world.draw(rng, split=split, person=person, relation=relation)
    if fact is None:  # every person has a value of every relation in every split
        raise AssertionError(f"no value of {relation!r} for {person!r} in {split!r}")
    return fact


def _say(rng: random.Random, fact: Fact) -> Said:
    return Said(fact, rng.randrange(2))


def _rng(world: World, task: str, split: Split) -> random.Random:
    return random.Random(f"{task} {split} {world.seed}")


def _shuffled(rng: random.Random, items: Sequence[Pair]) -> list[Pair]:
    return rng.sample(list(items), len(items))
