"""The sentences of a study's page: what may be said, and what may not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from xtl_jax.report import study_wording

OPEN = "not enough power"


def _test(conclusion):
    comparison = SimpleNamespace(arm="all", seeds=(0, 1))
    measure = SimpleNamespace(gap=False)
    return SimpleNamespace(
        conclusion=conclusion, comparison=comparison, measure=measure
    )


@pytest.mark.parametrize(
    ("trends", "said", "answers"),
    [
        ((), "", False),
        ((OPEN, None), "Of 1 trends, 1 without enough power.", False),
        ((OPEN, "lower"), "Of 2 trends, 1 falling, 1 without enough power.", True),
        (("not significant",), "Of 1 trends, 1 not significant.", True),
    ],
)
def test_a_study_whose_trend_is_known_has_an_answer(trends, said, answers):
    analysis = SimpleNamespace(
        headline=[_test(OPEN)],
        trends=[SimpleNamespace(conclusion=conclusion) for conclusion in trends],
    )
    text = study_wording.verdict(SimpleNamespace(arms=("none", "all")), analysis)
    assert said in text
    assert ("cannot answer" not in text) == answers
