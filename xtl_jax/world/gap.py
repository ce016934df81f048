"""Questions of the toy world as a gap to fill, the form that pre-training has taught.

mT5's prompt for questions (`question: … context: …`) starts an answer in a way that
span corruption never showed; a large model learns the new way from English alone and
carries it over, a model of a few hundred thousand parameters answers in English then.
So the toy asks as its raw text does, and the gap stands where the answer is missing:

    Anna lives in Paris. Omar works in Rome. Where does Anna live? <extra_id_0>
    <extra_id_0> Paris.

Chada and Natarajan (2021, FewshotQA) do the same with BART and T5.
"""

from __future__ import annotations

from xtl_jax.data.prompts import Example, depad
from xtl_jax.data.rows import QuestionRow

GAP = "<extra_id_0>"


def question_answer(row: QuestionRow) -> Example:
    """The prompt; the answer ends with the full stop of the context's script.

    Example:
        >>> row = QuestionRow(id="1", question="Where?", context="Anna lives in Rome.",
        ...                   answers=("Rome",), answer_starts=(14,))
        >>> made = question_answer(row)
        >>> made.inputs, made.targets
        ('Anna lives in Rome. Where? <extra_id_0>', '<extra_id_0> Rome.')
    """
    stop = row.context[-1]
    space = "" if stop == "。" else " "
    return Example(
        id=row.id,
        inputs=f"{row.context}{space}{row.question} {GAP}",
        targets=f"{GAP} {row.answers[0]}{stop}",
        references=row.answers,
        context=row.context,
    )


def postprocess(prediction_raw: str, *, context: str | None) -> str:
    """What is scored: the text in the gap, without the full stop.

    Example:
        >>> postprocess("<extra_id_0> Rome.", context="Anna lives in Rome.")
        'Rome'
    """
    answer = prediction_raw.strip().removeprefix(GAP).strip(" .।。")
    return depad(answer, context=context or "")
