"""`xtl run` and what reads its run directory, with `gs://` for data and run."""

from __future__ import annotations

import json

import pytest

from xtl_jax.cli import run_files, train_observer

RUN = "gs://bucket/runs/one"

pytestmark = [
    pytest.mark.usefixtures("compiled_once"),
    # orbax and the server leave threads and connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def flags(bucket, world_data, tiny_gin, tmp_path):
    """Of `xtl run`, with the data uploaded; the caches stay here."""
    for path in world_data.rglob("*.json"):
        place = f"gs://bucket/data/{path.relative_to(world_data).as_posix()}"
        bucket.pipe_file(place, path.read_bytes())
    return (
        f"--gin_file={tiny_gin}",
        "--data_dir=gs://bucket/data",
        f"--cache_dir={tmp_path / 'cache'}",
        f"--run_dir={RUN}",
        "--gin.RunConfig.evaluate=('world_qa.en',)",
        "--gin.RunConfig.predict_batch_size=8",
        "--gin.RunConfig.decode_length=4",
    )


def _names(bucket):
    return {path.removeprefix("/bucket/runs/one/") for path in bucket.store}


def _steps(bucket, kind="train"):
    lines = bucket.cat_file(f"{RUN}/log.jsonl").decode().splitlines()
    return [row["step"] for row in map(json.loads, lines) if row["kind"] == kind]


def test_a_run_lies_in_a_bucket_and_goes_on_there(
    xtl, bucket, flags, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    # The first host goes away after its checkpoint of step 3.
    logged = train_observer.Observer.logged

    def killed(self, step, values):
        if step == 5:
            raise KeyboardInterrupt
        logged(self, step, values)

    with monkeypatch.context() as patched:
        patched.setattr(train_observer.Observer, "logged", killed)
        done = xtl("run", *flags)
    assert done.code == 130, done.err
    assert _steps(bucket)[:3] == [1, 2, 3]
    assert "checkpoints/3/commit_success.txt" in _names(bucket)
    assert "scores/summary.json" not in _names(bucket)

    done = xtl("run", *flags)
    assert done.code == 0, done.err
    assert "going on after step 3" in done.err
    assert _steps(bucket) == [1, 2, 3, 4, 5, 6]
    names = _names(bucket)
    assert {
        *("run.json", "log.jsonl", "report.html", "report.md", "scores.csv"),
        *("predictions/expected.json", "predictions/world_qa.en.jsonl"),
        *("scores/world_qa.en.json", "scores/summary.json"),
        "checkpoints/6/commit_success.txt",
    } <= names
    assert len([name for name in names if name.startswith("tensorboard/events")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]  # no folder "gs:"

    # What reads a run directory reads this one too.
    for command in (
        ("predict", RUN, "--task=world_qa.en/validation"),
        ("score", RUN),
        ("report", f"one={RUN}", f"--out={tmp_path / 'page'}"),
    ):
        done = xtl(*command)
        assert done.code == 0, done.err
    assert (tmp_path / "page" / "report.html").is_file()

    # And the same refusals as on a disk.
    done = xtl("run", *flags, "--gin.RunConfig.seed=7")
    assert done.code == 2
    assert "holds a run of another config" in done.err


def test_a_folder_with_other_things_is_refused(xtl, bucket, flags):
    bucket.pipe_file(f"{RUN}/notes.txt", b"mine")
    done = xtl("train", *flags)
    assert done.code == 2
    assert f"{RUN} is not empty and holds no run.json" in done.err
    assert _names(bucket) & {"run.json", "log.jsonl"} == set()


def test_a_cache_in_a_bucket_is_refused(xtl, bucket, flags):
    done = xtl("train", *flags, "--cache_dir=gs://bucket/cache")
    assert done.code == 2
    assert "RunConfig.cache_dir gs://bucket/cache is in a bucket" in done.err
    assert "give a local folder" in done.err


def test_a_log_keeps_what_was_logged_up_to_the_step(bucket):
    log = run_files.Log(RUN, step=0)
    for step in (1, 2, 3):
        log.write(step, "train", {"loss": 1.0, "name": "é"})
    log.close()
    again = run_files.Log(RUN, step=2)
    again.write(3, "train", {"loss": 2.0})
    again.close()
    assert _steps(bucket) == [1, 2, 3]
    assert '"é"' in bucket.cat_file(f"{RUN}/log.jsonl").decode()
