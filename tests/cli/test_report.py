"""`xtl report` on run directories: what it writes, and what it says to bad ones."""

from __future__ import annotations

import argparse
import importlib.util
import json
import pathlib

import pytest

from xtl_jax.cli import report
from xtl_jax.errors import UserError


@pytest.fixture(scope="module")
def fabricated():
    path = pathlib.Path(__file__).parent.parent / "report" / "fabricated.py"
    spec = importlib.util.spec_from_file_location("fabricated", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run_dir(fabricated, tmp_path):
    return fabricated.write_run(tmp_path / "run", languages=("en", "ar"), examples=20)


def call(*arguments):
    parser = argparse.ArgumentParser()
    report.add_parser(parser.add_subparsers())
    args = parser.parse_args(["report", *map(str, arguments)])
    return args.run(args)


def test_writes_four_files_and_prints_a_table(run_dir, capsys):
    assert call(run_dir) == 0
    for name in ("report.html", "report.md", "scores.csv", "report.tex"):
        assert (run_dir / name).stat().st_size > 0
    printed = capsys.readouterr().out
    assert "Arabic (ar)" in printed
    assert "Average of 2 languages" in printed
    score = json.loads((run_dir / "scores" / "mlqa.ar.json").read_text("utf-8"))
    assert f"{score['values']['f1']:.1f}" in printed


def test_json_is_one_document_with_the_numbers_of_the_score_files(run_dir, capsys):
    assert call(run_dir, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    score = json.loads((run_dir / "scores" / "mlqa.ar.json").read_text("utf-8"))
    cells = document["families"]["mlqa"]["languages"]["ar"]["run"]
    assert cells["values"] == score["values"]
    assert cells["intervals"] == score["intervals"]
    assert pathlib.Path(document["files"]["html"]).is_file()


def test_several_runs_go_to_out_and_leave_the_runs_alone(fabricated, tmp_path, capsys):
    first = fabricated.write_run(tmp_path / "a", name="same", languages=("en", "ar"))
    second = fabricated.write_run(tmp_path / "b", name="same", languages=("en", "ar"))
    before = sorted(path.name for path in second.iterdir())
    assert call(first, second, "--out", tmp_path / "page") == 0
    assert sorted(path.name for path in second.iterdir()) == before
    text = (tmp_path / "page" / "report.html").read_text("utf-8")
    assert "<bdi>a</bdi>" in text  # two runs of one name are told apart by folder
    assert "<bdi>b</bdi>" in text
    assert "difference" in capsys.readouterr().out


def test_write_report_is_the_same_page(run_dir, tmp_path):
    call(run_dir, "--out", tmp_path / "one", "--title", "T")
    path = report.write_report([run_dir], out=tmp_path / "two", title="T")
    assert path == tmp_path / "two" / "report.html"
    assert path.read_bytes() == (tmp_path / "one" / "report.html").read_bytes()


def test_the_terminal_obeys_nothing_in_a_name(fabricated, tmp_path, capsys):
    run = fabricated.write_run(
        tmp_path / "a", name="\x1b[31m[red]x[/red]", languages=("en",), examples=5
    )
    other = fabricated.write_run(tmp_path / "b", languages=("en",), examples=5)
    call(run, other, "--out", tmp_path)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "[red]" in printed


def test_a_half_written_last_log_line_is_skipped_and_said(run_dir, capsys):
    with (run_dir / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 610, "kind": "tra')
    assert call(run_dir) == 0
    assert "last line of log.jsonl" in capsys.readouterr().out
    assert "last line of log.jsonl" in (run_dir / "report.html").read_text("utf-8")


def test_what_is_absent_is_said_on_the_page(run_dir, capsys):
    (run_dir / "log.jsonl").unlink()
    (run_dir / "scores" / "summary.json").unlink()
    (run_dir / "predictions" / "mlqa.ar.jsonl").unlink()
    assert call(run_dir) == 0
    text = (run_dir / "report.html").read_text("utf-8")
    for name in ("log.jsonl", "summary.json", "predictions/mlqa.ar.jsonl"):
        assert f"{name} is not there" in text


def test_stale_scores_are_said(run_dir, fabricated, tmp_path, capsys):
    newer = fabricated.write_run(tmp_path / "new", languages=("en", "ar"), examples=25)
    source = newer / "predictions" / "mlqa.ar.jsonl"
    (run_dir / "predictions" / "mlqa.ar.jsonl").write_bytes(source.read_bytes())
    assert call(run_dir) == 0
    assert "5 predictions" in (run_dir / "report.html").read_text("utf-8")


def _break(run_dir, name, text):
    path = run_dir / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _change(run_dir, name, **fields):
    document = json.loads((run_dir / name).read_text(encoding="utf-8"))
    _break(run_dir, name, json.dumps(document | fields))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda run: (run / "run.json").unlink(), ["no run.json", "xtl train"]),
        (
            lambda run: [path.unlink() for path in (run / "scores").iterdir()],
            ["has no scores", "xtl score"],
        ),
        (lambda run: _break(run, "run.json", '{"run": '), ["run.json", "cut off"]),
        (lambda run: _break(run, "run.json", "[]"), ["run.json", "list"]),
        (
            lambda run: _break(run, "scores/mlqa.ar.json", '{"task": "ml'),
            ["mlqa.ar.json", "xtl score"],
        ),
        (
            lambda run: _break(run, "scores/mlqa.ar.json", "{}"),
            ["mlqa.ar.json", "no key"],
        ),
        (
            lambda run: _break(run, "scores/mlqa.ar.json", "[1]"),
            ["mlqa.ar.json", "xtl score"],
        ),
        (
            lambda run: _change(run, "scores/mlqa.ar.json", values={}),
            ["mlqa.ar.json has no value for its primary metric 'f1'", "xtl score"],
        ),
        (
            lambda run: _break(run, "scores/summary.json", '{"families": {"a": 1}}'),
            ["summary.json", "xtl score"],
        ),
        (
            lambda run: _break(run, "log.jsonl", '{"st\n{"step": 1}\n'),
            ["log.jsonl", "line 1"],
        ),
        (
            lambda run: _break(run, "predictions/mlqa.ar.jsonl", "{}\n"),
            ["mlqa.ar.jsonl", "line 1", "xtl predict"],
        ),
        (
            lambda run: _break(run, "robustness/summary.json", "[]"),
            ["robustness/summary.json must hold a JSON object", "xtl score"],
        ),
        (
            lambda run: _break(run, "robustness/summary.json", '{"families": [1]}'),
            ["run/robustness/summary.json is not what", "xtl score"],
        ),
        (
            lambda run: _break(
                run, "robustness/summary.json", '{"families": {"xnli": {"a": {}}}}'
            ),
            ["run/robustness/summary.json is not what", "'split'", "xtl score"],
        ),
        (
            lambda run: _break(
                run, "robustness/certified.json", '{"xnli": {"de": {"sigma": 1}}}'
            ),
            ["run/robustness/certified.json is not what", "'confidence'"],
        ),
        (
            lambda run: (run / "scores/xnli.de.json").mkdir(),
            ["xnli.de.json: cannot be read", "directory"],
        ),
        (
            lambda run: (run / "run.json").write_bytes(b'{"run": "\xff"}'),
            ["run.json", "0xff"],
        ),
    ],
)
def test_a_broken_run_is_one_error_that_says_what_to_do(run_dir, spoil, words):
    spoil(run_dir)
    with pytest.raises(UserError) as caught:
        call(run_dir)
    for word in words:
        assert word in str(caught.value)
    assert not (run_dir / "report.html").exists()


def test_a_folder_that_is_not_there_or_named_twice_is_an_error(run_dir, tmp_path):
    with pytest.raises(UserError, match="no such run directory"):
        call(tmp_path / "nowhere")
    with pytest.raises(UserError, match="given twice"):
        call(run_dir, run_dir)
    with pytest.raises(UserError, match="at least one run directory; see `xtl report"):
        report.write_report([], out=tmp_path)
