"""Overlap of training and evaluation texts, by hand."""

from __future__ import annotations

from xtl_jax.data import overlap
from xtl_jax.data.rows import PairRow, QuestionRow, TextRow


def _question(name, question, context):
    return QuestionRow(
        id=name, question=question, context=context, answers=("x",), answer_starts=(0,)
    )


LONG = "The Norman dynasty had a major political, cultural and military impact."


def _counts(training, evaluation):
    found = overlap.Training(training).overlap(evaluation)
    return {o.kind: (o.shared, o.total) for o in found}


def test_the_same_paragraph_with_other_questions_is_found():
    training = [_question("a", "Who?", LONG), _question("b", "When?", LONG)]
    evaluation = [
        _question("c", "where?", LONG.upper()),
        _question("d", "How?", "Another text."),
        _question("e", "WHEN ?", "Another text."),
    ]
    assert _counts(training, evaluation) == {
        "question": (1, 3),
        "context": (1, 2),
        "id": (0, 3),
    }


def test_a_translation_under_the_same_id_is_found():
    training = [_question("56beb4", "Who?", LONG)]
    evaluation = [_question("56beb4", "谁？", "诺曼王朝")]
    assert _counts(training, evaluation)["id"] == (1, 1)


def test_a_paragraph_inside_a_document_is_found():
    training = [
        TextRow(id="0", text=f"Before. {LONG} After."),
        TextRow(id="1", text="x"),
    ]
    evaluation = [_question("a", "Who?", LONG), _question("b", "Who?", "Before.")]
    # "Before." occurs too, but says nothing: it is shorter than a sentence.
    assert _counts(training, evaluation) == {"context": (1, 2)}


def test_pairs_are_compared_as_pairs():
    training = [PairRow(id="1", first="It rains.", second="It is wet.", label="1")]
    evaluation = [
        PairRow(id="9", first="it rains", second="It is wet!", label="0"),
        PairRow(id="1", first="It rains.", second="It is dry.", label="2"),
    ]
    assert _counts(training, evaluation) == {"pair": (1, 2)}


def test_kinds_that_cannot_be_compared_are_not_reported_as_clean():
    training = [PairRow(id="1", first="a", second="b", label="1")]
    assert _counts(training, [_question("a", "Who?", LONG)]) == {}
