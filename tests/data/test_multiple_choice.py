"""Multiple choice as text, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.data import multiple_choice, prompts
from xtl_jax.data.rows import ChoiceRow


def _row(**changes):
    values = {
        "id": "1",
        "context": "Political violence broke out in the nation.",
        "question": "effect",
        "options": (
            "Many citizens relocated to the capitol.",
            "Many citizens took refuge in other territories.",
        ),
        "answer": 1,
    }
    return ChoiceRow(**values | changes)


def test_copa_reads_as_in_the_t5_paper():
    """Raffel et al. 2020, appendix D: the processed input of COPA."""
    example = multiple_choice.listed(_row(), name="copa", context="premise")
    assert example.inputs == (
        "copa choice1: Many citizens relocated to the capitol. choice2: Many citizens "
        "took refuge in other territories. premise: Political violence broke out in "
        "the nation. question: effect"
    )
    assert (example.targets, example.options) == ("choice2", ())


def test_what_a_row_lacks_is_left_out():
    row = _row(context="", question="Why?")
    assert multiple_choice.ranked(row, name="a").inputs == "a question: Why?"
    row = _row(question="", options=("b", "c"))
    assert multiple_choice.listed(row, name="a").inputs == (
        f"a choice1: b choice2: c context: {row.context}"
    )


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_names_and_indices_are_each_others_inverse(count):
    names = multiple_choice.choices(count)
    found = [multiple_choice.choice_index(name, count=count) for name in names]
    assert found == list(range(count))
    for said in ("choice0", f"choice{count + 1}", "Choice1", "1", "", "choice"):
        assert multiple_choice.choice_index(said, count=count) is None


_TEXT = st.text(min_size=1, max_size=20).filter(str.strip)


@given(st.lists(_TEXT, min_size=2, max_size=5), st.data())
def test_both_targets_fed_back_find_the_right_option(options, data):
    answer = data.draw(st.integers(0, len(options) - 1))
    row = _row(options=tuple(options), answer=answer)
    listed = multiple_choice.listed(row, name="a")
    ranked = multiple_choice.ranked(row, name="a")
    said = prompts.postprocess(listed.targets, kind="classification")
    assert multiple_choice.choice_index(said, count=len(options)) == answer
    won = prompts.postprocess(ranked.targets, kind="ranking")
    assert (won,) == ranked.references
    index = multiple_choice.option_index(won, options=ranked.options)
    assert ranked.options[index] == options[answer].strip()
    assert multiple_choice.option_index(won + "x", options=(won,)) is None
