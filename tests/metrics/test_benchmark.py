"""XTREME's and XTREME-R's numbers: the script's own, and published rows."""

from __future__ import annotations

import csv
import json
import random
from typing import NamedTuple

import pytest

from xtl_jax.errors import UserError
from xtl_jax.metrics import benchmark_score
from xtl_jax.metrics.benchmark import BENCHMARKS


def near(value):
    return pytest.approx(value, abs=1e-9)


@pytest.fixture(scope="module", params=["xtreme", "xtreme-r"])
def folder(request, shared):
    """A whole submission as `evaluate.py` scored it, with the seqeval of the paper."""
    name = f"xtreme_folder_{request.param.replace('-', '_')}.json"
    document = json.loads((shared / "conformance/scorers" / name).read_text("utf-8"))
    return request.param, document["expected_seqeval_0_0_12"]


def by_task(detailed):
    """The script's `task, metric, language` turned round to `task, language, key`."""
    return {
        task: {
            language: {
                key: row[language]
                for key, row in values.items()
                if not key.startswith("avg_")
            }
            for language in next(v for k, v in values.items() if k[:4] != "avg_")
        }
        for task, values in detailed.items()
    }


def test_tasks_groups_and_overall_are_those_of_the_script(folder):
    name, expected = folder
    found = benchmark_score.score(name, by_task(expected["detailed"]))
    for task in found.tasks:
        if task.task.name == "lareqa":  # the script has nothing to say on it
            continue
        script = expected["detailed"][task.task.name]
        assert task.score == near(script["avg_metric"])
        for key, value in task.averages.items():
            assert value == near(script[f"avg_{key}"])
        first = next(iter(task.averages))
        assert task.task.languages == tuple(script[first])  # in its order too
    groups = {mean.name: mean.score for mean in found.groups if not mean.ours}
    overall = dict(expected["overall"])
    assert found.all_tasks.score == near(overall.pop("all_task", None))
    assert groups == {key: near(value) for key, value in overall.items()}


def test_xtreme_r_over_all_tasks_needs_lareqa_and_is_marked_as_ours(folder):
    name, expected = folder
    values = by_task(expected["detailed"])
    ours = [
        mean.name for mean in benchmark_score.score(name, values).groups if mean.ours
    ]
    if name == "xtreme":
        assert not ours
        assert not benchmark_score.score(name, values).all_tasks.ours
        return
    without = benchmark_score.score(name, values)
    assert ours == ["retrieval_with_lareqa"]
    assert without.all_tasks.missing_tasks == ("lareqa",)
    languages = BENCHMARKS[name].task("lareqa").languages
    values["lareqa"] = {language: {"map@20": 40.0} for language in languages}
    whole = benchmark_score.score(name, values)
    tasks = [script["avg_metric"] for script in expected["detailed"].values()]
    assert whole.all_tasks.score == near((sum(tasks) + 40.0) / 10)
    assert whole.all_tasks.ours
    retrieval = {mean.name: mean for mean in whole.groups}["retrieval_with_lareqa"]
    scores = [expected["detailed"][t]["avg_metric"] for t in ("tatoeba", "mewslix")]
    assert retrieval.score == near((sum(scores) + 40.0) / 3)


def test_tydiqa_has_both_averages(shared):
    path = shared / "conformance/scorers/qa_tydiqa_goldp.json"
    document = json.loads(path.read_text("utf-8"))
    values = {
        language: found["expected"] for language, found in document["languages"].items()
    }
    found = benchmark_score.score("xtreme", {"tydiqa": values})
    (task,) = [each for each in found.tasks if each.task.name == "tydiqa"]
    assert len(task.task.languages) == 9
    nine = document["expected_macro"]
    eight = document["expected_macro_tydiqa_readme_non_english"]
    assert task.averages["f1"] == near(nine["avg_f1"])
    assert task.score == near(nine["avg_metric"])
    assert task.non_english["f1"] == near(eight["avg_f1"])
    assert task.non_english["exact_match"] == near(eight["avg_exact_match"])


def test_a_missing_language_takes_its_task_its_group_and_the_whole(folder):
    name, expected = folder
    values = by_task(expected["detailed"])
    del values["xquad"]["th"]
    found = benchmark_score.score(name, values)
    scores = {each.task.name: each for each in found.tasks}
    assert scores["xquad"].score is None
    assert scores["xquad"].averages is None
    assert scores["xquad"].missing_languages == ("th",)
    assert scores["mlqa"].score is not None
    groups = {mean.name: mean for mean in found.groups}
    assert groups["qa"].score is None
    assert groups["qa"].missing_tasks == ("xquad",)
    assert groups["tagging"].score is not None
    assert found.all_tasks.score is None
    assert "xquad" in found.all_tasks.missing_tasks


def test_other_languages_and_their_order_change_nothing(folder):
    name, expected = folder
    values = by_task(expected["detailed"])
    plain = benchmark_score.score(name, values)
    mixed = {}
    for task, rows in values.items():
        order = list(rows)
        random.Random(task).shuffle(order)
        row = next(iter(rows.values()))
        mixed[task] = {"xx": dict.fromkeys(row, 0.0)} | {k: rows[k] for k in order}
    assert benchmark_score.score(name, mixed) == plain


