"""Files of the official scorers: what they score, and what is refused by name."""

from __future__ import annotations

import json

import pytest

from xtl_jax.errors import UserError
from xtl_jax.metrics import accuracy, mlqa, official, official_lines, qa, scoring
from xtl_jax.metrics.metric import add


def squad(*questions):
    return {
        "version": "1.1",
        "data": [
            {
                "title": "t",
                "paragraphs": [
                    {
                        "context": "",
                        "qas": [
                            {
                                "id": id_,
                                "question": "?",
                                "answers": [{"text": text} for text in answers],
                            }
                            for id_, answers in questions
                        ],
                    }
                ],
            }
        ],
    }


def value(metric, rows, *, language="en"):
    return metric.combine(add(scoring.count(metric, rows, language=language)))


def read(document):
    return official.questions(json.dumps(document), source="gold.json")


def test_both_layouts_are_read():
    document = squad(("1", ["a", "b"]), ("2", ["c"]))
    rows = read(document)
    assert [(row.id, row.references) for row in rows] == [
        ("1", ("a", "b")),
        ("2", ("c",)),
    ]
    assert read(document["data"]) == rows
    with_mark = "\ufeff" + json.dumps(document)
    assert official.questions(with_mark, source="gold.json") == rows


def test_duplicate_questions_and_unknown_predictions_are_as_official(shared):
    path = shared / "conformance" / "scorers" / "qa_edge.json"
    kit = json.loads(path.read_text())["duplicate_ids"]
    gold = read(squad(*((q["id"], q["answers"]) for q in kit["questions"])))
    said = official.answers(json.dumps(kit["predictions"]), source="pred.json")
    rows = official.answer(gold, said, source="pred.json")
    assert value(qa.METRIC, rows) == kit["expected_squad_v1"]


@pytest.mark.parametrize(
    ("document", "match"),
    [
        ([], "holds no question"),
        ({"data": []}, "holds no question"),
        ({"data": [{"paragraphs": []}]}, "holds no question"),
        ({"version": "1.1"}, "has no 'data'"),
        ({"data": {}}, "'data' must be a list"),
        ("x", "a SQuAD file is"),
        ([{"title": "t"}], r"gold.json: data\[0\]: has no 'paragraphs'"),
        ([{"paragraphs": [{"qas": []}]}], r"paragraphs\[0\]: has no 'context'"),
        ([1], r"data\[0\]: has no 'paragraphs'"),
        (squad(("7", [])), r"qas\[0\] \(id '7'\): the list of answers is empty"),
        (squad(("7", [None])), r"answers\[0\]: 'text' must be a text, not null"),
        (squad((7, ["a"])), r"qas\[0\]: 'id' must be a text, not 7"),
        (squad(("1", [""]), ("2", [""])), "all 2 answers are empty"),
    ],
)
def test_a_gold_file_that_cannot_be_scored_is_refused(document, match):
    with pytest.raises(UserError, match=match):
        read(document)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"1": "a"', r"pred.json: is no JSON: line 1, column \d+"),
        ("", "is no JSON"),
        ('["a"]', "predictions are one object"),
        ('{"1": null}', "the prediction for '1' is null; it must be a text"),
        ('{"1": ["a"]}', r"the prediction for '1' is \[\"a\"\]"),
        ('{"1": 5}', "the prediction for '1' is 5"),
        ('{"1": "a", "2": "b", "1": "c"}', "the key '1' is given twice"),
        ("[" * 100_000, "pred.json"),
    ],
)
def test_a_prediction_file_that_cannot_be_scored_is_refused(text, match):
    with pytest.raises(UserError, match=match):
        official.answers(text, source="pred.json")


def test_a_missing_prediction_scores_0_but_a_file_of_other_ids_is_refused():
    gold = read(squad(("1", ["x"]), ("2", ["y"])))
    assert value(qa.METRIC, official.answer(gold, {"1": "x"}, source="p"))["f1"] == 50.0
    assert value(qa.METRIC, official.answer(gold, {}, source="p"))["f1"] == 0.0
    with pytest.raises(UserError, match="p: none of the 1 predictions has the id"):
        official.answer(gold, {"3": "x"}, source="p")


