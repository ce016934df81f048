"""Groups of languages and benchmarks in the report: numbers, and what is missing."""

from __future__ import annotations

import csv
import io
import json

import pytest

from xtl_jax.cli import run_results
from xtl_jax.errors import UserError
from xtl_jax.metrics.benchmark import BENCHMARKS
from xtl_jax.report import benchmarks, markdown, page, systems, tabular, wording
from xtl_jax.report.tables import family_tables


def arm(folder, name=None):
    return run_results.Arm(name, tuple(sorted(folder.iterdir())))


@pytest.fixture(scope="module")
def arms(two_systems):
    first, second = two_systems
    return run_results.read_arms([arm(first, "without"), arm(second, "with")])


@pytest.fixture(scope="module")
def found(arms):
    return {table.name: table for table in benchmarks.benchmark_tables(arms)}


@pytest.fixture(scope="module")
def families(arms):
    return {table.family: table for table in family_tables(arms)}


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def scores_of(folder, family, key):
    """Language to value, from the score files."""
    values = {}
    for path in (folder / family / "scores").glob(f"{family}.*.json"):
        document = json.loads(path.read_text("utf-8"))
        values[document["language"]] = document["values"][key]
    return values


# --- benchmarks ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["xtreme", "xtreme-r"])
def test_every_task_score_is_the_mean_of_its_score_files(two_systems, found, name):
    rows = {row.name: row for row in found[name].rows}
    for task in BENCHMARKS[name].tasks:
        parts = [
            mean(scores_of(two_systems[0], task.family, key)[c] for c in task.languages)
            for key in task.keys
        ]
        assert rows[task.name].places[0].score == pytest.approx(mean(parts))
        assert rows[task.name].languages == len(task.languages)
    tasks = [rows[task.name].places[0].score for task in BENCHMARKS[name].tasks]
    assert rows["all_task"].places[0].score == pytest.approx(mean(tasks))


def test_what_an_arm_lacks_is_told_and_takes_the_means(found):
    rows = {row.name: row for row in found["xtreme"].rows}
    assert rows["bucc2018"].places[1].score is None
    assert rows["bucc2018"].places[1].lacking == "all languages"
    assert rows["retrieval"].places[1].lacking == "bucc2018"
    assert rows["all_task"].places[1].score is None
    assert rows["all_task"].difference(1) is None
    assert rows["tagging"].places[1].score is not None
    rows = {row.name: row for row in found["xtreme-r"].rows}
    assert rows["mewslix"].places[1].lacking == "fa"
    assert rows["retrieval"].places[1].score is None


def test_tydiqa_has_both_averages_and_tagging_its_accuracy(two_systems, found):
    rows = {row.name: row for row in found["xtreme"].rows}
    values = scores_of(two_systems[0], "tydiqa_goldp", "f1")
    both = dict(rows["tydiqa"].places[0].parts)
    assert both["F1"] == pytest.approx(mean(values.values()))
    eight = dict(rows["tydiqa_without_english"].places[0].parts)
    del values["en"]
    assert len(values) == 8
    assert eight["F1"] == pytest.approx(mean(values.values()))
    accuracy = scores_of(two_systems[0], "udpos", "accuracy")
    languages = BENCHMARKS["xtreme"].task("udpos").languages
    parts = dict(rows["udpos"].places[0].parts)
    assert parts["Accuracy"] == pytest.approx(mean(accuracy[c] for c in languages))
    assert parts["F1"] == rows["udpos"].places[0].score


def test_numbers_of_ours_are_marked(found):
    assert not found["xtreme"].has_ours
    ours = {row.name for row in found["xtreme-r"].rows if row.ours}
    assert ours == {"lareqa", "retrieval_with_lareqa", "all_task"}


def test_one_family_makes_no_benchmark(fabricated, tmp_path):
    run = fabricated.write_run(tmp_path / "run")
    assert benchmarks.benchmark_tables(run_results.read_all([run])) == ()


# --- systems ------------------------------------------------------------------------


def test_runs_without_a_common_family_are_one_arm(two_systems):
    paths = sorted(two_systems[0].iterdir())
    made = run_results.read_arms(run_results.arguments([str(path) for path in paths]))
    assert len(made) == 1
    assert len(made[0].runs) == len(paths) == 12
    (table,) = [t for t in benchmarks.benchmark_tables(made) if t.name == "xtreme"]
    assert table.rows[-1].places[0].score is not None
    tables = family_tables(made)
    assert len(tables) == 12
    assert all(len(each.arms) == 1 for each in tables)
    assert wording.notes(made) == []


def test_runs_with_a_common_family_stay_arms(two_systems):
    first, second = (folder / "panx" for folder in two_systems)
    made = run_results.read_arms(run_results.arguments([str(first), str(second)]))
    assert [arm.label for arm in made] == ["without_panx", "with_panx"]


def test_one_family_in_two_runs_of_one_arm_is_refused(two_systems):
    first, second = (folder / "panx" for folder in two_systems)
    with pytest.raises(UserError, match=r"both have scores for panx.*space, not with"):
        run_results.read_arms(run_results.arguments([f"x={first}+{second}"]))


def test_runs_of_one_arm_that_start_elsewhere_are_noted(two_systems):
    text = f"{two_systems[0] / 'panx'}+{two_systems[1] / 'xnli'}"
    (made,) = run_results.read_arms(run_results.arguments([text]))
    (note,) = wording.notes([made])
    assert "without_panx from runs/without; with_xnli from runs/with" in note


@pytest.mark.parametrize("text", ["=a", "a+", "+", "x=", "x=a++b"])
def test_an_arm_that_names_no_run_is_refused(text):
    with pytest.raises(UserError, match="names no run directory"):
        run_results.arguments([text])


