"""`xtl run` and `xtl predict`: from a config to scores, and what they refuse."""

from __future__ import annotations

import json
import shutil

import pytest

pytestmark = pytest.mark.usefixtures("compiled_once")
SCORED = "--gin.RunConfig.evaluate=world_qa.en/validation,world_qa.de/validation"


@pytest.fixture
def refused(xtl, unchanged):
    """Runs a command on a run directory that must fail; returns its message."""

    def check(command, run_dir, *arguments):
        with unchanged(run_dir):
            done = xtl(command, *arguments)
        assert done.code == 2, done
        assert done.out == ""
        assert "Traceback" not in done.err
        assert done.err.count(f"xtl {command}:") == 1
        return done.err

    return check


@pytest.fixture
def predicted(xtl, trained, copied):
    """A run with predictions of one set."""
    done = xtl("predict", copied, "--task", "world_qa.de/test", "--json")
    assert done.code == 0, done
    assert json.loads(done.out)["missing"] == {}
    return copied


def _rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_run_goes_from_config_to_report_and_not_twice(xtl, trained, copied):
    flags = (*trained.flags, f"--run_dir={copied}", SCORED, "--json")
    done = xtl("run", *flags)
    assert done.code == 0, done
    document = json.loads(done.out)
    assert document["outcome"] == "finished"
    assert set(document["families"]) == {"world_qa"}
    rows = _rows(copied / "predictions" / "world_qa.de.jsonl")
    assert {row["split"] for row in rows} == {"validation"}
    assert len(rows) == 4
    assert (copied / "scores" / "world_qa.en.json").is_file()
    assert (copied / "report.html").is_file()
    first = (copied / "predictions" / "world_qa.de.jsonl").read_bytes()
    assert json.loads(xtl("run", *flags).out) == document
    assert (copied / "predictions" / "world_qa.de.jsonl").read_bytes() == first


def test_a_dry_run_names_what_would_be_scored_and_writes_nothing(
    xtl, trained, tmp_path
):
    flags = (*trained.flags, SCORED, "--dry_run", "--json")
    done = xtl("run", *flags, f"--run_dir={tmp_path / 'run'}")
    assert done.code == 0, done
    found = json.loads(done.out)["evaluate"]
    assert found == {"world_qa.en": "validation, 4", "world_qa.de": "validation, 4"}
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("evaluate", "says"),
    [
        ("", "names nothing to score"),
        ("world_qaa", "near: world_qa"),
        ("world_qa.xx", "xx"),
        ("world_qa/tset", "tset"),
        ("world_text", "no answers to predict"),
        ("world_qa.en,world_qa.de/validation", "name one split for all"),
        ("world_qa.en/test,world_qa.en/validation", "name one split for all"),
        ("mlqa", "none of the evaluation sets can be had"),
    ],
)
def test_run_refuses_bad_evaluation_sets_before_it_trains(
    xtl, trained, tmp_path, evaluate, says
):
    flags = [*trained.flags, f"--run_dir={tmp_path / 'run'}"]
    if evaluate:
        flags.append(f"--gin.RunConfig.evaluate={evaluate}")
    done = xtl("run", *flags)
    assert done.code == 2, done
    assert says in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()


def test_predictions_carry_what_an_auditor_needs(predicted):
    rows = _rows(predicted / "predictions" / "world_qa.de.jsonl")
    assert [row["id"] for row in rows] == [f"test-{n:05d}" for n in range(4)]
    for row in rows:
        assert row["step"] == 6
        assert row["checkpoint"].endswith("checkpoints/6")
        assert row["log_probability"] < 0
        assert row["references"]
        assert row["references"][0] in row["context"]
        assert row["inputs"].startswith(row["context"])
        assert row["inputs"].endswith("? <extra_id_0>")
        assert row["decoding"]["method"] == "greedy"


