"""The feed: a pure function of seed and step, whatever the hosts and the past."""

from __future__ import annotations

import itertools
import json
import threading

import numpy as np
import pytest

from xtl_jax.data import pipeline, store
from xtl_jax.data.features import PACKED_FEATURES, Lengths
from xtl_jax.data.prefetch import Prefetched
from xtl_jax.data.varying import Varying
from xtl_jax.errors import UserError

LENGTHS = Lengths(inputs=32, targets=8)


def _store(folder, *, examples, base, seed=0):
    """Every example's tokens say whose they are: base + number, place by place."""
    rng = np.random.default_rng(seed)

    def rows():
        for i in range(examples):
            yield {
                "inputs": [base + i] * int(rng.integers(1, 45)) + [1],
                "targets": [base + i] * int(rng.integers(1, 11)) + [1],
                "meta": {"id": str(i)},
            }

    card = {
        "task": folder.name,
        "split": "train",
        "eos_id": 1,
        "eos": {"inputs": True, "targets": True},
    }
    return store.Store(store.write(folder, rows(), card))


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    root = tmp_path_factory.mktemp("stores")
    return {
        "a": _store(root / "a", examples=300, base=1000),
        "b": _store(root / "b", examples=50, base=5000, seed=1),
    }


def _feed(
    stores,
    *,
    rates=None,
    lengths=LENGTHS,
    pack=True,
    shard=(0, 1),
    seed=7,
    batch_size=16,
    **more,
):
    return pipeline.Feed(
        stores,
        rates=rates or {"a": 3, "b": 1},
        lengths=lengths,
        batch_size=batch_size,
        seed=seed,
        pack=pack,
        shard=shard,
        slots_per_window=more.pop("slots_per_window", 256),
        **more,
    )


def _same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert np.array_equal(first[name], second[name]), name


def _concatenated(batches):
    return {
        name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]
    }


@pytest.mark.parametrize("pack", [True, False])
@pytest.mark.parametrize("hosts", [2, 4])
def test_the_hosts_rows_together_are_those_of_one_host(stores, pack, hosts):
    one = _feed(stores, pack=pack)
    many = [_feed(stores, pack=pack, shard=(i, hosts)) for i in range(hosts)]
    for step in range(30):
        _same(one.batch(step), _concatenated([feed.batch(step) for feed in many]))


@pytest.mark.parametrize("pack", [True, False])
def test_any_step_alone_is_that_step_in_the_run(stores, pack):
    with _feed(stores, pack=pack).batches() as running:
        fed = list(itertools.islice(running, 40))
    for step in (0, 39, 3, 17):
        _same(_feed(stores, pack=pack).batch(step), fed[step].batch)


@pytest.mark.parametrize("pack", [True, False])
def test_a_run_resumes_from_its_position_as_if_unbroken(stores, pack):
    with _feed(stores, pack=pack).batches() as running:
        fed = list(itertools.islice(running, 40))
    kept = json.loads(json.dumps(fed[19].next_position))
    counted = _feed(stores, pack=pack).position(20)
    assert list(json.loads(json.dumps(counted))) == kept
    with _feed(stores, pack=pack).batches(step=20, position=kept) as resumed:
        for i, again in enumerate(itertools.islice(resumed, 20)):
            _same(again.batch, fed[20 + i].batch)
            assert again.next_position == fed[20 + i].next_position


def test_a_resumed_run_may_have_another_number_of_hosts(stores):
    position = _feed(stores, shard=(0, 2)).position(11)
    two = [_feed(stores, shard=(i, 2)).make(11, position).batch for i in range(2)]
    four = [_feed(stores, shard=(i, 4)).make(11, position).batch for i in range(4)]
    _same(_concatenated(two), _concatenated(four))


def test_a_position_spares_the_planning_of_what_lies_before(stores, monkeypatch):
    far = _feed(stores).position(500)
    fresh = _feed(stores)
    planned = []
    plan = pipeline.window.plan
    monkeypatch.setattr(
        pipeline.window,
        "plan",
        lambda number, **more: planned.append(number) or plan(number, **more),
    )
    fresh.make(500, far)
    assert min(planned) == far.window
    assert len(planned) <= 2


