"""Shares of outputs that are no answers, by hand."""

from __future__ import annotations

import pytest

from xtl_jax.metrics import health


def output(prediction, *, raw=None, context=None):
    return health.Output(
        prediction=prediction,
        raw=prediction if raw is None else raw,
        context=context,
    )


def test_empty_and_sentinel_outputs_are_counted():
    found = health.shares(
        [
            output(""),
            output(" \u3000\n"),
            output("<extra_id_0> x"),
            output("x", raw="<extra_id_0> x"),  # a gap to fill: the task's own format
        ],
        labels=(),
    )
    assert found["empty"] == 50.0
    assert found["sentinel"] == 25.0
    assert found["illegal"] is None
    assert found["not_in_context"] is None


def test_illegal_labels_are_counted_exactly_and_after_nfkc():
    said = ["0", "2", "\uff12", " 1", "3", "", "neutral", "<extra_id_0>"]
    found = health.shares([output(text) for text in said], labels=("0", "1", "2"))
    assert found["illegal"] == 75.0  # all but "0" and "2"
    assert found["illegal_nfkc"] == 50.0  # full-width 2 and " 1" are labels too


def test_answers_that_are_not_in_the_context_are_counted_at_each_stage():
    context = "Die Straße (3,5 km) liegt in Berlin-Mitte. ราคา ๑๒"
    said = {
        "Berlin-Mitte": (False, False, False),
        "Berlin - Mitte": (True, True, False),
        "3 , 5 km": (True, True, False),
        "\uff13,5 km": (True, False, False),
        "berlin": (True, True, True),
        "3 5 km": (True, True, True),
        "": (False, False, False),  # counted as empty
    }
    keys = ("not_in_context", "not_in_context_nfkc", "not_in_context_unpadded")
    for text, expected in said.items():
        found = health.shares([output(text, context=context)], labels=())
        assert tuple(found[key] == 100.0 for key in keys) == expected, text


def test_context_is_compared_in_the_same_form():
    decomposed = "Cafe\u0301 № 5"
    found = health.shares([output("Café No 5", context=decomposed)], labels=())
    assert found["not_in_context"] == 100.0
    assert found["not_in_context_nfkc"] == 0.0


def test_what_was_mended_after_decoding_shows_in_the_raw_share():
    found = health.shares(
        [output("3,5", raw="3 , 5", context="3,5 km"), output("km", context="3,5 km")],
        labels=(),
    )
    assert found["not_in_context_raw"] == 50.0
    assert found["not_in_context"] == 0.0


def test_without_predictions_there_are_no_shares():
    assert set(health.shares([], labels=("a",)).values()) == {None}


@pytest.mark.parametrize("text", ["a b", "(a)", " a , b . ", "नमस्ते, दुनिया", "你 。好"])
def test_taking_out_padding_twice_changes_nothing_more(text):
    assert health.unpad(health.unpad(text)) == health.unpad(text)
