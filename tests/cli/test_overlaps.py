"""What a run is told of evaluation texts in its training data."""

from __future__ import annotations

import json
import shutil

import pytest
from xtl_tasks.loading import TaskSettings

from xtl_jax.cli import overlaps
from xtl_jax.cli.overlaps import Split
from xtl_jax.data import vocabulary
from xtl_jax.errors import UserError
from xtl_jax.train.config import RunConfig

TOWNS = [  # each of words of its own, so that none is found in another
    " ".join(f"word{100 * n + m}" for m in range(24)) for n in range(8)
]


def _squad(path, rows):
    """SQuAD's JSON of (id, question, context)."""
    paragraphs = [
        {
            "context": context,
            "qas": [
                {
                    "id": id,
                    "question": question,
                    "answers": [{"text": context[:4], "answer_start": 0}],
                }
            ],
        }
        for id, question, context in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"data": [{"title": "Towns", "paragraphs": paragraphs}]}
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


@pytest.fixture
def data_dir(tmp_path):
    """Training on towns 0-3, choosing by towns 4-5, evaluation on 3 (cut), 5 and 7."""
    folder = tmp_path / "data"
    rows = [
        (f"q{n}", f"When was town {n} built?", town) for n, town in enumerate(TOWNS)
    ]
    _squad(folder / "train.json", rows[:4])
    _squad(folder / "dev.json", rows[4:6])
    cut = ("x3", "Who came?", f"It is known that {TOWNS[3][:120]} long ago.")
    _squad(folder / "xquad.en.json", [cut, rows[5], rows[7]])
    _squad(
        folder / "xquad.de.json", [("q5", "Wann?", "Die Stadt."), ("z", "Wo?", "Da.")]
    )
    return folder


FILES = {
    "squad_v1/train": "train.json",
    "squad_v1/validation": "dev.json",
    "xquad/test": "xquad.{language}.json",
}


def _settings(data_dir):
    return TaskSettings(
        data_dir=str(data_dir), files=FILES, vocabulary=vocabulary.load("bytes")
    )


def _run(data_dir, tmp_path, *evaluate):
    return RunConfig(
        task="squad_v1",
        steps=1,
        lengths={"inputs": 64, "targets": 8},
        vocabulary="bytes",
        run_dir=str(tmp_path / "run"),
        evaluate=evaluate,
        data_dir=str(data_dir),
        cache_dir=str(tmp_path / "cache"),
        files=FILES,
    )


def _of_run(data_dir, tmp_path, *evaluate, dev_task="squad_v1"):
    return overlaps.of_run(
        _run(data_dir, tmp_path, *evaluate),
        tasks=["squad_v1"],
        dev_task=dev_task,
        settings=_settings(data_dir),
    )


def test_training_and_the_split_that_chooses_are_held_against_what_is_scored(
    data_dir, tmp_path, capfd
):
    found = _of_run(data_dir, tmp_path, "xquad.en", "xquad.de/test")
    assert found == {
        "checked": ["xquad.en/test", "xquad.de/test"],
        "found": {
            "xquad.en/test in squad_v1/train": "1 of 3 items",
            "xquad.en/test in squad_v1/validation": "1 of 3 items",
            "xquad.de/test in squad_v1/validation": "1 of 2 items",  # by its id
        },
        "not_checked": {},
    }
    said = " ".join(capfd.readouterr().err.split())
    assert (
        "overlap: squad_v1/validation holds texts of xquad/test: en 1 of 3 items, de 1 "
        "of 2 items" in said
    )


def test_a_family_stands_for_its_languages_and_those_not_here_are_named(
    data_dir, tmp_path, capfd
):
    found = _of_run(data_dir, tmp_path, "xquad", dev_task=None)
    assert found["checked"] == ["xquad.de/test", "xquad.en/test"]
    assert found["found"] == {"xquad.en/test in squad_v1/train": "1 of 3 items"}
    assert set(found["not_checked"].values()) == {"its files are not here"}
    assert len(found["not_checked"]) == 9  # of XTREME's eleven
    (line,) = [t for t in capfd.readouterr().err.split("overlap: ") if "xquad.zh" in t]
    assert "xquad.ar/test" in line  # one line for all


def test_a_set_that_cannot_be_read_is_not_called_clean(data_dir, tmp_path):
    (data_dir / "xquad.de.json").write_text('{"data": [', encoding="utf-8")
    found = _of_run(data_dir, tmp_path, "xquad.en", "xquad.de")
    assert found["checked"] == ["xquad.en/test"]
    assert "is not JSON" in found["not_checked"]["xquad.de/test"]
    assert not any("xquad.de" in name for name in found["found"])


def test_training_files_that_are_not_here_are_said_to_be_unchecked(data_dir, tmp_path):
    (data_dir / "train.json").unlink()
    found = _of_run(data_dir, tmp_path, "xquad.en", dev_task=None)
    assert found == {
        "checked": [],
        "found": {},
        "not_checked": {"squad_v1/train": "its files are not here"},
    }


def test_a_run_that_scores_nothing_or_a_toy_is_not_looked_at(data_dir, tmp_path):
    assert _of_run(data_dir, tmp_path) == {}
    assert _of_run(data_dir, tmp_path, "world_qa.en") == {}


def test_the_answer_is_kept_until_a_file_changes(data_dir, tmp_path, monkeypatch):
    from xtl_jax.data import overlap

    first = _of_run(data_dir, tmp_path, "xquad.en")
    monkeypatch.setattr(overlap, "Index", None)  # cannot be looked for again
    assert _of_run(data_dir, tmp_path, "xquad.en") == first
    shutil.copy(data_dir / "xquad.de.json", data_dir / "xquad.en.json")
    with pytest.raises(TypeError):
        _of_run(data_dir, tmp_path, "xquad.en")


def test_a_split_is_not_held_against_itself(data_dir, tmp_path):
    findings = overlaps.find(
        [Split("squad_v1", "train"), Split("squad_v1", "validation")],
        against=[Split("squad_v1", "validation")],
        settings=_settings(data_dir),
        cache_dir=str(tmp_path / "cache"),
    )
    assert {row["training"] for row in findings.found} == {"squad_v1/train"}
    assert not any(row["shared"] for row in findings.found)


def test_a_run_is_told_before_it_trains_and_run_json_keeps_it(
    xtl, tiny_gin, data_dir, tmp_path, monkeypatch
):
    from xtl_jax.cli import train

    def stop(*_):
        raise UserError("stopped before it trains")

    monkeypatch.setattr(train.train_program, "step", stop)
    flags = (
        f"--gin_file={tiny_gin}",
        f"--data_dir={data_dir}",
        f"--cache_dir={tmp_path / 'cache'}",
        f"--run_dir={tmp_path / 'run'}",
        "--gin.RunConfig.task=squad_v1",
        "--gin.RunConfig.evaluate=xquad.en",
        f"--gin.RunConfig.files={FILES}",
    )
    done = xtl("train", *flags)
    assert "stopped before it trains" in done.err
    said = " ".join(done.err.split())
    assert "overlap: squad_v1/train holds texts of xquad/test: en 1 of 3 items" in said
    written = json.loads((tmp_path / "run/run.json").read_text())
    assert written["overlap"] == {
        "checked": ["xquad.en/test"],
        "found": {"xquad.en/test in squad_v1/train": "1 of 3 items"},
        "not_checked": {},
    }
