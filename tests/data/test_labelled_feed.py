"""Labelled batches: one task a step, a pure function of seed and step."""

from __future__ import annotations

import collections
import itertools
import json

import numpy as np
import pytest

from xtl_jax.data import labelled_batches, masking, store
from xtl_jax.data.labelled_feed import LabelledFeed
from xtl_jax.data.varying import Varying
from xtl_jax.errors import UserError

IDS = {"pad": 1, "mask": 999, "first": 4, "size": 1000}


def _store(folder, kind, rows, *, length=64, **card):
    made = [{"inputs": inputs, "targets": targets} for inputs, targets in rows]
    for example, meta in zip(made, card.pop("meta", ()), strict=False):
        example["meta"] = meta
    card = {
        "task": folder.name,
        "split": "train",
        "kind": kind,
        "length": length,
        "labels": [],
        "ids": IDS,
        **card,
    }
    return store.Store(store.write(folder, made, card))


def _text(number, size):
    return [0, *[4 + number] * size, 2]


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """One store of each kind; the tokens of an example say its number."""
    root = tmp_path_factory.mktemp("stores")
    sizes = np.random.default_rng(0).integers(1, 60, 200).tolist()
    texts = [_text(n, size) for n, size in enumerate(sizes)]
    return {
        "pair": _store(
            root / "pair",
            "classification",
            [(text, [n % 3]) for n, text in enumerate(texts)],
        ),
        "choice": _store(
            root / "choice",
            "choice",
            [([*_text(n, 3), *_text(n + 1, 40)], [n % 2, 5, 42]) for n in range(50)],
        ),
        "span": _store(
            root / "span",
            "span",
            [(text, [1, n % 2 + 1]) for n, text in enumerate(texts)],
        ),
        "tags": _store(
            root / "tags",
            "tagging",
            [(text, [-1, *[7] * (len(text) - 2), -1]) for text in texts],
        ),
        "text": _store(root / "text", "masked_lm", [(text, []) for text in texts]),
        "vectors": _store(root / "vectors", None, [(text, []) for text in texts]),
    }


def _feed(stores, names=("pair", "choice", "span", "tags", "text"), **settings):
    chosen = {name: stores[name] for name in names}
    rates = settings.pop("rates", dict.fromkeys(names, 1))
    return LabelledFeed(chosen, rates=rates, **{"batch_size": 8, "seed": 3, **settings})


def _same(first, second):
    assert first.keys() == second.keys() == {"tokens", "labels"}
    for name in first:
        assert np.array_equal(first[name], second[name]), name
        assert first[name].dtype == np.int32


@pytest.mark.parametrize("hosts", [2, 4])
def test_the_hosts_rows_together_are_those_of_one_host(stores, hosts):
    one = _feed(stores)
    many = [_feed(stores, shard=(number, hosts)) for number in range(hosts)]
    for step in range(40):
        parts = [feed.make(step) for feed in many]
        assert {part.task for part in parts} == {one.make(step).task}
        joined = {
            name: np.concatenate([part.batch[name] for part in parts])
            for name in ("tokens", "labels")
        }
        _same(one.batch(step), joined)


def test_any_step_alone_is_that_step_in_the_run(stores):
    with _feed(stores).batches() as running:
        fed = list(itertools.islice(running, 30))
    for step in (0, 29, 3, 17):
        alone = _feed(stores)
        _same(alone.batch(step), fed[step].batch)
        assert alone.task(step) == fed[step].task


def test_a_run_resumes_from_its_position_as_if_unbroken(stores):
    with _feed(stores).batches() as running:
        fed = list(itertools.islice(running, 20))
    kept = json.loads(json.dumps(fed[9].next_position))
    as_object = json.loads(json.dumps(fed[9].next_position._asdict(), sort_keys=True))
    for position in (kept, as_object, None):
        with _feed(stores).batches(step=10, position=position) as resumed:
            for before, again in zip(fed[10:], resumed, strict=False):
                _same(before.batch, again.batch)
                assert before.next_position == again.next_position


def test_a_position_of_another_step_is_refused(stores):
    feed = _feed(stores)
    with pytest.raises(UserError, match="does not belong to step 5"):
        feed.make(5, feed.position(4))
    with pytest.raises(UserError, match="does not belong to step 5"):
        feed.make(5, [5, 2, 17])  # of a text-to-text feed


