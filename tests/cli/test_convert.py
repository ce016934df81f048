"""`xtl convert` as a user meets it: a run becomes what others load, and comes back."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import xtl_jax
from xtl_jax.cli import convert as command

pytestmark = pytest.mark.usefixtures("compiled_once")


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The trained run in Hugging Face's format."""
    from xtl_jax.cli import main

    folder = tmp_path_factory.mktemp("exported") / "hf"
    arguments = ["convert", str(trained.run_dir), str(folder), "--no_parity"]
    assert main.main(arguments) == 0
    return folder


def _logits(path):
    ids = np.arange(3, 27, dtype=np.int32).reshape(2, 12)
    decoder = np.pad(ids[:, :5], ((0, 0), (1, 0)))
    return xtl_jax.load(str(path)).logits(inputs=ids, decoder_inputs=decoder)


def test_a_run_becomes_each_format_and_answers_the_same(xtl, trained, tmp_path):
    done = xtl("convert", trained.run_dir, tmp_path / "hf", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    run = json.loads((trained.run_dir / "run.json").read_text())["model"]
    # Written out by hand for one layer each of TINY_MODEL.
    attention, mlp, norm = 4 * 32 * 32, 3 * 32 * 64, 32
    bias = 2 * 32
    table = run["vocab"] * 32
    expected = {
        "embedding": table,
        "encoder": attention + mlp + bias + 3 * norm,
        "decoder": 2 * attention + mlp + bias + 4 * norm,
        "head": table,
    }
    total = sum(expected.values())
    assert document["parameters"] == {"total": total, **expected}
    assert document["source_format"] == "xtl"
    assert document["format"] == "huggingface"
    assert document["largest_logit_difference"] == 0.0
    assert document["vocabulary"] is None  # bytes
    assert document["vocabulary_size"] == 259  # of 384 rows
    assert not document["went_on"]
    expected_logits = _logits(trained.run_dir)
    assert np.array_equal(_logits(tmp_path / "hf"), expected_logits)
    # The name alone says T5X.
    assert xtl("convert", tmp_path / "hf", tmp_path / "checkpoint_6").code == 0
    assert (tmp_path / "checkpoint_6/checkpoint").is_file()
    flags = ("--to", "xtl", "--no_parity")
    assert xtl("convert", tmp_path / "checkpoint_6", tmp_path / "own", *flags).code == 0
    assert np.array_equal(_logits(tmp_path / "own"), expected_logits)
    assert xtl_jax.load(str(tmp_path / "own")).step == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("checkpoint_6", "hf", "own")
    ]


def test_a_person_reads_counts_the_difference_and_what_is_missing(
    xtl, exported, tmp_path
):
    done = xtl("convert", exported, tmp_path / "hf")
    assert done.code == 0
    assert str(tmp_path / "hf") in done.out
    for word in ("total", "embedding", "encoder", "decoder", "head"):
        assert word in done.out
    assert "largest difference of logits on a probe: 0\n" in done.out
    assert "no tokenizer was written: give its" in done.out
    done = xtl("convert", exported, tmp_path / "two", "--parity_gb", "0.5")
    assert "logits were not compared: needs 1.2 GB of memory; --parity_gb" in done.out
    done = xtl("convert", exported, tmp_path / "three", "--no_parity")
    assert "logits were not compared: not asked for" in done.out


def test_a_copy_that_answers_otherwise_gets_no_name(
    xtl, exported, tmp_path, monkeypatch
):
    """The probe sees what the disk may have done to the copy."""
    logits = command._Probe._logits

    def disturbed(self, path, *, step):
        return logits(self, path, step=step) + (0.5 if "partial" in path else 0.0)

    monkeypatch.setattr(command._Probe, "_logits", disturbed)
    done = xtl("convert", exported, tmp_path / "hf")
    assert done.code == 2
    assert "does not answer as" in done.err
    assert "difference of logits 0.5" in done.err
    assert not list(tmp_path.iterdir())


def test_what_was_stopped_goes_on_with_the_same_command(
    xtl, exported, tmp_path, monkeypatch
):
    from xtl_jax.checkpoint import zarr

    write, written = zarr.write, []

    def interrupted(folder, name, **settings):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(name)
        return write(folder, name, **settings)

    monkeypatch.setattr(zarr, "write", interrupted)
    flags = ("--to", "xtl", "--json")
    done = xtl("convert", exported, tmp_path / "own", *flags)
    assert (done.code, done.out) == (130, "")
    assert [path.name for path in tmp_path.iterdir()] == ["own.partial"]
    monkeypatch.setattr(zarr, "write", write)
    done = xtl("convert", exported, tmp_path / "own", *flags)
    assert json.loads(done.out)["went_on"]
    assert np.array_equal(_logits(tmp_path / "own"), _logits(exported))
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing/here", "new"), "no folder nothing/here, and the local cache"),
        ((".", "new"), "is neither a run directory (run.json), nor a T5X"),
        (("EXPORTED", "."), "exists; give a DST that does not"),
        (("EXPORTED", "new", "--step", "4"), "has no checkpoint of step 4, but of 0"),
        (("EXPORTED", "new", "--vocabulary", "no.model"), "no.model: no such file"),
        (("EXPORTED", "gs://bucket/x"), "give a local folder"),
        (("EXPORTED", "new", "--to", "onnx"), "invalid choice: 'onnx'"),
    ],
)
def test_bad_input_is_one_message(
    xtl, exported, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    done = xtl("convert", *(exported if a == "EXPORTED" else a for a in arguments))
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert not os.listdir(tmp_path)


# --- what may be done with a converted checkpoint -------------------------------------


@pytest.fixture
def own(xtl, exported, tmp_path):
    flags = ("--to", "xtl", "--no_parity")
    assert xtl("convert", exported, tmp_path / "own", *flags).code == 0
    return tmp_path / "own"


def test_it_is_no_run(xtl, own, trained, unchanged):
    """No command takes it for a run, and none writes into it."""
    with unchanged(own):
        done = xtl("predict", own, "--task", "world_qa.de")
        assert done.code == 2
        assert "to predict with a checkpoint as it is, --run_dir" in done.err
        done = xtl("train", *trained.flags, "--run_dir", own)
        assert done.code == 2
        message = f"{own} holds a converted checkpoint and no run: start one from it"
        assert message in done.err
        assert f"--gin.INITIAL_CHECKPOINT_PATH={own}" in done.err
        for name in ("score", "report"):
            assert xtl(name, own).code == 2


def test_a_stage_starts_from_it(xtl, own, exported, trained, tmp_path):
    """As from the run itself: after a step both have the same weights."""
    for name, start in (("one", own), ("two", trained.run_dir)):
        done = xtl(
            *("train", *trained.flags, "--run_dir", tmp_path / name),
            *(f"--gin.INITIAL_CHECKPOINT_PATH={start}", "--gin.TRAIN_STEPS=1"),
            "--json",
        )
        assert done.code == 0, done.err
    assert np.array_equal(_logits(tmp_path / "one"), _logits(tmp_path / "two"))
