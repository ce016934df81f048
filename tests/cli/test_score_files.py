"""`xtl score --gold --predictions`: every task's files against the official scorers."""

from __future__ import annotations

import csv
import functools
import io
import json
import lzma

import pytest

NEAR = functools.partial(pytest.approx, abs=1e-9, rel=0)


@pytest.fixture(scope="module")
def kit(shared):
    def load(name):
        path = shared / "conformance" / "scorers" / f"{name}.json"
        return json.loads(path.read_text("utf-8"))

    return load


@pytest.fixture
def score(tmp_path, xtl):
    """Scores two texts; what is printed, or the error where the code is 2."""
    paths = tmp_path / "gold", tmp_path / "predictions"

    def run(task, gold, predictions, *more):
        for path, text in zip(paths, (gold, predictions), strict=True):
            path.write_bytes(text.encode("utf-8"))
        found = xtl(
            *("score", "--task", task, "--gold", paths[0], "--predictions", paths[1]),
            *("--json", *more),
        )
        assert found.code in (0, 2)
        return json.loads(found.out) if found.code == 0 else found.err

    return run


def tag_file(sentences, key):
    return "\n".join(
        # A file of lines has no empty tag: any other wrong one stands for it.
        "".join(f"{tag or 'none'}\n" for tag in sentence[key])
        for sentence in sentences
    )


def test_single_files_of_the_kit_agree(kit, score):
    languages = {"xcopa": "et", "bucc2018": "de"}
    for case in kit("xtreme_single_files")["cases"]:
        language = languages.get(case["task"], "de")
        found = score(
            f"{case['task']}.{language}", case["label_file"], case["prediction_file"]
        )
        expected = case["expected"]
        if "raises" in expected:
            assert isinstance(found, str), (case["task"], case["what"])
        else:
            values = {key: found[key] for key in expected}
            assert values == NEAR(expected), (case["task"], case["what"])
            assert set(found["intervals"]) == set(expected)


@pytest.mark.parametrize(
    ("task", "name", "key"),
    [
        ("panx.de", "tagging_ner_panx", "expected"),
        ("uner.en", "tagging_ner_panx", "expected"),
        ("udpos.de", "tagging_udpos", "expected_seqeval_0_0_12"),
    ],
)
def test_tags_agree(kit, score, task, name, key):
    cases = kit(name)
    for case in cases["sets"]:
        sentences = [cases["sentences"][i] for i in case["indices"]]
        found = score(task, tag_file(sentences, "gold"), tag_file(sentences, "pred"))
        assert {metric: found[metric] for metric in case[key]} == NEAR(case[key])
        assert found["total"] == len(sentences)
        if name == "tagging_udpos":
            newer = case["expected_seqeval_1_2_2"]["f1"]
            assert found["f1_by_seqeval_1"] == NEAR(newer)
            if case["name"] == "all":
                assert found["accuracy"] == NEAR(cases["token_accuracy"])


def test_supertags_agree(kit, score):
    cases = kit("tagging_ccg")
    found = score(
        "ccg.en",
        tag_file(cases["sentences"], "gold"),
        tag_file(cases["sentences"], "pred"),
    )
    assert found["accuracy"] == NEAR(cases["expected"]["accuracy"])


def test_duplicate_questions_agree(kit, score):
    sets = [
        case for case in kit("classification_t5")["sets"] if "f1" in case["expected"]
    ]
    assert len(sets) == 3
    for case in sets:
        gold, said = (
            "".join(f"{label}\n" for label in case[side])
            for side in ("targets", "predictions")
        )
        found = score("qqp", gold, said)
        assert {key: found[key] for key in case["expected"]} == NEAR(case["expected"])
        names = ("not_duplicate", "duplicate")
        words = "".join(f"{names[label]}\n" for label in case["targets"])
        assert score("qqp", words, said)["f1"] == NEAR(case["expected"]["f1"])


