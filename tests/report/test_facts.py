"""The head of a report: how long training took."""

from __future__ import annotations

import pytest

from xtl_jax.report import facts
from xtl_jax.report.results import RunResults


def _arm(*seconds: float, parts: tuple[RunResults, ...] = ()) -> RunResults:
    return RunResults(
        label="a",
        folder="a",
        config={"run": {"task": "mnli"}},
        log=tuple({"kind": "train", "seconds": each} for each in seconds),
        scores=(),
        summary={},
        predictions={},
        parts=parts,
    )


def _time(*arms: RunResults) -> tuple[str | None, ...] | None:
    found = {each.name: each.values for each in facts.headline(arms)}
    return found.get("Time of training")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ((50.2, 40.4), "1 min 31 s"),
        ((3600.0, 120.0), "1 h 2 min"),
        ((3.0,), "0 min 3 s"),
    ],
)
def test_time_is_that_of_all_steps(seconds: tuple[float, ...], said: str) -> None:
    assert _time(_arm(*seconds)) == (said,)


def test_time_of_several_runs_is_their_sum() -> None:
    joined = _arm(parts=(_arm(60.0), _arm(61.0)))
    assert _time(joined, _arm()) == ("2 min 1 s", None)


def test_no_time_is_said_of_runs_that_trained_nothing() -> None:
    assert _time(_arm()) is None
