"""`xtl train`: what it writes, what it refuses, and that refusing changes nothing."""

from __future__ import annotations

import collections
import json
import lzma
import math
import shutil

import pytest

from xtl_jax.cli import train as training

QA = "data/world/qa/en.train.json"


pytestmark = pytest.mark.usefixtures("compiled_once")


@pytest.fixture
def refused(xtl, trained, tmp_path, unchanged):
    """Runs `xtl train` that must fail; returns its message."""

    def check(*arguments, run_dir=None):
        run_dir = run_dir or tmp_path / "run"
        with unchanged(run_dir):
            done = xtl("train", *trained.flags, f"--run_dir={run_dir}", *arguments)
        assert done.code == 2, done
        assert done.out == ""
        assert "Traceback" not in done.err
        assert (
            len([line for line in done.err.splitlines() if "xtl train:" in line]) == 1
        )
        return done.err

    return check


def _log(run_dir, kind="train"):
    lines = (run_dir / "log.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def test_a_run_directory_holds_config_log_and_checkpoints(trained):
    document = json.loads((trained.run_dir / "run.json").read_text())
    assert document["run"]["task"] == "world_qa.en"
    assert document["run"]["z_loss"] == 1e-4  # defaults are kept too
    assert document["model"]["vocab"] == 384  # 259 bytes, rounded up to 128
    rows = _log(trained.run_dir)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    # Before it has learnt, a model is about as good as guessing among its ids.
    assert rows[0]["loss"] == pytest.approx(math.log(384), rel=0.2)
    assert [row["step"] for row in _log(trained.run_dir, "event")] == [3, 6]
    kept = {path.name for path in (trained.run_dir / "checkpoints").iterdir()}
    assert {"3", "6"} <= kept
    assert list((trained.run_dir / "tensorboard").iterdir())


def test_a_finished_run_started_again_trains_nothing(xtl, trained, copied):
    log = (copied / "log.jsonl").read_text()
    done = xtl("train", *trained.flags, f"--run_dir={copied}", "--json")
    assert done.code == 0, done
    assert json.loads(done.out)["outcome"] == "finished"
    assert (copied / "log.jsonl").read_text() == log


def test_json_is_one_document_on_stdout_and_more_steps_go_on(xtl, trained, copied):
    flags = (*trained.flags, f"--run_dir={copied}", "--json", "--gin.TRAIN_STEPS=7")
    done = xtl("train", *flags)
    assert done.code == 0, done
    found = json.loads(done.out)
    assert (found["outcome"], found["step"]) == ("finished", 7)
    assert "going on after step 6" in done.err
    assert [row["step"] for row in _log(copied)] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_dry_run_counts_everything_and_writes_no_run(xtl, trained, tmp_path, as_json):
    run = tmp_path / "run"
    flags = ["--json"] if as_json else []
    done = xtl("train", *trained.flags, f"--run_dir={run}", "--dry_run", *flags)
    assert done.code == 0, done
    assert not run.exists()
    # embedding and head 2 * 384 * 32; encoder 4 * 32 * 32 + 3 * 32 * 64 + 2 * 32;
    # decoder 8 * 32 * 32 + 3 * 32 * 64 + 3 * 32; biases 2 * 2 * 32; norms 2 * 32
    parameters = 24576 + (4096 + 6144 + 64) + (8192 + 6144 + 96) + 128 + 64
    if not as_json:
        assert "would train" in done.out
        assert str(parameters) in done.out
        return
    found = json.loads(done.out)
    assert found["parameters"] == parameters
    assert found["examples"] == {"world_qa.en": 48}
    assert found["state_bytes"] > 4 * parameters
    assert found["step_temporary_bytes"] > 0


BAD_FLAGS = {
    "--gin.MIXTURE_OR_TASK_NAME=squad_v9": ["no task or mixture", "near: squad_v"],
    "--gin.MIXTURE_OR_TASK_NAME=world_qa.xx": ["xx", "world_qa"],
    "--gin.MIXTURE_OR_TASK_NAME=wordl_text_all": ["near: world_text_all"],
    "--gin.RunConfig.dev_task=nothing.en": ["nothing.en"],
    "--gin.RunConfig.dev_task=world_qa.de": ["not English", "'none'"],
    "--gin.TRAIN_STEP=5": ["no macro named 'TRAIN_STEP'", "near: TRAIN_STEPS"],
    "--gin.RunCnfig.steps=5": ["nothing named 'RunCnfig'"],
    "--gin.RunConfig.stepz=5": ["no field 'stepz'", "near: steps"],
    "--gin.RunConfig.task=@tasks.qa": ["@tasks.qa"],
    "--gin_file=models/tinny.gin": ["no gin file", "near: models/tiny.gin"],
    "--gin.RunConfig.vocabulary=no/such.model": ["no/such.model", "no such file"],
    "--gin.RunConfig.extra_ids=-1": ["RunConfig.extra_ids", "at least 0"],
    "--gin.ModelConfig.vocab=128": ["259 ids", "only 128 rows"],
    "--gin.ModelConfig.loss_chunks=5": ["loss_chunks=5", "target length 16"],
    "--gin.BATCH_SIZE=12": ["batch_size=12", "8 batch shards", "8 and 16"],
    "--gin.MeshConfig.model=3": ["MeshConfig", "8 devices"],
    "--gin.MeshConfig.data=16": ["16 devices, there are 8"],
    "--gin.INITIAL_CHECKPOINT_PATH=no/run": ["no folder no/run"],
    "--gin.RunConfig.files={'world_qa/train': 'no.json'}": ["no.json", "no file"],
    "--gin.RunConfig.files={'wordl_qa/train': 'no.json'}": ["near: world_qa"],
    "--gin.RunConfig.files={'world_qa/trian': 'no.json'}": ["trian", "train"],
    "--gin.TASK_FEATURE_LENGTHS={'inputs': 64}": ["keys inputs and targets"],
    "--gin.MIXTURE_OR_TASK_NAME=world_text.en": ["sentinels", "extra_ids"],
    "--gin.MIXTURE_OR_TASK_NAME=mnli": ["mnli", "data is not here"],
}


@pytest.mark.parametrize("flag", BAD_FLAGS)
def test_bad_settings_are_refused_with_what_to_do(refused, tmp_path, flag):
    message = refused(flag)
    for part in BAD_FLAGS[flag]:
        assert part in message
    assert not (tmp_path / "run").exists()


def test_a_bad_vocabulary_file_is_refused(refused, tmp_path):
    path = tmp_path / "spm.model"
    flag = f"--gin.RunConfig.vocabulary={path}"
    path.write_bytes(b"")
    assert "is empty" in refused(flag)
    path.write_text("no model at all")
    assert "not a SentencePiece model" in refused(flag)
    path.mkdir() if not path.exists() else None
    assert "is a folder" in refused(f"--gin.RunConfig.vocabulary={tmp_path}")


def test_a_vocabulary_larger_than_the_model_is_refused(refused, shared):
    tokenizers = sorted((shared / "data" / "tokenizer").rglob("*.model*"))
    assert tokenizers, "the reference data has a SentencePiece model"
    message = refused(
        f"--gin.RunConfig.vocabulary={tokenizers[0]}", "--gin.ModelConfig.vocab=1024"
    )
    assert "but the model only 1024 rows" in message


def test_an_initial_checkpoint_must_have_the_models_shape(refused, trained):
    start = f"--gin.INITIAL_CHECKPOINT_PATH={trained.run_dir}"
    message = refused(start, "--gin.ModelConfig.embed=64")
    assert "does not fit the model: embed: checkpoint 32, config 64" in message
    assert "vocab" in refused(start, "--gin.RunConfig.extra_ids=200")


def test_an_initial_checkpoint_that_is_none_is_refused(refused, tmp_path, copied):
    empty = tmp_path / "empty"
    empty.mkdir()
    flag = f"--gin.INITIAL_CHECKPOINT_PATH={empty}"
    assert "neither a run directory" in refused(flag)
    shutil.rmtree(copied / "checkpoints")
    flag = f"--gin.INITIAL_CHECKPOINT_PATH={copied}"
    assert "no checkpoint in" in refused(flag)


def test_a_run_directory_of_another_config_is_left_alone(refused, copied):
    message = refused("--gin.RunConfig.seed=1", run_dir=copied)
    assert "another config: seed: 0 -> 1" in message
    message = refused("--gin.BATCH_SIZE=16", "--gin.DROPOUT_RATE=0.2", run_dir=copied)
    assert "batch_size: 8 -> 16" in message
    assert "dropout_rate: 0.1 -> 0.2" in message


def test_a_run_directory_trained_on_other_data_is_left_alone(
    refused, trained, copied, tmp_path
):
    data = shutil.copytree(trained.data_dir, tmp_path / "data")
    path = data / "world/qa/en.train.json"
    release = json.loads(path.read_text())
    del release["data"][0]["paragraphs"][0]
    path.write_text(json.dumps(release))
    flags = (f"--data_dir={data}", f"--cache_dir={tmp_path / 'cache'}")
    assert "another config" in refused(*flags, run_dir=copied)


def test_a_folder_of_other_things_is_left_alone(refused, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter1.tex").write_text("precious")
    message = refused(run_dir=folder)
    assert "not empty and holds no run.json" in message


def test_a_run_directory_that_is_a_file_is_refused(refused, tmp_path):
    path = tmp_path / "file"
    path.write_text("precious")
    refused(run_dir=path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    "content", ['{"version": 1, "run"', "", "[]", '{"version": 0}']
)
def test_a_damaged_run_json_is_refused(refused, copied, content):
    (copied / "run.json").write_text(content)
    assert "run.json" in refused(run_dir=copied)


def test_no_space_on_disk_is_found_out_before_anything_is_computed(
    refused, monkeypatch, tmp_path
):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 1000))
    monkeypatch.setattr(
        training.train_program, "step", lambda *_: pytest.fail("something was compiled")
    )
    message = refused()
    assert "GB free" in message
    assert "lower RunConfig.keep" in message
    assert not (tmp_path / "run").exists()