def test_tasks_come_by_their_rates(stores):
    feed = _feed(stores, ("pair", "span"), rates={"pair": 3, "span": 1})
    counts = collections.Counter(feed.task(step) for step in range(4000))
    assert counts["pair"] == pytest.approx(3000, abs=100)


def test_an_epoch_has_every_example_once(stores):
    feed = _feed(stores, ("pair",), batch_size=10)
    for epoch in range(2):
        steps = range(epoch * 20, epoch * 20 + 20)
        seen = [token for step in steps for token in feed.batch(step)["tokens"][:, 1]]
        assert sorted(seen) == list(range(4, 204))


def test_labels_stay_with_their_example(stores):
    feed = _feed(stores)
    for step in range(60):
        fed = feed.make(step)
        tokens, labels = fed.batch["tokens"], fed.batch["labels"]
        number = tokens[..., 1] - 4
        assert tokens.shape[-1] in (16, 32, 48, 64)
        if fed.task == "pair":
            assert np.array_equal(labels, number % 3)
        elif fed.task == "span":
            assert np.array_equal(labels, np.stack([0 * number + 1, number % 2 + 1], 1))
        elif fed.task == "choice":
            assert tokens.shape == (8, 2, 48)
            assert np.array_equal(labels, number[:, 0] % 2)
            assert np.array_equal(number[:, 1], number[:, 0] + 1)
        elif fed.task == "tags":
            assert np.array_equal(labels == 7, tokens > 2)
            assert np.array_equal(labels == -1, tokens <= 2)


def test_a_budget_uses_a_part_that_a_larger_one_contains(stores):
    def seen(budget):
        feed = _feed(stores, ("pair",), budgets={"pair": budget})
        return {int(t) for s in range(40) for t in feed.batch(s)["tokens"][:, 1]}

    small, large = seen(16), seen(64)
    assert len(small) == 16
    assert len(large) == 64
    assert small < large
    with pytest.raises(UserError, match="200 examples, its budget is 201"):
        seen(201)


def test_rates_can_change_while_training(stores):
    rates = Varying.of(
        {0: {"pair": 1}, 40: {"span": 1}}, tasks=("pair", "span"), between="hold"
    )
    feed = _feed(stores, ("pair", "span"), rates=rates)
    tasks = [feed.task(step) for step in range(80)]
    assert tasks == ["pair"] * 40 + ["span"] * 40
    # Turns are counted through the change: no example is skipped or seen twice.
    assert feed.make(40).task == "span"
    line = Varying.of(
        {0: {"pair": 1}, 400: {"span": 1}}, tasks=("pair", "span"), between="linear"
    )
    feed = _feed(stores, ("pair", "span"), rates=line)
    early = [feed.task(step) for step in range(100)].count("pair")
    late = [feed.task(step) for step in range(300, 400)].count("pair")
    assert early == pytest.approx(87.5, abs=8)
    assert late == pytest.approx(12.5, abs=8)
    _same(_feed(stores, ("pair", "span"), rates=line).batch(333), feed.batch(333))


def test_what_decides_the_batches_is_described(stores):
    described = json.loads(json.dumps(_feed(stores, budgets={"pair": 9}).describe()))
    assert described["tasks"]["pair"]["examples"] == 9
    assert described["tasks"]["choice"]["kind"] == "choice"
    assert described["batch_size"] == 8


def test_wrong_settings_are_refused(stores, tmp_path):
    with pytest.raises(UserError, match="no rate is given for span"):
        _feed(stores, ("pair", "span"), rates={"pair": 1})
    with pytest.raises(UserError, match="rate 0; a rate is a positive number"):
        _feed(stores, ("pair",), rates={"pair": 0})
    with pytest.raises(UserError, match="cannot be split evenly over 3"):
        _feed(stores, shard=(0, 3))
    with pytest.raises(UserError, match="vectors is retrieval"):
        _feed(stores, ("vectors",))
    card = {"task": "x", "split": "train"}
    plain = store.write(tmp_path / "x", [{"inputs": [5], "targets": [6]}], card)
    with pytest.raises(UserError, match="holds text-to-text examples"):
        LabelledFeed({"x": store.Store(plain)}, rates={"x": 1}, batch_size=1, seed=0)


# --- hidden words ---------------------------------------------------------------------


