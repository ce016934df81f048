"""Attacked runs that cannot be compared: which, and what to predict again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from xtl_jax.cli import robustness_arms
from xtl_jax.errors import UserError


def scored(attack, *, split="test"):
    """As much of a scored language under an attack as comes before its numbers."""
    return SimpleNamespace(
        family=SimpleNamespace(name="xnli"),
        language="de",
        attack={"name": attack, "title": attack, "strength": 0.1},
        document={"split": split},
    )


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        (
            {"a": [[scored("keyboard")]], "b": [[scored("keyboard", split="dev")]]},
            "xnli under keyboard was predicted on several splits: dev, test; predict "
            "all runs with one --split",
        ),
        (
            {"a": [[scored("keyboard")]], "b": [[scored("upper_case")], []]},
            "no attack was made on all runs, so nothing can be compared: xnli under "
            "keyboard: not predicted for b, run 0; b, run 1; xnli under upper_case: "
            "not predicted for a, run 0; b, run 1; predict all runs with the same "
            "--attack",
        ),
    ],
)
def test_what_cannot_be_compared_is_named(arms, says):
    with pytest.raises(UserError) as refused:
        robustness_arms.compare(arms)
    assert str(refused.value) == says
