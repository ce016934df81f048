"""Oracle selection while a study runs: what is kept, predicted, and taken over."""

from __future__ import annotations

import contextlib
import io
import json
import types

import pytest

from tests.cli.test_score import put, record
from tests.cli.test_study_run import STEPS, declare
from xtl_jax.cli import main, study_checkpoints, study_results
from xtl_jax.cli.study_work import Performer
from xtl_jax.infer import records
from xtl_jax.report import study_oracle
from xtl_jax.report.study_results import CLEAN
from xtl_jax.studies.directory import Directory
from xtl_jax.studies.graph import Draft, Parent, Stage


def stage(id_, kind, *parents, oracle=None):
    return Stage(
        id=id_,
        kind=kind,
        title=id_,
        draft=Draft(kind=kind, title=id_, files=(), values={}),
        parents=parents,
        settings={},
        seed=0,
        arms=("none",),
        target="world_qa.en>world_qa.sw",
        oracle=oracle,
    )


TRAINED = stage("trained", "train")
HEADLINE = stage("headline", "predict", Parent("trained", None))
FIRST_STEP, LAST_STEP = (
    stage(
        f"step {step}",
        "predict",
        Parent("trained", step),
        Parent("headline", None),
        oracle=step,
    )
    for step in (20, 40)
)


def test_room_is_made_for_what_stopped_attempts_have_saved(tmp_path):
    run = types.SimpleNamespace(run_dir=str(tmp_path), steps=80, save_period=40)
    assert study_checkpoints.number_saved(run) == 2
    for name in ("40", "57", "damaged-20-1"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert study_checkpoints.number_saved(run) == 3  # 40, 57, 80


def test_the_headlines_answers_are_taken_where_its_checkpoint_is_the_same(tmp_path):
    directory = Directory(tmp_path)
    performer = Performer(describer=None, directory=directory)
    place = directory.folder("headline")
    put(place, "world_qa.sw", [("Nairobi", "Nairobi")])  # of step 20
    folder = place / "predictions"
    attacked = record("world_qa.sw", "0", "Nairob", ["Nairobi"], attack={"name": "x"})
    records.write(folder / "world_qa.sw@x.jsonl", [attacked])
    (folder / records.EXPECTED).write_text("{}")
    assert performer._take_over(FIRST_STEP)
    assert not performer._take_over(LAST_STEP)
    taken = directory.folder(FIRST_STEP.id) / "predictions"
    assert {path.name: path.read_bytes() for path in taken.iterdir()} == {
        name: (folder / name).read_bytes()
        for name in ("world_qa.sw.jsonl", records.EXPECTED)
    }
    assert not (directory.folder(LAST_STEP.id) / "predictions").exists()


def test_checkpoints_stay_for_it_and_come_again_if_they_went(tmp_path):
    directory = Directory(tmp_path)
    checkpoints = directory.folder("trained") / "checkpoints"
    for step in (20, 30, 40):
        (checkpoints / str(step) / "state").mkdir(parents=True)
        (checkpoints / str(step) / "metrics").mkdir()
        metrics = json.dumps({"score": 0.0})
        (checkpoints / str(step) / "metrics" / "metrics").write_text(metrics)
        (checkpoints / str(step) / "_CHECKPOINT_METADATA").write_text("{}")
    stages = (TRAINED, HEADLINE, FIRST_STEP, LAST_STEP)
    done(directory, "trained")
    keep = study_checkpoints.Keeper(stages, directory=directory, drop=True)
    keep(TRAINED)
    assert {path.name for path in checkpoints.iterdir()} == {"20", "40"}
    done(directory, "headline")
    keep(HEADLINE)
    assert checkpoints.is_dir()  # the others are not predicted yet
    keep.reopen()
    assert directory.is_done("trained")
    # The headline has no checkpoint of its own, and is not made again for the others.
    assert directory.is_done("headline")
    done(directory, FIRST_STEP.id)
    done(directory, LAST_STEP.id)
    keep(LAST_STEP)
    assert not checkpoints.exists()
    directory.undo(FIRST_STEP.id)
    keep.reopen()
    assert not directory.is_done("trained")
    assert directory.is_done("headline")


def done(directory, id_):
    folder = directory.folder(id_)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "done.json").write_text(json.dumps({"seconds": 1.0}))


def test_answers_that_a_model_wrote_are_looked_at_for_their_script(tmp_path, xtl):
    """Of 2 in Arabic one is in English; a span that a head marked is no writing."""
    answers = [("القاهرة", "القاهرة"), ("Cairo", "القاهرة")]
    for name, method in (("written", "greedy"), ("marked", "span")):
        put(
            tmp_path / name,
            "mlqa.ar",
            answers,
            context="القاهرة مدينة",
            decoding={"method": method, "max_length": 8},
        )
        assert xtl("score", tmp_path / name).code == 0
    shares = {
        name: json.loads((tmp_path / name / "scores/mlqa.ar.json").read_text())[
            "shares_percent"
        ]
        for name in ("written", "marked")
    }
    assert shares["written"]["wrong_script"] == 50.0
    assert "wrong_script" not in shares["marked"]


@pytest.mark.timeout(900)
def test_a_study_scores_every_checkpoint_beside_its_headline(
    world_data, compiled_once, tmp_path
):
    place = tmp_path / "study"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main.main(
            [
                *("study", "run", *declare(tmp_path, world_data)),
                *(f"--study_dir={place}", "--gin.StudyConfig.oracle=True"),
            ]
        )
    assert code == 0, said.getvalue()
    document = json.loads((place / "study.json").read_text())
    assert document["counts"] == {"train": 4, "predict": 2 + 6, "score": 2 + 6}
    stages = {each["id"]: each for each in document["stages"]}
    answers = {
        key: (place / "stages" / key / "predictions/world_qa.sw.jsonl").read_bytes()
        for key, each in stages.items()
        if each["kind"] == "predict"
    }
    for key, each in stages.items():
        if each["kind"] != "predict" or each["oracle"] is None:
            continue
        begun, headline = each["parents"]
        folder = place / "stages" / begun["id"] / "checkpoints"
        assert (folder / str(each["oracle"])).is_dir()
        first = json.loads(answers[key].splitlines()[0])
        assert first["step"] == begun["take"] == each["oracle"]
        # Nothing was evaluated in English, so the headline has the newest.
        same = answers[key] == answers[headline["id"]]
        assert same == (each["oracle"] == STEPS)
        assert not list((place / "stages" / key / "predictions").glob("*@*"))
    study = study_results.read(place, name="tiny", scale="world")
    (target,) = study.targets
    made = study_oracle.choices(study, target)
    assert [(each.arm, each.seed) for each in made] == [(a, 0) for a in study.arms]
    assert all(list(each.by_step) == [2, 4, STEPS] for each in made)
    for each in made:
        assert each.by_step[STEPS] == each.headline
        shares = target.scores[each.arm, 0].shares[CLEAN]
        assert set(shares) == {"sw"}
        assert 0.0 <= shares["sw"]["wrong_script"] <= 100.0
