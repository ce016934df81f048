"""The graph: what is shared, what an id depends on, what is refused."""

from __future__ import annotations

import dataclasses

import pytest

from tests.studies.test_arms import config
from xtl_jax.errors import UserError
from xtl_jax.studies import picture
from xtl_jax.studies.graph import Described, graph
from xtl_jax.studies.zero_shot import Task


class Catalogue:
    """A describer without files: versions of tasks and scorers can be changed."""

    def __init__(self, *, schedule="constant", **versions):
        self.schedule = schedule
        self.versions = versions

    def __call__(self, draft):
        values = dict(draft.values)
        if draft.kind == "train":
            tasks = tuple(
                values.get("MixtureConfig.tasks", [values.get("RunConfig.task")])
            )
            tasks = () if tasks == (None,) else tasks
            tasks += tuple(values.get("MixtureConfig.beside", ()))
        else:
            tasks = values["RunConfig.evaluate"]
        if draft.kind == "score":
            versions = [self.versions.get(f"scorer of {task}", 1) for task in tasks]
            return Described({}, {"scorers": versions}, tasks)
        data = [[task, self.versions.get(task, 1)] for task in tasks]
        decides = {"values": values, "data": data, "initial": draft.initial}
        return Described({"schedule": self.schedule}, decides, tasks)


def task(name):
    family, _, language = name.partition(".")
    labelled = family != "text"
    return Task(family, language or "en", labelled, family.removesuffix("_translated"))


def languages(name):
    return {"mlqa": ("en", "ar"), "xnli": ("en", "sw"), "tatoeba": ("ar",)}[name]


def make(study, describe=None):
    return graph(study, describe or Catalogue(), task=task, languages=languages)


def ids(found, kind=None):
    return {stage.id for stage in found.stages if kind in (None, stage.kind)}


ORDER = config("order", tasks=("a", "b", "c"), orders=("permutations",), seeds=(0, 1))


def test_orders_with_the_same_beginning_share_its_stages():
    found = make(ORDER)
    # A seed: 3 first phases, 6 second, 6 third, and a target's stage for each of the
    # 6 orders and for none; nothing shared would be 18 phases and 7 targets.
    assert found.counts() == {"train": 44, "predict": 14, "score": 14}
    assert found.unshared() == 50
    firsts = [stage for stage in found.stages if len(stage.arms) == 2]
    assert {stage.title for stage in firsts} == {f"{each}, 40 steps" for each in "abc"}


def test_parents_come_before_children_and_ids_are_their_own():
    found = make(ORDER)
    seen = set()
    for stage in found.stages:
        assert all(parent.id in seen for parent in stage.parents)
        assert stage.id not in seen
        assert len(stage.id) == 16
        seen.add(stage.id)


def test_the_same_study_has_the_same_graph():
    assert make(ORDER) == make(dataclasses.replace(ORDER))


def test_a_new_seed_or_target_adds_stages_and_changes_none():
    old = ids(make(ORDER))
    more = make(dataclasses.replace(ORDER, seeds=(0, 1, 7)))
    assert old < ids(more)
    wider = dataclasses.replace(ORDER, targets=("squad_v1>mlqa", "xnli.en>xnli"))
    assert old < ids(make(wider))


def test_targets_that_train_on_the_same_share_the_training():
    both = dataclasses.replace(ORDER, targets=("squad_v1>mlqa", "squad_v1>xnli"))
    one, two = make(ORDER).counts(), make(both).counts()
    assert two["train"] == one["train"]
    assert two["predict"] == 2 * one["predict"]


def test_a_change_of_a_scorer_changes_its_score_stages_alone():
    study = dataclasses.replace(ORDER, targets=("squad_v1>mlqa", "xnli.en>xnli"))
    old, new = make(study), make(study, Catalogue(**{"scorer of mlqa": 2}))
    assert ids(old, "train") == ids(new, "train")
    assert ids(old, "predict") == ids(new, "predict")
    kept = {s.id for s in old.stages if s.kind == "score" and "xnli" in s.target}
    assert ids(old, "score") & ids(new, "score") == kept