def test_questions_without_answers_agree(kit, score, tmp_path):
    sets = kit("qa_squad_v2")["sets"]
    assert len(sets) == 5
    for case in sets:
        questions = [
            {
                "id": each["id"],
                "question": "?",
                "answers": [{"text": text} for text in each["answers"]],
            }
            for each in case["cases"]
        ]
        gold = {"data": [{"paragraphs": [{"context": "", "qas": questions}]}]}
        said = {each["id"]: each["prediction"] for each in case["cases"]}
        more = ["--na_prob_thresh", str(case["na_prob_thresh"])]
        if case["na_prob"] is not None:
            path = tmp_path / "na.json"
            path.write_text(json.dumps(case["na_prob"]))
            more += ["--na_probs", path]
        found = score("squad_v2", json.dumps(gold), json.dumps(said), *more)
        expected = case["expected"]
        assert {key: found[key] for key in expected} == NEAR(expected), case["name"]
        assert found["exact_match"] == found["exact"]


def test_entities_agree_and_missing_ones_are_told(kit, score):
    cases = kit("retrieval_mewslix")
    for language, expected in cases["expected"].items():
        found = score(
            f"mewslix.{language}",
            json.dumps(cases["gold"][language]),
            json.dumps(cases["predictions"][language]),
        )
        assert found["map@20"] == NEAR(expected["xtreme map@20 percent"])
        assert found["missing"] == expected["missing"]
        assert found["unknown"] == expected["unexpected"]


def test_answers_in_any_language_are_ranked_against_several_right_ones(score):
    gold = {"q1_de": ["en_1_0", "de_1_0"], "q2_de": ["zh_1_1"]}
    said = {"q1_de": ["x", "de_1_0", "en_1_0"], "q2_de": ["zh_1_1"]}
    found = score("lareqa.de", json.dumps(gold), json.dumps(said))
    assert found["map@20"] == NEAR(100 * ((1 / 2 + 2 / 3) / 2 + 1) / 2)


def test_mined_pairs_agree(kit, score):
    for case in kit("retrieval_bucc")["sets"]:
        for run in case["runs"]:
            found = score(
                f"bucc.{case['source_language']}",
                "".join(f"{line}\n" for line in case["test"]["gold"]),
                "".join(f"{line}\n" for line in run["test_prediction_lines"]),
            )
            expected = run["test_expected"]
            assert {key: found[key] for key in expected} == NEAR(expected)
            assert found["total"] == len(case["test"]["gold"])


def rows_of(path):
    """A release file's lines, decompressed."""
    return lzma.decompress(path.read_bytes()).decode("utf-8").split("\n")


def last_column(path):
    return [line.split("\t")[-1] for line in rows_of(path) if line]


def letters(path, key):
    """Letters of right options as numbers from 0."""
    return ["ABCDE".index(json.loads(line)[key]) for line in rows_of(path) if line]


RELEASES = {
    "qqp": ("qqp/rmib_quora_dev.txt.xz", last_column),
    "pawsx.de": (
        "pawsx/x-final/de/dev_2k.tsv.xz",
        lambda path: last_column(path)[1:],  # below its header
    ),
    "commonsense_qa": (
        "commonsenseqa/dev_rand_split.jsonl.xz",
        lambda path: letters(path, "answerKey"),
    ),
    "commonsense_qa_rank": (
        "commonsenseqa/dev_rand_split.jsonl.xz",
        lambda path: letters(path, "answerKey"),
    ),
    "social_iqa": (
        "social_iqa/socialIQa_v1.4_dev.jsonl.xz",
        lambda path: letters(path, "correct"),
    ),
    "cosmos_qa": (
        "cosmosqa/valid.csv.xz",
        lambda path: [
            row["label"]
            for row in csv.DictReader(io.StringIO("\n".join(rows_of(path))))
        ],
    ),
    "udpos.he": (
        "udpos/xtreme/dev-he.tsv.xz",
        lambda path: [line.split("\t")[-1].strip() for line in rows_of(path)],
    ),
}


@pytest.mark.parametrize("task", list(RELEASES))
def test_right_labels_of_a_release_score_100(shared, xtl, tmp_path, task):
    name, labels = RELEASES[task]
    gold, said = shared / "data" / name, tmp_path / "predictions"
    found = labels(gold)
    said.write_text("".join(f"{label}\n" for label in found).rstrip("\n") + "\n")
    flags = ("--task", task, "--gold", gold, "--predictions", said, "--json")
    done = xtl("score", *flags)
    assert done.code == 0, done.err
    values = json.loads(done.out)
    assert values["accuracy"] == 100.0
    if task == "udpos.he":
        assert values["f1"] == 100.0
    else:
        assert values["total"] == len(found)
    wrong = said.read_text().splitlines()
    wrong[0] = "9"
    said.write_text("".join(f"{label}\n" for label in wrong))
    assert 0.0 < json.loads(xtl("score", *flags).out)["accuracy"] < 100.0


