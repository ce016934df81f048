"""`xtl submit`: from prediction files of runs to a folder, and back to its score."""

from __future__ import annotations

import json
import pathlib

import pytest

from xtl_jax.infer import records
from xtl_jax.metrics import xtreme

(XCOPA,) = [task for task in xtreme.scored_tasks("xtreme-r") if task.name == "xcopa"]
(TATOEBA,) = [task for task in xtreme.scored_tasks("xtreme") if task.name == "tatoeba"]


def put(run, family, language, said, **changes):
    made = [
        records.Record(
            **{
                "task": f"{family}.{language}",
                "family": family,
                "language": language,
                "split": "test",
                "id": id_,
                "inputs": "?",
                "inputs_sha256": records.prompt_sha256("?"),
                "prediction_raw": text,
                "prediction": text,
                "references": (),
                "context": None,
                "log_probability": None,
                "checkpoint": "checkpoints/20",
                "step": 20,
                "decoding": {},
                **changes,
            }
        )
        for id_, text in said.items()
    ]
    records.write(run / "predictions" / f"{family}.{language}.jsonl", made)


def expect(run, ids):
    sets = {name: {"split": "test", "ids": each} for name, each in ids.items()}
    path = run / "predictions" / records.EXPECTED
    path.write_text(json.dumps({"sets": sets, "missing": {}}))


@pytest.fixture
def runs(tmp_path):
    """One run with XCOPA, one with Tatoeba, each whole; labels of both."""
    first, second, labels = tmp_path / "first", tmp_path / "second", tmp_path / "labels"
    for language in XCOPA.languages:
        put(first, "xcopa", language, {"1": "choice2", "0": "choice1"})
        path = labels / "xcopa" / f"test-{language}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"label": 0}\n{"label": 1}\n')
    expect(first, {f"xcopa.{language}": ["0", "1"] for language in XCOPA.languages})
    for language in TATOEBA.languages:
        put(second, "tatoeba", language, {"en-0": "1", "en-1": "0"})
        path = labels / "tatoeba" / f"test-{language}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n1\n")
    expect(
        second,
        {f"tatoeba.{language}": ["en-0", "en-1"] for language in TATOEBA.languages},
    )
    return first, second, labels


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_two_runs_make_one_folder_that_is_scored(runs, tmp_path, xtl):
    first, second, labels = runs
    out = tmp_path / "out"
    done = xtl("submit", first, second, "--out", out)
    assert done.code == 0, done.err
    assert "tatoeba: 36 languages" in done.out
    assert "not in this submission: pawsx, xnli" in done.err
    assert set(files(out)) == {
        f"tatoeba/test-{language}.tsv" for language in TATOEBA.languages
    }
    assert (out / "tatoeba" / "test-sw.tsv").read_bytes() == b"1\n0\n"
    flags = ("--submission", out, "--labels", labels, "--json")
    document = json.loads(xtl("score", *flags).out)
    assert document["detailed"]["tatoeba"]["avg_metric"] == 50.0


def test_rows_are_in_the_order_of_the_evaluation_set(runs, tmp_path, xtl):
    first, *_ = runs
    done = xtl(
        *("submit", first, "--out", tmp_path / "out", "--xtreme_version", "xtreme-r"),
        "--json",
    )
    document = json.loads(done.out)
    assert document["tasks"]["xcopa"] == {
        "family": "xcopa",
        "languages": 11,
        "checkpoint": "checkpoints/20",
        "step": 20,
        "invalid": 0,
    }
    assert document["left_out"] == {}
    assert set(files(tmp_path / "out").values()) == {'{"label": 0}\n{"label": 1}\n'}


def test_what_is_missing_is_named_and_left_out_only_when_told(runs, tmp_path, xtl):
    first, second, _ = runs
    put(second, "tatoeba", "sw", {"en-1": "0"})
    out = tmp_path / "out"
    done = xtl("submit", first, second, "--out", out)
    assert done.code == 2
    assert "tatoeba.sw.jsonl lacks 1 of 2 examples: en-0" in done.err
    assert "--partial" in done.err
    assert not out.exists()
    done = xtl(
        *("submit", first, second, "--out", out, "--xtreme_version", "xtreme-r"),
        "--partial",
    )
    assert done.code == 0
    assert "left out: tatoeba: no predictions for az, lt, pl, uk, ro" in done.err
    assert {pathlib.PurePath(name).parts[0] for name in files(out)} == {"xcopa"}


def test_a_folder_in_use_is_not_touched(runs, tmp_path, xtl, unchanged):
    _, second, labels = runs
    with unchanged(labels):
        done = xtl("submit", second, "--out", labels)
    assert done.code == 2
    assert "is there already and not empty" in done.err


def test_an_invalid_prediction_is_counted(runs, tmp_path, xtl):
    first, *_ = runs
    put(first, "xcopa", "et", {"0": "choice1", "1": "choice7"})
    flags = ("--xtreme_version", "xtreme-r")
    done = xtl("submit", first, "--out", tmp_path / "out", *flags)
    assert "note: xcopa: 1 predictions are no label" in done.err
    text = (tmp_path / "out" / "xcopa" / "test-et.jsonl").read_text()
    assert text == '{"label": 0}\n{"label": -1}\n'


def test_bad_requests_are_refused(runs, tmp_path, xtl):
    first, second, _ = runs
    out = ("--out", tmp_path / "out")
    for arguments, match in (
        ([first, first], "is given twice"),
        ([tmp_path / "none"], "no such run directory"),
        ([first], "no complete task of xtreme"),
    ):
        done = xtl("submit", *arguments, *out)
        assert done.code == 2
        assert match in done.err
    put(second, "tatoeba", "ar", {"en-0": "1", "en-1": "0"}, step=40)
    done = xtl("submit", second, *out, "--partial")
    assert "a task is submitted from one checkpoint" in done.err
    put(second, "tatoeba", "ar", {"en-0": "1", "zz": "0"})
    done = xtl("submit", second, *out, "--partial")
    assert "1 ids are not in the evaluation set, such as 'zz'" in done.err
    assert not (tmp_path / "out").exists()


def test_unlabelled_predictions_are_not_scored_but_can_be_submitted(runs, xtl):
    done = xtl("score", runs[0])
    assert done.code == 2
    assert "published without labels" in done.err
    assert "xtl submit" in done.err