def test_label_files_of_the_official_kit_agree(shared):
    path = shared / "conformance" / "scorers" / "xtreme_single_files.json"
    cases = [
        case
        for case in json.loads(path.read_text())["cases"]
        if case["task"] in ("xnli", "pawsx")
    ]
    assert len(cases) >= 14
    for case in cases:

        def scored(case=case):
            gold = official_lines.label_rows(
                case["label_file"], source="gold", language="en"
            )
            said = official_lines.labels(case["prediction_file"])
            rows = official_lines.classify(gold, said, source="pred")
            return value(accuracy.METRIC, rows)

        if "raises" in case["expected"]:
            with pytest.raises(UserError):
                scored()
        else:
            expected = pytest.approx(case["expected"], abs=1e-9, rel=0)
            assert scored() == expected, case["what"]


@pytest.mark.parametrize("version", ["xtreme", "xtreme_r"])
def test_submission_folders_agree(shared, version):
    path = shared / "conformance" / "scorers" / f"xtreme_folder_{version}.json"
    kit = json.loads(path.read_text())
    metrics = {"xquad": qa.METRIC, "mlqa": mlqa.METRIC, "tydiqa": qa.METRIC}
    checked = 0
    for task in ("xnli", *metrics):
        detailed = kit["expected"]["detailed"][task]
        first_key = "accuracy" if task == "xnli" else "f1"
        for language in detailed[first_key]:
            extension = "tsv" if task == "xnli" else "json"
            name = f"{task}/test-{language}.{extension}"
            gold, said = (
                kit["files"][f"{part}/{name}"] for part in ("labels", "predictions")
            )
            if task == "xnli":
                rows = official_lines.classify(
                    official_lines.label_rows(gold, source=name, language=language),
                    official_lines.labels(said),
                    source=name,
                )
                found = value(accuracy.METRIC, rows)
            else:
                rows = official.answer(
                    official.questions(gold, source=name),
                    official.answers(said, source=name),
                    source=name,
                )
                found = value(metrics[task], rows, language=language)
            for key, number in found.items():
                expected = detailed[key][language]
                assert number == pytest.approx(expected, abs=1e-9, rel=0), name
            checked += 1
    assert checked == 15 + 11 + 7 + 9 + (version == "xtreme_r")


def test_three_layouts_of_gold_labels_are_read():
    plain = "neutral\nentailment\n"
    table = "p one\th\tneutral\np two\th\tentailment\n"
    header = (
        "language\tgold_label\tsentence1\n"
        "ar\tneutral\tx\nde\tcontradiction\ty\nar\tentailment\tz\n"
    )
    for text in (plain, table, header):
        rows = official_lines.label_rows(text, source="gold.tsv", language="ar")
        assert [row.references for row in rows] == [("neutral",), ("entailment",)]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "holds no label"),
        ("p\th\np\th\n", "has 2 columns"),
        ("p\th\tneutral\np\th\n", "has 2 and 3 columns"),
        ("language\tgold_label\nde\tneutral\n", "no row of language 'ar'; it has de"),
        ("language\tgold_label\nde\n", "line 2 has 1 columns, its header has 2"),
    ],
)
def test_gold_labels_that_cannot_be_scored_are_refused(text, match):
    with pytest.raises(UserError, match=match):
        official_lines.label_rows(text, source="gold.tsv", language="ar")


def test_another_number_of_lines_is_refused_with_its_likely_cause():
    gold = official_lines.label_rows("a\nb\n", source="gold.tsv", language="en")
    with pytest.raises(UserError, match=r"3 lines for 2 examples.*last line is blank"):
        official_lines.classify(
            gold, official_lines.labels("a\nb\n\n"), source="pred.tsv"
        )
    with pytest.raises(UserError, match=r"pred.tsv: has 1 lines for 2 examples"):
        official_lines.classify(gold, official_lines.labels("a\n"), source="pred.tsv")
