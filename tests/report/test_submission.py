"""Submission folders: the formats of the official kit, byte for byte."""

from __future__ import annotations

import dataclasses
import functools
import json

import pytest

from xtl_jax.data.prompts import NLI_DIGITS, NLI_WORDS, PARAPHRASE_WORDS
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.metrics import xtreme
from xtl_jax.report import submission

NEAR = functools.partial(pytest.approx, abs=1e-9, rel=0)
KITS = {"xtreme": "xtreme", "xtreme-r": "xtreme_r"}
LABELS = {
    "xnli": NLI_DIGITS,
    "pawsx": PARAPHRASE_WORDS,
    "xcopa": ("choice1", "choice2"),
}


@pytest.fixture(scope="module", params=list(KITS))
def kit(request, shared):
    name = f"xtreme_folder_{KITS[request.param]}.json"
    path = shared / "conformance" / "scorers" / name
    return request.param, json.loads(path.read_text("utf-8"))


def record(id_, prediction, *, family, language="de", **changes):
    fields = {
        "task": f"{family}.{language}",
        "family": family,
        "language": language,
        "split": "test",
        "id": id_,
        "inputs": "",
        "inputs_sha256": records.prompt_sha256(""),
        "prediction_raw": prediction,
        "prediction": prediction,
        "references": (),
        "context": None,
        "log_probability": None,
        "checkpoint": "checkpoints/20",
        "step": 20,
        "decoding": {},
    }
    return records.Record(**{**fields, **changes})


def predictions(task, text):
    """What a file of the kit predicts: id and scored text of each example."""
    lines = text.splitlines()
    if task in ("xnli", "pawsx"):
        names = {"xnli": NLI_WORDS, "pawsx": ("0", "1")}[task]
        said = [LABELS[task][names.index(line)] for line in lines]
    elif task == "xcopa":
        said = [LABELS[task][json.loads(line)["label"]] for line in lines]
    elif task in ("udpos", "panx"):
        said = [block.replace("\n", " ").strip() for block in text.split("\n\n")]
    elif task == "tatoeba":
        said = lines
    elif task == "bucc2018":
        partners = {}
        for line in lines:
            source, target = line.split("\t")
            partners.setdefault(source, []).append(target)
        return [(source, " ".join(found)) for source, found in partners.items()]
    elif task == "mewslix":
        return [(id_, " ".join(found)) for id_, found in json.loads(text).items()]
    else:
        return list(json.loads(text).items())
    return [(str(place), each) for place, each in enumerate(said)]


def prediction_set(task, language, text, /, **changes):
    made = [
        record(id_, said, family=task.family, language=language)
        for id_, said in predictions(task.name, text)
    ]
    fields = {
        "source": f"run/predictions/{task.family}.{language}.jsonl",
        "family": task.family,
        "language": language,
        "split": task.split,
        "checkpoint": "checkpoints/20",
        "step": 20,
        "records": made,
        "labels": LABELS.get(task.name, ()),
        "expected": [each.id for each in made],
    }
    return submission.PredictionSet(**{**fields, **changes})


def sets_of(version, files, part="predictions"):
    return [
        prediction_set(
            task,
            language,
            files[
                f"{part}/{task.name}/{xtreme.file_name(task.name, language=language)}"
            ],
        )
        for task in xtreme.scored_tasks(version)
        for language in task.languages
    ]


def test_predictions_come_out_as_they_stand_in_the_kit(kit):
    version, expected = kit
    wanted = {
        name.removeprefix("predictions/"): text
        for name, text in expected["files"].items()
        if name.startswith("predictions/")
    }
    made = submission.compose(version, sets_of(version, expected["files"]))
    assert set(made.files) == set(wanted)
    same = 0
    for name, text in wanted.items():
        if name.endswith(".json") and text != json.dumps(json.loads(text)):
            # The kit has some files with other white space or without escapes.
            assert json.loads(made.files[name]) == json.loads(text)
        elif name.startswith("bucc2018"):
            # Pairs of one sentence stand together; the script reads a set.
            assert sorted(made.files[name].splitlines()) == sorted(text.splitlines())
        else:
            assert made.files[name].encode() == text.encode(), name
            same += 1
    assert same > 0.8 * len(wanted)
    assert not made.left_out
    assert not made.absent
    assert not made.invalid
    assert not made.unchecked


def gold_as_predictions(files):
    """Label files; of questions their longest answer."""
    made = {}
    for name, text in files.items():
        part, task, _ = name.split("/")
        if part != "labels":
            continue
        if task in ("xquad", "mlqa", "tydiqa"):
            document = json.loads(text)
            articles = document["data"] if isinstance(document, dict) else document
            text = json.dumps(
                {
                    question["id"]: max(
                        (answer["text"] for answer in question["answers"]), key=len
                    )
                    for article in articles
                    for paragraph in article["paragraphs"]
                    for question in paragraph["qas"]
                }
            )
        made[name] = text
    return made


def test_gold_labels_come_out_as_label_files_and_score_100(kit):
    version, expected = kit
    gold = gold_as_predictions(expected["files"])
    made = submission.compose(version, sets_of(version, gold, part="labels"))
    values = {}
    for task in xtreme.scored_tasks(version):
        values[task.name] = {}
        for language in task.languages:
            name = f"{task.name}/{xtreme.file_name(task.name, language=language)}"
            label_file = expected["files"][f"labels/{name}"]
            if name.endswith(("tsv", "jsonl")):
                assert made.files[name].encode() == label_file.encode(), name
            values[task.name][language] = xtreme.score_file(
                task.name,
                gold=label_file,
                predictions=made.files[name],
                language=language,
            )
    found = xtreme.evaluate(version, values)
    assert set(found.overall) == set(expected["expected"]["overall"])
    for name, task in found.detailed.items():
        if "exact_match" in task:
            # Of two texts that are nothing once normalised the F1 is 0, in the script.
            assert set(task["exact_match"].values()) == {100.0}, name
        else:
            assert task["avg_metric"] == 100.0, name