def test_a_change_of_a_task_changes_its_stages_and_those_behind():
    old, new = make(ORDER), make(ORDER, Catalogue(b=2))
    kept = [stage for stage in old.stages if stage.id in ids(new)]
    # What is left: the first phases a and c, a after c and c after a, and all of none.
    assert {stage.title for stage in kept if stage.kind == "train"} == {
        *("a, 40 steps", "c, 40 steps"),
        "squad_v1, for the target",
    }
    assert len([s for s in kept if s.kind == "train"]) == 2 * (2 + 2 + 1)
    assert {stage.arms for stage in kept if stage.kind == "score"} == {("none",)}


def test_another_initial_checkpoint_changes_everything():
    other = dataclasses.replace(ORDER, initial="OTHER")
    assert not ids(make(ORDER)) & ids(make(other))


def test_pre_training_is_one_stage_for_all_arms_and_seeds():
    study = dataclasses.replace(ORDER, initial="runs/pretrain.gin")
    found = make(study)
    roots = [stage for stage in found.stages if not stage.parents]
    assert [stage.title for stage in roots] == ["pre-training"]
    assert roots[0].seed is None
    assert len(roots[0].arms) == len(found.arms)


def test_what_no_seed_has_touched_is_predicted_once():
    study = config("grid", tasks=("a",), targets=(">tatoeba",), seeds=(0, 1, 2))
    found = make(study)
    # None is the initial checkpoint itself, `a` is trained once a seed.
    assert found.counts() == {"train": 3, "predict": 4, "score": 4}


STEPS = config("steps", tasks=("a",), step_grid=(30, 60, 120), seeds=(0,))


def test_steps_are_taken_from_one_trajectory():
    found = make(STEPS)
    phase = [stage for stage in found.stages if not stage.target]
    assert len(phase) == 1
    taken = [
        stage.parents[0].take
        for stage in found.stages
        if stage.kind == "train" and stage.parents
    ]
    assert taken == [30, 60, 120]  # none begins with no stage


def test_a_step_from_the_middle_needs_a_steady_learning_rate():
    with pytest.raises(UserError, match="learning rate depends on its number of steps"):
        make(STEPS, Catalogue(schedule="linear"))


def test_labels_in_a_target_language_are_refused_or_marked():
    study = config(
        "grid", tasks=("a", "nli.ar"), targets=("squad_v1>mlqa",), seeds=(0,)
    )
    with pytest.raises(UserError, match="target-language labels in a training stage"):
        make(study)
    allowed = dataclasses.replace(study, allow_target_language_labels=True)
    found = make(allowed)
    assert found.marks() == ("not zero-shot: labels in ar (nli.ar)",)
    # The arm is marked to its last stage, and no other arm is.
    assert {stage.arms for stage in found.stages if stage.marks} == {("nli.ar",)}
    marked = {stage.kind for stage in found.stages if stage.marks}
    assert marked == {"train", "predict", "score"}
    assert "#f6ae2d" in picture.svg(found)


@pytest.mark.parametrize("name", ["a", "nli.en", "nli.fi", "text.ar"])
def test_english_other_languages_and_plain_text_are_no_violation(name):
    study = config("grid", tasks=(name,), seeds=(0,))
    assert make(study).marks() == ()


@pytest.mark.parametrize("name", ["tydiqa.en", "tydiqa_translated.fi"])
def test_what_is_never_trained_on_is_refused_even_where_labels_are_allowed(name):
    study = config(
        "grid",
        tasks=(name,),
        never_trained=("tydiqa",),
        allow_target_language_labels=True,
    )
    with pytest.raises(UserError, match="never_trained names tydiqa"):
        make(study)


def test_the_picture_has_every_arm_and_each_shared_stage_once():
    text = picture.svg(make(ORDER))
    assert all(f">{arm.name}<" in text for arm in make(ORDER).arms)
    assert text.count("<rect") - 1 == 3 + 6 + 6  # phases of one seed, and the ground
