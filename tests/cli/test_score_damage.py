"""Prediction files of a run that do not belong together are refused, and named."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from xtl_jax.infer import records

ATTACK = {"name": "keyboard", "not_applied": "", "spared": "", "queries": 0}
VOTED = {"certificate": {"radius": 0.2}, "decoding": {"sigma": 0.1, "confidence": 0.9}}


def put(run: pathlib.Path, name: str, changes: Sequence[Mapping[str, Any]]) -> None:
    """A prediction file of right answers; `changes` has one entry a record."""
    task = name.partition(records.ATTACKED)[0]
    family, _, language = task.partition(".")
    plain = {
        "task": task,
        "family": family,
        "language": language,
        "split": "test",
        "inputs": "?",
        "inputs_sha256": records.prompt_sha256("?"),
        "prediction_raw": "0",
        "prediction": "0",
        "references": ("0",),
        "context": None,
        "log_probability": None,
        "checkpoint": "checkpoints/20",
        "step": 20,
        "decoding": {},
    }
    made = [
        records.Record(**{**plain, "id": str(number), **changed})
        for number, changed in enumerate(changes)
    ]
    records.write(run / "predictions" / f"{name}.jsonl", made)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"xnli.de": [{}], "xnli.de@keyboard": [{"attack": {"name": "keyboard"}}]},
            "xnli.de@keyboard.jsonl: the record of '0' does not say how it was "
            "attacked; predict it again with `xtl predict --attack`",
        ),
        (
            {
                "xnli.de": [{"attack": ATTACK}],
                "xnli.de@keyboard": [{"attack": ATTACK}],
            },
            "xnli.de.jsonl: its records were attacked; predict it again",
        ),
        (
            {"xnli.de": [{}], "xnli.de@keyboard": [{"decoding": {"beams": 2}}]},
            "xnli.de@keyboard.jsonl: decoding is {'beams': 2}, in xnli.de.jsonl {}",
        ),
        (
            {"xnli.de": [VOTED, {"decoding": VOTED["decoding"]}]},
            "xnli.de.jsonl: the record of '1' has no certificate, others have; predict "
            "it again with one --smoothing_sigma",
        ),
        (
            {"xnli.de": [{}, {"references": ("0", "1")}]},
            "xnli.de.jsonl: example '1': classification needs exactly one reference",
        ),
        (
            {"xnli.de": [{}], "world_text.de": [{}]},
            "world_text.de.jsonl: world_text has no metric, so it is not scored: move "
            "the file out of predictions/",
        ),
    ],
)
def test_files_that_do_not_belong_together_are_named(xtl, tmp_path, files, says):
    for name, changes in files.items():
        put(tmp_path, name, changes)
    done = xtl("score", tmp_path)
    assert done.code == 2
    assert f"{tmp_path}/predictions/{says}" in done.err
    assert not (tmp_path / "scores").exists()


def test_a_list_of_expected_ids_that_is_none_is_named(xtl, tmp_path):
    put(tmp_path, "xnli.de", [{}])
    path = tmp_path / "predictions" / records.EXPECTED
    path.write_text(json.dumps(["0"]))
    done = xtl("score", tmp_path)
    assert done.code == 2
    assert f"{path}: must be a JSON object; restore it or move it away" in done.err


def test_languages_that_lack_a_file_are_counted_and_named(xtl, tmp_path):
    for part in ("predictions", "labels"):
        (tmp_path / part / "xnli").mkdir(parents=True)
    (tmp_path / "predictions/xnli/test-ar.tsv").write_text("neutral\n")
    flags = ("--submission", tmp_path / "predictions", "--labels", tmp_path / "labels")
    done = xtl("score", *flags)
    assert done.code == 2
    assert "29 of 30 files are missing" in done.err  # of 15 languages, on two sides
    assert f"{tmp_path}/labels/xnli/test-ar.tsv, " in done.err
    assert "add them, or move the task's folder away" in done.err


def test_arms_of_one_name_are_refused(xtl):
    done = xtl("robustness", "--predicted", "a=runs/x+runs/y", "a=runs/z")
    assert done.code == 2
    assert "two arms are called 'a'; name them: NAME=RUN+RUN" in done.err
