"""Text from data is seen and never acts."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from xtl_jax.report.text import excerpt, fields, one_line, visible

ACTING = {"\x1b", "\x07", "\x9b", "\x7f", "\u202e", "\u2066", "\u2028", "\ud800"}


@given(st.text(st.characters() | st.sampled_from(sorted(ACTING))))
def test_no_control_or_override_survives(text):
    shown = visible(text)
    shown.encode("utf-8")  # no lone surrogate
    for character in shown:
        assert character in "\n\t" or unicodedata.category(character) != "Cc"
        assert unicodedata.bidirectional(character) not in {
            *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
        }
    assert "\n" not in one_line(text)


def test_joiners_and_direction_marks_that_scripts_need_stay():
    for text in ("می\u200cخواهم", "क्\u200dष", "\u200fabc", "e\u0301"):
        assert visible(text) == text


@given(
    st.text(max_size=300),
    st.lists(st.text(max_size=20), max_size=3),
    st.integers(min_value=8, max_value=100),
)
def test_an_excerpt_is_the_text_without_what_it_says_it_left_out(text, answers, limit):
    pieces = excerpt(text, references=tuple(answers), limit=limit)
    left = sum(
        int(piece.text.split()[1].replace(",", ""))
        for piece in pieces
        if piece.kind == "left_out"
    )
    kept = [piece.text for piece in pieces if piece.kind != "left_out"]
    if not left:
        assert "".join(kept) == visible(text)
    raw_length = len(text) - left
    assert raw_length <= limit + max(map(len, answers), default=0)
    marked = [piece.text for piece in pieces if piece.kind == "reference"]
    present = [a for a in answers if a.strip() and a in text]
    assert marked == [visible(a) for a in present[:1]]


def test_a_long_text_keeps_its_answer_and_counts_the_rest():
    text = "a" * 1000 + "ANSWER" + "b" * 1000
    pieces = excerpt(text, references=("ANSWER",), limit=100)
    assert [piece.kind for piece in pieces] == [
        *("plain", "left_out", "plain", "reference", "plain", "left_out")
    ]
    assert "925 characters" in pieces[1].text  # 1000 - 50 - 25
    assert "975 characters" in pieces[-1].text


def test_a_prompt_is_cut_at_its_fields():
    assert fields("question: أين؟ context: في البيت.") == [
        ("question", "أين؟"),
        ("context", "في البيت."),
    ]
    assert fields("no field") == [("", "no field")]
    assert fields("") == []