def test_a_position_of_another_run_is_refused(stores):
    feed = _feed(stores)
    with pytest.raises(UserError, match="does not belong to step 4"):
        feed.make(4, feed.position(3))
    with pytest.raises(UserError, match="other data, lengths, batch size or seed"):
        feed.make(4, {"step": 4, "window": 1, "row": 10**6})


def _examples(batches):
    """First token of every segment: the example's number."""
    firsts = []
    for batch in batches:
        at = (batch["encoder_positions"] == 0) & (batch["encoder_segment_ids"] > 0)
        firsts.append(batch["encoder_input_tokens"][at])
    return np.concatenate(firsts)


def test_an_epoch_has_every_example_once(stores):
    feed = _feed({"b": stores["b"]}, rates={"b": 1}, slots_per_window=100)
    rows = feed.window(0).rows  # 100 slots: two epochs of 50
    first = _feed(
        {"b": stores["b"]}, rates={"b": 1}, slots_per_window=100, batch_size=rows
    )
    seen, counts = np.unique(_examples([first.batch(0)]), return_counts=True)
    assert np.array_equal(seen, 5000 + np.arange(50))
    assert np.all(counts == 2)


def test_tokens_are_the_stores_own_cut_with_eos_kept(stores):
    batch = _feed(stores).batch(0)
    names = {"encoder": "inputs", "decoder": "targets"}
    tokens = {
        "encoder": batch["encoder_input_tokens"],
        "decoder": batch["decoder_target_tokens"],
    }
    limits = dict(LENGTHS.items())
    cut = 0
    for row in range(16):
        for segment in range(1, batch["encoder_segment_ids"][row].max() + 1):
            numbers = set()
            for side, feature in names.items():
                mine = tokens[side][row][batch[f"{side}_segment_ids"][row] == segment]
                number = int(mine[0])
                numbers.add(number)
                which, base = ("b", 5000) if number >= 5000 else ("a", 1000)
                whole = stores[which].tokens(feature, number - base)
                if len(whole) > limits[feature]:
                    cut += 1
                    assert mine.tolist() == [*whole[: limits[feature] - 1], 1]
                else:
                    assert mine.tolist() == whole.tolist()
            assert len(numbers) == 1  # a segment's inputs and targets are one example's
    assert cut > 3


def test_rates_are_kept(stores):
    batches = [_feed(stores).batch(step) for step in range(40)]
    share = np.mean(_examples(batches) >= 5000)
    assert share == pytest.approx(0.25, abs=0.04)


def test_seeds_give_other_batches(stores):
    first, second = (_feed(stores, seed=seed).batch(0) for seed in (1, 2))
    assert not np.array_equal(
        first["encoder_input_tokens"], second["encoder_input_tokens"]
    )


def test_shapes_and_dtypes_never_change(stores):
    for step in range(20):
        batch = _feed(stores).batch(step)
        assert set(batch) == set(PACKED_FEATURES)
        for name, value in batch.items():
            assert value.shape == (16, 32 if name.startswith("encoder") else 8)
            assert value.flags.c_contiguous


def test_a_batch_that_hosts_cannot_share_is_refused(stores):
    with pytest.raises(UserError, match="multiple of 3"):
        _feed(stores, shard=(0, 3))
    with pytest.raises(UserError, match="no rate is given for b"):
        _feed(stores, rates={"a": 1})
    with pytest.raises(UserError, match="shard 2 of 2: hosts are numbered from 0"):
        _feed(stores, shard=(2, 2))
    other = Varying.of({0: {"a": 1, "c": 1}}, tasks=("a", "c"), between="linear")
    with pytest.raises(UserError, match="rates are of a, c, the data is of a, b: give"):
        _feed(stores, rates=other)


def test_what_decides_the_batches_is_json(stores):
    described = json.loads(json.dumps(_feed(stores).describe()))
    assert described["tasks"]["a"] == {
        "rate": 0.75,
        "examples": 300,
        "cache": f"{stores['a'].folder.parent.name}/a",
    }


def test_an_error_in_the_background_is_raised_in_the_caller():
    def items():
        yield 1
        raise OSError("the disk is gone")

    with Prefetched(items(), ahead=2) as ready:
        assert next(ready) == 1
        with pytest.raises(OSError, match="the disk is gone"):
            next(ready)


