"""Workers on one study: order, failures, stopping, taking over."""

from __future__ import annotations

import json
import threading

import pytest

from xtl_jax import storage
from xtl_jax.errors import UserError
from xtl_jax.studies import claims, executor
from xtl_jax.studies.claims import Claims, Worker
from xtl_jax.studies.directory import Directory
from xtl_jax.studies.graph import Draft, Parent, Stage


def stage(id_, *parents, kind="train", steps=10):
    return Stage(
        id=id_,
        kind=kind,
        title=f"does {id_}",
        draft=Draft(kind=kind, title=id_, files=(), values={}),
        parents=tuple(Parent(parent, None) for parent in parents),
        settings={"steps": steps} if kind == "train" else {},
        seed=0,
        arms=("none",),
        target="",
    )


#       first
#      /     \
#    left   right      (both from first)
#     |       |
#   score   deep
STAGES = (
    stage("first"),
    stage("left", "first"),
    stage("score", "left", kind="score"),
    stage("right", "first"),
    stage("deep", "right"),
)


@pytest.fixture
def directory(tmp_path):
    return Directory(tmp_path / "study")


def worker(name):
    return Worker(name=name, host=name, pid=1, machine=f"{name} boot", begun="1")


def work(directory, do, *, name="one", **settings):
    mine = Claims(worker(name), every=3600.0, patience=settings.pop("patience", 90.0))
    return executor.work(
        STAGES,
        directory=Directory(directory.path),  # another process remembers nothing
        claims=mine,
        do=do,
        document=lambda stage: {"id": stage.id},
        **settings,
    )


def states(directory):
    seen = Directory(directory.path).look(executor.nodes(STAGES))
    return {id_: each.state for id_, each in seen.items()}


def test_parents_come_first_and_a_second_time_nothing_is_done(directory):
    did = []

    def do(stage):
        assert (directory.folder(stage.id) / "stage.json").is_file()
        did.append(stage.id)
        return "done"

    assert states(directory)["first"] == "ready"
    assert work(directory, do) == "done"
    assert sorted(did) == sorted(each.id for each in STAGES)
    for each in STAGES:
        for parent in each.parents:
            assert did.index(parent.id) < did.index(each.id)
    assert set(states(directory).values()) == {"done"}
    document = json.loads((directory.folder("deep") / "done.json").read_text())
    assert document["worker"] == "one"
    assert document["attempts"] == 1
    assert [path.name for path in directory.folder("deep").glob("claim*")] == []
    assert work(directory, do) == "done"
    assert len(did) == len(STAGES)


def test_a_failed_stage_blocks_its_descendants_alone_and_may_be_tried_again(directory):
    did = []

    def fails(stage):
        did.append(stage.id)
        if stage.id == "left":
            raise UserError("no room on the disk")
        return "done"

    assert work(directory, fails) == "failed"
    assert did == ["first", "left", "right", "deep"]
    assert states(directory) == {
        **dict.fromkeys(("first", "right", "deep"), "done"),
        "left": "failed",
        "score": "blocked",
    }
    failed = json.loads((directory.folder("left") / "failed.json").read_text())
    assert failed["error"] == "no room on the disk"
    # Another worker leaves it as it is, until somebody wants it tried again.
    assert work(directory, fails, name="two") == "failed"
    assert len(did) == 4
    directory.forgive(["left"])
    assert states(directory)["left"] == "ready"

    def mended(stage):
        did.append(stage.id)
        return "done"

    assert work(directory, mended, name="two") == "done"
    assert did[4:] == ["left", "score"]
    assert (
        json.loads((directory.folder("left") / "done.json").read_text())["attempts"]
        == 2
    )


def test_what_is_no_user_error_says_where_it_came_from(directory):
    def breaks(stage):
        raise ZeroDivisionError("by nothing")

    assert work(directory, breaks) == "failed"
    failed = json.loads((directory.folder("first") / "failed.json").read_text())
    assert failed["error"] == "ZeroDivisionError: by nothing"
    assert "in breaks" in failed["traceback"]


def test_a_stopped_stage_is_free_at_once_and_gone_on_with(directory):
    outcomes = {"first": ["stopped", "done"]}
    did = []

    def do(stage):
        did.append(stage.id)
        return outcomes.get(stage.id, ["done"]).pop(0)

    assert work(directory, do) == "stopped"
    assert states(directory)["first"] == "ready"
    assert not (directory.folder("first") / "done.json").exists()
    assert work(directory, do, name="two") == "done"
    assert did[:2] == ["first", "first"]
    assert (
        json.loads((directory.folder("first") / "done.json").read_text())["attempts"]
        == 2
    )


