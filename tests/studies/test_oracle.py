"""Stages of oracle selection: which there are, and what they leave as it is."""

from __future__ import annotations

import dataclasses

import pytest

from tests.studies.test_arms import config
from tests.studies.test_graph import Catalogue, ids, make
from xtl_jax.errors import UserError
from xtl_jax.studies import oracle


class Saving(Catalogue):
    """A describer that knows how often a training saves."""

    def __init__(self, period=40):
        super().__init__()
        self.period = period

    def __call__(self, draft):
        found = super().__call__(draft)
        settings = {"steps": draft.values.get("RunConfig.steps")}
        settings |= {"save_period": self.period, "schedule": self.schedule}
        return found._replace(settings=settings)


OFF = config(
    "grid",
    tasks=("a",),
    targets=("squad_v1>mlqa", ">tatoeba"),
    target_steps={"*": 100},
    attacks=("noise",),
    seeds=(0, 1),
)
ON = dataclasses.replace(OFF, oracle=True)


@pytest.mark.parametrize(
    ("steps", "period", "wanted"),
    [(80, 40, (40, 80)), (100, 40, (40, 80, 100)), (30, 40, (30,)), (3, 1, (1, 2, 3))],
)
def test_a_training_saves_by_its_period_and_at_its_end(steps, period, wanted):
    assert oracle.saved(steps=steps, period=period) == wanted


def test_it_adds_stages_and_changes_none():
    off, on = make(OFF, Saving()), make(ON, Saving())
    assert ids(off) < ids(on)
    kept = [stage for stage in on.stages if stage.oracle is None]
    drafts = {stage.id: stage.draft.keeps_all for stage in kept}
    assert [stage.id for stage in off.stages] == list(drafts)
    # 2 arms, 2 seeds, 3 checkpoints of the one target that is trained.
    more = {kind: on.counts()[kind] - off.counts()[kind] for kind in on.counts()}
    assert more == {"train": 0, "predict": 12, "score": 12}
    trained = [s for s in kept if s.kind == "train"]
    assert {s.draft.keeps_all for s in trained if s.target} == {True}
    assert {s.draft.keeps_all for s in trained if not s.target} == {False}
    assert on.marks() == off.marks() == ()  # of what the headline rests on


def test_each_checkpoint_is_predicted_clean_after_the_headline():
    found = make(ON, Saving())
    stages = {stage.id: stage for stage in found.stages}
    predicted = [
        s for s in found.stages if s.kind == "predict" and s.oracle is not None
    ]
    assert {stage.oracle for stage in predicted} == {40, 80, 100}
    for stage in predicted:
        assert stage.draft.values["RunConfig.attacks"] == ()
        assert oracle.MARK in stage.title
        trained, headline = stage.parents
        assert trained.take == stage.oracle
        assert stages[headline.id].parents == (trained._replace(take=None),)
        assert stages[headline.id].arms == stage.arms
    scored = [s for s in found.stages if s.kind == "score" and s.oracle is not None]
    assert [(s.parents[0].id, s.oracle) for s in scored] == [
        (s.id, s.oracle) for s in predicted
    ]


def test_another_attack_changes_none_of_them():
    more = dataclasses.replace(ON, attacks=("noise", "distractor"))
    before, after = (
        {s.id for s in make(each, Saving()).stages if s.oracle is not None}
        for each in (ON, more)
    )
    assert before == after


def test_an_arms_step_is_no_stage_of_oracle_selection():
    """The same checkpoint, predicted alike, for the headline of another target."""
    study = config(
        "steps",
        tasks=("squad_v1",),
        step_grid=(40, 120),
        targets=("squad_v1>mlqa", ">mlqa"),
        target_steps={"*": 120},
        seeds=(0,),
        oracle=True,
    )
    found = make(study, Saving())
    headline = [s for s in found.stages if s.kind == "predict" and s.oracle is None]
    assert {(s.target, s.arms) for s in headline} >= {
        (">mlqa", ("squad_v1 at 40",)),
        (">mlqa", ("squad_v1 at 120",)),
    }


def test_what_has_nothing_to_choose_from_is_refused():
    with pytest.raises(UserError, match="no target is trained"):
        dataclasses.replace(ON, targets=(">tatoeba",), target_steps={})
    with pytest.raises(UserError, match=r"one checkpoint of 'squad_v1'.*step 100"):
        make(ON, Saving(period=250))
