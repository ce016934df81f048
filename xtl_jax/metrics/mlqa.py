"""MLQA exact match and F1: SQuAD's measure with a normaliser for each language.

The language is that of the *answer*, which is that of the context: the pair `en-ar`
(English context, Arabic question) is scored as English.

    >>> normalize("Die Donau-Brücke", language="de")
    'donaubrücke'
    >>> normalize("北京 2008年", language="zh")
    '北 京 2008 年'

The quirks of the official script are kept, because published numbers have them:

- Punctuation is every character of a Unicode category P* and all of ASCII's, so that
  `$ + < = > ^ | ~` go while `€ £ °` stay. It goes without leaving a space.
- Articles are dropped after punctuation, at `\\b`, which sees combining marks, joiners
  and currency signs as ends of words: "das€5" loses its "das". The Vietnamese list is
  of composed letters; decomposed text does not match it. Hindi and Chinese have none.
- Arabic: the script's pattern can only match "ال" anywhere, inside words too, and puts
  a space there: "العالم" becomes "ع م". Mending it gives other numbers than MLQA's.
- Chinese: one token a character in U+4E00..U+9FA5 only; digits, Latin, kana and rare
  characters stay together between white space. Exact match compares tokens joined by
  spaces, so that "2008 年" equals "2008年".
- Diacritics, tatweel, joiners and direction marks are not removed; there is no Unicode
  normalisation.
- Empty texts and the best reference: as in `xtl_jax.metrics.qa`.

Reference: mlqa_evaluation_v1.py; XTREME's third_party/evaluate_mlqa.py scores the same.
"""

from __future__ import annotations

import functools
import re
import string
import unicodedata
from collections.abc import Sequence

from xtl_jax.errors import UserError
from xtl_jax.metrics import qa
from xtl_jax.metrics.metric import Counts, Metric

_ARTICLES: dict[str, re.Pattern[str] | None] = {
    "en": re.compile(r"\b(a|an|the)\b"),
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "ar": re.compile("ال"),  # what is left of the script's pattern: see above
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "hi": None,
    "zh": None,
}
LANGUAGES = tuple(_ARTICLES)
_HAN = re.compile("([\u4e00-\u9fa5])")


def answer_language(language: str) -> str:
    """The language in which answers are scored: that of the context.

    Raises:
        UserError: MLQA has no normaliser for it.

    Example:
        >>> answer_language("en-ar"), answer_language("ar")
        ('en', 'ar')
    """
    context = language.split("-")[0]
    if context not in _ARTICLES:
        raise UserError(
            f"MLQA scores no language {language!r}; it has {', '.join(LANGUAGES)}, and "
            "pairs CONTEXT-QUESTION of them; for other languages use a task that is "
            "scored by SQuAD v1.1, as xquad is"
        )
    return context


@functools.cache  # at most one entry a character that occurs
def _is_punctuation(character: str) -> bool:
    return (
        unicodedata.category(character).startswith("P")
        or character in string.punctuation
    )


def normalize(text: str, *, language: str) -> str:
    """Lower case, no punctuation, no articles of the language, tokens joined by spaces.

    Raises:
        UserError: MLQA has no normaliser for the language.
    """
    articles = _ARTICLES[answer_language(language)]
    text = "".join(c for c in text.lower() if not _is_punctuation(c))
    if articles is not None:
        text = articles.sub(" ", text)
    if answer_language(language) == "zh":
        text = _HAN.sub(r" \1 ", text)
    return " ".join(text.split())


def counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    """Counts of one question, answered in `language` (of a pair: its context's).

    Raises:
        UserError: an unknown language, or no references.
    """
    return qa.best_counts(
        prediction,
        references=references,
        normalize=functools.partial(normalize, language=answer_language(language)),
    )


METRIC = Metric(
    name="mlqa",
    primary="f1",
    keys=("exact_match", "f1"),
    counts=counts,
    combine=qa.combine,
    normaliser="mlqa1",
    missing=qa.MISSING,
)
