"""Raw text of the toy world: documents of a few short sentences, one a line.

Two kinds of document, drawn in the shares of `SHARES`:

- `asked`: facts, a question about one of them, and its short answer, as pages of
  questions and answers have them.
- `side_by_side`: the same facts or the same question in two languages, one of them
  English. This is a small parallel encyclopaedia, and it is meant to be: a model that
  sees a thousand small batches has no other chance to learn that wohnt and lives mean
  the same. Models pre-trained on real text find such pairs by their millions.

One document in seven changes between the language and English from sentence to
sentence, as people who live in two languages write. A third have spaces around their
punctuation, as mT5's prompts for questions have.

So the raw text of every language holds questions and answers, as web text does: what
is zero-shot on this toy is the training for the task, which is English only.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from xtl_jax.data.prompts import pad_punctuation
from xtl_jax.world import language, sentences
from xtl_jax.world.facts import Fact, Split, World
from xtl_jax.world.lexicons import LEXICONS

SHARES: Mapping[str, float] = {"asked": 0.78, "side_by_side": 0.22}


def documents(world: World, *, language: str, split: Split, count: int) -> list[str]:
    """Draw `count` documents of a language; English ones are beside any other."""
    rng = random.Random(f"text {language} {split} {world.seed}")
    kinds = rng.choices(tuple(SHARES), weights=tuple(SHARES.values()), k=count)
    made = (_KINDS[kind](_Page(world, rng, language, split)) for kind in kinds)
    return [
        pad_punctuation(each).strip() if rng.random() < SPACED_SHARE else each
        for each in made
    ]


SPACED_SHARE = 1 / 3  # of documents have spaces around punctuation, as QA prompts have
MIXED_SHARE = 0.15  # of documents change between two languages
OTHERS = tuple(code for code in LEXICONS if code != "en")


class _Page:
    """What one document draws from: two people and their facts in one language."""

    def __init__(
        self, world: World, rng: random.Random, language_: str, split: Split
    ) -> None:
        self.world, self.rng = world, rng
        self.split: Split = split
        self.language = language_
        self.lexicon = LEXICONS[language_]
        # Somebody who writes in two languages: some documents change between them.
        other = "en" if language_ != "en" else rng.choice(OTHERS)
        self.mixed = rng.random() < MIXED_SHARE
        self.lexicons = (self.lexicon, LEXICONS[other] if self.mixed else self.lexicon)
        self.people = rng.sample(language.PEOPLE, 2)

    def facts(self, count: int) -> list[Fact]:
        """Facts of two people, often of one relation, so that names matter."""
        relations = tuple(language.RELATIONS)
        shared = self.rng.choice(relations)
        drawn: dict[tuple[str, str], Fact] = {}
        while len(drawn) < count:
            relation = (
                shared if self.rng.random() < 0.25 else self.rng.choice(relations)
            )
            person = self.people[len(drawn) % 2]
            if (person, relation) in drawn:
                relation = self.rng.choice(relations)
            fact = self.world.draw(
                self.rng, split=self.split, person=person, relation=relation
            )
            if fact is not None:
                drawn.setdefault((person, relation), fact)
        facts = list(drawn.values())
        self.rng.shuffle(facts)
        return facts

    def say(self, fact: Fact, *, way: int | None = None) -> sentences.Sentence:
        way = self.rng.randrange(2) if way is None else way
        lexicon = self.rng.choice(self.lexicons)
        return sentences.state(fact, lexicon=lexicon, way=way)

    def state(self, fact: Fact, *, way: int | None = None) -> str:
        return self.say(fact, way=way).text

    def ask(self, fact: Fact) -> str:
        return sentences.ask(fact, lexicon=self.rng.choice(self.lexicons)).text

    def join(self, parts: list[str]) -> str:
        return " ".join(parts) if self.mixed else self.lexicon.separator.join(parts)


def _asked(page: _Page) -> str:
    facts = page.facts(page.rng.randint(3, 4))
    fact = page.rng.choice(facts)
    question = page.ask(fact)
    told = [page.say(each) for each in facts]
    stop = sentences.MARKS[page.language][0]
    answer = told[facts.index(fact)].answer + stop
    text = [each.text for each in told]
    if page.rng.random() < 0.35:  # the question may also come first
        return page.join([question, *text, answer])
    return page.join([*text, question, answer])


def _side_by_side(page: _Page) -> str:
    partner = page.rng.choice(OTHERS) if page.language == "en" else "en"
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
    "asked": _asked,
    "side_by_side": _side_by_side,
}