def test_batch_size_does_not_change_predictions(xtl, predicted):
    path = predicted / "predictions" / "world_qa.de.jsonl"
    before = _rows(path)
    flags = ("--task", "world_qa.de/test", "--batch_size", "8", "--json")
    assert xtl("predict", predicted, *flags).code == 0
    for row, other in zip(_rows(path), before, strict=True):
        assert row["log_probability"] == pytest.approx(other["log_probability"], 1e-5)
        assert row["prediction_raw"] == other["prediction_raw"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), "nothing to predict"),
        (("--task", "world_qaa"), "near: world_qa"),
        (("--task", "world_qa/tset"), "tset"),
        (("--task", "world_qa.xx"), "xx"),
        (("--task", "mlqa.de"), "neither here nor cached"),
        (("--task", "world_qa.de", "--step", "5"), "no checkpoint of step 5"),
        (("--task", "world_qa.de", "--examples", "-1"), "evaluate_examples"),
        (("--task", "world_qa.de", "--batch_size", "0"), "predict_batch_size"),
    ],
)
def test_predict_refuses_with_what_to_do(refused, copied, flags, says):
    assert says in refused("predict", copied, copied, *flags)


def test_predict_refuses_what_is_no_run(refused, tmp_path, copied):
    assert "no run.json" in refused("predict", tmp_path, tmp_path / "none")
    shutil.rmtree(copied / "checkpoints")
    message = refused("predict", copied, copied, "--task", "world_qa.de")
    assert "no checkpoint" in message


def test_predict_refuses_another_vocabulary(refused, trained, copied, tmp_path):
    path = copied / "run.json"
    document = json.loads(path.read_text())
    document["run"]["extra_ids"] = 100
    path.write_text(json.dumps(document))
    message = refused("predict", copied, copied, "--task", "world_qa.de")
    assert "not the one" in message


def test_predict_refuses_a_damaged_run_json(refused, copied):
    (copied / "run.json").write_text('{"version": 1')
    message = refused("predict", copied, copied, "--task", "world_qa.de")
    assert "run.json is not complete JSON" in message


def test_predict_refuses_a_split_without_answers(
    refused, trained, copied, tmp_path, shared
):
    data = shutil.copytree(trained.data_dir, tmp_path / "data")
    path = data / "world/qa/de.test.json"
    release = json.loads(path.read_text())
    for paragraph in release["data"][0]["paragraphs"]:
        for question in paragraph["qas"]:
            question["answers"] = []
    path.write_text(json.dumps(release))
    flags = ("--data_dir", data, "--cache_dir", tmp_path / "cache")
    message = refused("predict", copied, copied, "--task", "world_qa.de/test", *flags)
    assert "unlabelled" in message


SPOILT = {
    "twice": (lambda rows: [*rows, rows[0]], "test-00000"),
    "unknown": (lambda rows: [rows[0] | {"id": "made-up"}, *rows[1:]], "made-up"),
    "other_task": (lambda rows: [rows[0] | {"task": "mlqa.de"}, *rows[1:]], "mlqa.de"),
    "no_references": (
        lambda rows: [{k: v for k, v in rows[0].items() if k != "references"}],
        "references",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_prediction_file_is_not_scored(refused, predicted, kind):
    spoil, says = SPOILT[kind]
    path = predicted / "predictions" / "world_qa.de.jsonl"
    rows = spoil(_rows(path))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert says in refused("score", predicted, predicted)


def test_a_prediction_that_is_missing_is_shown_as_missing(xtl, predicted):
    path = predicted / "predictions" / "world_qa.de.jsonl"
    rows = _rows(path)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
    done = xtl("score", predicted, "--json")
    if done.code == 2:  # refused with the name of what is missing
        assert "test-00000" in done.err
        return
    assert json.loads(done.out)["scores"]["world_qa.de"]["missing"] == 1


def test_a_prediction_file_cut_short_names_its_line(refused, predicted):
    path = predicted / "predictions" / "world_qa.de.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert "world_qa.de.jsonl, line 4" in refused("score", predicted, predicted)
