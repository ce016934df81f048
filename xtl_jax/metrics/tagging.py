"""Tags of sentences: F1 over chunks of tokens, and the share of right tokens.

A prediction is one tag for each token, joined by single spaces; so is the reference:

    >>> found = SPAN_F1.counts(
    ...     "B-PER I-PER O", references=("B-PER I-PER B-LOC",), language="en"
    ... )
    >>> SPAN_F1.combine(found)["precision"], SPAN_F1.combine(found)["recall"]
    (100.0, 50.0)

A *chunk* is a run of tokens with its type; it is right if type, start and end are. Its
counts (true and false positives, false negatives) are those of one sentence, and sums
of them give the corpus' micro F1; sentences never join. The metrics:

- `SPAN_F1`, for named entities: seqeval's default. It is lenient: an I- that follows O
  or another type opens an entity, and E- and S- are known. No entity anywhere gives 0.
- `STRICT_SPAN_F1`: seqeval's `mode="strict"` with IOB2, where only B- opens an entity.
  It is another number, and not XTREME's.
- `CHUNK_F1`, for parts of speech in XTREME: *not accuracy* but span F1 on bare tags,
  which have no B- or I-. Neighbours of one tag merge into a chunk, except that the
  first letter is taken for a prefix, so that each SYM and SCONJ is a chunk of its own.
  XTREME's published numbers need seqeval before 1.0, whose type is the whole tag; from
  1.0 on the first letter is cut off, so that CCONJ and SCONJ are one type. Token
  accuracy is given beside it.
- `TOKEN_ACCURACY`, for CCG supertags: right tokens of all tokens of all sentences.

An empty tag opens no chunk (seqeval dies of it) and is no right token.

Reference: sequence_labeling.py of seqeval 0.0.12 and 1.2.2, scheme.py of the latter;
XTREME's evaluate.py, whose mock POS data has 70.217 by 0.0.12 and 70.398 by 1.2.2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal

from xtl_jax.errors import UserError
from xtl_jax.metrics.metric import Counts, Metric, percent

Seqeval = Literal["0", "1"]  # major version, which decides what a tag's type is
Chunk = tuple[str, int, int]  # type, first token, last token
Chunker = Callable[[Sequence[str]], set[Chunk]]

_KEPT_PAIRS = 100_000  # of neighbours: all of a tag set's, and many that models invent


def _split(tag: str, *, seqeval: Seqeval) -> tuple[str, str]:
    """A tag's prefix letter and its type."""
    if not tag:
        tag = "O"
    if seqeval == "0":
        return tag[0], tag.split("-")[-1]
    return tag[0], tag[1:].split("-", maxsplit=1)[-1] or "_"


@functools.lru_cache(maxsize=_KEPT_PAIRS)
def _boundary(before: str, tag: str, *, seqeval: Seqeval) -> tuple[str | None, bool]:
    """Between two neighbours: the type of the chunk that ends, and if one starts."""
    last, last_type = _split(before, seqeval=seqeval)
    letter, type_ = _split(tag, seqeval=seqeval)
    changes = last_type != type_
    ends = (
        last in "ES"
        or (last in "BI" and letter in "BSO")
        or (last not in "O." and changes)
    )
    starts = (
        letter in "BS"
        or (last in "ESO" and letter in "EI")
        or (letter not in "O." and changes)
    )
    return last_type if ends else None, starts


def chunks(tags: Sequence[str], *, seqeval: Seqeval) -> set[Chunk]:
    """Chunks of one sentence, leniently, as seqeval's default finds them.

    Example:
        >>> sorted(chunks(["O", "I-PER", "I-PER", "B-PER"], seqeval="1"))
        [('PER', 1, 2), ('PER', 3, 3)]
        >>> sorted(chunks(["NOUN", "NOUN", "SYM", "SYM"], seqeval="0"))
        [('NOUN', 0, 1), ('SYM', 2, 2), ('SYM', 3, 3)]
    """
    found = set()
    before, begin = "O", 0
    for place, tag in enumerate((*tags, "O")):
        ended, starts = _boundary(before, tag, seqeval=seqeval)
        if ended is not None:
            found.add((ended, begin, place - 1))
        if starts:
            begin = place
        before = tag
    return found


