"""The table of aims goes to the screen, into a page, and is kept."""

from __future__ import annotations

import json

import pytest

from xtl_jax.bench import aims
from xtl_jax.cli import bench_aims, bench_plan, main
from xtl_jax.hardware import compiler, programs


@pytest.fixture
def measured(monkeypatch):
    calls = []

    def feed():
        calls.append("data")
        result = {
            "kind": "varied",
            "examples_per_second": 750_000,
            "fill_percent": 94.5,
        }
        return {"results": [result]}

    def start():
        calls.append("start")
        seconds = {"seconds": 20.0, "imports": 3.0, "cold_seconds": 40.0}
        return {**seconds, "found_compiled": 0}

    kinds = {"data": feed, "start": start}
    monkeypatch.setattr(bench_aims, "_kinds", lambda t5x_python: kinds)
    return calls


def test_measurements_are_kept_and_written(measured, tmp_path, capsys):
    kept, page, picture = (tmp_path / name for name in ("k.json", "p.md", "p.svg"))
    page.write_text("# Page\n<!-- aims -->\nold\n<!-- end of aims -->\n")
    assert main.main(["bench", "aims", "--only", "data", f"--kept={kept}"]) == 0
    assert "750,000, fill 94.5 %" in capsys.readouterr().out
    options = [f"--kept={kept}", f"--markdown_into={page}", f"--picture={picture}"]
    assert main.main(["bench", "aims", "--only=start", *options, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    states = {row["what"]: row["state"] for row in document["aims"]}
    assert states["feed, packed examples/s of one core"] == "met"
    assert states["command to first step, tiny, compiled before"] == "**not met**"
    assert measured == ["data", "start"]
    text = page.read_text()
    assert "old" not in text
    assert "20.0 s (imports 3.0" in text
    assert "cores, Python" in text
    drawn = picture.read_text()
    assert drawn.startswith("<svg")
    assert drawn.count("<rect") == 3  # the ground, and a bar for each of the two


def test_a_misspelt_kind_and_a_page_without_marks_are_refused(
    measured, tmp_path, capsys
):
    assert main.main(["bench", "aims", "--only", "dat"]) == 2
    assert "near: data" in capsys.readouterr().err
    page = tmp_path / "p.md"
    page.write_text("# Page\n")
    assert main.main(["bench", "aims", f"--markdown_into={page}"]) == 2
    assert measured == []


def test_the_feed_has_two_names():
    for name in ("data", "feed"):
        given = ["bench", name, "--examples", "7"]
        assert main.parser("bench").parse_args(given).examples == 7


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("train --rounds=0", "--rounds must be at least 1, got 0"),
        ("train --model=mt5_smal", "--model=mt5_smal: no such shape; near: mt5_small"),
        ("infer --examples=0", "--examples must be at least 1, got 0"),
        ("start --model=e5_small", "--model=e5_small: no such shape"),
        ("start --batch_size=0", "--batch_size must be at least 1, got 0"),
        ("feed --examples=0", "--examples must be at least 1, got 0"),
        ("data --batches=-3", "--batches must be at least 1, got -3"),
        ("faults --trials=0", "--trials must be at least 1, got 0"),
        ("faults --kinds=trian", "--kinds: no kind 'trian'; near: train; there are"),
        ("fuzz --minutes=0", "--minutes must be more than 0, got 0"),
        ("fuzz --only=ginn", "--only: no reader 'ginn'; near: gin"),
        ("power --studies=1", "--studies=1: at least 2 are needed"),
        ("faults --markdown_into=no.md", "--markdown_into=no.md: there is no such"),
    ],
)
def test_what_cannot_be_measured_is_refused(given, says, capsys):
    assert main.main(["bench", *given.split()]) == 2
    assert f"xtl bench: {says}" in capsys.readouterr().err


def test_what_is_compiled_is_what_was_aimed_at():
    assert set(bench_plan.STEPS) == set(aims.PLANS)
    small = bench_plan.job("small")
    assert (small.topology, small.run.batch_size) == ("v5e:2x4", 8 * 128)
    assert small.run.lengths == {"inputs": 512, "targets": 128}
    assert small.model.parameters == 300_176_768  # mT5-Small's
    for name in ("xxl, little memory", "xxl, little twice"):
        xxl = bench_plan.job(name)
        assert (xxl.topology, xxl.run.batch_size) == ("v4:4x4x4", 1024)
        assert xxl.model.parameters == 12_921_057_280
        assert programs.tokens(xxl) == 1024 * (1024 + 256)


def test_without_the_compiler_nothing_is_planned(monkeypatch, capsys):
    monkeypatch.setattr(compiler, "installed", lambda: False)
    assert main.main(["bench", "plan"]) == 1
    assert "libtpu is not installed" in capsys.readouterr().out
