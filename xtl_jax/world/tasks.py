"""The toy tasks, as facts: each item is drawn once and then said in every language.

So row i of a file means the same in all languages, and a difference between languages
is a difference of language, not of difficulty.

- `qa`: four statements about two people and a question. Mostly one statement alone has
  a value of the type that is asked for; in a quarter of the contexts somebody else has
  one too, and only the name tells.
- `nli`: a premise of two statements and a hypothesis. Restated in the other words:
  entailment. The person with another value: contradiction. Something that the premise
  does not say, or says of nobody of that name: neutral.
- `paraphrase`: the same fact in two ways, or two facts that share words.
- `tagging`: one statement with universal parts of speech.
- `retrieval`: two statements about one person; the row with the same id is the match.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xtl_jax.world import language
from xtl_jax.world.facts import Fact, Split, World

CONTEXT_LENGTH = 4  # statements
STRANGER_SHARE = 0.2  # of neutral hypotheses: about somebody not in the premise
RIVAL_SHARE = 0.25  # of contexts: somebody else has a value of the asked relation
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
    for _ in _attempts("qa", split, count, items):
        relation = relations[len(items) % len(relations)]
        person, other = rng.sample(language.PEOPLE, 2)
        asked = _say(rng, _draw(world, rng, split, person, relation))
        facts = [asked.fact]
        if rng.random() < RIVAL_SHARE:
            rival = world.draw(
                rng,
                split=split,
                person=other,
                relation=relation,
                avoid=[asked.fact.value],
            )
            facts += [] if rival is None else [rival]
        else:
            rival = None
        kinds = {language.RELATIONS[relation]}
        for each in rng.sample(relations, len(relations)):
            category = language.RELATIONS[each]
            if category not in kinds and len(facts) < CONTEXT_LENGTH:
                kinds.add(category)
                about = rng.choice((person, other))
                facts.append(_draw(world, rng, split, about, each))
        context = [asked, *(_say(rng, fact) for fact in facts[1:])]
        rng.shuffle(context)
        items.setdefault(
            (*context, asked),
            Question(f"{split}-{len(items):05d}", tuple(context), asked),
        )
    return list(items.values())


def inferences(world: World, *, split: Split, count: int) -> list[Pair]:
    """Draw `count` items of `nli`, the labels in turn, so that they are balanced."""
    rng = _rng(world, "nli", split)
    items: list[Pair] = []
    seen: set[Pair] = set()
    for _ in _attempts("nli", split, count, items):
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
    for _ in _attempts("paraphrase", split, count, items):
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
    for _ in _attempts(task, split, count, items):
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
    relation, second = rng.sample(language.SINGLE_VALUED, 2)
    if language.RELATIONS[relation] == language.RELATIONS[second]:
        return None
    fact = _draw(world, rng, split, person, relation)
    distractor = _draw(world, rng, split, rng.choice((person, other)), second)
    said = _say(rng, fact)
    premise = [said, _say(rng, distractor)]
    rng.shuffle(premise)
    if label == "entailment":
        hypothesis: Fact | None = fact
    elif label == "contradiction":
        hypothesis = world.draw(
            rng, split=split, person=person, relation=relation, avoid=[fact.value]
        )
    elif rng.random() < STRANGER_SHARE:
        hypothesis = _draw(world, rng, split, stranger, relation)
    else:
        told = {fact.category, distractor.category}
        unsaid = [
            r for r in language.SINGLE_VALUED if language.RELATIONS[r] not in told
        ]
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


def _attempts(task: str, split: Split, count: int, items: Sequence | dict) -> Iterator:
    """Go on until there are `count` items; give up where the world has too few."""
    for _ in range(1000 * count):
        if len(items) >= count:
            return
        yield
    raise ValueError(
        f"the toy world has only {len(items)} different items of {task!r} for "
        f"{split!r}, {count} were asked for: ask for fewer"
    )


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