def test_an_interrupt_frees_the_stage(directory):
    def interrupted(stage):
        raise executor.Stopped

    with pytest.raises(executor.Stopped):
        work(directory, interrupted)
    assert claims.read(directory.folder("first")).free
    assert states(directory)["first"] == "ready"


def test_whoever_is_asked_at_the_end_of_a_stage_begins_no_other(directory):
    assert work(directory, lambda stage: "done", stopping=lambda: True) == "stopped"
    assert states(directory)["first"] == "done"
    assert states(directory)["left"] == "ready"


def test_a_silent_worker_is_taken_over_once_and_its_late_end_counts_for_nothing(
    directory,
):
    """The slow one wakes up when another has its stage: it must not say done."""
    silent = Claims(worker("silent"), every=3600.0, lost=lambda why: None)
    did, beating = [], threading.active_count()

    def slow(stage):
        # While it sleeps, another waits in vain, takes over and is done.
        def quick(stage):
            did.append(stage.id)
            return "done"

        assert work(directory, quick, name="quick", patience=-1.0) == "done"
        return "done"

    found = executor.attempt(
        STAGES[0],
        directory=directory,
        claims=silent,
        do=slow,
        document=lambda stage: {},
    )
    assert found == "taken"
    assert threading.active_count() == beating  # it would end this process else
    assert did.count("first") == 1
    done = json.loads((directory.folder("first") / "done.json").read_text())
    assert (done["worker"], done["attempts"]) == ("quick", 2)


def test_what_goes_wrong_after_another_took_over_is_no_failure(directory):
    """It may well be that other's doing."""
    silent = Claims(worker("silent"), every=3600.0, lost=lambda why: None)

    def slow(stage):
        storage.create(directory.folder(stage.id) / "claim-2.json", b"{}")
        raise OSError("a file of mine went away")

    found = executor.attempt(
        STAGES[0],
        directory=directory,
        claims=silent,
        do=slow,
        document=lambda stage: {},
    )
    assert found == "taken"
    assert not directory.is_failed("first")


def test_many_workers_do_every_stage_once(directory):
    did = []

    def do(stage):
        did.append(stage.id)
        return "done"

    outcomes = []
    threads = [
        threading.Thread(
            target=lambda name=name: outcomes.append(
                work(directory, do, name=name, sleep=lambda seconds: None)
            )
        )
        for name in "abcd"
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert outcomes == ["done"] * 4
    assert sorted(did) == sorted(each.id for each in STAGES)


def test_a_worker_that_waits_says_so_in_the_states(directory):
    held = Claims(worker("other"), every=3600.0).take(directory.folder("first"))
    assert states(directory) == {
        "first": "running",
        **dict.fromkeys(("left", "right", "deep", "score"), "waiting"),
    }
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        held.free()

    assert work(directory, lambda stage: "done", sleep=sleep) == "done"
    assert len(slept) == 1


def test_a_study_lies_in_a_bucket(bucket):
    there = Directory("gs://bucket/study")
    there.write_study({"study": {"name": "x"}})
    assert there.study() == {"study": {"name": "x"}}
    assert work(there, lambda stage: "done") == "done"
    assert set(states(there).values()) == {"done"}


def test_a_directory_is_of_one_study(directory):
    first = {"study": {"name": "x", "scale": "world", "seeds": [0]}}
    directory.write_study(first)
    more = {"study": {**first["study"], "seeds": [0, 1]}}
    directory.write_study(more)
    assert directory.study() == more
    for key in ("name", "scale"):
        with pytest.raises(UserError, match=rf"the {key} of .*another --study_dir"):
            directory.write_study({"study": {**first["study"], key: "y"}})
    assert directory.study() == more


def test_a_document_that_goes_away_while_it_is_looked_at_is_no_error(
    directory, monkeypatch
):
    """Its stage was forgiven, or finished, in between."""
    monkeypatch.setattr(Directory, "is_failed", lambda self, stage: True)
    assert directory.look(executor.nodes(STAGES))["first"].state == "ready"


def test_a_directory_without_a_study_says_how_to_begin_one(directory):
    with pytest.raises(UserError, match=r"holds no study\.json"):
        directory.study()
