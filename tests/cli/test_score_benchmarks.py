"""`xtl score` and `xtl report` over the tasks of a benchmark, in one run or in many."""

from __future__ import annotations

import importlib.util
import json
import pathlib

import pytest

CLASSIFICATION = ("xnli", "pawsx")


def load(name):
    path = pathlib.Path(__file__).parent.parent / "report" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def write_tasks():
    fabricated, tasks = load("fabricated"), load("fabricated_tasks")
    languages = tasks.all_languages()

    def write(folder, *families, seed=0):
        return tasks.write_tasks(
            folder,
            fabricated=fabricated,
            families={family: languages[family] for family in families},
            name=folder.name,
            seed=seed,
            examples=5,
        )

    return write


@pytest.fixture
def run_dir(write_tasks, tmp_path):
    """Predictions of two families, not scored yet."""
    folder = write_tasks(tmp_path / "both", *CLASSIFICATION)
    for path in (folder / "scores").iterdir():
        path.unlink()
    return folder


def test_the_summary_of_a_run_has_groups_and_benchmarks(run_dir, xtl):
    done = xtl("score", run_dir, "--json")
    assert done.code == 0
    document = json.loads(done.out)
    written = json.loads((run_dir / "scores" / "summary.json").read_text("utf-8"))
    assert written["benchmarks"] == document["benchmarks"]
    assert written["families"] == document["families"]
    families = document["families"]
    found = document["benchmarks"].pop("xtreme")
    assert document["benchmarks"] == {}  # XTREME-R has no PAWS-X, so it has one task
    macro = families["xnli"]["macro"]["accuracy"]
    assert found["tasks"]["xnli"]["score"] == pytest.approx(macro)
    assert found["all_task"]["score"] is None
    assert "mlqa" in found["all_task"]["missing_tasks"]
    group = found["groups"]["classification"]
    macros = [families[name]["macro"]["accuracy"] for name in CLASSIFICATION]
    assert group["score"] == pytest.approx(sum(macros) / 2)
    low = families["xnli"]["groups"]["resource"]["low"]
    assert low["languages"] == ["sw"]
    scores = document["scores"]
    assert low["values"] == scores["xnli.sw"]["values"]
    assert families["pawsx"]["groups"]["resource"]["low"]["languages"] == []


def test_tables_show_the_benchmark_and_low_resource_languages(run_dir, xtl):
    done = xtl("score", run_dir)
    assert "XTREME: percent" in done.out
    assert "all languages" in done.out
    assert "low-resource mean" in done.out
    (line,) = [line for line in done.out.splitlines() if line.startswith(" All tasks")]
    assert "missing" in line


def test_languages_of_xtreme_r_are_in_groups_of_xtremes_families(
    write_tasks, tmp_path, xtl
):
    folder = write_tasks(tmp_path / "ner", "panx")
    document = json.loads(xtl("score", folder, "--json").out)
    family = document["families"]["panx"]
    assert len(family["languages"]) == 40
    assert family["groups"]["mt5"]["out"]["languages"] == ["qu"]
    scores = document["scores"]
    low = family["groups"]["resource"]["low"]
    assert sorted(low["languages"]) == [
        "az",
        "gu",
        "jv",
        "ml",
        "mr",
        "my",
        "pa",
        "qu",
        "sw",
        "te",
        "yo",
    ]
    mean = sum(scores[f"panx.{code}"]["values"]["f1"] for code in low["languages"]) / 11
    assert low["values"]["f1"] == pytest.approx(mean)


def test_one_family_has_no_benchmark(write_tasks, tmp_path, xtl):
    folder = write_tasks(tmp_path / "one", "xnli")
    assert "benchmarks" not in json.loads(xtl("score", folder, "--json").out)


def test_runs_of_different_families_are_reported_as_one_benchmark(
    write_tasks, tmp_path, xtl
):
    runs = [write_tasks(tmp_path / family, family) for family in CLASSIFICATION]
    done = xtl("report", *runs, "--out", tmp_path / "page", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["runs"] == ["xnli + pawsx"]
    found = document["benchmarks"]["xtreme"]["xnli + pawsx"]
    macros = [
        document["families"][family]["averages"]["macro"]["xnli + pawsx"]
        for family in CLASSIFICATION
    ]
    values = [macro["values"]["accuracy"] for macro in macros]
    assert found["groups"]["classification"]["score"] == pytest.approx(sum(values) / 2)
    low = document["families"]["xnli"]["groups"]["resource"]["low"]
    assert low["languages"] == ["sw"]


def test_arms_of_several_runs_are_compared(write_tasks, tmp_path, xtl):
    for seed, arm in enumerate(("base", "more")):
        for family in CLASSIFICATION:
            write_tasks(tmp_path / arm / family, family, seed=seed)
    arguments = [
        f"{arm}={tmp_path / arm / 'xnli'}+{tmp_path / arm / 'pawsx'}"
        for arm in ("base", "more")
    ]
    done = xtl("report", *arguments, "--out", tmp_path)
    assert done.code == 0, done.err
    assert "XTREME, task scores" in done.out
    assert "difference" in done.out
    assert "## XTREME" in (tmp_path / "report.md").read_text("utf-8")


def test_two_runs_of_one_family_in_one_arm_are_refused(write_tasks, tmp_path, xtl):
    for name in ("a", "b"):
        write_tasks(tmp_path / name, "pawsx")
    done = xtl("report", f"{tmp_path / 'a'}+{tmp_path / 'b'}")
    assert done.code == 2
    assert "both have scores for pawsx" in done.err
