"""`xtl score` from files to files: a run's directory and official pairs of files."""

from __future__ import annotations

import argparse
import gzip
import json
import lzma

import pytest
from xtl_tasks import catalog, loading

from xtl_jax.cli import score
from xtl_jax.errors import UserError
from xtl_jax.infer import records

XNLI = [
    *("ar", "bg", "de", "el", "en", "es", "fr", "hi"),
    *("ru", "sw", "th", "tr", "ur", "vi", "zh"),
]


def record(task, id_, prediction, references, **changes):
    family, dot, language = task.partition(".")
    inputs = f"{task} {id_}"
    fields = {
        "task": task,
        "family": family,
        "language": language if dot else "en",
        "split": "validation",
        "id": id_,
        "inputs": inputs,
        "inputs_sha256": records.prompt_sha256(inputs),
        "prediction_raw": prediction,
        "prediction": prediction,
        "references": tuple(references),
        "context": None,
        "log_probability": -1.0,
        "checkpoint": "checkpoints/20",
        "step": 20,
        "decoding": {"method": "greedy", "max_length": 8},
    }
    return records.Record(**{**fields, **changes})


def put(run, task, predictions, **changes):
    """A prediction file from (prediction, reference) pairs; ids are 0, 1, ..."""
    name = task if "." in task else f"{task}.en"
    made = [
        record(task, str(i), said, [reference], **changes)
        for i, (said, reference) in enumerate(predictions)
    ]
    records.write(run / "predictions" / f"{name}.jsonl", made)


def call(*arguments):
    parser = argparse.ArgumentParser()
    score.add_parser(parser.add_subparsers())
    args = parser.parse_args(["score", *map(str, arguments)])
    return args.run(args)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def fill_xnli(run, languages=XNLI):
    for i, language in enumerate(languages):
        right = 10 - i % 5
        put(
            run,
            f"xnli.{language}",
            [("0" if j < right else "7", "0") for j in range(10)],
        )


def test_a_run_is_scored_and_summarised(tmp_path, capsys):
    fill_xnli(tmp_path)
    assert call(tmp_path) == 0
    found = read(tmp_path / "scores" / "xnli.sw.json")  # the tenth: 4 wrong
    assert found["values"] == {"accuracy": 60.0}
    assert found["shares_percent"]["illegal"] == 40.0
    assert found["chance_percent"] == pytest.approx(100 / 3)
    assert found["step"] == 20
    assert found["per_example"]["accuracy"] == [1.0] * 6 + [0.0] * 4
    family = read(tmp_path / "scores" / "summary.json")["families"]["xnli"]
    assert family["macro"] == {"accuracy": 80.0}
    assert family["missing_languages"] == []
    assert set(family["languages"]) == set(XNLI)
    english = 100.0 - 10 * (XNLI.index("en") % 5)
    others = (15 * 80 - english) / 14
    assert family["transfer_gap"]["accuracy"] == pytest.approx(english - others)
    shown = capsys.readouterr().out
    assert "macro average" in shown
    assert "transfer gap" in shown
    assert "80.00" in shown


def test_a_missing_language_is_shown_as_missing(tmp_path, capsys):
    fill_xnli(tmp_path, [language for language in XNLI if language != "sw"])
    call(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert any("sw" in line and "missing" in line for line in lines)
    assert any("macro average" in line and "missing" in line for line in lines)
    family = read(tmp_path / "scores" / "summary.json")["families"]["xnli"]
    assert family["macro"] == {"accuracy": None}
    assert family["missing_languages"] == ["sw"]


def test_json_is_one_document(tmp_path, capsys):
    fill_xnli(tmp_path)
    put(tmp_path, "squad_v1", [("Zagreb", "Zagreb"), ("", "Split")], context="Zagreb")
    call(tmp_path, "--json")
    document = json.loads(capsys.readouterr().out)
    assert document["families"]["squad_v1"]["macro"] == {
        "exact_match": 50.0,
        "f1": 50.0,
    }
    assert document["scores"]["squad_v1.en"]["shares_percent"]["empty"] == 50.0
    assert document["scores"]["xnli.en"]["values"]["accuracy"] == pytest.approx(60.0)
    assert (tmp_path / "scores" / "squad_v1.en.json").is_file()


def test_mlqa_pairs_are_scored_in_the_language_of_the_context(tmp_path, capsys):
    put(tmp_path, "mlqa.de-en", [("die Save", "Save")], context="die Save")
    put(tmp_path, "mlqa.en-de", [("die Save", "Save")], context="die Save")
    call(tmp_path, "--json")
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert scores["mlqa.de-en"]["values"]["exact_match"] == 100.0
    assert scores["mlqa.en-de"]["values"]["exact_match"] == 0.0
    family = read(tmp_path / "scores" / "summary.json")["families"]["mlqa"]
    assert family["languages"] == {}
    assert len(family["other_languages"]) == 2
    assert len(family["missing_languages"]) == 7


def test_scoring_twice_writes_the_same_bytes(tmp_path, capsys):
    fill_xnli(tmp_path)
    call(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "scores").iterdir()}
    call(tmp_path)
    after = {path: path.read_bytes() for path in (tmp_path / "scores").iterdir()}
    assert before == after
    assert len(before) == 16