def test_illegal_labels_are_counted(xtl, tmp_path, score):
    found = score("xnli.de", "neutral\nneutral\n", "neutral\n1\n")
    assert (found["accuracy"], found["illegal"]) == (50.0, 1)


@pytest.mark.parametrize(
    ("task", "gold", "predictions", "match"),
    [
        ("span_corruption", "a\n", "a\n", "has no official scorer"),
        ("xcopa.et", '{"label": 0}\n', '{"label": 0}\n{"label": 0}\n', "2 lines for 1"),
        ("panx.de", "O\n\nO\n", "O\n", "has 1 sentences, the gold file 2"),
        ("bucc.de", "", "", "holds no pair"),
        ("tatoeba.de", "", "", "holds no label"),
        ("mewslix.de", "[]", "{}", "must be one object"),
        ("mewslix.de", "{}", "{}", "holds no example, so there is nothing to score"),
        ("mlqa.de", '{"data": []}', "{}", "holds no question, so there is nothing"),
        ("udpos.de", "\n", "\n", "nothing to score"),
    ],
)
def test_files_that_cannot_be_scored_are_refused(score, task, gold, predictions, match):
    assert match in score(task, gold, predictions)


def test_no_answer_probabilities_must_fit(score, tmp_path):
    qas = [{"id": "1", "question": "?", "answers": []}]
    gold = json.dumps({"data": [{"paragraphs": [{"context": "", "qas": qas}]}]})
    path = tmp_path / "na.json"
    for text, match in (
        ("{}", "no no-answer probability"),
        ('{"1": "0.5"}', "must be a number"),
        ('{"1": true}', "must be a number"),
        (f'{{"1": 1{"0" * 400}}}', "must be a number"),
        ('{"1": NaN}', "must be a finite number"),
        (f'{{"1": 1{"0" * 5000}}}', "cannot be read"),
        ("[]", "must be one object"),
    ):
        path.write_text(text)
        assert match in score("squad_v2", gold, '{"1": "x"}', "--na_probs", path)
    assert "of squad_v2" in score("squad_v1", gold, "{}", "--na_probs", path)


@pytest.mark.parametrize(
    ("task", "cases", "key"),
    [("mlqa", "qa_mlqa", "mlqa"), ("xquad", "qa_xquad", "squad")],
)
def test_questions_can_be_scored_as_mt5_does(kit, score, task, cases, key):
    """The numbers are those of mT5's own metric functions, on padded predictions."""
    from xtl_jax.data import prompts

    by_language = kit(cases)["languages"]
    language, expected = next(iter(kit("qa_t5_metrics")[key].items()))
    answered = [
        case
        for case in by_language[language]["cases"]
        if case["prediction"] is not None
    ]
    gold = {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "",
                        "qas": [
                            {
                                "id": str(number),
                                "question": "?",
                                "answers": [
                                    {"text": text, "answer_start": 0}
                                    for text in case["answers"]
                                ],
                            }
                            for number, case in enumerate(answered)
                        ],
                    }
                ]
            }
        ]
    }
    said = {
        str(number): prompts.pad_punctuation(case["prediction"])
        for number, case in enumerate(answered)
    }
    found = score(
        *(f"{task}.{language}", json.dumps(gold), json.dumps(said)),
        *("--gold_answers", "mt5_padded"),
    )
    wanted = expected["padded_gold_padded_pred"]
    assert found["exact_match"] == NEAR(wanted["em"])
    assert found["f1"] == NEAR(wanted["f1"])
    assert "|gold:mt5_padded|" in found["signature"]


def test_only_questions_have_gold_answers_to_pad(score):
    said = score("xnli.de", "neutral\n", "neutral\n", "--gold_answers", "mt5_padded")
    assert "xnli has no gold answers that mT5 pads" in said
