"""What guessing scores on the toy tasks, computed from the rows themselves.

A guesser of `qa` knows the type of the answer and picks one of the candidates that the
context holds, each as likely as the others. With Paris, Oslo and Rome in the context
and Paris asked for, it is right once in three.

    >>> context = "Anna lives in Paris. Omar lives in Oslo. Ivan lives in Rome."
    >>> candidates(context, answer="Paris", language="en")
    ('Paris', 'Oslo', 'Rome')
    >>> round(qa_chance_percent([(context, "Paris")], language="en"), 1)
    33.3
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable

from xtl_jax.world.language import RELATIONS, YEARS
from xtl_jax.world.lexicons import LEXICONS


def qa_chance_percent(
    rows: Iterable[tuple[str, str]],
    *,
    language: str,
    score: Callable[[str, str], float] = lambda prediction, answer: float(
        prediction == answer
    ),
) -> float:
    """Mean score, in percent, of picking any candidate of the answer's type.

    Args:
        rows: (context, answer), one a question.
        language: whose words the contexts are in.
        score: score of (prediction, answer) between 0 and 1; exact match, or an F1.
    """
    chances = []
    for context, answer in rows:
        found = candidates(context, answer=answer, language=language)
        chances.append(sum(score(each, answer) for each in found) / len(found))
    if not chances:
        raise ValueError("qa_chance_percent needs at least one row, got none")
    return 100.0 * sum(chances) / len(chances)


def label_chance_percent(labels: Iterable[str]) -> float:
    """Accuracy, in percent, of always giving the most frequent label.

    Example:
        >>> label_chance_percent(["neutral", "entailment", "neutral", "neutral"])
        75.0
    """
    counts = Counter(labels)
    if not counts:
        raise ValueError("label_chance_percent needs at least one label, got none")
    return 100.0 * max(counts.values()) / counts.total()


def candidates(context: str, *, answer: str, language: str) -> tuple[str, ...]:
    """Different words of the answer's category in the context, by first occurrence."""
    for pattern in _patterns(language):
        found = tuple(dict.fromkeys(pattern.findall(context)))
        if answer in found:
            return found
    raise ValueError(
        f"answer {answer!r} is no word of the toy world in {language!r}, or not in the "
        f"context {context!r}"
    )


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