def xcopa(**changes):
    """All languages of XCOPA, two rows each; `changes` to the set of Estonian."""
    (task,) = [t for t in xtreme.scored_tasks("xtreme-r") if t.name == "xcopa"]
    text = '{"label": 0}\n{"label": 1}\n'
    return [
        prediction_set(task, language, text, **(changes if language == "et" else {}))
        for language in task.languages
    ]


def compose(sets, **options):
    return submission.compose("xtreme-r", sets, **options)


def test_rows_are_in_the_order_of_the_evaluation_set():
    made = compose(xcopa(expected=["1", "0"]))
    assert made.files["xcopa/test-et.jsonl"] == '{"label": 1}\n{"label": 0}\n'
    assert made.absent == (
        *("xnli", "panx", "udpos", "tatoeba", "mewslix", "xquad", "mlqa", "tydiqa"),
    )


def test_what_is_no_label_is_written_as_such_and_is_wrong():
    said = [
        record("0", "choice2", family="xcopa"),
        record("1", "<extra_id_0>", family="xcopa"),
    ]
    made = compose(xcopa(records=said))
    assert made.files["xcopa/test-et.jsonl"] == '{"label": 1}\n{"label": -1}\n'
    assert made.invalid == {"xcopa": 1}


def test_the_ranked_option_is_written_by_its_number():
    def option(text):
        return records.Option(text=text, log_probability=-1.0, tokens=2)

    sets = [
        dataclasses.replace(
            each,
            family="xcopa_rank",
            labels=(),
            records=[
                record(
                    id_,
                    said,
                    family="xcopa_rank",
                    options=(option("rain"), option("sun")),
                )
                for id_, said in (("0", "sun"), ("1", "rain"))
            ],
        )
        for each in xcopa()
    ]
    made = compose(sets)
    assert made.files["xcopa/test-sw.jsonl"] == '{"label": 1}\n{"label": 0}\n'
    both = [*sets, *xcopa()]
    with pytest.raises(UserError, match=r"as xcopa and xcopa_rank; give --format"):
        compose(both)
    chosen = compose(both, formats=("xcopa",))
    assert chosen.files["xcopa/test-sw.jsonl"] == '{"label": 0}\n{"label": 1}\n'


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"language": "xx"}, "no predictions for et"),
        ({"split": "validation"}, "is of the validation split, the benchmark scores"),
        ({"expected": ["0", "1", "2"]}, "lacks 1 of 3 examples: 2"),
        ({"expected": None, "published": 500}, "has 2 predictions, the published set"),
        ({"limit": 2, "published": 500}, "has the first 2 examples only"),
        ({"limit": 2}, "has the first 2 examples only"),
    ],
)
def test_what_is_not_whole_is_refused_or_left_out(changes, match):
    sets = xcopa(**changes)
    with pytest.raises(UserError, match=match):
        compose(sets)
    with pytest.raises(UserError, match="no complete task"):
        compose(sets, incomplete="leave_out")
    (xnli,) = [t for t in xtreme.scored_tasks("xtreme-r") if t.name == "xnli"]
    whole = [prediction_set(xnli, each, "neutral\n") for each in xnli.languages]
    made = compose([*sets, *whole], incomplete="leave_out")
    assert set(made.left_out) == {"xcopa"}
    assert len(made.files) == 15
    assert made.files["xnli/test-sw.tsv"] == "neutral\n"


def test_a_limit_that_takes_all_examples_is_none():
    for changes in ({"limit": 2, "published": 2}, {"limit": 100}):
        assert not compose(xcopa(**changes)).left_out


def test_ids_that_are_not_known_are_said():
    assert compose(xcopa(expected=None)).unchecked == ("xcopa",)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"expected": ["0", "7"]}, "1 ids are not in the evaluation set, such as '1'"),
        ({"step": 40}, "at step 40.*one checkpoint|at step 20, .*one checkpoint"),
        ({"checkpoint": "other"}, "by other at step 20"),
    ],
)
def test_mixed_and_foreign_predictions_are_refused_always(changes, match):
    with pytest.raises(UserError, match=match):
        compose(xcopa(**changes), incomplete="leave_out")


def test_a_language_that_was_predicted_twice_is_refused():
    sets = xcopa()
    with pytest.raises(UserError, match=r"xcopa in 'sw' was predicted twice: by run/"):
        compose([*sets, *(each for each in sets if each.language == "sw")])


def test_predictions_that_fit_no_line_are_refused():
    tasks = {task.name: task for task in xtreme.scored_tasks("xtreme")}
    for name, text, changed, match in (
        ("panx", "O\nO\n", {"context": "a\tb\tc"}, "has 2 tags for 3 tokens"),
        ("panx", "O\n", {"prediction": ""}, "has 1 tags for 1 tokens"),
        ("tatoeba", "0\n", {"prediction": ""}, "not the number of a line"),
        ("tatoeba", "0\n", {"prediction": "en-7"}, "found 'en-7', not the number"),
    ):
        task = tasks[name]
        sets = [prediction_set(task, each, text) for each in task.languages]
        spoilt = dataclasses.replace(sets[0].records[0], **changed)
        sets[0] = dataclasses.replace(sets[0], records=[spoilt])
        with pytest.raises(UserError, match=match):
            submission.compose("xtreme", sets)