# --- published rows -----------------------------------------------------------------

COLUMNS = {  # (task, metric) of a table to (task, key) of ours
    ("XNLI", "score"): ("xnli", "accuracy"),
    ("POS", "score"): ("udpos", "f1"),
    ("PAWS-X", "score"): ("pawsx", "accuracy"),
    ("NER", "score"): ("panx", "f1"),
    ("XQuAD", "F1"): ("xquad", "f1"),
    ("XQuAD", "EM"): ("xquad", "exact_match"),
    ("MLQA", "F1"): ("mlqa", "f1"),
    ("MLQA", "EM"): ("mlqa", "exact_match"),
    ("TyDiQA-GoldP", "F1"): ("tydiqa", "f1"),
    ("TyDiQA-GoldP", "EM"): ("tydiqa", "exact_match"),
    ("BUCC", "score"): ("bucc2018", "f1"),
    ("Tatoeba", "score"): ("tatoeba", "accuracy"),
    ("XCOPA", "score"): ("xcopa", "accuracy"),
    ("LAReQA", "score"): ("lareqa", "map@20"),
    ("Mewsli-X", "score"): ("mewslix", "map@20"),
}


def published(shared, file, **wanted):
    """One row of a table: our score over all tasks, and the stated mean."""
    means, stated = {}, None
    with (shared / "papers" / file).open(encoding="utf-8") as opened:
        for row in csv.DictReader(opened):
            if any(row[column] != value for column, value in wanted.items()):
                continue
            if row["task"] == "AVG":
                stated = float(row["value"])
            elif (row["task"], row["metric"].removesuffix("delta").strip()) in COLUMNS:
                column = (row["task"], row["metric"].removesuffix("delta").strip())
                means[COLUMNS[column]] = float(row["value"])
            elif row["metric"] == "delta":
                means[COLUMNS[row["task"], "score"]] = float(row["value"])
    return means, stated


def overall(name, means):
    """The score of a system whose every language has its task's mean."""
    values = {}
    for (task, key), value in means.items():
        for language in BENCHMARKS[name].task(task).languages:
            values.setdefault(task, {}).setdefault(language, {})[key] = value
    return benchmark_score.score(name, values).all_tasks.score