@pytest.fixture
def gold_run(tmp_path):
    """A run whose `run.json` names data of 4 rows, and right predictions for all."""
    run, data = tmp_path / "run", tmp_path / "data"
    run.mkdir()
    data.mkdir()
    (data / "en.tsv").write_text(
        "".join(f"premise {i}\thypothesis\tneutral\n" for i in range(4))
    )
    files = {"xnli/validation": "{language}.tsv"}
    config = {"run": {"data_dir": str(data), "files": files}}
    (run / "run.json").write_text(json.dumps(config))
    examples = loading.examples(
        catalog.family("xnli"),
        "en",
        split="validation",
        settings=loading.TaskSettings(data_dir=str(data), files=files),
    )
    made = [record("xnli.en", row.id, "1", row.references) for row in examples]
    assert len(made) == 4
    return run, made


def test_missing_predictions_of_a_run_score_0(gold_run, capsys):
    run, made = gold_run
    path = run / "predictions" / "xnli.en.jsonl"
    records.write(path, made)
    call(run, "--json")
    whole = json.loads(capsys.readouterr().out)["scores"]["xnli.en"]
    assert (whole["total"], whole["missing"]) == (4, 0)
    assert whole["values"] == {"accuracy": 100.0}
    records.write(path, made[:3])
    call(run, "--json")
    cut = json.loads(capsys.readouterr().out)["scores"]["xnli.en"]
    assert (cut["total"], cut["missing"]) == (4, 1)
    assert cut["values"] == {"accuracy": 75.0}


def test_a_run_of_the_first_examples_is_complete(gold_run, capsys):
    run, made = gold_run
    config = json.loads((run / "run.json").read_text())
    config["run"]["evaluate_examples"] = 2
    (run / "run.json").write_text(json.dumps(config))
    records.write(run / "predictions" / "xnli.en.jsonl", made[:2])
    call(run, "--json")
    found = json.loads(capsys.readouterr().out)["scores"]["xnli.en"]
    assert (found["total"], found["missing"]) == (2, 0)


def expect(run, ids, *, split="validation"):
    document = {"sets": {"xnli.en": {"split": split, "ids": ids}}, "missing": {}}
    path = run / "predictions" / "expected.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))


def test_the_list_of_expected_ids_tells_what_is_missing(tmp_path, capsys):
    put(tmp_path, "xnli.en", [("0", "0"), ("0", "0"), ("1", "0")])
    expect(tmp_path, ["0", "1", "2", "3"])
    call(tmp_path, "--json")
    captured = capsys.readouterr()
    found = json.loads(captured.out)["scores"]["xnli.en"]
    assert (found["total"], found["missing"]) == (4, 1)
    assert found["values"] == {"accuracy": 50.0}
    assert captured.err == ""
    expect(tmp_path, ["0", "1"])
    with pytest.raises(UserError, match=r"xnli.en.jsonl: 1 of 3 predictions .* '2'"):
        call(tmp_path)
    expect(tmp_path, ["0", "1", "2"], split="test")
    with pytest.raises(UserError, match=r"expected.json lists its test split"):
        call(tmp_path)
    (tmp_path / "predictions" / "expected.json").write_text("{cut")
    with pytest.raises(UserError, match=r"expected.json: cannot be read"):
        call(tmp_path)


