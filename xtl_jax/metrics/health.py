"""How many outputs are no answer at all, whatever they score.

A generator can say anything. Shares, in percent of the predictions that are there:

- *empty*: nothing but white space.
- *sentinel*: what is scored holds `<extra_id_`, left over from span corruption. (Where
  a task's own format has sentinels, its post-processing takes them out before.)
- *illegal*: not one of the task's labels (classification only).
- *not_in_context*: not found word for word in the context (extractive questions only).
  An empty prediction is counted as empty, not here.
- *unplaced*: what was written for a tagged sentence and found no token there, and
  tokens that got nothing (tagging only). In percent of these parts, not of predictions.
  What is scored has a tag for each token whatever was written, so that *empty* looks at
  the raw output here.

mT5's tokenizer normalises by NFKC (full-width digits become plain ones) and its prompts
put spaces around punctuation. So the last two are given for what is scored and again
(`_nfkc`) after both texts went through NFKC, and the last one also for the raw output
(`_raw`) and (`_unpadded`) after NFKC with the spaces around punctuation taken out: what
remains then is really not there.

    >>> rows = [Output(prediction="3 , 5 km", raw="3 , 5 km", context="It is 3,5 km.")]
    >>> found = shares(rows, labels=())
    >>> found["not_in_context"], found["not_in_context_unpadded"]
    (100.0, 0.0)
"""

from __future__ import annotations

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable

SENTINEL = "<extra_id_"
_AROUND_PUNCTUATION = re.compile(r"\s*([^\w\s])\s*")
_SPACES = re.compile(r"\s+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """What was generated for one example."""

    prediction: str  # after post-processing: what is scored
    raw: str  # as decoded
    context: str | None = None  # what an extractive answer has to come from
    # Of a tagged sentence: parts that found no place, and all parts.
    parts: tuple[int, int] | None = None


def nfkc(text: str) -> str:
    """Compatibility composition, which mT5's tokenizer does to all text."""
    return unicodedata.normalize("NFKC", text)


def unpad(text: str) -> str:
    """Without spaces around punctuation, other white space as single spaces.

    Example:
        >>> unpad("in ( 3 , 5 )  km")
        'in(3,5)km'
    """
    return _SPACES.sub(" ", _AROUND_PUNCTUATION.sub(r"\1", text)).strip()


def shares(
    outputs: Iterable[Output], *, labels: Collection[str]
) -> dict[str, float | None]:
    """Shares in percent; `None` where one does not apply or nothing was predicted.

    Args:
        outputs: the predictions that are there.
        labels: what a classifier may say; empty for other tasks.
    """
    outputs = list(outputs)
    contexts = [output for output in outputs if output.context is not None]
    nfkc_labels = {nfkc(label).strip() for label in labels}
    # A context has many questions: each form of it is made once.
    context_nfkc = functools.lru_cache(maxsize=256)(nfkc)
    context_unpadded = functools.lru_cache(maxsize=256)(lambda text: unpad(nfkc(text)))

    def empty(output: Output) -> bool:
        said = output.prediction if output.parts is None else output.raw
        return not said.strip()

    def illegal(output: Output) -> bool:
        return output.prediction not in labels

    def illegal_nfkc(output: Output) -> bool:
        return nfkc(output.prediction).strip() not in nfkc_labels

    def absent(output: Output) -> bool:
        return bool(output.prediction.strip()) and (
            output.prediction not in (output.context or "")
        )

    def absent_raw(output: Output) -> bool:
        return bool(output.raw.strip()) and output.raw not in (output.context or "")

    def absent_nfkc(output: Output) -> bool:
        return absent(output) and (
            nfkc(output.prediction) not in context_nfkc(output.context or "")
        )

    def absent_unpadded(output: Output) -> bool:
        return absent_nfkc(output) and (
            unpad(nfkc(output.prediction)) not in context_unpadded(output.context or "")
        )

    classified = outputs if labels else []
    return {
        "empty": _share(outputs, empty),
        "sentinel": _share(outputs, lambda output: SENTINEL in output.prediction),
        "illegal": _share(classified, illegal),
        "illegal_nfkc": _share(classified, illegal_nfkc),
        "not_in_context": _share(contexts, absent),
        "not_in_context_raw": _share(contexts, absent_raw),
        "not_in_context_nfkc": _share(contexts, absent_nfkc),
        "not_in_context_unpadded": _share(contexts, absent_unpadded),
        "unplaced": _unplaced(output.parts for output in outputs),
    }


def _unplaced(parts: Iterable[tuple[int, int] | None]) -> float | None:
    """Parts without a place in percent of all; 0 where nothing had to be placed."""
    counted = [pair for pair in parts if pair is not None]
    if not counted:
        return None
    total = sum(whole for _, whole in counted)
    return 100.0 * sum(unplaced for unplaced, _ in counted) / total if total else 0.0


def _share(outputs: list[Output], test: Callable[[Output], bool]) -> float | None:
    if not outputs:
        return None
    return 100.0 * sum(map(test, outputs)) / len(outputs)
