"""`xtl tasks` and `xtl data show`: what they print, and how they refuse."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from xtl_jax.cli import main


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No data, vocabulary or TFDS from the surroundings."""
    for name in ("XTL_DATA_DIR", "XTL_VOCABULARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("COLUMNS", "140")


@pytest.fixture
def data_dir(tmp_path):
    """One XQuAD-like file; a test names it, so its size is not checked."""
    question = {
        "id": "a",
        "question": "Wann?",
        "answers": [{"text": "7:45", "answer_start": 3}],
    }
    paragraph = {"context": "Um 7:45 [bold].", "qas": [question]}
    file = tmp_path / "data" / "xquad" / "xquad.de.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    return str(tmp_path / "data")


def _json(capsys, *arguments):
    assert main.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_catalogue_says_what_is_here(capsys, data_dir):
    found = _json(capsys, "tasks", "--data_dir", data_dir)
    families = {family["name"]: family for family in found["families"]}
    assert {"squad_v1", "anli_plus", "xcopa_rank", "world_qa"} <= set(families)
    assert families["xquad"]["here"] == {"test": ["de"]}
    assert families["xquad"]["licence"] == "CC BY-SA 4.0"
    assert families["squad_v1"]["train_rows"] == 87_599
    assert families["mnli"]["here"] == {"train": [], "validation": []}
    toys = {name for name in families if families[name]["toy"]}
    assert toys == {name for name in families if name.startswith("world_")}
    assert {"world_text", "world_qa", "world_nli"} < toys
    assert "squad_v1_with_text" in {mixture["name"] for mixture in found["mixtures"]}


def test_the_table_is_for_people(capsys, data_dir):
    assert main.main(["tasks", "--data_dir", data_dir]) == 0
    out = capsys.readouterr().out
    for part in ("world_qa", "toy", "87,599", "test 1/11", data_dir):
        assert part in out


def test_a_card_tells_the_protocol(capsys, data_dir):
    assert main.main(["tasks", "mlqa", "--data_dir", data_dir]) == 0
    out = capsys.readouterr().out
    for part in ("trains on", "squad_v1", "low-resource", "exact_match, f1", "MLQA_V1"):
        assert part in out
    card = _json(capsys, "tasks", "xquad.de", "--data_dir", data_dir)
    assert card["tasks"] == ["xquad.de"]
    assert card["where"]["test"]["de"].endswith("xquad/xquad.de.json")
    assert {"keyboard", "distractor", "upper_case"} < set(card["attacks"])
    assert "tashkeel" not in card["attacks"]  # vowel signs of Arabic and Hebrew
    assert "pair_swapped" not in card["attacks"]
    assert "tashkeel" in _json(capsys, "tasks", "xquad.ar")["attacks"]
    assert _json(capsys, "tasks", "tatoeba.de")["attacks"] == []
    mixture = _json(capsys, "tasks", "mnli_with_text")
    shares = mixture["shares_percent"]
    assert shares["mnli"] == pytest.approx(100 * shares["span_corruption"])


def test_an_example_at_every_stage(capsys, data_dir):
    flags = ("--data_dir", data_dir, "--file", "xquad/test=xquad/xquad.{language}.json")
    found = _json(capsys, "data", "show", "xquad.de", *flags, "--vocabulary", "bytes")
    assert found["split"] == "test"
    (example,) = found["examples"]
    assert example["row"]["answers"] == ["7:45"]
    assert example["inputs"] == "question: Wann ? context: Um 7 : 45 [ bold ] . "
    assert example["targets"] == "7 : 45"
    assert example["references"] == ["7:45"]
    assert example["targets_tokens"] == [*(byte + 3 for byte in b"7 : 45"), 1]
    assert main.main(["data", "show", "xquad", "--language", "de", *flags]) == 0
    out = capsys.readouterr().out
    assert "[bold]" in out  # text is shown, not read as markup
    assert "tokens" not in out  # no vocabulary was named


def test_text_is_shown_corrupted(capsys, tmp_path):
    (tmp_path / "t.txt").write_text("Two geese cross the road slowly.\n")
    found = _json(
        capsys,
        *("data", "show", "span_corruption", "--data_dir", str(tmp_path)),
        *("--file", "span_corruption/train=*.txt", "--vocabulary", "bytes"),
    )
    (example,) = found["examples"]
    assert "<extra_id_0>" in example["inputs_pieces"]
    assert example["targets_pieces"][0] == "<extra_id_0>"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["tasks", "xquda"], "near: xquad, xquad."),
        (
            ["tasks", "--data_dir", "/no/such"],
            "data directory '/no/such' does not exist",
        ),
        (["tasks", "--file", "xquad"], "must be FAMILY/SPLIT=PATH"),
        (["tasks", "--file", "xquda/test=a"], "no family 'xquda'; near: xquad"),
        (["data", "show", "xquad"], "xquad is a family of 12 languages; name one"),
        (["data", "show", "xquad.de", "--split", "train"], "has no split 'train'"),
        (["data", "show", "xquad.de"], "its data is not here"),
        (["data", "show", "xquad", "--language", "xx"], "has no language 'xx'"),
        (["data", "show", "xquad.de", "--n", "0"], "--n must be 1 or more"),
    ],
)
def test_bad_input_exits_with_2_and_one_message(capsys, arguments, wanted):
    assert main.main(arguments) == 2
    captured = capsys.readouterr()
    assert wanted in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_an_example_past_the_end(capsys, data_dir):
    flags = ["--data_dir", data_dir, "--file", "xquad/test=xquad/xquad.de.json"]
    assert main.main(["data", "show", "xquad.de", *flags, "--skip", "1"]) == 2
    assert "xquad.de/test has no example number 1" in capsys.readouterr().err


def test_the_catalogue_needs_no_tensorflow():
    code = (
        "import sys; from xtl_jax.cli import tasks; import argparse; "
        "top = argparse.ArgumentParser(); sub = top.add_subparsers(); "
        "tasks.add_parser(sub); args = top.parse_args(['tasks', '--json']); "
        "args.run(args); "
        "print(sorted({'seqio', 'tensorflow', 'jax'} & set(sys.modules)), "
        "file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