def test_a_named_data_directory_is_read_for_the_expected_ids(gold_run, capsys):
    run, made = gold_run
    records.write(run / "predictions" / "xnli.en.jsonl", made[:1])
    expect(run, [made[0].id, made[1].id])
    data = json.loads((run / "run.json").read_text())["run"]["data_dir"]
    call(run, "--json", "--data_dir", data)
    found = json.loads(capsys.readouterr().out)["scores"]["xnli.en"]
    assert (found["total"], found["missing"]) == (2, 1)
    changed = record("xnli.en", made[0].id, "1", ["2"])
    records.write(run / "predictions" / "xnli.en.jsonl", [changed])
    with pytest.raises(UserError, match=r"was predicted with the references \['2'\]"):
        call(run, "--data_dir", data)


def test_unknown_ids_of_a_run_are_refused(gold_run):
    run, made = gold_run
    made[-1] = record("xnli.en", "no such id", "1", ["1"])
    records.write(run / "predictions" / "xnli.en.jsonl", made)
    with pytest.raises(UserError, match=r"xnli.en.jsonl: 1 of 4 predictions .*no such"):
        call(run)
    assert not (run / "scores").exists()


def test_data_that_is_not_here_is_said_or_demanded(tmp_path, capsys):
    fill_xnli(tmp_path, ["en"])
    call(tmp_path)
    assert "xnli: the evaluation data is not here" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"xnli.en/validation: its data is not here"):
        call(tmp_path, "--data_dir", tmp_path)


def test_bad_runs_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UserError, match="no such run directory"):
        call(tmp_path / "none")
    with pytest.raises(UserError, match="holds no prediction file"):
        call(tmp_path)
    fill_xnli(tmp_path, ["en", "de"])
    put(tmp_path, "xnli.fr", [("0", "0")], step=40, checkpoint="checkpoints/20")
    with pytest.raises(UserError, match=r"xnli.fr has step 40 and xnli.de has 20"):
        call(tmp_path)
    put(tmp_path, "xnli.fr", [("0", "0")], split="test")
    with pytest.raises(UserError, match="the number of no model"):
        call(tmp_path)
    put(tmp_path, "xnli.fr", [("0", "0")])
    path = tmp_path / "predictions" / "xnli.fr.jsonl"
    path.rename(path.with_name("xnli.es.jsonl"))
    with pytest.raises(UserError, match=r"rename it to xnli.fr.jsonl"):
        call(tmp_path)
    path = path.with_name("xnli.es.jsonl")
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(UserError, match="line 2: the id '0' is in line 1 already"):
        call(tmp_path)
    path.unlink()
    put(tmp_path, "xnlii.fr", [("0", "0")])
    with pytest.raises(UserError, match=r"no task 'xnlii.fr'"):
        call(tmp_path)
    path.with_name("xnlii.fr.jsonl").unlink()
    put(tmp_path, "xnli.fr", [("0", "0")], family="mnli")
    with pytest.raises(UserError, match="its records say 'mnli'"):
        call(tmp_path)
    made = [record("xnli.fr", "1", "0", ["0"]), record("xnli.de", "2", "0", ["0"])]
    records.write(path.with_name("xnli.fr.jsonl"), made)
    with pytest.raises(UserError, match=r"line 2: task is 'xnli.de', in line 1"):
        call(tmp_path)
    assert not (tmp_path / "scores").exists()


# Outside files


def squad(cases):
    qas = [
        {"id": c["id"], "question": "?", "answers": [{"text": a} for a in c["answers"]]}
        for c in cases
    ]
    return {"data": [{"paragraphs": [{"context": "", "qas": qas}]}]}


@pytest.mark.parametrize(
    ("kit", "task"),
    [("qa_mlqa", "mlqa"), ("qa_xquad", "xquad"), ("qa_tydiqa_goldp", "tydiqa")],
)
def test_outside_question_files_score_as_official(shared, tmp_path, capsys, kit, task):
    path = shared / "conformance" / "scorers" / f"{kit}.json"
    for language, cases in read(path)["languages"].items():
        gold, said = tmp_path / "gold.json", tmp_path / "pred.json"
        gold.write_text(json.dumps(squad(cases["cases"])))
        predictions = {c["id"]: c["prediction"] for c in cases["cases"]}
        missing = sum(text is None for text in predictions.values())
        said.write_text(
            json.dumps({k: v for k, v in predictions.items() if v is not None})
        )
        files = ("--gold", gold, "--predictions", said, "--json")
        assert call("--task", task, "--language", language, *files) == 0
        captured = capsys.readouterr()
        found = json.loads(captured.out)
        for key in ("exact_match", "f1"):
            expected = pytest.approx(cases["expected"][key], abs=1e-9, rel=0)
            assert found[key] == expected, language
        assert found["total"] == len(cases["cases"])
        assert found["missing"] == missing
        assert "xtl|task:" in found["signature"]
        assert (f"{missing} questions have no prediction" in captured.err) == (
            missing > 0
        )


