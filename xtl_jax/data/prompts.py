"""Rows to text: the prompts of mT5 and T5, character by character.

A prompt is a pure function from a row to an `Example`: the text that goes in, the text
that should come out, and the references that a prediction is scored against.

mT5 writes every extractive question as

    question: Wo liegt die Straße ? context: Die Straße liegt in Berlin - Mitte .

with spaces put around all punctuation, in question, context *and* target. Scorers see
raw gold answers, so predictions are *de-padded* first: `depad`.
"""

from __future__ import annotations

import dataclasses
import functools
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from xtl_jax.data.rows import PairRow, QuestionRow, RetrievalRow, TextRow

# Part of every cache's name: raise it when any prompt below gives other text.
VERSION = 1

NLI_WORDS = ("entailment", "neutral", "contradiction")  # class ids 0, 1, 2
NLI_DIGITS = ("0", "1", "2")
PARAPHRASE_WORDS = ("different_meaning", "paraphrase")  # class ids 0, 1
DUPLICATE_WORDS = ("not_duplicate", "duplicate")  # class ids 0, 1
# What is said of a question that its context does not answer (SQuAD v2.0; mT5 and T5
# have no word for it). ASCII letters alone: every vocabulary has them, and padding
# leaves them as they are.
NO_ANSWER = "unanswerable"