def checksums(shared):
    with (shared / "papers" / "checksums.csv").open(encoding="utf-8") as file:
        return {row["check"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("model", ["mBERT", "XLM", "XLM-R", "MMTE"])
def test_xtremes_own_table_recomputes_as_it_is_known_to(shared, model):
    means, stated = published(
        shared, "xtreme_baselines.csv", table="Table 2", model=model
    )
    assert len(means) == 12
    check = checksums(shared)[f"XTREME 9-task mean, {model}"]
    ours = overall("xtreme", means)
    assert stated == float(check["stated"])
    assert round(ours, 2) == float(check["recomputed"])
    assert (abs(ours - stated) <= 0.051) == (check["agrees"] == "yes")


@pytest.mark.parametrize(
    ("model", "check"),
    [
        ("XLM-R", "Phang baseline average (claimed 67.2 from memory)"),
        ("XLM-R + ANLI+", "Phang delta average, ANLI+"),
        ("XLM-R + MNLI", "Phang delta average, MNLI"),
        ("XLM-R + QQP", "Phang delta average, QQP"),
        ("XLM-R + SQuAD v1.1", "Phang delta average, SQuAD v1.1"),
        ("XLM-R + SQuAD v2.0", "Phang delta average, SQuAD v2.0"),
    ],
)
def test_rows_of_intermediate_tasks_recompute_as_they_are_known_to(
    shared, model, check
):
    means, stated = published(
        shared, "phang2020_results.csv", table="Table 2", model=model
    )
    assert len(means) == 12
    expected = checksums(shared)[check]
    ours = overall("xtreme", means)
    assert stated == float(expected["stated"])
    assert round(ours, 2) == float(expected["recomputed"])
    assert (abs(ours - stated) <= 0.051) == (expected["agrees"] == "yes")


@pytest.mark.parametrize(
    "model", ["mBERT-base", "XLM-R-base", "mGTE-MLM-2048", "mGTE-MLM-8192"]
)
def test_a_table_that_counts_f1_alone_recomputes_on_xtreme_r(shared, model):
    means, stated = published(shared, "xtreme_r_baselines.csv", model=model)
    assert len(means) == 13
    for task in ("xquad", "mlqa", "tydiqa"):
        means[task, "exact_match"] = means[task, "f1"]  # as that table has it
    check = checksums(shared)[f"mGTE XTREME-R mean (F1 only), {model}"]
    assert round(overall("xtreme-r", means), 2) == float(check["recomputed"]) == stated


def test_the_scripts_own_test_values_make_its_groups(shared):
    """Means that XTREME's test states; groups of them by hand."""
    means = {}
    with (shared / "papers/xtreme_mock_scores.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = row["metric"].removeprefix("avg_")
            if row["task"] != "mewslix" and " " not in key:
                means[row["task"], key] = float(row["expected_in_evaluate_test.py"])
    values = {}
    for (task, key), value in means.items():
        for language in BENCHMARKS["xtreme"].task(task).languages:
            values.setdefault(task, {}).setdefault(language, {})[key] = value
    found = benchmark_score.score("xtreme", values)
    groups = {mean.name: mean.score for mean in found.groups}
    assert groups["classification"] == near(
        (51.42857142857143 + 30.666666666666668) / 2
    )
    assert groups["tagging"] == near((57.50793650793652 + 70.21746048354693) / 2)
    assert groups["retrieval"] == near((55.0 + 53.611111111111114) / 2)
    questions = [
        (77.27272727272727 + 79.9586776859504) / 2,
        (57.142857142857146 + 81.76870748299321) / 2,
        (88.88888888888889 + 97.22222222222223) / 2,
    ]
    assert groups["qa"] == near(sum(questions) / 3)


# --- from families ------------------------------------------------------------------


def test_language_lists_are_those_collected_from_the_script(shared):
    collected: dict[tuple[str, str], set[str]] = {}
    with (shared / "papers/languages.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["metric"] == "covered":
                key = (row["setting"].lower(), row["task"])
                collected.setdefault(key, set()).add(row["language"])
    ours = {
        (name, task.name): set(task.languages)
        for name, benchmark in BENCHMARKS.items()
        for task in benchmark.tasks
    }
    assert ours == collected


@pytest.mark.parametrize("name", ["xtreme", "xtreme-r"])
def test_the_catalogue_can_score_every_task(name):
    from xtl_tasks import catalog

    for task in BENCHMARKS[name].tasks:
        for family in map(catalog.family, (task.family, *task.other_formats)):
            assert set(task.languages) <= set(family.languages), family.name
            assert task.split in family.splits, family.name
            assert set(task.keys) <= set(family.metric.keys), family.name
            standard = set(family.standard_languages)
            xtreme = set(task.languages) if name == "xtreme" else standard
            assert family.name == "tatoeba" or standard == xtreme, family.name


class Scored(NamedTuple):
    family: str
    language: str
    values: dict[str, float]
    split: str = "test"


def full(name, value, *, family=None, split="test"):
    """Every language of one of XTREME's tasks."""
    task = BENCHMARKS["xtreme"].task(name)
    return [
        Scored(family or task.family, code, dict.fromkeys(task.keys, value), split)
        for code in task.languages
    ]


def test_families_are_found_by_the_catalogues_names_and_splits():
    found = benchmark_score.of_scores(
        [
            *full("tydiqa", 50.0, split="validation"),
            *full("bucc2018", 30.0),
            *full("panx", 40.0, family="panx_spans"),
            Scored("world_qa", "en", {"f1": 1.0}),
        ]
    )
    scores = {each.task.name: each.score for each in found["xtreme"].tasks}
    assert scores["tydiqa"] == 50.0
    assert scores["bucc2018"] == 30.0
    assert scores["panx"] == 40.0
    assert scores["xnli"] is None
    # XTREME-R has no BUCC and more languages of PAN-X: TyDi QA alone is complete.
    extended = {each.task.name: each for each in found["xtreme-r"].tasks}
    assert extended["tydiqa"].score == 50.0
    assert extended["panx"].score is None
    assert " ".join(extended["panx"].missing_languages) == "qu pl uk az lt pa gu ro"


def test_two_formats_of_one_task_are_not_mixed():
    half = full("panx", 10.0)[:20]
    whole = full("panx", 40.0, family="panx_spans")
    found = benchmark_score.of_scores([*whole, *half, *full("xnli", 1.0)])["xtreme"]
    (task,) = [each for each in found.tasks if each.task.name == "panx"]
    assert task.score is None
    assert len(task.missing_languages) == 20


def test_another_split_than_the_benchmarks_makes_no_score():
    found = benchmark_score.of_scores(
        [*full("xnli", 1.0, split="validation"), *full("pawsx", 50.0)]
    )["xtreme"]
    scores = {each.task.name: each for each in found.tasks}
    assert scores["xnli"].score is None
    assert scores["xnli"].other_split == "validation"
    assert scores["pawsx"].score == 50.0
    document = found.to_json()
    assert document["tasks"]["xnli"]["other_split"] == "validation"
    assert document["groups"]["classification"]["missing_tasks"] == ["xnli"]
    assert document["all_task"]["score"] is None


def test_one_family_alone_is_no_benchmark():
    assert benchmark_score.of_scores(full("xnli", 50.0)) == {}


def test_values_without_the_key_and_unknown_tasks_are_refused():
    task = BENCHMARKS["xtreme"].task("panx")
    values = {code: {"accuracy": 1.0} for code in task.languages}
    with pytest.raises(UserError, match=r"NER .*'ar' has no value 'f1', only accuracy"):
        benchmark_score.score("xtreme", {"panx": values})
    with pytest.raises(UserError, match="no task 'pawx'; near: pawsx"):
        benchmark_score.score("xtreme", {"pawx": {}})
