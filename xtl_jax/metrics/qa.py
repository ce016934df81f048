"""SQuAD v1.1 exact match and F1, which XQuAD and TyDiQA-GoldP use in every language.

A text is normalised, and the two normalised texts are compared:

    >>> normalize("The  Eiffel Tower!")
    'eiffel tower'
    >>> exact_match("Eiffel tower", reference="the Eiffel Tower")
    1.0
    >>> f1("Eiffel", reference="the Eiffel Tower")
    0.6666666666666666

The quirks of the official script are kept, because published numbers have them:

- The normaliser is English in every language. Only ASCII punctuation goes (`。 ؟ । «»`
  stay), and it goes without leaving a space: "3,5" becomes "35". The words a, an, the
  go, in Turkish, Swahili, Finnish and Romanian too, where they are not articles.
- Tokens are what stands between white space: a Chinese or Thai answer is one token, so
  its F1 is nearly its exact match.
- Two texts that are empty after normalisation match exactly, with an F1 of 0.
- Exact match and F1 each take the best reference; these can be two different ones.
- No Unicode normalisation: "é" in one code point and "é" in two differ; lower case is
  `str.lower`, so ß is not ss and "İ" becomes two code points.

Reference: evaluate-v1.1.py of SQuAD; XTREME's third_party/evaluate_squad.py scores the
same.
"""

from __future__ import annotations

import collections
import re
import string
from collections.abc import Callable, Sequence

from xtl_jax.errors import UserError
from xtl_jax.metrics.metric import Counts, Metric, percent

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_DROP_PUNCTUATION = str.maketrans("", "", string.punctuation)
MISSING: Counts = {"total": 1.0, "exact_match": 0.0, "f1": 0.0}


def normalize(text: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces."""
    text = text.lower().translate(_DROP_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def exact_match(
    prediction: str, *, reference: str, normalize: Callable[[str], str] = normalize
) -> float:
    """1 if the normalised texts are equal, else 0."""
    return float(normalize(prediction) == normalize(reference))


def f1(
    prediction: str, *, reference: str, normalize: Callable[[str], str] = normalize
) -> float:
    """Harmonic mean of token precision and recall, 0 to 1; 0 if both are empty."""
    predicted = normalize(prediction).split()
    wanted = normalize(reference).split()
    same = collections.Counter(predicted) & collections.Counter(wanted)
    hits = same.total()
    if not hits:
        return 0.0
    precision = hits / len(predicted)
    recall = hits / len(wanted)
    return (2 * precision * recall) / (precision + recall)


def best_counts(
    prediction: str | None,
    *,
    references: Sequence[str],
    normalize: Callable[[str], str],
) -> Counts:
    """Counts of one question: exact match and F1, each with its best reference.

    Args:
        prediction: the answer; `None` if there is none, which scores 0.
        references: the gold answers.
        normalize: what is done to both texts before they are compared.

    Raises:
        UserError: there is no reference, so nothing can be right.
    """
    if not references:
        raise UserError(
            "a question has no reference answer; questions without answers cannot be "
            "scored by SQuAD v1.1 or MLQA: leave them out of the gold file"
        )
    if prediction is None:
        return MISSING
    return {
        "total": 1.0,
        "exact_match": max(
            exact_match(prediction, reference=reference, normalize=normalize)
            for reference in references
        ),
        "f1": max(
            f1(prediction, reference=reference, normalize=normalize)
            for reference in references
        ),
    }


def counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    """Counts of one question. `language` changes nothing: see the module's text."""
    return best_counts(prediction, references=references, normalize=normalize)


def combine(sums: Counts) -> dict[str, float]:
    """Exact match and F1 in percent of all questions, missing ones included."""
    return {
        key: percent(sums[key], total=sums["total"]) for key in ("exact_match", "f1")
    }


METRIC = Metric(
    name="squad_v1",
    primary="f1",
    keys=("exact_match", "f1"),
    counts=counts,
    combine=combine,
    normaliser="squad1",
    missing=MISSING,
)
