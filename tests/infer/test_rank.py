"""Targets scored together score what each scores alone."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from xtl_jax.data import store
from xtl_jax.data.features import Lengths
from xtl_jax.errors import UserError
from xtl_jax.infer import rank as ranking
from xtl_jax.infer.model import LoadedModel

CARD = {
    "task": "toy",
    "split": "validation",
    "eos_id": 1,
    "eos": {"inputs": True, "targets": True},
}
LENGTHS = Lengths(inputs=12, targets=4)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Eleven examples of mixed lengths, some longer than the length allows."""
    rng = np.random.default_rng(0)
    rows = [
        {"inputs": [*rng.integers(2, 250, size).tolist(), 1], "targets": [1]}
        for size in rng.integers(1, 16, 11)
    ]
    return store.Store(store.write(tmp_path_factory.mktemp("cache") / "s", rows, CARD))


@pytest.fixture(scope="module")
def targets():
    """One to four targets an example, of one to eleven ids."""
    rng = np.random.default_rng(1)
    return [
        [
            [*rng.integers(2, 250, size).tolist(), 1]
            for size in rng.integers(0, 11, rng.integers(1, 5))
        ]
        for _ in range(11)
    ]


@pytest.fixture(scope="module")
def model(toy, toy_params):
    return LoadedModel(
        config=toy, params=toy_params, source="toy", step=0, vocabulary_size=256
    )


def _alone(model, split, targets):
    """Each pair of input and target as a row, through the door that the user has."""
    pairs = [
        (split.tokens("inputs", index).tolist(), target)
        for index, each in enumerate(targets)
        for target in each
    ]
    inputs = np.zeros((len(pairs), 12), np.int32)
    ids = np.zeros((len(pairs), 12), np.int32)
    for row, (tokens, target) in enumerate(pairs):
        cut = [*tokens[:11], 1] if len(tokens) > 12 else tokens
        inputs[row, : len(cut)] = cut
        ids[row, : len(target)] = target
    scores = iter(model.score(inputs=inputs, targets=ids).tolist())
    return [[next(scores) for _ in each] for each in targets]


def _rank(model, split, targets, **settings):
    return ranking.rank(
        *(model.config, model.params, split),
        targets=targets,
        lengths=LENGTHS,
        **settings,
    )


@pytest.fixture(scope="module")
def alone(model, split, targets):
    return _alone(model, split, targets)


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_a_target_scores_what_it_scores_alone(model, split, targets, alone, batch_size):
    done = []
    found = _rank(model, split, targets, batch_size=batch_size, progress=done.append)
    assert [[each.tokens for each in row] for row in found] == [
        [len(target) for target in row] for row in targets
    ]
    for row, expected in zip(found, alone, strict=True):
        scores = [each.log_probability for each in row]
        np.testing.assert_allclose(scores, expected, rtol=2e-5)
    assert done[-1] == 11
    assert len({each.log_probability for row in found for each in row}) > 20


def test_the_pieces_that_logits_are_made_in_change_nothing(
    monkeypatch, model, split, targets, alone
):
    """With room for no more than one position's logits there is one at a time."""
    monkeypatch.setattr(ranking, "_LOGITS", 4 * 256)
    assert ranking.positions_at_once(16, rows=4, vocab=256) == 1
    found = _rank(model, split, targets, batch_size=4)
    for row, expected in zip(found, alone, strict=True):
        scores = [each.log_probability for each in row]
        np.testing.assert_allclose(scores, expected, rtol=2e-5)


def test_no_array_holds_the_logits_of_a_whole_target(toy, toy_params):
    inputs = np.ones((2, 8), np.int32)
    targets = np.ones((2, 3, 16), np.int32)
    whole = jax.make_jaxpr(
        lambda *each: ranking.log_probabilities(toy, *each, chunk=2)
    )(toy_params, inputs, targets)
    shapes = {var.aval.shape for var in _variables(whole.jaxpr) if var.aval.shape}
    of_vocabulary = {s for s in shapes if s[-1] == 256 and s[0] != toy.embed}
    assert (2, 2, 256) in of_vocabulary
    assert max(map(np.prod, of_vocabulary)) == 2 * 2 * 256


def test_an_input_is_encoded_once_whatever_the_number_of_options(toy, toy_params):
    """The encoder's scan (3 layers) stands outside of the scan over options."""
    config = dataclasses.replace(toy, encoder_layers=3)
    params = jax.tree.map(np.asarray, toy_params)
    params["encoder"]["layers"] = jax.tree.map(
        lambda leaf: np.concatenate([leaf, leaf[:1]]), params["encoder"]["layers"]
    )
    outer = jax.make_jaxpr(
        lambda *each: ranking.log_probabilities(config, *each, chunk=8)
    )(params, np.ones((2, 8), np.int32), np.ones((2, 5, 8), np.int32)).jaxpr
    (call,) = [equation for equation in outer.eqns if "jaxpr" in equation.params]
    scans = [
        equation
        for equation in call.params["jaxpr"].jaxpr.eqns
        if equation.primitive.name == "scan"
    ]
    assert [scan.params["length"] for scan in scans] == [3, 5]
    inner = _scan_lengths(scans[1].params["jaxpr"].jaxpr)
    assert 3 not in inner
    assert 2 in inner  # the decoder's layers


def _inner(equation):
    for value in equation.params.values():
        for each in value if isinstance(value, tuple | list) else (value,):
            jaxpr = getattr(each, "jaxpr", each)
            if hasattr(jaxpr, "eqns"):
                yield jaxpr


def _variables(jaxpr):
    for equation in jaxpr.eqns:
        yield from equation.outvars
        for inner in _inner(equation):
            yield from _variables(inner)


def _scan_lengths(jaxpr):
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            found.append(equation.params["length"])
        for inner in _inner(equation):
            found += _scan_lengths(inner)
    return found


def test_only_examples_with_targets_are_scored(model, split, targets, alone):
    found = _rank(model, split, targets[:3], batch_size=4)
    assert len(found) == 3
    scores = [each.log_probability for each in found[2]]
    np.testing.assert_allclose(scores, alone[2], rtol=2e-5)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda rows: [], "targets are given for 0 examples"),
        (lambda rows: [*rows, rows[0]], "for 12 examples, .* has 11"),
        (lambda rows: [[], *rows[1:]], "example 0 has 0 targets"),
        (lambda rows: [*rows[:4], [[]]], "example 4 has 1 targets"),
    ],
)
def test_examples_without_targets_are_refused(model, split, targets, spoil, says):
    with pytest.raises(UserError, match=says):
        _rank(model, split, spoil(targets), batch_size=4)
