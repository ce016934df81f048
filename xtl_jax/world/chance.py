"""What guessing scores on the toy tasks, computed from the rows themselves.

A guesser of `qa` finds the values that a context states and picks one of them, each as
likely as the others. `among="stated"` does not even know what kind of thing is asked
for: with four statements it is right once in four. `among="type"` knows it, and is
right for sure where the context has a single city and a city is asked for; a model
that beats it must tell people apart.

    >>> context = "Anna lives in Paris. Omar lives in Rome. Omar is a doctor."
    >>> candidates(context, answer="Paris", language="en", among="stated")
    ('Paris', 'Rome', 'doctor')
    >>> candidates(context, answer="Paris", language="en", among="type")
    ('Paris', 'Rome')
    >>> rows = [(context, "Paris")]
    >>> round(qa_chance_percent(rows, language="en", among="stated"), 1)
    33.3
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Literal

from xtl_jax.world.language import RELATIONS, YEARS
from xtl_jax.world.lexicons import LEXICONS

Among = Literal["stated", "type"]


def qa_chance_percent(
    rows: Iterable[tuple[str, str]],
    *,
    language: str,
    among: Among,
    score: Callable[[str, str], float] = lambda prediction, answer: float(
        prediction == answer
    ),
) -> float:
    """Mean score, in percent, of picking any candidate.

    Args:
        rows: (context, answer), one a question.
        language: whose words the contexts are in.
        among: what counts as a candidate.
        score: score of (prediction, answer) between 0 and 1; exact match, or an F1.
    """
    chances = []
    for context, answer in rows:
        found = candidates(context, answer=answer, language=language, among=among)
        chances.append(sum(score(each, answer) for each in found) / len(found))
    if not chances:
        raise ValueError("qa_chance_percent needs at least one row, got none")
    return 100.0 * sum(chances) / len(chances)


def candidates(
    context: str, *, answer: str, language: str, among: Among
) -> tuple[str, ...]:
    """Different values in the context, of any type or of the answer's."""
    found = [dict.fromkeys(each.findall(context)) for each in _patterns(language)]
    same_type = [each for each in found if answer in each]
    if not same_type:
        raise ValueError(
            f"answer {answer!r} is no word of the toy world in {language!r}, or not in "
            f"the context {context!r}"
        )
    chosen = same_type[:1] if among == "type" else found
    return tuple(word for each in chosen for word in each)


@functools.cache
def _patterns(language: str) -> tuple[re.Pattern[str], ...]:
    """One pattern a category that finds its words, the longest first."""
    lexicon = LEXICONS[language]
    edge = ("", "") if not lexicon.separator else (r"(?<!\w)", r"(?!\w)")
    patterns = []
    for category in dict.fromkeys(RELATIONS.values()):
        keys = YEARS if category == "year" else lexicon.words[category]
        forms = {
            marked[marked.index("[") + 1 : marked.index("]")]
            for key in keys
            for marked in (
                lexicon.form(category, key, female=female) for female in (False, True)
            )
        }
        any_form = "|".join(map(re.escape, sorted(forms, key=lambda x: (-len(x), x))))
        patterns.append(re.compile(f"{edge[0]}(?:{any_form}){edge[1]}"))
    return tuple(patterns)