def test_a_folder_with_a_sign_in_its_name_is_a_run(tmp_path):
    (tmp_path / "a=b+c").mkdir()
    (found,) = run_results.arguments([str(tmp_path / "a=b+c")])
    assert found == run_results.Arm(None, (tmp_path / "a=b+c",))


def test_two_arms_of_one_name_are_refused(two_systems):
    first, second = (folder / "panx" for folder in two_systems)
    with pytest.raises(UserError, match="two arms are called 'x'"):
        run_results.read_arms(run_results.arguments([f"x={first}", f"x={second}"]))


def test_joined_settings_keep_what_agrees_and_list_what_differs():
    joined = systems.joined_config(
        [{"run": {"steps": 6, "seed": 1}, "a": 1}, {"run": {"steps": 6, "seed": 2}}]
    )
    assert joined == {"run": {"steps": 6, "seed": "1 · 2"}, "a": 1}


# --- groups -------------------------------------------------------------------------


def test_groups_are_those_of_the_summary_with_paired_differences(two_systems, families):
    table = families["xnli"]
    (resource,) = [group for group in table.groups if group.name == "resource"]
    rows = {row.name: row for row in resource.rows}
    assert rows["low"].languages == ("sw",)  # alone of XNLI's fifteen
    first, second = (scores_of(folder, "xnli", "accuracy") for folder in two_systems)
    rest = [code for code in first if code not in ("sw", "en")]
    row = rows["high_without_english"]
    values = [mean(scores[code] for code in rest) for scores in (first, second)]
    assert [row.cell(a, "accuracy").value for a in (0, 1)] == pytest.approx(values)
    assert row.differences[0] is None
    assert row.differences[1].value == pytest.approx(values[1] - values[0])
    low, high = row.differences[1].interval
    assert low <= row.differences[1].value <= high


def test_extended_languages_are_in_groups_and_not_in_the_average(families):
    table = families["panx"]
    assert len([row for row in table.rows if row.averaged]) == 40
    assert len(table.rows) == 48
    assert table.groups_have_more
    groups = {group.name: group for group in table.groups}
    rows = {row.name: row for row in groups["mt5"].rows}
    assert rows["out"].languages == ("qu",)
    assert rows["out"].cell(0, "f1").value is not None


def test_a_group_with_a_missing_language_is_missing_and_says_which(families):
    groups = {group.name: group for group in families["mewslix"].groups}
    script = {row.name: row for row in groups["script"].rows}
    assert script["Arabic"].cell(0, "map@20").value is not None
    assert script["Arabic"].cell(1, "map@20").value is None
    assert script["Arabic"].missing == ((), ("fa",))
    assert script["Arabic"].differences[1] is None


def test_summaries_without_groups_still_make_a_report(two_runs, tmp_path):
    for name in ("run.json", "log.jsonl"):
        (tmp_path / name).write_bytes((two_runs[0] / name).read_bytes())
    (tmp_path / "scores").mkdir()
    for path in (two_runs[0] / "scores").iterdir():
        document = json.loads(path.read_text("utf-8"))
        for family in document.get("families", {}).values():
            del family["groups"]
        (tmp_path / "scores" / path.name).write_text(json.dumps(document), "utf-8")
    arms = run_results.read_all([tmp_path])
    tables = family_tables(arms)
    assert all(table.groups == () for table in tables)
    assert "By group" not in page.render(arms, tables=tables, title="t")


# --- in every output ----------------------------------------------------------------


def test_page_shows_benchmarks_groups_and_what_is_missing(arms, families):
    text = page.render(arms, tables=list(families.values()), title="t")
    assert "<h2>XTREME</h2>" in text
    assert "<h2>XTREME-R</h2>" in text
    assert "TyDi QA&#39;s own mean" in text
    assert "Retrieval with LAReQA <sup>ours</sup>" in text
    assert "mlqa has no language for Low (Joshi 0–2)" in text
    assert "In mT5&#39;s pre-training, without English" in text
    assert len(text.encode()) < 3_000_000
    for table in families.values():
        for group in table.groups:
            if group.name in ("resource", "script", "family", "mt5"):
                for row in group.rows:
                    said = wording.number(row.cell(0, table.primary).value)
                    shown = f"{row.title.replace(chr(39), '&#x27;')}: without {said}"
                    assert (f"<title>{shown}" in text) == bool(row.languages)


def test_csv_has_benchmarks_and_groups(arms, families, found):
    text = tabular.scores_csv(list(families.values()), benchmarks=list(found.values()))
    rows = {
        (row["run"], row["family"], row["language"], row["metric"]): row
        for row in csv.DictReader(io.StringIO(text))
    }
    table = {row.name: row for row in found["xtreme-r"].rows}
    entry = rows["with", "xtreme-r", "tydiqa", "score"]
    assert float(entry["value"]) == table["tydiqa"].places[1].score
    assert float(entry["difference"]) == table["tydiqa"].difference(1)
    assert rows["with", "xtreme", "all_task", "score"]["value"] == ""
    group = rows["with", "panx", "genus:Slavic", "f1"]
    (genus,) = [each for each in families["panx"].groups if each.name == "genus"]
    (slavic,) = [row for row in genus.rows if row.name == "Slavic"]
    assert float(group["value"]) == slavic.cell(1, "f1").value


def test_markdown_and_latex_have_benchmarks_and_groups(arms, families, found):
    tables = list(families.values())
    text = markdown.render(arms, tables=tables, title="t")
    assert "## XTREME-R" in text
    assert "missing (bucc2018)" in text
    assert "| Low (Joshi 0–2) |" in text
    text = tabular.latex(tables, benchmarks=list(found.values()))
    assert text.startswith("% XTREME, task scores (percent); -- is missing\n")
    assert "% panx by Script, F1 (percent)" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}")
