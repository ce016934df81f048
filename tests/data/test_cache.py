"""Caches: the same examples as SeqIO gives, found by what they are made of."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from xtl_jax.data import cache, pipeline, store, vocabulary
from xtl_jax.data.features import Lengths
from xtl_jax.errors import UserError

ROWS = [
    {
        "id": f"q{i}",
        "inputs": "ñ日本 context " * (i % 7 + 1) + str(i),
        "targets": f"answer {i}" * (i % 5 + 1),
        "references": [f"answer {i}", "another"],
        "context": "" if i % 2 else f"context {i}",
    }
    for i in range(60)
]
LENGTHS = Lengths(inputs=64, targets=24)
BYTES = vocabulary.load("bytes", extra_ids=100)


@pytest.fixture(scope="module")
def seqio():
    return pytest.importorskip("seqio")


def _task(seqio, rows, *, name="toy"):
    import tensorflow as tf

    signature = {
        "id": tf.TensorSpec((), tf.string),
        "inputs": tf.TensorSpec((), tf.string),
        "targets": tf.TensorSpec((), tf.string),
        "references": tf.TensorSpec((None,), tf.string),
        "context": tf.TensorSpec((), tf.string),
    }

    def dataset(split, shuffle_files, seed=None):
        return tf.data.Dataset.from_generator(lambda: rows, output_signature=signature)

    features = {
        name: seqio.Feature(seqio.ByteVocabulary(extra_ids=100), add_eos=True)
        for name in ("inputs", "targets")
    }
    return seqio.Task(
        name,
        source=seqio.FunctionDataSource(dataset, splits=("train", "validation")),
        preprocessors=[
            functools.partial(seqio.preprocessors.tokenize, with_eos=False),
            seqio.preprocessors.append_eos_after_trim,
        ],
        output_features=features,
    )


def _recipe(**changes):
    settings = {
        "task": "toy",
        "split": "train",
        "definition": {"prompt": 1},
        "vocabulary_sha256": BYTES.sha256,
        "sources": ({"name": "rows.jsonl", "size": 9, "sha256": "ab"},),
        "keep_text": True,
    }
    return cache.Recipe(**settings | changes)


@pytest.fixture(scope="module")
def task(seqio):
    return _task(seqio, ROWS)


@pytest.fixture(scope="module")
def cached(task, tmp_path_factory):
    folder = cache.build(
        task, _recipe(), cache_dir=tmp_path_factory.mktemp("cache"), vocabulary=BYTES
    )
    return store.Store(folder)


def _feed(opened, *, pack, batch_size, slots=60):
    return pipeline.Feed(
        {"toy": opened},
        rates={"toy": 1.0},
        lengths=LENGTHS,
        batch_size=batch_size,
        seed=0,
        pack=pack,
        slots_per_window=slots,
    )


def _converted(seqio, task, *, pack):
    """SeqIO's own batches of the task, unshuffled."""
    lengths = dict(LENGTHS.items())
    seqio.TaskRegistry.add_provider(task.name, task)
    try:
        dataset = seqio.get_dataset(
            task.name,
            lengths,
            seqio.EncDecFeatureConverter(pack=pack),
            dataset_split="train",
            shuffle=False,
        )
        return list(dataset.as_numpy_iterator())
    finally:
        seqio.TaskRegistry.remove(task.name)


def test_rows_are_those_of_seqio_feature_by_feature(seqio, task, cached):
    theirs = _converted(seqio, task, pack=False)
    feed = _feed(cached, pack=False, batch_size=60)
    ours = feed.batch(0)
    number = feed.window(0).index  # which example each of our rows is
    assert sorted(number) == list(range(60))
    for row, example in enumerate(number):
        for name, value in theirs[example].items():
            assert np.array_equal(ours[name][row], value), (name, example)
    assert set(ours) == set(theirs[0])


def _unpacked(rows):
    """All (inputs, shifted targets, targets) of packed rows, as sorted tuples."""
    found = []
    for row in rows:
        sides = {"encoder": ["encoder_input_tokens"], "decoder": []}
        sides["decoder"] = ["decoder_input_tokens", "decoder_target_tokens"]
        for segment in range(1, int(row["encoder_segment_ids"].max()) + 1):
            found.append(
                tuple(
                    tuple(row[name][row[f"{side}_segment_ids"] == segment].tolist())
                    for side, names in sides.items()
                    for name in names
                )
            )
    return sorted(found)


def test_packed_rows_hold_the_examples_of_seqios_packed_rows(seqio, task, cached):
    theirs = _converted(seqio, task, pack=True)
    feed = _feed(cached, pack=True, batch_size=1)
    rows = [feed.batch(step) for step in range(feed.window(0).rows)]  # one epoch
    ours = [{name: value[0] for name, value in row.items()} for row in rows]
    assert _unpacked(ours) == _unpacked(theirs)
    assert set(ours[0]) == set(theirs[0])
    for name, value in theirs[0].items():
        assert ours[0][name].shape == value.shape
    for row in (*ours, *theirs):  # the same meaning of weights, positions, padding
        used = row["decoder_segment_ids"] > 0
        assert np.array_equal(row["decoder_loss_weights"], used)
        assert np.array_equal(row["decoder_target_tokens"] > 0, used)
        assert not row["decoder_input_tokens"][row["decoder_positions"] == 0].any()


