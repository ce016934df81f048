"""The loop tells, evaluates and saves when it should, and goes on as if unbroken."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from xtl_jax.checkpoint.store import Store
from xtl_jax.cli import devices
from xtl_jax.errors import UserError
from xtl_jax.model.loss import LossSums
from xtl_jax.train import loop, optimizer, sharding, state
from xtl_jax.train.config import MeshConfig
from xtl_jax.train.step import StepOutput, make_train_step


class Told:
    """An observer that remembers."""

    def __init__(self):
        self.events, self.values = [], {}

    def stepped(self, step):
        self.events.append(("step", step))

    def logged(self, step, values):
        self.events.append(("log", step))
        self.values[step] = values

    def evaluated(self, step, values):
        self.events.append(("eval", step))

    def saved(self, step):
        self.events.append(("save", step))

    def steps_of(self, kind):
        return [step for event, step in self.events if event == kind]


class Kept:
    """A store that remembers."""

    def __init__(self):
        self.saved, self.waited = [], False

    def save(self, step, at, position, *, score=None):
        assert int(at.step) == step
        self.saved.append((step, position, score))

    def steps(self):
        return [step for step, _, _ in self.saved]

    def wait(self):
        self.waited = True


def _output(loss=2.0, bad=-1, tokens=4.0):
    sums = LossSums(*map(np.float32, (loss, 0.5, tokens, 1.0)))
    return StepOutput(sums, np.float32(3.0), np.int32(bad))


def _train(run, *, outputs=None, begin=0, evaluate=None, stopping=lambda step: False):
    """Trains nothing: each step gives its output of `outputs`, by number from 1."""
    outputs = outputs or {}

    def update(at, batch):
        step = at.step + 1
        assert batch == f"batch {step}"  # each step has its own batch
        return at._replace(step=step), outputs.get(int(step), _output())

    params = {"a": {"kernel": np.ones(2)}, "b": {"scale": np.ones(2)}}
    work = (
        loop.Work(f"batch {step}", 10, f"after {step}")
        for step in range(begin + 1, run.steps + 2)
    )
    store, told = Kept(), Told()
    end, outcome = loop.train(
        state.TrainState(np.int32(begin), params, ()),
        run=run,
        update=update,
        work=work,
        position=f"after {begin}",
        store=store,
        observer=told,
        evaluate=evaluate,
        stopping=stopping,
    )
    assert store.waited
    return end, outcome, store, told


def test_each_thing_happens_at_its_period_and_at_the_end(make_run):
    run = make_run(steps=7, log_period=2, eval_period=3, save_period=5)
    scores = {3: 30.0, 6: 60.0, 7: 70.0}
    end, outcome, store, told = _train(
        run, evaluate=lambda at: {"score": scores[int(at.step)]}
    )
    assert (int(end.step), outcome) == (7, "finished")
    assert told.steps_of("step") == [1, 2, 3, 4, 5, 6, 7]
    assert told.steps_of("log") == [2, 4, 6, 7]
    assert told.steps_of("eval") == [3, 6, 7]
    assert told.steps_of("save") == [5, 7]
    # A score belongs to the very state that is saved, the position to what comes next.
    assert store.saved == [(5, "after 5", None), (7, "after 7", 70.0)]


def test_logged_values_are_sums_over_the_steps_divided_once(make_run):
    outputs = {1: _output(loss=2.0, tokens=4.0), 2: _output(loss=10.0, tokens=8.0)}
    _, _, _, told = _train(make_run(steps=3, log_period=2), outputs=outputs)
    first, last = told.values[2], told.values[3]
    assert first["loss"] == 12.0 / 12.0
    assert first["accuracy_percent"] == pytest.approx(100 * 2 / 12)
    assert (first["real_tokens"], last["real_tokens"]) == (20, 10)
    assert (first["steps"], last["steps"]) == (2, 1)


def test_a_run_that_is_stopped_saves_where_it_is(make_run):
    answers = iter([False, False, True])
    end, outcome, store, told = _train(
        make_run(steps=9, log_period=5, eval_period=1, save_period=5),
        evaluate=lambda at: {"score": 0.0},
        stopping=lambda step: next(answers),
    )
    assert (int(end.step), outcome) == (3, "stopped")
    assert store.saved == [(3, "after 3", None)]
    assert told.steps_of("log") == [3]  # what was trained is told
    assert told.steps_of("eval") == [1, 2]  # whoever stops has no time to evaluate


def test_a_run_stopped_at_its_last_step_is_finished(make_run):
    _, outcome, store, _ = _train(make_run(steps=1), stopping=lambda step: True)
    assert (outcome, store.steps()) == ("finished", [1])


def test_a_run_of_no_steps_saves_what_it_was_given(make_run):
    _, outcome, store, _ = _train(make_run(steps=0))
    assert (outcome, store.saved) == ("finished", [(0, "after 0", None)])


def test_a_run_goes_on_from_the_step_of_its_state(make_run):
    _, _, store, told = _train(make_run(steps=5, save_period=2), begin=3)
    assert told.steps_of("step") == [4, 5]
    assert store.steps() == [4, 5]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (_output(bad=1), r"step 3: .* not finite: b/scale"),
        (_output(loss=np.inf), r"step 3: the loss is inf; .* none, the loss alone"),
    ],
)
def test_the_first_step_that_is_not_finite_is_named_though_later_ones_are_too(
    make_run, output, message
):
    outputs = dict.fromkeys((3, 4), output)
    with pytest.raises(UserError, match=message):
        _train(make_run(steps=9, log_period=4), outputs=outputs)


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_dev_score_that_is_no_number_chooses_no_checkpoint(make_run, score):
    with pytest.raises(UserError, match=f"step 2: English dev score is {score}"):
        _train(make_run(steps=2, eval_period=2), evaluate=lambda at: {"score": score})


def test_a_state_that_is_not_finite_is_never_saved(make_run):
    run = make_run(steps=9, log_period=9, save_period=2)
    outputs = {4: _output(loss=np.nan)}
    with pytest.raises(UserError, match="step 4: the loss is nan"):
        _train(run, outputs=outputs)


def _tokens(batch) -> int:
    names = ("encoder_input_tokens", "decoder_target_tokens")
    return int(sum((batch[name] > 0).sum() for name in names))


def test_batches_go_to_the_mesh_one_ahead_and_their_tokens_are_counted(toy_batch):
    mesh = sharding.mesh(MeshConfig(data=4, model=2))
    taken = []

    def fed():
        for number in range(3):
            taken.append(number)
            yield toy_batch, number

    work = loop.to_device(fed(), mesh, count=_tokens)
    first = next(work)
    assert taken == [0, 1]
    assert first.real_tokens == _tokens(toy_batch)
    placed = first.batch["encoder_input_tokens"]
    assert len(placed.sharding.device_set) == 8
    assert placed.addressable_shards[0].data.shape == (2, 12)
    assert [item.next_position for item in work] == [1, 2]


# With a real model, real checkpoints and dropout.


@pytest.fixture(scope="module")
def real(toy, make_run, batches):
    """A function that trains up to 6 steps in a folder, going on where that stands."""
    run = make_run(log_period=1, save_period=2, seed=7)
    config = dataclasses.replace(toy, dropout_rate=0.1)
    method = optimizer.build(run)
    update = jax.jit(make_train_step(config, run, method), donate_argnums=0)

    def train(folder, params, *, change=lambda step, batch: batch, stop_after=99):
        told, store = Told(), Store(folder)
        with devices.on_mesh(MeshConfig(data=1)) as mesh:
            at, _ = state.create(config, method, mesh=mesh, seed=0, params=params)
            position = 0
            restored = store.restore_latest(at, tell=pytest.fail)
            if restored is not None:
                at, position = restored
            begin = int(at.step)
            assert position == begin
            fed = ((change(step, batches(step)), step) for step in range(begin + 1, 99))
            stepped = iter(range(begin + 1, 99))
            try:
                return (
                    *loop.train(
                        at,
                        run=run,
                        update=update,
                        position=position,
                        work=loop.to_device(fed, mesh, count=_tokens),
                        store=store,
                        observer=told,
                        evaluate=None,
                        stopping=lambda step: next(stepped) >= stop_after,
                    ),
                    told.values,
                )
            finally:
                store.close()

    return train


@pytest.fixture(scope="module")
def unbroken(real, toy_params, tmp_path_factory):
    return real(tmp_path_factory.mktemp("unbroken"), toy_params)


def test_a_broken_run_goes_on_bitwise_like_the_unbroken_one(
    real, unbroken, toy_params, tmp_path
):
    whole, outcome, values = unbroken
    assert outcome == "finished"
    assert sorted(values) == [1, 2, 3, 4, 5, 6]
    first, outcome, before = real(tmp_path, toy_params, stop_after=3)
    assert (outcome, int(first.step)) == ("stopped", 3)
    second, outcome, after = real(tmp_path, toy_params)
    assert (outcome, int(second.step)) == ("finished", 6)
    assert {**before, **after} == values
    for mine, theirs in zip(*map(jax.tree.leaves, (second, whole)), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_batch_whose_loss_overflows_stops_the_run_at_its_step(
    real, toy_params, tmp_path
):
    def overflowing(step, batch):
        if step == 4:
            batch["decoder_loss_weights"] = batch["decoder_loss_weights"] * 3e38
        return batch

    first = "decoder/decoder_norm/scale"  # of the tree in its order
    with pytest.raises(UserError, match=rf"step 4: the loss is inf; .* {first}\. "):
        real(tmp_path, toy_params, change=overflowing)
    # What was saved before is whole: the run can go on, with the batches as they were.
    end, outcome, values = real(tmp_path, toy_params)
    assert (outcome, int(end.step), sorted(values)) == ("finished", 6, [3, 4, 5, 6])


def test_the_first_bad_gradient_of_broken_parameters_is_named(
    real, toy_params, tmp_path
):
    broken = jax.tree.map(np.copy, toy_params)
    broken["encoder"]["layers"]["mlp"]["wo"]["kernel"][1, 0, 0] = np.nan
    with pytest.raises(UserError, match=r"step 1: the loss is nan; first parameter"):
        real(tmp_path, broken)
    assert Store(tmp_path).steps() == []
