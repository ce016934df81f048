"""`xtl data show` and `xtl data cache` with an encoder's gin file."""

from __future__ import annotations

import json

import pytest

from xtl_jax.cli import main

ENCODER = "--gin_file=models/encoder_tiny.gin"


@pytest.fixture
def places(world_data, tmp_path, monkeypatch):
    """Flags that say where data, cache and vocabulary are."""
    monkeypatch.delenv("XTL_VOCABULARY", raising=False)
    monkeypatch.setenv("COLUMNS", "140")
    cache = f"--cache_dir={tmp_path / 'cache'}"
    return (f"--data_dir={world_data}", cache, "--vocabulary=bytes")


def _json(capsys, *arguments):
    assert main.main(["data", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_shows_a_pair_as_xlmr_reads_it(capsys, places):
    found = _json(capsys, "show", "world_nli.sw", "--split=test", ENCODER, *places)
    (example,) = found["examples"]
    (each,) = example["inputs"]
    assert example["head"] == "classification"
    assert each["pieces"][0] == "<s>"
    assert each["pieces"].count("</s>") == 3
    assert len(each["pieces"]) == len(each["tokens"])
    between = each["pieces"].index("</s>")
    assert each["pieces"][between + 1] == "</s>"
    assert each["labels"] == [int(each["label"])]


def test_shows_the_windows_of_a_long_context(capsys, places):
    found = _json(
        *(capsys, "show", "world_qa.en", "--split=validation", ENCODER, *places),
        "--lengths=inputs=100",
        "--gin.RunConfig.window_stride=16",
        "--gin.RunConfig.question_length=40",
    )
    (example,) = found["examples"]
    answer = example["row"]["answers"][0]
    windows = example["inputs"]
    assert len(windows) > 1
    assert all(len(each["tokens"]) <= 100 for each in windows)
    said = [each for each in windows if each["label"] != "no answer here"]
    assert said
    for each in said:
        assert each["labels"][1] - each["labels"][0] + 1 == len(answer.encode())


def test_shows_each_tag_beside_its_word(capsys, places):
    found = _json(
        *(capsys, "show", "world_tagging.de", "--split=test", ENCODER, *places),
        "--lengths=inputs=300",
    )
    (example,) = found["examples"]
    (each,) = example["inputs"]
    tags = [part.rpartition("/")[2] for part in each["label"].split(" ")]
    assert tags == example["row"]["tags"]


def test_the_table_is_for_people(capsys, places):
    arguments = ["data", "show", "world_nli.en", "--split=test", ENCODER, *places]
    assert main.main(arguments) == 0
    out = capsys.readouterr().out
    for part in ("world_nli.en/test", "classification", "<s>", "as pieces", "label"):
        assert part in out


def test_caches_what_a_run_would_read(capsys, places):
    arguments = ("cache", "world_nli.en", ENCODER, "--lengths=inputs=160", *places)
    first = _json(capsys, *arguments)["caches"]
    assert {row["split"] for row in first} == {"train", "validation", "test"}
    for row in first:
        assert (row["head"], row["labels"], row["length"]) == ("classification", 3, 160)
        assert row["counts"]["rows"] == row["inputs"] > 0
    again = _json(capsys, *arguments)["caches"]
    assert [row["folder"] for row in again] == [row["folder"] for row in first]
    assert main.main(["data", *arguments]) == 0
    assert "world_nli.en/validation" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["inputs=few", "targets=3", "160"])
def test_a_length_that_is_none_is_refused(capsys, places, given):
    arguments = ["data", "cache", "world_nli.en", ENCODER, f"--lengths={given}"]
    assert main.main([*arguments, *places]) == 2
    assert "write inputs=N" in capsys.readouterr().err


def test_no_vocabulary_is_refused(capsys, places):
    assert main.main(["data", "show", "world_nli.en", ENCODER, *places[:2]]) == 2
    assert "--vocabulary" in capsys.readouterr().err