def test_closing_ends_the_thread_however_many_items_are_left():
    before = threading.active_count()
    ready = Prefetched(itertools.count(), ahead=3)
    assert next(ready) == 0
    ready.close()
    assert threading.active_count() == before
    assert list(ready) == []


def test_prefetching_never_runs_further_ahead_than_asked():
    made = []
    enough = threading.Event()

    def items():
        for i in range(100):
            made.append(i)
            if len(made) == 4:
                enough.set()
            yield i

    with Prefetched(items(), ahead=3) as ready:
        assert enough.wait(5)  # three kept and one in the maker's hand
        assert len(made) == 4
        assert list(itertools.islice(ready, 10)) == list(range(10))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Documents whose tokens count up from 1,000 times their number."""
    rng = np.random.default_rng(2)
    rows = [
        {"inputs": [], "targets": 1000 * i + np.arange(1, rng.integers(3, 90))}
        for i in range(1, 40)
    ]
    card = {
        "task": "text",
        "split": "train",
        "eos_id": 1,
        "eos": {"inputs": True, "targets": True},
        "transform": {
            "name": "span_corruption",
            "noise_density": 0.15,
            "mean_span": 3.0,
        },
        "sentinels": list(range(99_999, 99_899, -1)),
    }
    return store.Store(store.write(tmp_path_factory.mktemp("texts") / "t", rows, card))


def test_texts_that_cannot_be_corrupted_are_refused(texts, tmp_path):
    with pytest.raises(UserError, match="lengths of 2 and 2 tokens with 100 sentinels"):
        _feed({"t": texts}, rates={"t": 1}, lengths=Lengths(inputs=2, targets=2)).batch(
            0
        )
    card = texts.card | {"transform": {"name": "prefix"}}
    rows = [{"inputs": [], "targets": [5, 6]}]
    opened = store.Store(store.write(tmp_path / "new", rows, card))
    with pytest.raises(UserError, match=r"new/card\.json names the transform 'prefix'"):
        _feed({"t": opened}, rates={"t": 1})


def _restored(inputs, targets):
    """The text that span corruption cut, put together again."""
    spans, current = {}, None
    for token in targets[:-1]:
        if token > 99_899:
            current = spans.setdefault(int(token), [])
        else:
            current.append(int(token))
    whole = []
    for token in inputs[:-1]:
        whole += spans.pop(int(token)) if token > 99_899 else [int(token)]
    assert not spans
    return whole


def test_corrupted_texts_are_chunks_of_the_documents_and_fit_the_rows(texts):
    feed = _feed({"t": texts}, rates={"t": 1})
    starts = set()
    for step in range(20):
        batch = feed.batch(step)
        for row in range(16):
            for segment in range(1, batch["encoder_segment_ids"][row].max() + 1):
                inputs = batch["encoder_input_tokens"][row]
                targets = batch["decoder_target_tokens"][row]
                inputs = inputs[batch["encoder_segment_ids"][row] == segment]
                targets = targets[batch["decoder_segment_ids"][row] == segment]
                assert inputs[-1] == targets[-1] == 1
                whole = np.array(_restored(inputs, targets))
                assert np.all(np.diff(whole) == 1)
                number, start = divmod(int(whole[0]), 1000)
                document = texts.tokens("targets", number - 1)
                # 34 tokens: 5 hidden in 2 spans, 34 - 5 + 2 + EOS = 32, 5 + 2 + EOS = 8
                assert len(whole) == min(len(document), 34)
                starts.add(start)
    assert len(starts) > 20  # long documents are cut at random places


def test_each_visit_of_a_text_hides_other_words_and_resumes_alike(texts):
    feed = _feed({"t": texts}, rates={"t": 1}, pack=False, slots_per_window=78)
    index = feed.window(0).index
    first, second = np.flatnonzero(index == index[0])[:2]
    rows = _feed(
        {"t": texts}, rates={"t": 1}, pack=False, slots_per_window=78, batch_size=78
    ).batch(0)["encoder_input_tokens"]
    assert not np.array_equal(rows[first], rows[second])
    with _feed({"t": texts}, rates={"t": 1}).batches() as running:
        fed = list(itertools.islice(running, 30))
    again = _feed({"t": texts}, rates={"t": 1})
    _same(again.make(29, fed[28].next_position).batch, fed[29].batch)
    _same(again.batch(3), fed[3].batch)