def test_texts_are_kept_verbatim(cached):
    for i, row in enumerate(ROWS):
        meta = cached.meta(i)
        assert meta == {
            "id": row["id"],
            "inputs": row["inputs"],
            "targets": row["targets"],
            "references": row["references"],
            "context": row["context"] or None,
        }


def test_the_card_says_what_it_was_made_of(cached):
    card = cached.card
    assert card["sources"] == [{"name": "rows.jsonl", "size": 9, "sha256": "ab"}]
    assert card["vocabulary_sha256"] == BYTES.sha256
    assert card["examples"] == 60
    longest = max(len(row["inputs"].encode()) + 1 for row in ROWS)
    assert card["lengths"]["inputs"]["percentiles"]["100"] == longest


@pytest.mark.parametrize(
    "change",
    [
        {"split": "validation"},
        {"definition": {"prompt": 2}},
        {"vocabulary_sha256": "0"},
        {"sources": ({"name": "rows.jsonl", "size": 9, "sha256": "cd"},)},
        {"transform": {"name": "span_corruption"}},
        {"keep_text": False},
    ],
)
def test_every_part_of_the_recipe_changes_the_folder(change):
    assert _recipe(**change).folder("c") != _recipe().folder("c")


def test_a_second_build_reads_nothing(cached, tmp_path):
    again = cache.build(
        None, _recipe(), cache_dir=cached.folder.parent.parent, vocabulary=BYTES
    )
    assert again == cached.folder


