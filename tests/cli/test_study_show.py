"""`xtl study show`: every study resolves at every scale, and what decides an id."""

from __future__ import annotations

import argparse
import json
import re

import pytest

from xtl_jax.cli import code_version, config, main, study_config, study_stages
from xtl_jax.cli.study_cost import cost
from xtl_jax.errors import UserError
from xtl_jax.studies.graph import graph

STUDIES = (
    *("language_mix_under_attack", "low_resource_source", "number_of_steps"),
    *("number_of_tasks", "phang_2020", "task_order"),
)
ALL = [(name, scale) for name in STUDIES for scale in study_config.SCALES]


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("XTL_DATA_DIR", raising=False)
    monkeypatch.setenv("XTL_CACHE_DIR", str(tmp_path / "cache"))


def asked(name, scale, *flags, search=()):
    arguments = argparse.Namespace(
        gin_file=[], gin=list(flags), gin_search_path=list(search)
    )
    return study_config.load(name, scale=scale, arguments=arguments)


def build(given):
    describer = study_stages.Describer(overrides=given.overrides)
    found = graph(
        given.config,
        describer,
        task=study_stages.describe_task,
        languages=study_stages.languages,
    )
    return found, describer


def test_the_six_studies_are_there_and_nothing_else():
    assert tuple(study_config.folders()) == STUDIES


@pytest.mark.parametrize(("name", "scale"), ALL)
def test_every_study_resolves_against_the_catalogue(name, scale):
    given = asked(name, scale, "StudyConfig.seeds=[0]")
    found, describer = build(given)
    counts = found.counts()
    assert counts["predict"] == counts["score"]
    # An arm is predicted on every target, and for oracle selection besides.
    beside = [s for s in found.stages if s.kind == "predict" and s.oracle is not None]
    assert bool(beside) == given.config.oracle
    wanted = len(found.arms) * len(given.config.targets) + len(beside)
    assert counts["predict"] == wanted
    assert 0 < counts["train"] <= found.unshared()
    taken = cost(found, describer)
    assert taken.flops > 0
    if given.config.topology:
        assert taken.memory_gib < taken.usable_gib
    else:
        assert scale in ("world", "real")


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("scale", ["real", "small", "full"])
def test_real_scales_have_five_seeds(name, scale):
    assert asked(name, scale).config.seeds == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("scale", study_config.SCALES)
def test_the_attacked_study_is_zero_shot_and_never_trains_on_tydiqa(scale):
    given = asked("language_mix_under_attack", scale, "StudyConfig.seeds=[0]")
    found, _ = build(given)
    assert found.marks() == ()
    assert not given.config.allow_target_language_labels
    trained = [
        stage.settings | {"title": stage.title}
        for stage in found.stages
        if stage.kind == "train"
    ]
    assert not any("tydiqa" in json.dumps(each) for each in trained)
    if scale != "world":
        more = asked(
            "language_mix_under_attack",
            scale,
            "StudyConfig.seeds=[0]",
            "StudyConfig.targets=['tydiqa_goldp.en>tydiqa_goldp']",
        )
        with pytest.raises(UserError, match="never_trained names tydiqa_goldp"):
            build(more)


def test_translations_of_target_languages_must_be_allowed():
    flags = ("StudyConfig.seeds=[0]", "StudyConfig.allow_target_language_labels=False")
    with pytest.raises(UserError, match="target-language labels in a training stage"):
        build(asked("low_resource_source", "full", *flags))