def test_outside_label_files_and_compressed_files_are_read(tmp_path, capsys):
    gold, said = tmp_path / "test-sw.tsv.xz", tmp_path / "pred.tsv.gz"
    gold.write_bytes(lzma.compress(b"neutral\nentailment\n"))
    said.write_bytes(gzip.compress(b"neutral\nneutral\n"))
    call("--task", "xnli.sw", "--gold", gold, "--predictions", said, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] == 50.0
    assert found["total"] == 2
    call("--task=xnli", "--language=sw", "--gold", gold, "--predictions", said)
    assert "accuracy" in capsys.readouterr().out


def test_real_gold_files_score_100_against_themselves(shared, tmp_path, capsys):
    data = shared / "data"
    gold = data / "mlqa/MLQA_V1/dev/dev-context-ar-question-ar.json.xz"
    answers = {
        question["id"]: question["answers"][0]["text"]
        for article in json.loads(lzma.decompress(gold.read_bytes()))["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    said = tmp_path / "pred.json"
    said.write_text(json.dumps(answers))
    call(
        "--task=mlqa", "--language=ar", "--gold", gold, "--predictions", said, "--json"
    )
    found = json.loads(capsys.readouterr().out)
    assert (found["exact_match"], found["f1"]) == (100.0, 100.0)
    assert found["total"] == 517


def test_stripped_gold_is_refused(shared, tmp_path):
    gold = (
        shared / "data/tydiqa_goldp/tydiqa-goldp-v1.1-dev/tydiqa.goldp.bn.dev.json.xz"
    )
    said = tmp_path / "pred.json"
    said.write_text("{}")
    with pytest.raises(UserError, match="published without its answers"):
        call("--task=tydiqa_goldp.bn", "--gold", gold, "--predictions", said)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "give a run directory, or --task"),
        (["--task=mlqa"], r"lacking: --gold, --predictions"),
        (["RUN", "--task=mlqa"], "a run directory .* and --task were given"),
        (["--task=mlqq", "--language=ar"], "no task family 'mlqq'.*near: mlqa"),
        (["--task=mlqa", "--language=sw"], "mlqa has no language 'sw'"),
        (["--task=mlqa"], "--language is missing: mlqa has"),
        (["--task=mlqa.ar", "--language=de"], "differ: give one"),
        (["--task=squad_v1", "--language=de"], "squad_v1 has no language 'de'"),
        (["--task=span_corruption"], "has no official scorer"),
        (["--task=mlqa.ar", "--resamples=10"], "needs at least 1000"),
        (["--task=mlqa.ar"], "gold.json: no such file"),
    ],
)
def test_bad_requests_are_refused(tmp_path, arguments, match):
    files = ["--gold", tmp_path / "gold.json", "--predictions", tmp_path / "pred.json"]
    if len(arguments) and "lacking" not in match and arguments[0] != "RUN":
        arguments = [*arguments, *files]
    with pytest.raises(UserError, match=match):
        call(*arguments)


def test_another_encoding_is_named_by_its_byte(tmp_path):
    gold, said = tmp_path / "gold.json", tmp_path / "pred.json"
    gold.write_text(json.dumps(squad([{"id": "1", "answers": ["é"]}])))
    said.write_bytes('{"1": "é"}'.encode("latin-1"))
    with pytest.raises(
        UserError, match=r"pred.json: byte 7 is 0xe9, which is not UTF-8"
    ):
        call("--task=mlqa.de", "--gold", gold, "--predictions", said)


def test_a_pair_may_be_named_as_in_mlqas_file_names(tmp_path, capsys):
    gold, said = tmp_path / "gold.json", tmp_path / "pred.json"
    gold.write_text(json.dumps(squad([{"id": "1", "answers": ["Save"]}])))
    said.write_text('{"1": "die Save"}')
    files = ("--gold", gold, "--predictions", said, "--json")
    for language, expected in (("de-de", 100.0), ("de-en", 100.0), ("en-de", 0.0)):
        call("--task=mlqa", "--language", language, *files)
        found = json.loads(capsys.readouterr().out)
        assert found["exact_match"] == expected, language
