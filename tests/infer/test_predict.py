"""A split is predicted whole, in its own order, whatever the batches."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from xtl_jax.data import store
from xtl_jax.data.features import Lengths
from xtl_jax.errors import UserError
from xtl_jax.infer import model as models
from xtl_jax.infer.predict import predict
from xtl_jax.model.decoding import Decoded

CARD = {
    "task": "toy",
    "split": "validation",
    "eos_id": 1,
    "eos": {"inputs": True, "targets": True},
}
VOCABULARY = SimpleNamespace(
    size=200, decode=lambda ids: " ".join(str(i) for i in ids if i > 1)
)
LENGTHS = Lengths(inputs=12, targets=4)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Eleven examples, their first id is 100 + their number, their lengths mixed."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(11):
        middle = rng.integers(2, 99, rng.integers(0, 10)).tolist()
        rows.append({"inputs": [100 + number, *middle, 1], "targets": [5, 1]})
    return store.Store(store.write(tmp_path_factory.mktemp("cache") / "s", rows, CARD))


def _predict(config, params, split, **settings):
    return predict(
        *(config, params, split),
        vocabulary=VOCABULARY,
        lengths=LENGTHS,
        decode_length=6,
        **settings,
    )


@pytest.fixture
def echo(monkeypatch):
    """A model that repeats the first id; it remembers the batches that it saw."""
    seen = []

    def generate(
        config,
        params,
        inputs,
        *,
        max_length,
        vocabulary_size,
        method,
        numbers,
        addition,
    ):
        assert addition is None
        seen.append(inputs.shape)
        assert vocabulary_size == 200
        tokens = np.zeros((len(inputs), max_length), np.int32)
        tokens[:, 0] = inputs[:, 0]
        tokens[:, 1] = 1
        log_probability = -inputs[:, 0].astype(np.float32)
        return Decoded(tokens, log_probability, np.int32(2), np.zeros(tokens.shape))

    monkeypatch.setattr(models, "generate", generate)
    return seen


@pytest.mark.parametrize("batch_size", [1, 4, 11, 16])
def test_predictions_come_in_the_order_of_the_split(split, echo, batch_size):
    done = []
    found = _predict(None, None, split, batch_size=batch_size, progress=done.append)
    assert [p.text for p in found] == [str(100 + n) for n in range(11)]
    assert [p.log_probability for p in found] == [-100.0 - n for n in range(11)]
    assert done[-1] == 11
    assert done == sorted(done)
    assert {rows for rows, _ in echo} == {batch_size}  # the last one is filled


def test_only_the_first_examples_are_predicted_where_that_is_asked(split, echo):
    found = _predict(None, None, split, batch_size=4, first=3)
    assert [p.text for p in found] == ["100", "101", "102"]
    with pytest.raises(UserError, match=r"has no example to predict"):
        _predict(None, None, split, batch_size=4, first=0)


@pytest.fixture(scope="module")
def repeating(tmp_path_factory):
    """Nine examples, three different ones; what is cut away tells two of them apart."""
    inputs = [[100, 7, 1], [101, 1], [100, *range(2, 14), 1]]
    inputs += [[101, 1], [100, 7, 1], [100, *range(2, 14), 9, 1], [100, 7, 1]]
    inputs += [[101, 1], [100, 7, 1]]
    rows = [
        {"inputs": ids, "targets": [number + 2, 1]} for number, ids in enumerate(inputs)
    ]
    return store.Store(store.write(tmp_path_factory.mktemp("cache") / "r", rows, CARD))


def test_what_is_asked_twice_is_decoded_once(repeating, echo):
    done = []
    found = _predict(None, None, repeating, batch_size=2, progress=done.append)
    assert [p.text for p in found] == [
        str(i) for i in (100, 101, 100, 101, *[100] * 3, 101, 100)
    ]
    assert echo == [(2, 12), (2, 12)]
    assert done == [6, 9]
    # One draw is not like another.
    _predict(
        *(None, None, repeating),
        batch_size=3,
        method=models.method(temperature=1.0),
    )
    assert echo[2:] == [(3, 12)] * 3


def test_a_draw_depends_on_the_seed_and_the_example_alone(split, toy, toy_params):
    def drawn(**settings):
        method = models.method(temperature=1.5, top_k=50, **settings)
        found = _predict(toy, toy_params, split, batch_size=8, method=method)
        return [p.text for p in found]

    once = drawn(seed=3)
    assert drawn(seed=3) == once
    assert drawn(seed=4) != once
    method = models.method(temperature=1.5, top_k=50, seed=3)
    others = _predict(toy, toy_params, split, batch_size=16, method=method)
    assert [p.text for p in others] == once
    # The first row of every batch does not draw alike.
    assert len({text.split()[0] for text in once}) > 3


def test_batches_are_laid_out_by_the_caller(split, echo):
    laid = []

    def put(rows):
        laid.append(rows.shape)
        return rows

    _predict(None, None, split, batch_size=8, put=put)
    assert echo == [(8, 12), (8, 12)]
    assert laid == [(8, 12), (8,), (8, 12), (8,)]  # ids, and numbers of the examples


def test_a_prediction_is_what_the_model_generates_for_the_example_alone(
    split, toy, toy_params
):
    found = _predict(toy, toy_params, split, batch_size=8)
    model = models.LoadedModel(
        config=toy,
        params=toy_params,
        source="toy",
        step=0,
        vocabulary_size=200,
    )
    for number in (0, 7, 10):
        inputs = np.zeros((8, 12), np.int32)
        tokens = split.tokens("inputs", number)
        inputs[3, : len(tokens)] = tokens
        alone = model.generate(inputs=inputs, max_length=6)[3]
        assert found[number].text == VOCABULARY.decode(alone.tolist())
    assert len({p.text for p in found}) > 1
