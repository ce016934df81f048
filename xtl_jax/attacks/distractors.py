"""Sentences put beside a context that a careless reader may answer from.

AddOneSent puts a made-up statement, near to the question, at the end of the context.
Statements cannot be made up alike in every language; here they are sentences of *other*
contexts of the same set that share most words with the question. None of them contains
a gold answer. The sentence goes before or after the context, never into it.

A distractor in another language comes from the same set in that language. A gold answer
may stand there in translation, so the item's own translation must be known: neither its
context nor its answers may be in the distractor.
"""

from __future__ import annotations

import random

from xtl_jax.attacks import sentences, texts
from xtl_jax.attacks.attack import Attack, Attacked, Budget, Edit, Resources
from xtl_jax.attacks.by_row import ByRow
from xtl_jax.data.rows import QuestionRow, Row

NEAREST = 4  # sentences that the drawn ones are among

_SENTENCES = Budget(
    means="the number of sentences that are added", default=1, largest=10, whole=True
)


def distract(
    row: Row,
    *,
    language: str,
    rng: random.Random,
    budget: float,
    resources: Resources,
) -> Attacked:
    """Sentences of other contexts in the row's language."""
    assert isinstance(row, QuestionRow)
    pool = resources.sentences
    assert pool is not None
    if pool.language != language:
        why = f"the sentences given are of {pool.language!r}, not of {language!r}"
        return Attacked(row=row, not_applied=why)
    found = pool.near(
        row.question,
        not_of=row.id,
        without=row.answers,
        most=max(NEAREST, int(budget)),
    )
    return _added(row, found, language=language, count=int(budget), rng=rng)


def distract_foreign(
    row: Row,
    *,
    language: str,
    rng: random.Random,
    budget: float,
    resources: Resources,
) -> Attacked:
    """Sentences of other contexts in another language, which the seed chooses."""
    assert isinstance(row, QuestionRow)
    twins = {
        other: twin
        for other in sorted(resources.foreign_sentences)
        if other != language
        and isinstance(
            twin := resources.parallel.get(other, {}).get(row.id), QuestionRow
        )
    }
    if not twins:
        why = f"no other language has a row with the id {row.id!r} and sentences"
        return Attacked(row=row, not_applied=why)
    other = rng.choice(list(twins))
    twin = twins[other]
    found = resources.foreign_sentences[other].near(
        twin.question,
        not_of=row.id,
        without=(*row.answers, *twin.answers),
        most=max(NEAREST, int(budget)),
    )
    return _added(row, found, language=language, count=int(budget), rng=rng)


def _added(
    row: QuestionRow,
    found: list[str],
    *,
    language: str,
    count: int,
    rng: random.Random,
) -> Attacked:
    edits, end = [], len(row.context)
    chosen = sentences.drawn(found, count=count, rng=rng)
    sides = [rng.random() < 0.5 for _ in chosen]
    before = [text for text, first in zip(chosen, sides, strict=True) if first]
    after = [text for text, first in zip(chosen, sides, strict=True) if not first]
    if before:
        text = ""
        for each in before:
            text = sentences.joined(text, each, language)
        gap = len(sentences.joined("x", "y", language)) - 2
        edits.append(Edit("context", 0, 0, 0, text + " " * gap))
    if after:
        text = row.context
        for each in after:
            text = sentences.joined(text, each, language)
        edits.append(Edit("context", 0, end, end, text[end:]))
    return texts.changed(row, edits, otherwise="the set has no sentence without answer")


ATTACKS = (
    Attack(
        name="distractor",
        group="context",
        summary="a sentence of another context that shares words with the question",
        source="Jia and Liang 2017 (AddOneSent), with real sentences",
        budget=_SENTENCES,
        method=ByRow(distract),
        kinds=(QuestionRow,),
        needs=("sentences",),
    ),
    Attack(
        name="distractor_foreign",
        group="context",
        summary="such a sentence in another language",
        source="Rosenthal et al. 2021, with real sentences of parallel sets",
        budget=_SENTENCES,
        method=ByRow(distract_foreign),
        kinds=(QuestionRow,),
        needs=("foreign_sentences", "parallel"),
    ),
)