def _squad_row(**changes):
    row = {
        "context": "The house is blue.",
        "id": "a1",
        "question": "What colour is the house?",
        "answers": [{"text": "blue", "answer_start": 13}],
    }
    row |= changes
    paragraph = {"context": row.pop("context"), "qas": [row]}
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": [paragraph]}]}


def _squad_rows(*changes):
    first, *others = (_squad_row(id=f"a{n}", **each) for n, each in enumerate(changes))
    for other in others:
        first["data"] += other["data"]
    return first


def _file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return f"--gin.RunConfig.files={{'world_qa/train': '{path}'}}"


BAD_FILES = {
    "empty": ("rows.json", b"", "empty"),
    "cut_short": ("rows.json.xz", lzma.compress(b"[]" * 500)[:-20], "cut short"),
    "not_xz": ("rows.json.xz", b"plain text", "cannot be decompressed"),
    "latin_1": ("rows.json", '{"é": 1}'.encode("latin-1"), "not UTF-8"),
    "utf_16": ("rows.json", '{"e": 1}'.encode("utf-16"), "UTF-16"),
    "half_json": ("rows.json", json.dumps(_squad_row())[:-9], "rows.json"),
    "other_json": ("rows.json", "[1, 2]", "rows.json"),
    "no_rows": ("rows.json", '{"version": "1.1", "data": []}', "rows.json"),
    "no_answer": ("rows.json", json.dumps(_squad_rows({}, {"answers": []})), "a1"),
    "unlabelled": ("rows.json", json.dumps(_squad_row(answers=[])), "unlabelled"),
    "not_in_context": (
        "rows.json",
        json.dumps(_squad_row(answers=[{"text": "red", "answer_start": 13}])),
        "a1",
    ),
    "offset_off": (
        "rows.json",
        json.dumps(_squad_row(answers=[{"text": "blue", "answer_start": 12}])),
        "a1",
    ),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_training_files_are_refused_and_leave_no_cache(refused, tmp_path, kind):
    name, content, says = BAD_FILES[kind]
    cache = tmp_path / "own_cache"
    message = refused(_file(tmp_path, name, content), f"--cache_dir={cache}")
    assert name in message
    assert says in message
    assert not list(cache.glob("world_qa.en/train-*"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_refused_by_data_cache_too(xtl, tmp_path, kind):
    name, content, says = BAD_FILES[kind]
    _file(tmp_path, name, content)
    done = xtl(
        *("data", "cache", "world_qa.en", "--split", "train", "--vocabulary", "bytes"),
        *("--file", f"world_qa/train={tmp_path / name}"),
        *("--cache_dir", tmp_path / "cache", "--json"),
    )
    assert done.code == 2
    assert done.out == ""
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_mistyped_file_is_not_answered_with_the_cache_of_another(refused):
    setting = {"world_qa/train": "no_such_file.json"}
    message = refused(f"--gin.RunConfig.files={setting}")
    assert "no_such_file.json" in message
    assert "was made from en.train.json" in message
