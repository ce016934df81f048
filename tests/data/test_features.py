"""Lengths: exactly those of the two features, whole and long enough for a token."""

from __future__ import annotations

import pytest

from xtl_jax.data.features import Lengths
from xtl_jax.errors import UserError


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"inputs": 8}, r"features \['inputs'\]; they must name exactly inputs and ta"),
        ({"inputs": 8, "target": 8}, r"\['inputs', 'target'\]; they must"),
        ({"inputs": 1, "targets": 8}, "length of inputs is 1; .* at least 2"),
        ({"inputs": 8, "targets": 8.0}, r"length of targets is 8\.0; .*whole number"),
        ({"inputs": True, "targets": 8}, "length of inputs is True; .*whole number"),
    ],
)
def test_lengths_that_no_row_can_have_are_refused(lengths, message):
    with pytest.raises(UserError, match=message):
        Lengths.of(lengths)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("512", "lengths '512': '512' is not NAME=TOKENS; .* inputs=512,targets=64"),
        ("inputs=512,targets=", "'targets=' is not NAME=TOKENS"),
        ("inputs=512,targets=-1", "'targets=-1' is not NAME=TOKENS"),
        ("inputs=512", "they must name exactly inputs and targets"),
        ("inputs=512,targets=1", "length of targets is 1"),
    ],
)
def test_a_flag_of_another_form_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        Lengths.parse(text)