# Of retrieval: which of the two sets of vectors an example belongs to.
Side = Literal["", "query", "candidate"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """One text-to-text example, before tokenization."""

    id: str
    inputs: str
    targets: str
    references: tuple[str, ...]  # raw gold texts for the scorer
    # Raw text that an answer is projected onto: what an extracted answer must lie in;
    # of a tagged sentence its tokens, tabs between them.
    context: str | None = None
    options: tuple[str, ...] = ()  # targets to rank against each other
    side: Side = ""


def pad_punctuation(text: str) -> str:
    r"""Put spaces around punctuation as mT5 does, then make white space single.

    Everything but underscores, white space, and Unicode's letters, numbers and marks
    counts as punctuation. White space is ASCII's (RE2's `\s`): a no-break space or an
    ideographic one is padded like punctuation. Ends are not stripped.

    Example:
        >>> pad_punctuation("$3.5 million")
        ' $ 3 . 5 million'
    """
    return _single_spaces(text.translate(_PADDING))


_WHITE_SPACE = "\t\n\f\r "  # RE2's \s; str.isspace would take many more


class _Padding(dict[int, str]):
    """Code point to its padded text, worked out when a character is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _WHITE_SPACE:
            padded = " "
        elif character == "_" or unicodedata.category(character)[0] in "LNM":
            padded = character
        else:
            padded = f" {character} "
        self[code] = padded
        return padded


_PADDING = _Padding()


def _single_spaces(text: str) -> str:
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def question_answer(row: QuestionRow) -> Example:
    """mT5's prompt for SQuAD, XQuAD, MLQA and TyDi QA.

    The target is the first gold answer; the references are all of them, verbatim.

    A question without an answer has the target `NO_ANSWER` and no reference.

    Example:
        >>> row = QuestionRow(id="1", question="Who?", context="Ada's idea.",
        ...                   answers=("Ada",), answer_starts=(0,))
        >>> question_answer(row).inputs
        "question: Who ? context: Ada ' s idea . "
        >>> row = dataclasses.replace(row, answers=(), answer_starts=())
        >>> question_answer(row).targets
        'unanswerable'
    """
    question = pad_punctuation(row.question)
    context = pad_punctuation(row.context)
    return Example(
        id=row.id,
        inputs=_single_spaces(f"question: {question} context: {context}"),
        targets=pad_punctuation(row.answers[0]) if row.answers else NO_ANSWER,
        references=row.answers,
        context=row.context,
    )


def answer_or_none(prediction_raw: str, *, context: str | None) -> str:
    """The scored answer where there may be none: "" for `NO_ANSWER`, else de-padded.

    Example:
        >>> answer_or_none("unanswerable", context="It is 7:45.")
        ''
        >>> answer_or_none("7 : 45", context="It is 7:45.")
        '7:45'
    """
    if prediction_raw.strip() == NO_ANSWER:
        return ""
    return depad(prediction_raw, context=context or "")


def depad(prediction: str, *, context: str) -> str:
    """Undo mT5's padding: the context's own text where the prediction occurs in it.

    Both are compared without any white space, so `3 . 5 million` finds `3.5 million`
    and `a - ha` finds `a-ha`. Of several places the first is taken: they differ in
    white space only. A prediction that is not in the context is returned as it came,
    without white space at its ends.

    Example:
        >>> depad("3 . 5 million", context="It cost $3.5 million.")
        '3.5 million'
        >>> depad("4 . 5 million", context="It cost $3.5 million.")
        '4 . 5 million'
    """
    prediction = prediction.strip()
    wanted = "".join(prediction.split())
    if not wanted or prediction in context:
        return prediction
    squeezed, positions = _squeeze(context)
    start = squeezed.find(wanted)
    if start < 0:
        return prediction
    return context[positions[start] : positions[start + len(wanted) - 1] + 1]


@functools.lru_cache(maxsize=256)  # questions share their context
def _squeeze(context: str) -> tuple[str, tuple[int, ...]]:
    """A text without white space, and where each kept character stood."""
    positions = tuple(
        index for index, character in enumerate(context) if not character.isspace()
    )
    return "".join(context.split()), positions


def xnli(row: PairRow) -> Example:
    """mT5's prompt for XNLI: digits as targets, which no language translates.

    Example:
        >>> row = PairRow(id="7", first="It rains.", second="It is wet.",
        ...               label="neutral")
        >>> xnli(row).inputs, xnli(row).targets
        ('xnli: premise: It rains. hypothesis: It is wet.', '1')
    """
    digit = NLI_DIGITS[NLI_WORDS.index(row.label)]
    return Example(
        id=row.id,
        inputs=f"xnli: premise: {row.first} hypothesis: {row.second}",
        targets=digit,
        references=(digit,),
    )


def mnli(row: PairRow) -> Example:
    """T5's prompt for MNLI: fields in alphabetical order, words as targets.

    Example:
        >>> row = PairRow(id="7", first="It rains.", second="It is wet.",
        ...               label="neutral")
        >>> mnli(row).inputs, mnli(row).targets
        ('mnli hypothesis: It is wet. premise: It rains.', 'neutral')
    """
    return inference(row, name="mnli")


def inference(row: PairRow, *, name: str) -> Example:
    """T5's format for MNLI with another task's name: SNLI, ANLI, their union.

    Example:
        >>> row = PairRow(id="7", first="It rains.", second="It is wet.",
        ...               label="neutral")
        >>> inference(row, name="snli").inputs
        'snli hypothesis: It is wet. premise: It rains.'
    """
    return Example(
        id=row.id,
        inputs=f"{name} hypothesis: {row.second} premise: {row.first}",
        targets=row.label,
        references=(row.label,),
    )


def qqp(row: PairRow) -> Example:
    """T5's prompt for Quora's question pairs: words as targets.

    Example:
        >>> row = PairRow(id="7", first="Who?", second="What?", label="not_duplicate")
        >>> qqp(row).inputs, qqp(row).targets
        ('qqp question1: Who? question2: What?', 'not_duplicate')
    """
    return Example(
        id=row.id,
        inputs=f"qqp question1: {row.first} question2: {row.second}",
        targets=row.label,
        references=(row.label,),
    )


def paraphrase(row: PairRow) -> Example:
    """mT5's prompt for PAWS-X: English words as targets.

    Example:
        >>> row = PairRow(id="7", first="A b.", second="B a.", label="paraphrase")
        >>> paraphrase(row).inputs, paraphrase(row).targets
        ('paws sentence1: A b. sentence2: B a.', 'paraphrase')
    """
    return Example(
        id=row.id,
        inputs=f"paws sentence1: {row.first} sentence2: {row.second}",
        targets=row.label,
        references=(row.label,),
    )


def sentence(row: RetrievalRow) -> Example:
    """A text to be turned into a vector: as it is, its context after it if it has one.

    No published format of mT5 has a prompt here. The target is empty, as nothing is
    decoded; the references of a query are the ids of its right candidates.

    Example:
        >>> row = RetrievalRow(id="ar_1_0", text="Cairo is big.", side="candidate",
        ...                    context="Cairo is big. It is old.")
        >>> sentence(row).inputs
        'Cairo is big. Cairo is big. It is old.'
    """
    return Example(
        id=row.id,
        inputs=f"{row.text} {row.context}" if row.context else row.text,
        targets="",
        references=row.answers,
        side=row.side,
    )


def text(row: TextRow) -> Example:
    """A text as its own target; span corruption cuts it once it is tokens."""
    return Example(id=row.id, inputs="", targets=row.text, references=())


def class_id(prediction: str, *, labels: Sequence[str]) -> int | None:
    """The class that a scored text names; None where it names none.

    Example:
        >>> class_id("paraphrase", labels=PARAPHRASE_WORDS)
        1
        >>> class_id("Paraphrase", labels=PARAPHRASE_WORDS) is None
        True
    """
    return labels.index(prediction) if prediction in labels else None


def postprocess(prediction_raw: str, *, kind: str, context: str | None = None) -> str:
    """What is scored, from what the model wrote.

    Args:
        prediction_raw: the decoded text.
        kind: the family's: `qa` answers are de-padded, other texts only stripped.
        context: the example's raw context; needed for `qa`.
    """
    if kind == "qa":
        return depad(prediction_raw, context=context or "")
    return prediction_raw.strip()


def as_mapping(example: Example) -> Mapping[str, Any]:
    """An example as the dictionary that SeqIO's sources yield.

    SeqIO has no missing values: an absent context is an empty string.
    """
    return {
        "id": example.id,
        "inputs": example.inputs,
        "targets": example.targets,
        "references": list(example.references),
        "context": example.context or "",
        "options": list(example.options),
        "side": example.side,
    }