def test_a_damaged_cache_is_not_built_over(task, tmp_path):
    folder = cache.build(task, _recipe(), cache_dir=tmp_path, vocabulary=BYTES)
    (folder / "inputs.tokens.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"inputs\.tokens\.bin has 0 bytes"):
        cache.build(task, _recipe(), cache_dir=tmp_path, vocabulary=BYTES)


def test_what_a_killed_build_left_is_cleared(task, tmp_path):
    folder = _recipe().folder(tmp_path)
    left = folder.parent / f"{store.partial_prefix(folder)}dead"
    left.mkdir(parents=True)
    (left / "inputs.tokens.bin").write_bytes(b"1234")
    cache.build(task, _recipe(), cache_dir=tmp_path, vocabulary=BYTES)
    assert not left.exists()


def test_an_empty_target_is_an_error_that_names_the_row(seqio, tmp_path):
    rows = [*ROWS[:3], ROWS[3] | {"targets": ""}]
    bad = _task(seqio, rows, name="bad")
    with pytest.raises(UserError, match="example 'q3': its target is empty"):
        cache.build(bad, _recipe(), cache_dir=tmp_path, vocabulary=BYTES)
    assert cache.find(_recipe(), cache_dir=tmp_path) is None


def test_a_sentence_to_find_needs_no_target_and_may_have_no_partner(seqio, tmp_path):
    """The side says that an example is one; any other still needs its target."""
    import tensorflow as tf

    columns = {
        "id": ["q", "c"],
        "inputs": ["It rains.", "Es regnet."],
        "targets": ["", ""],
        "side": ["query", "candidate"],
        "context": ["", ""],
    }
    ragged = tf.ragged.constant([[], []], dtype=tf.string, ragged_rank=1)
    features = {
        name: seqio.Feature(seqio.ByteVocabulary(extra_ids=100), add_eos=True)
        for name in ("inputs", "targets")
    }

    def task(columns):
        return seqio.Task(
            "sentences",
            source=seqio.FunctionDataSource(
                lambda split, shuffle_files, seed=None: (
                    tf.data.Dataset.from_tensor_slices(columns)
                ),
                splits=("train", "validation"),
            ),
            preprocessors=[
                functools.partial(seqio.preprocessors.tokenize, with_eos=False),
                seqio.preprocessors.append_eos_after_trim,
            ],
            output_features=features,
        )

    made = cache.build(
        task({**columns, "references": ragged}),
        _recipe(task="sentences"),
        cache_dir=tmp_path,
        vocabulary=BYTES,
    )
    found = store.Store(made)
    assert [found.tokens("targets", index).tolist() for index in (0, 1)] == [[1], [1]]
    assert [found.meta(index)["side"] for index in (0, 1)] == ["query", "candidate"]
    assert [found.meta(index)["references"] for index in (0, 1)] == [[], []]
    columns["side"] = ["query", ""]
    with pytest.raises(UserError, match="example 'c': its target is empty"):
        cache.build(
            task({**columns, "references": ragged}),
            _recipe(task="sentences", definition={"prompt": 2}),
            cache_dir=tmp_path,
            vocabulary=BYTES,
        )


def test_a_vocabulary_that_does_not_fit_is_an_error(task, tmp_path):
    class Small:
        size = 100
        eos_id = 1

    with pytest.raises(UserError, match="another vocabulary"):
        cache.build(task, _recipe(), cache_dir=tmp_path, vocabulary=Small())


def test_progress_counts_the_examples(task, tmp_path):
    seen = []
    cache.build(
        task,
        _recipe(),
        cache_dir=tmp_path,
        vocabulary=BYTES,
        progress=lambda done, total: seen.append(done),
    )
    assert seen == list(range(1, 61))


def test_texts_for_span_corruption_are_kept_raw(seqio, tmp_path):
    rows = [ROWS[0] | {"targets": text} for text in ("the text", "x", "")]
    transform = {"name": "span_corruption", "noise_density": 0.15, "mean_span": 3.0}
    recipe = _recipe(transform=transform, keep_text=False)
    made = _task(seqio, rows, name="text")
    opened = store.Store(
        cache.build(made, recipe, cache_dir=tmp_path, vocabulary=BYTES)
    )
    assert opened.num_examples == 1
    assert opened.tokens("targets", 0).tolist() == [b + 3 for b in b"the text"]
    assert opened.tokens("inputs", 0).size == 0
    assert opened.card["left_out"] == 2  # too short to hide a part of
    assert opened.card["sentinels"] == list(BYTES.sentinel_ids)
    blind = dataclasses.replace(recipe, sources=None)
    assert cache.find(blind, cache_dir=tmp_path) == opened.folder


def _copy(cached, tmp_path, recipe):
    """A cache folder of another recipe, with the same tokens."""
    folder = recipe.folder(tmp_path)
    folder.mkdir(parents=True)
    for path in cached.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    card = cached.card | recipe.card()
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_without_source_files_the_one_fitting_cache_is_taken(cached, tmp_path):
    blind = dataclasses.replace(_recipe(), sources=None)
    with pytest.raises(UserError, match="xtl data cache toy --split train"):
        cache.find(blind, cache_dir=tmp_path)
    _copy(cached, tmp_path, _recipe(definition={"prompt": 2}))
    with pytest.raises(UserError, match="another definition"):
        cache.find(blind, cache_dir=tmp_path)
    folder = _copy(cached, tmp_path, _recipe())
    assert cache.find(blind, cache_dir=tmp_path) == folder
    other = ({"name": "rows.jsonl", "size": 8, "sha256": "cd"},)
    _copy(cached, tmp_path, _recipe(sources=other))
    with pytest.raises(UserError, match="holds 2 caches"):
        cache.find(blind, cache_dir=tmp_path)
    assert cache.find(_recipe(), cache_dir=tmp_path) == folder


def test_digests_follow_the_content_and_are_remembered(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"abc")
    (found,) = cache.digests([path], cache_dir=tmp_path / "c")
    assert found == {  # sha256 of "abc", FIPS 180-2
        "name": "rows.jsonl",
        "size": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_sha256", lambda _: pytest.fail("read again"))
        assert cache.digests([path], cache_dir=tmp_path / "c") == (found,)
    path.write_bytes(b"abcd")
    (changed,) = cache.digests([path], cache_dir=tmp_path / "c")
    assert changed["sha256"] != found["sha256"]
    assert cache.digests([path, tmp_path / "no"], cache_dir=tmp_path / "c") is None


def test_builds_at_the_same_time_read_the_data_once(seqio, tmp_path):
    reads = []

    def rows():
        reads.append(1)
        time.sleep(0.3)  # long enough for the others to ask
        yield from ROWS

    class Rows:
        def __iter__(self):
            return rows()

    made = _task(seqio, Rows(), name="slow")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(
                cache.build, made, _recipe(), cache_dir=tmp_path, vocabulary=BYTES
            )
            for _ in range(4)
        ]
        assert {future.result() for future in asked} == {_recipe().folder(tmp_path)}
    assert len(reads) == 1


NOT_NEEDED = (
    *("tensorflow", "tensorflow_text", "tensorflow_datasets", "seqio", "regex"),
    *("jaxtyping", "matplotlib", "jinja2", "tensorboard", "safetensors", "jax"),
)


def test_training_from_a_cache_needs_numpy_alone(cached):
    script = f"""
import sys
for name in {NOT_NEEDED!r}:
    sys.modules[name] = None  # importing it fails
from xtl_jax.data import cache, pipeline, store
from xtl_jax.data.features import Lengths
opened = store.Store({str(cached.folder)!r})
feed = pipeline.Feed({{"toy": opened}}, rates={{"toy": 1}}, batch_size=4, seed=0,
                     lengths=Lengths(inputs=64, targets=24), pack=True)
feed.batch(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
