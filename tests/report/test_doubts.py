"""What speaks against a run's numbers is said on its page."""

from __future__ import annotations

import json

import pytest

from xtl_jax.cli import run_results
from xtl_jax.report import doubts, wording


def _log(*losses, norm=1.0):
    return [
        {"step": step, "kind": "train", "loss": loss, "gradient_norm": norm}
        for step, loss in enumerate(losses, start=1)
    ]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (_log(4.0, 3.0, 2.0, 1.5, 1.0), []),
        (_log(4.0, 3.0, 3.5, 8.5), ["the loss rose from 3.50 to 8.50 nats at step 4"]),
        (_log(4.0, 3.0, 8.5), []),  # too few to know what is usual
        (_log(0.01, 0.01, 0.01, 0.5), []),  # many times as high, and low
        (
            _log(1.0, 1.0, 1.0, 5.0, 1.0, 7.0),
            ["the loss rose from 1.00 to 5.00 nats at step 4, and 1 times more"],
        ),
        (_log(1.0, float("nan"), 1.0), ["the loss was not finite at step 2"]),
        (_log(1.0, float("inf")), ["the loss was not finite at step 2"]),
        (_log(1.0, None), ["the loss was not finite at step 2"]),
        (
            _log(2.0, 2.0, norm=0.0),
            ["the gradient was zero from step 1 to 2: nothing was learnt there"],
        ),
        (_log(0.001, norm=0.0), []),  # everything is learnt
        ([{"step": 1, "kind": "eval", "loss": float("nan")}], []),
    ],
)
def test_of_a_log(log, said):
    assert doubts.of_log(log) == said


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ({}, []),
        ({"tasks": {"a": {"truncated_percent": None}}, "fill_percent": None}, []),
        ({"tasks": {"a": {"truncated_percent": 5.0}}}, []),
        ({"tasks": {"a": {"truncated_percent": 5.1}}}, ["a: 5.1 % of its examples"]),
        (
            {"tasks": {"a": {"truncated_percent": {"inputs": 9.0, "targets": 50.0}}}},
            ["a: 50.0 % of its examples are cut (inputs, targets)"],
        ),
        (
            {"fill_percent": {"inputs": 0.0, "targets": 90.0}},
            ["rows of inputs are 0"],
        ),
    ],
)
def test_of_what_is_read(reading, said):
    found = doubts.of_reading(reading)
    assert [text[: len(start)] for text, start in zip(found, said, strict=True)] == said


def test_a_report_says_them_before_its_numbers(fabricated, tmp_path):
    run = fabricated.write_run(tmp_path / "run", languages=("en",), examples=5)
    document = json.loads((run / "run.json").read_text())
    document["reading"] = {"fill_percent": {"inputs": 1.0}}
    fabricated.write_json(run / "run.json", document)
    lines = [json.dumps(line) for line in _log(1.0, 1.0, 1.0, 9.0)]
    (run / "log.jsonl").write_text("\n".join(lines) + "\n")
    notes = wording.notes(run_results.read_all([run]))
    assert any("the loss rose from 1.00 to 9.00 nats at step 4" in n for n in notes)
    assert any("rows of inputs are 1.0 % full" in note for note in notes)


def test_a_report_says_what_is_missing_and_what_is_no_answer(fabricated, tmp_path):
    run = fabricated.write_run(
        tmp_path / "run",
        languages=("en",),
        missing_languages=("hi",),
        examples=4,
        special={f"en-{number}": "" for number in range(4)},
    )
    notes = wording.notes(run_results.read_all([run]))
    assert "mlqa has no score for hi: its averages are missing" in notes
    assert any("100.0 % of the outputs are no answers: empty" in n for n in notes)