def test_one_document(capsys, tmp_path):
    picture = tmp_path / "graph.svg"
    code = main.main(
        ["study", "show", "task_order", "--json", "--picture", str(picture)]
    )
    assert code == 0
    document = json.loads(capsys.readouterr().out)
    # 3 seeds of: 3 + 6 + 6 phases, together, varying, 9 targets; one pre-training.
    assert document["counts"]["train"] == 3 * (15 + 2 + 9) + 1
    assert document["cost"]["hours"] is None  # a laptop is no slice
    assert set(document["data"].values()) == {"missing"}
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def test_for_people(capsys):
    assert main.main(["study", "show", "number_of_steps", "--stages"]) == 0
    text = capsys.readouterr().out
    assert "20 of 160" in text
    assert "to train" in text
    assert main.main(["study", "show"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in STUDIES)


def test_paths_and_habits_of_a_machine_change_no_id():
    flags = ("StudyConfig.seeds=[0]",)
    moved = ("RunConfig.data_dir=elsewhere", "RunConfig.log_period=3")
    moved += ("RunConfig.predict_batch_size=7",)
    old, _ = build(asked("task_order", "world", *flags))
    new, _ = build(asked("task_order", "world", *flags, *moved))
    assert old.stages != ()
    assert [s.id for s in old.stages] == [s.id for s in new.stages]
    other, _ = build(asked("task_order", "world", *flags, "RunConfig.z_loss=0.1"))
    assert not {s.id for s in old.stages} & {s.id for s in other.stages}


def test_data_that_comes_changes_the_stages_that_read_it(tmp_path, world_data):
    flags = ("StudyConfig.seeds=[0]",)
    old, _ = build(asked("number_of_tasks", "world", *flags))
    here = f"RunConfig.data_dir={world_data}"
    new, describer = build(asked("number_of_tasks", "world", *flags, here))
    assert "here" in describer.data.values()
    assert not {s.id for s in old.stages} & {s.id for s in new.stages}
    again, _ = build(asked("number_of_tasks", "world", *flags, here))
    assert [s.id for s in new.stages] == [s.id for s in again.stages]


STRIDE = "--gin.RunConfig.window_stride=450"
BAD = {
    "name": (["study", "show", "task_ordr"], "near: task_order"),
    "field": (
        ["study", "show", "task_order", "--gin.StudyConfig.seed=1"],
        "near: seeds",
    ),
    "numbers": (
        ["study", "show", "task_order", "--gin.StudyConfig.seeds=['a']"],
        "a list of whole numbers",
    ),
    "task": (
        ["study", "show", "task_order", "--gin.StudyConfig.tasks=mnly,qqp,squad_v1"],
        "near: mnli",
    ),
    "windows": (
        ["study", "show", "number_of_tasks", "--scale=real", STRIDE],
        "RunConfig.window_stride=450 are shared by two windows",
    ),
    "slice": (
        ["study", "show", "task_order", "--gin.StudyConfig.topology=v5e:2x3"],
        "v5e",
    ),
    "mesh": (
        [*("study", "show", "task_order", "--gin.StudyConfig.topology=v5e:2x2"),
         "--gin.MeshConfig.data=3"],
        "v5e:2x2 has 4 devices and the mesh of the study's model_files has 3 x 1 x 1",
    ),
    "stage": (
        ["study", "show", "task_order", "--gin.RunConfig.batch_size=0"],
        "': RunConfig.batch_size must be a whole number of at least 1, got 0",
    ),
    "order": (
        ["study", "show", "task_order", "--gin.StudyConfig.orders=togethr"],
        "varying, got 'togethr'; near: together",
    ),
    "workers": (
        ["study", "run", "task_order", "--study_dir=no", "--workers=0"],
        "--workers must be at least 1, got 0",
    ),
    "resamples": (
        ["study", "report", "task_order", "--study_dir=no", "--resamples=1"],
        "--resamples must be at least 2, got 1",
    ),
    "likeness": (
        [*("study", "similarity", "task_order", "--cache_dir=no"),
         "--gin.StudyConfig.targets=>world_retrieval"],
        "study 'task_order' has 3 tasks and 0 targets that train on anything",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said(name, capsys):
    words, says = BAD[name]
    assert main.main(words) == 2
    assert says in capsys.readouterr().err


def test_a_study_of_ones_own(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    packaged = study_config.folders()["task_order"]
    for file in ("study.gin", "world.gin"):
        (folder / file).write_bytes((packaged / file).read_bytes())
    assert asked("mine", "world", search=[str(tmp_path)]).config.name == "mine"
    with pytest.raises(UserError, match="it has: world"):
        asked("mine", "full", search=[str(tmp_path)])
    text = (folder / "world.gin").read_text() + "RunConfig.steps = 5\n"
    (folder / "world.gin").write_text(text)
    with pytest.raises(UserError, match="set fields of StudyConfig"):
        asked("mine", "world", search=[str(tmp_path)])
    (folder / "world.gin").write_text("StudyConfig.phase_steps = 5\n")
    with pytest.raises(UserError, match=r"no value of StudyConfig\.model_files"):
        asked("mine", "world", search=[str(tmp_path)])


def test_fields_of_a_study_are_refused_in_a_run():
    binding = config.Binding("StudyConfig", "seeds", (0,), "a.gin:1")
    with pytest.raises(UserError, match="which is of a study, and this is one run"):
        config.resolve([binding])


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules that can be rewritten."""
    folder = tmp_path / "versioned"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("from versioned import two\n\ndef f():\n    pass\n")
    (folder / "two.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def forget():
        code_version._parsed.cache_clear()
        code_version._imports.cache_clear()

    def version(text, *, of="two.py", within="versioned"):
        (folder / of).write_text(text)
        forget()
        return code_version.of_modules(["versioned.one"], within=within)

    yield version
    forget()


def test_comments_and_docstrings_are_no_other_version(package):
    plain = package("X = 1\n")
    assert package('"""A word."""\n\nX = 1  # one\n') == plain
    assert package("X = 2\n") != plain


def test_what_is_imported_counts_within_a_package_alone(package):
    assert package("X = 1\n", within="") == package("X = 2\n", within="")


def test_a_function_is_its_own_code():
    from xtl_jax.data import prompts

    versions = {
        code_version.of_function(each)
        for each in (prompts.xnli, prompts.paraphrase, prompts.question_answer, None)
    }
    assert len(versions) == 4
    assert all(re.fullmatch("|[0-9a-f]{16}", each) for each in versions)
