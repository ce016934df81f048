"""The numbers of a report are those of the score files, and gaps stay gaps."""

from __future__ import annotations

import dataclasses
import json

import pytest

from xtl_jax.cli import run_results
from xtl_jax.report import sheet, tabular
from xtl_jax.report.tables import family_tables


def test_every_cell_is_the_value_of_its_score_file(two_runs, tables):
    for arm, run in enumerate(two_runs):
        for path in (run / "scores").glob("*.*.json"):
            score = json.loads(path.read_text(encoding="utf-8"))
            table = tables[score["family"]]
            rows = {row.language: row for row in (*table.rows, *table.pairs)}
            for key, value in score["values"].items():
                cell = rows[score["language"]].cell(arm, key)
                assert cell.value == value
                assert list(cell.interval) == score["intervals"][key]


def test_averages_are_the_plain_means_of_the_standard_languages(tables):
    table = tables["mlqa"]
    for arm in range(2):
        values = {row.language: row.cell(arm, "f1").value for row in table.rows}
        assert set(values) == {"en", "de", "ar", "hi", "zh"}  # no pair
        others = [value for language, value in values.items() if language != "en"]
        mean = sum(others) / len(others)
        assert table.average("macro").cell(arm, "f1").value == pytest.approx(
            sum(values.values()) / 5
        )
        assert table.average("others").cell(arm, "f1").value == pytest.approx(mean)
        assert table.average("transfer_gap").cell(arm, "f1").value == pytest.approx(
            values["en"] - mean
        )


def test_english_comes_first_and_pairs_stand_apart(tables):
    table = tables["mlqa"]
    assert [row.language for row in table.rows] == ["en", "ar", "de", "hi", "zh"]
    assert [row.language for row in table.pairs] == ["ar-en", "en-ar"]


def test_what_scripts_leave_open_is_no_column(tables):
    """Answers in another script are; those whose language nobody could tell are not."""
    table = tables["mlqa"]
    (row, *_) = table.rows
    shares = {"empty": 0.0, "wrong_script": 1.0, "not_identified": 60.0}
    score = dataclasses.replace(row.scores[0], shares_percent=shares)
    told = dataclasses.replace(row, scores=(score,))
    only = dataclasses.replace(table, rows=(told,), pairs=())
    assert only.shares == ("empty", "wrong_script")


def test_difference_is_arm_minus_baseline_and_its_interval_holds_it(tables):
    for table in tables.values():
        for row in (*table.rows, *table.averages):
            if getattr(row, "name", "") == "transfer_gap":
                continue
            first, second = (row.cell(arm, table.primary).value for arm in (0, 1))
            assert row.differences[0] is None
            assert row.differences[1].value == pytest.approx(second - first)
            low, high = row.differences[1].interval
            assert low <= row.differences[1].value <= high


def test_a_missing_language_is_a_row_without_a_value_and_empties_the_averages(
    fabricated, tmp_path
):
    run = fabricated.write_run(
        tmp_path / "run", languages=("en", "ar"), missing_languages=("vi",)
    )
    (table,) = family_tables(run_results.read_all([run]))
    vietnamese = next(row for row in table.rows if row.language == "vi")
    assert vietnamese.cell(0, "f1").value is None
    for name in ("macro", "others", "transfer_gap"):
        assert table.average(name).cell(0, "f1").value is None
        assert table.average(name).missing[0] == ("vi",)
    texts = [entry.text for row in sheet.sheet(table).averages for entry in row]
    assert texts.count("missing") == 6  # three averages, two metrics


def test_a_family_that_only_one_arm_has_is_missing_in_the_other(fabricated, tmp_path):
    first = fabricated.write_run(tmp_path / "a", nli=("en", "ar"))
    second = fabricated.write_run(tmp_path / "b")
    tables = {t.family: t for t in family_tables(run_results.read_all([first, second]))}
    row = tables["xnli"].rows[0]
    assert row.cell(0, "accuracy").value is not None
    assert row.cell(1, "accuracy").value is None
    assert row.differences == (None, None)
    assert tables["xnli"].average("macro").cell(1, "accuracy").value is None


def test_arms_on_different_examples_have_no_paired_difference(fabricated, tmp_path):
    first = fabricated.write_run(tmp_path / "a", examples=30)
    second = fabricated.write_run(tmp_path / "b", examples=29)
    (table,) = family_tables(run_results.read_all([first, second]))
    assert all(row.differences == (None, None) for row in table.rows)


def test_above_chance_is_said_only_where_the_interval_excludes_chance(tables):
    for row in tables["xnli"].rows:
        for score in row.scores:
            assert score.chance_percent == pytest.approx(100 / 3)
            assert score.above_chance == (score.intervals["accuracy"][0] > 100 / 3)
    assert tables["mlqa"].above_chance(0) == []  # no chance is known for spans


def test_csv_has_a_row_for_every_run_language_and_metric(two_runs, tables):
    import csv
    import io

    rows = list(csv.DictReader(io.StringIO(tabular.scores_csv(list(tables.values())))))
    found = {(r["run"], r["family"], r["language"], r["metric"]): r for r in rows}
    assert len(found) == len(rows)
    path = two_runs[1] / "scores" / "mlqa.en-ar.json"
    score = json.loads(path.read_text(encoding="utf-8"))
    row = found["after squad_v1", "mlqa", "en-ar", "f1"]
    assert float(row["value"]) == score["values"]["f1"]
    assert [float(row["low"]), float(row["high"])] == score["intervals"]["f1"]
    assert float(row["difference"]) == pytest.approx(
        score["values"]["f1"] - float(found["without", "mlqa", "en-ar", "f1"]["value"])
    )


def test_latex_escapes_names_and_marks_what_is_missing(fabricated, tmp_path):
    run = fabricated.write_run(
        tmp_path / "run",
        name="with_50% & more",
        languages=("en", "ar"),
        missing_languages=("vi",),
    )
    text = tabular.latex(family_tables(run_results.read_all([run])))
    assert r"with\_50\% \& more" in text
    by_language = text.split(r"\end{tabular}")[0]
    assert by_language.count("--") == 3  # the comment on it, vi and the average


def test_a_latex_table_of_many_languages_stands_upright(fabricated, tmp_path):
    run = fabricated.write_run(tmp_path / "run", nli=tuple(fabricated.QA))
    arms = run_results.read_all([run])
    (xnli,) = [table for table in family_tables(arms) if table.family == "xnli"]
    wide = tabular.latex([xnli]).split(r"\end{tabular}")[0]
    assert wide.count("&") == 2 * 10  # head and run: nine languages, average
    rows = tuple(
        dataclasses.replace(xnli.rows[0], language=f"l{number}")
        for number in range(tabular.MOST_COLUMNS + 1)
    )
    upright = tabular.latex([dataclasses.replace(xnli, rows=rows)])
    lines = upright.split(r"\end{tabular}")[0].splitlines()
    assert len([line for line in lines if line.startswith("l") and "&" in line]) == 17
    assert all(line.count("&") == 1 for line in lines if "&" in line)