def strict_chunks(tags: Sequence[str]) -> set[Chunk]:
    """Chunks of one sentence by IOB2: a B- and the I- of its type that follow.

    Example:
        >>> sorted(strict_chunks(["I-PER", "B-LOC", "I-PER", "I-PER"]))
        [('LOC', 1, 1)]
    """
    found = set()
    begin, type_ = 0, None  # of the entity that is open
    for place, tag in enumerate((*tags, "O")):
        letter, of_tag = _split(tag, seqeval="1")
        if type_ is not None and not (letter == "I" and of_tag == type_):
            found.add((type_, begin, place - 1))
            type_ = None
        if letter == "B":
            begin, type_ = place, of_tag
    return found


def _tags(
    prediction: str | None, references: Sequence[str]
) -> tuple[list[str], list[str] | None]:
    """Gold and predicted tags, as many of each; `None` for a missing prediction.

    Raises:
        UserError: not exactly one reference, or another number of tags.
    """
    if len(references) != 1:
        raise UserError(
            "a tagged sentence needs exactly one reference, its tags joined by spaces; "
            f"got {list(references)}"
        )
    gold = references[0].split(" ")
    if prediction is None:
        return gold, None
    predicted = prediction.split(" ")
    if len(predicted) != len(gold):
        raise UserError(
            f"the prediction has {len(predicted)} tags for {len(gold)} tokens "
            f"({_shown(prediction)}); give one tag for each token, joined by single "
            "spaces: what a model wrote is projected onto the tokens before it is "
            "scored"
        )
    return gold, predicted


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _chunk_counts(
    prediction: str | None,
    *,
    references: Sequence[str],
    language: str,
    chunker: Chunker,
) -> dict[str, float]:
    gold, predicted = _tags(prediction, references)
    wanted = chunker(gold)
    if predicted is None:
        said: set[Chunk] = set()
    else:
        said = wanted if predicted == gold else chunker(predicted)
    hits = len(wanted & said)
    return {
        "total": 1.0,
        "true_positives": float(hits),
        "false_positives": float(len(said) - hits),
        "false_negatives": float(len(wanted) - hits),
    }


def _combine_chunks(sums: Counts) -> dict[str, float]:
    """F1, precision and recall in percent; 0 where seqeval would divide by 0."""
    percent(0.0, total=sums["total"])  # refuses a sum of nothing
    hits = sums["true_positives"]
    predicted = hits + sums["false_positives"]
    wanted = hits + sums["false_negatives"]
    precision = hits / predicted if predicted else 0.0
    recall = hits / wanted if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"f1": 100 * f1, "precision": 100 * precision, "recall": 100 * recall}


def _token_counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> dict[str, float]:
    gold, predicted = _tags(prediction, references)
    right = 0
    if predicted is not None:
        right = sum(a == b != "" for a, b in zip(predicted, gold, strict=True))
    return {"total": 1.0, "tokens": float(len(gold)), "correct_tokens": float(right)}


def _combine_tokens(sums: Counts) -> dict[str, float]:
    return {"accuracy": percent(sums["correct_tokens"], total=sums["tokens"])}


def _chunk_and_token_counts(
    prediction: str | None, *, references: Sequence[str], language: str
) -> Counts:
    return {
        **_chunk_counts(
            prediction,
            references=references,
            language=language,
            chunker=functools.partial(chunks, seqeval="0"),
        ),
        **_token_counts(prediction, references=references, language=language),
    }


def _combine_chunks_and_tokens(sums: Counts) -> dict[str, float]:
    return {"f1": _combine_chunks(sums)["f1"], **_combine_tokens(sums)}


SPAN_F1 = Metric(
    name="span_f1",
    primary="f1",
    keys=("f1", "precision", "recall"),
    counts=functools.partial(
        _chunk_counts, chunker=functools.partial(chunks, seqeval="1")
    ),
    combine=_combine_chunks,
    aggregation="micro",
)
STRICT_SPAN_F1 = Metric(
    name="strict_span_f1",
    primary="f1",
    keys=("f1", "precision", "recall"),
    counts=functools.partial(_chunk_counts, chunker=strict_chunks),
    combine=_combine_chunks,
    aggregation="micro",
)
CHUNK_F1 = Metric(
    name="chunk_f1",
    primary="f1",
    keys=("f1", "accuracy"),
    counts=_chunk_and_token_counts,
    combine=_combine_chunks_and_tokens,
    aggregation="micro",
)
TOKEN_ACCURACY = Metric(
    name="token_accuracy",
    primary="accuracy",
    keys=("accuracy",),
    counts=_token_counts,
    combine=_combine_tokens,
    aggregation="micro",
)
