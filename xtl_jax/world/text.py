"""Raw text of the toy world: documents of a few short sentences, one a line.

Four kinds of document, drawn in the shares of `SHARES`:

- `page`: facts about two people.
- `restated`: two facts, and one of them again in other words.
- `asked`: facts, a question about one of them, and a statement that answers it.
- `side_by_side`: the same facts or the same question in two languages, one of them
  English. This is a small parallel encyclopaedia, and it is meant to be: a model that
  sees a thousand small batches has no other chance to learn that wohnt and lives mean
  the same. Models pre-trained on real text find such pairs by their millions.

No document has a label, and none is written as a task is prompted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from xtl_jax.world import language, sentences
from xtl_jax.world.facts import Fact, Split, World
from xtl_jax.world.lexicons import LEXICONS

SHARES: Mapping[str, float] = {
    "page": 0.15,
    "restated": 0.25,
    "asked": 0.3,
    "side_by_side": 0.3,
}


def documents(world: World, *, language: str, split: Split, count: int) -> list[str]:
    """Draw `count` documents of a language; English ones are beside any other."""
    rng = random.Random(f"text {language} {split} {world.seed}")
    kinds = rng.choices(tuple(SHARES), weights=tuple(SHARES.values()), k=count)
    return [_KINDS[kind](_Page(world, rng, language, split)) for kind in kinds]


class _Page:
    """What one document draws from: two people and their facts in one language."""

    def __init__(
        self, world: World, rng: random.Random, language_: str, split: Split
    ) -> None:
        self.world, self.rng, self.split = world, rng, split
        self.language = language_
        self.lexicon = LEXICONS[language_]
        self.people = rng.sample(language.PEOPLE, 2)

    def facts(self, count: int) -> list[Fact]:
        """Facts of two people; often the same relation, so that names matter."""
        relations = tuple(language.RELATIONS)
        shared = self.rng.choice(relations)
        drawn: dict[tuple[str, str], Fact] = {}
        while len(drawn) < count:
            person = self.rng.choice(self.people)
            relation = shared if self.rng.random() < 0.5 else self.rng.choice(relations)
            fact = self.world.draw(
                self.rng, split=self.split, person=person, relation=relation
            )
            if fact is not None:
                drawn.setdefault((person, relation), fact)
        return list(drawn.values())

    def state(self, fact: Fact, *, way: int | None = None) -> str:
        way = self.rng.randrange(2) if way is None else way
        return sentences.state(fact, lexicon=self.lexicon, way=way).text

    def join(self, parts: list[str]) -> str:
        return self.lexicon.separator.join(parts)


def _page(page: _Page) -> str:
    return page.join([page.state(fact) for fact in page.facts(page.rng.randint(2, 4))])


def _restated(page: _Page) -> str:
    facts = page.facts(2)
    way = page.rng.randrange(2)
    again = page.state(facts[0], way=1 - way)
    first = [page.state(facts[0], way=way), page.state(facts[1])]
    page.rng.shuffle(first)
    return page.join([*first, again])


def _asked(page: _Page) -> str:
    facts = page.facts(page.rng.randint(2, 3))
    fact = page.rng.choice(facts)
    question = sentences.ask(fact, lexicon=page.lexicon).text
    told = [page.state(each) for each in facts]
    answer = page.state(fact)
    if page.rng.random() < 0.5:  # the question may also come first
        return page.join([question, *told, answer])
    return page.join([*told, question, answer])


def _side_by_side(page: _Page) -> str:
    if page.language == "en":
        partner = page.rng.choice([code for code in LEXICONS if code != "en"])
    else:
        partner = "en"
    facts = page.facts(page.rng.randint(1, 2))
    way = page.rng.randrange(2)
    ask = page.rng.random() < 0.3
    versions = []
    for code in (page.language, partner):
        lexicon = LEXICONS[code]
        parts = [sentences.state(fact, lexicon=lexicon, way=way) for fact in facts]
        if ask:
            parts = [sentences.ask(facts[0], lexicon=lexicon), parts[0]]
        versions.append(sentences.text(parts, lexicon=lexicon))
    page.rng.shuffle(versions)
    return " ".join(versions)


_KINDS: Mapping[str, Callable[[_Page], str]] = {
    "page": _page,
    "restated": _restated,
    "asked": _asked,
    "side_by_side": _side_by_side,
}