def test_hidden_words_differ_by_step_and_row_and_come_again(stores):
    feed = _feed(stores, ("text",))
    first, again = feed.batch(5), _feed(stores, ("text",)).batch(5)
    _same(first, again)
    places = [tuple(np.flatnonzero(row >= 0)) for row in first["labels"]]
    assert len(set(places)) > 4
    other = _feed(stores, ("text",), seed=4).batch(5)
    assert not np.array_equal(first["labels"], other["labels"])


def test_the_shares_of_hidden_words_are_those_of_bert():
    tokens = np.array([0, *range(4, 104), 2], np.int32)
    hidden = masked = same = replaced = 0
    for key in range(2000):
        made = masking.mask(tokens, key=key, mask_id=50_000, first_id=4)
        chosen = made.labels >= 0
        assert not chosen[0]
        assert not chosen[-1]
        assert np.array_equal(made.labels[chosen], tokens[chosen])
        assert np.array_equal(made.tokens[~chosen], tokens[~chosen])
        now = made.tokens[chosen]
        hidden += chosen.sum()
        masked += (now == 50_000).sum()
        same += (now == tokens[chosen]).sum()
        replaced += ((now != 50_000) & (now != tokens[chosen])).sum()
        assert now.min() >= 4
    assert hidden == 30_000  # 15 percent of 100, each time
    # Of 30,000 draws, four standard deviations are below one percent.
    assert masked / hidden == pytest.approx(0.8, abs=0.01)
    assert same / hidden == pytest.approx(0.1, abs=0.01)
    assert replaced / hidden == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("size", [1, 3, 10])
def test_short_texts_have_the_right_number_on_average_and_one_at_least(size):
    tokens = np.array([0, *[7] * size, 2], np.int32)
    counts = [
        int((masking.mask(tokens, key=k, mask_id=99, first_id=4).labels >= 0).sum())
        for k in range(4000)
    ]
    assert min(counts) == 1
    if 0.15 * size > 1:
        assert np.mean(counts) == pytest.approx(0.15 * size, abs=0.05)


# --- evaluation -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pair", "choice", "span", "tags", "text", "vectors"])
def test_every_example_is_evaluated_once_padded_to_few_lengths(stores, kind):
    opened = stores[kind]
    batches = list(labelled_batches.evaluation_batches(opened, batch_size=16))
    indices = np.concatenate([batch.indices for batch in batches])
    assert sorted(indices[indices >= 0]) == list(range(opened.num_examples))
    assert {batch.tokens.shape[-1] for batch in batches} <= {16, 32, 48, 64}
    lengths = [batch.tokens.shape[-1] for batch in batches]
    assert lengths == sorted(lengths, reverse=True)
    for indices, tokens, _ in batches:
        assert len(tokens) == 16
        real = indices >= 0
        assert (tokens[~real] == IDS["pad"]).all()
        if kind != "text":
            assert np.array_equal(
                tokens[real].reshape(real.sum(), -1)[:, 1] - 4, indices[real]
            )


def test_evaluation_is_shared_by_hosts(stores):
    whole = list(labelled_batches.evaluation_batches(stores["text"], batch_size=16))
    parts = [
        list(
            labelled_batches.evaluation_batches(
                stores["text"], batch_size=16, shard=(number, 2)
            )
        )
        for number in range(2)
    ]
    for one, left, right in zip(whole, *parts, strict=True):
        for name in ("indices", "tokens", "labels"):
            both = np.concatenate([getattr(left, name), getattr(right, name)])
            assert np.array_equal(getattr(one, name), both)


def test_the_first_rows_come_with_all_their_windows(tmp_path):
    metas = [{"id": str(n), "example": n} for n in (0, 0, 0, 1, 2, 2)]
    rows = [(_text(n, 3), [0, 0]) for n in range(6)]
    opened = _store(tmp_path / "windows", "span", rows, meta=metas)
    found = labelled_batches.evaluation_batches(opened, batch_size=4, first=2)
    indices = np.concatenate([batch.indices for batch in found])
    assert sorted(indices[indices >= 0]) == [0, 1, 2, 3]
    assert labelled_batches.examples_of(opened, 99) == 6


def test_evaluation_refuses_hosts_that_do_not_divide_the_batch(stores):
    with pytest.raises(UserError, match="cannot be split over 3 hosts"):
        list(
            labelled_batches.evaluation_batches(
                stores["pair"], batch_size=16, shard=(0, 3)
            )
        )
