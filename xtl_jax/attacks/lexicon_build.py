"""A lexicon from sentences and their translations: IBM Model 1 in both directions.

Model 1 (Brown et al. 1993) explains each word of a sentence by one word of its
translation, or by none, wherever they stand. Expectation maximisation gives `t(f | e)`,
the probability of a word given another. A pair enters the lexicon when

- each is the other's likeliest translation, or the product of both probabilities is at
  least `threshold`; in any case both are at least `threshold` alone; and
- both stand in at least `least` sentences, and at least `least` times in the same.

Asking both directions keeps frequent words out that stand beside everything.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from xtl_jax.attacks import words
from xtl_jax.attacks.lexicon import Lexicon
from xtl_jax.errors import UserError

NOTHING = ""  # the empty word, which explains words without a counterpart


def build(
    pairs: Sequence[tuple[str, str]],
    *,
    source: str,
    target: str,
    steps: int = 8,
    threshold: float = 0.2,
    least: int = 5,
) -> Lexicon:
    """Align translated sentences and keep the word pairs that are sure both ways.

    Args:
        pairs: sentences and their translations.
        source: language of the first of each pair.
        target: of the second.
        steps: of expectation maximisation.
        threshold: least probability in either direction.
        least: sentences that a pair must stand in together.

    Raises:
        UserError: a language puts no spaces between words.
    """
    for language in (source, target):
        if language in words.UNSPACED:
            raise UserError(
                f"no lexicon can be built from or into {language!r}, which puts no "
                "spaces between words; read one with `lexicon.parse`"
            )
    left = [_distinct(first, source) for first, _ in pairs]
    right = [_distinct(second, target) for _, second in pairs]
    forward = _translations(left, right, steps=steps)
    backward = _translations(right, left, steps=steps)
    together = Counter(
        (first, second)
        for lefts, rights in zip(left, right, strict=True)
        for first in lefts
        for second in rights
    )
    best_forward, best_backward = _best(forward), _best(backward)
    kept: dict[str, list[tuple[float, str]]] = {}
    for (first, second), chance in forward.items():
        back = backward.get((second, first), 0.0)
        mutual = best_forward[first] == second and best_backward[second] == first
        sure = min(chance, back) >= threshold
        strong = mutual or chance * back >= threshold
        if sure and strong and together[first, second] >= least and first != second:
            kept.setdefault(first, []).append((-chance * back, second))
    return Lexicon(
        source,
        target,
        {word: tuple(text for _, text in sorted(kept[word])) for word in sorted(kept)},
    )


def _distinct(text: str, language: str) -> list[str]:
    """The different words of a sentence, in small letters, without numbers."""
    folded = text.lower()
    found = (folded[start:end] for start, end in words.words(folded, language))
    return list(dict.fromkeys(word for word in found if not words.has_digit(word)))


def _translations(
    given: Sequence[Sequence[str]], made: Sequence[Sequence[str]], *, steps: int
) -> dict[tuple[str, str], float]:
    """`t(made | given)` of Model 1, over pairs that stand together at least once."""
    numbers: dict[tuple[str, str], int] = {}  # a pair's place in `chances`
    of_given: dict[str, int] = {}
    pair_at: list[int] = []  # for each link of each sentence, its pair
    group_at: list[int] = []  # and the made word that it explains
    groups = 0
    for givens, mades in zip(given, made, strict=True):
        for word in mades:
            for other in (NOTHING, *givens):
                pair_at.append(numbers.setdefault((other, word), len(numbers)))
                group_at.append(groups)
            groups += 1
    owner = np.fromiter(
        (of_given.setdefault(other, len(of_given)) for other, _ in numbers),
        dtype=np.int64,
        count=len(numbers),
    )
    links = np.asarray(pair_at, np.int64)
    group = np.asarray(group_at, np.int64)
    chances = np.full(len(numbers), 1.0)
    for _ in range(steps):
        weights = chances[links]
        totals = np.bincount(group, weights, minlength=groups)
        counts = np.bincount(links, weights / totals[group], minlength=len(numbers))
        chances = counts / np.bincount(owner, counts, minlength=len(of_given))[owner]
    return {
        pair: float(chance)
        for pair, chance in zip(numbers, chances, strict=True)
        if pair[0] != NOTHING and not math.isnan(chance)
    }


def _best(chances: dict[tuple[str, str], float]) -> dict[str, str]:
    """Each given word's likeliest translation; of equals the first in order."""
    found: dict[str, tuple[float, str]] = {}
    for (given, made), chance in chances.items():
        found[given] = min(found.get(given, (1.0, "")), (-chance, made))
    return {given: made for given, (_, made) in found.items()}
