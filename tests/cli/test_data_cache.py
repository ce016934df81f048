"""`xtl data cache`: the numbers it prints, counted by hand."""

from __future__ import annotations

import argparse
import json
import math

import pytest

from xtl_jax.cli import cache_processes, data_cache, main
from xtl_jax.data import store
from xtl_jax.errors import UserError

pytest.importorskip("seqio")

CONTEXTS = [
    f"City {i} was founded in {1900 + i}. It is a large town." for i in range(30)
]
# Long enough to be found inside another text.
CONTEXTS[29] += " Of old it had a harbour and 29 churches."


def _squad(path, *, begin, end):
    paragraphs = [
        {
            "context": context,
            "qas": [
                {
                    "id": f"q{i}",
                    "question": f"When was city {i} founded?",
                    "answers": [
                        {
                            "text": str(1900 + i),
                            "answer_start": context.index(str(1900 + i)),
                        }
                    ],
                }
            ],
        }
        for i, context in enumerate(CONTEXTS)
    ][begin:end]
    data = [{"title": "Cities", "paragraphs": paragraphs}]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "1.1", "data": data}))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    _squad(folder / "mine" / "train.json", begin=0, end=20)
    _squad(folder / "xquad" / "xquad.en.json", begin=15, end=30)
    (folder / "text.txt").write_text(
        f"A story of {CONTEXTS[29]} The end, for now.\nx\n", encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cache(data_dir, cache_dir, capsys):
    def call(*flags):
        parser = argparse.ArgumentParser()
        data_cache.add_parser(parser.add_subparsers())
        places = ["--data_dir", str(data_dir), "--cache_dir", str(cache_dir)]
        places += ["--file", "xquad/test=xquad/xquad.en.json"]  # a subset on purpose
        vocabulary = ["--vocabulary", "bytes", "--extra_ids", "100"]
        args = parser.parse_args(["cache", *flags, *places, *vocabulary])
        assert args.run(args) == 0
        return capsys.readouterr().out

    return call


TRAIN = ("squad_v1", "--split", "train", "--file", "squad_v1/train=mine/train.json")


def test_counts_truncation_and_advice_of_a_split(cache):
    document = json.loads(cache(*TRAIN, "--lengths", "inputs=104,targets=8", "--json"))
    (row,) = document["caches"]
    opened = store.Store(row["folder"])
    prompts = [
        f"question: When was city {i} founded ? context: City {i} was founded in "
        f"{1900 + i} . It is a large town . "
        for i in range(20)
    ]
    sizes = [len(text.encode()) + 1 for text in prompts]  # bytes and EOS
    assert row["examples"] == opened.num_examples == 20
    assert row["tokens"] == {"inputs": sum(sizes), "targets": 20 * 5}
    cut = 100 * sum(size > 104 for size in sizes) / 20
    assert row["truncated_percent"] == {"inputs": cut, "targets": 0.0}
    assert row["recommended_lengths"] == {
        "inputs": math.ceil(max(sizes) / 8) * 8,
        "targets": 8,
    }
    assert row["fill_percent"]["targets"] == 62.5  # one example of 5 in a row of 8
    assert document["overlap"] == []


def test_overlap_with_an_evaluation_split_is_counted(cache):
    document = json.loads(cache(*TRAIN, "--against", "xquad.en", "--json"))
    found = {each["kind"]: each for each in document["overlap"]}
    for kind in ("item", "question", "context", "id"):
        assert (found[kind]["shared"], found[kind]["total"]) == (5, 15)
    assert found["id"]["samples"] == ["q15", "q16", "q17"]
    assert document["overlap_not_checked"] == {}


def test_paragraphs_inside_plain_text_are_found_and_the_table_says_so(cache):
    flags = ("--split", "train", "--file", "span_corruption/train=text.txt")
    shown = cache("span_corruption", *flags, "--against", "xquad.en")
    assert "1 texts too short" in shown
    line = next(line for line in shown.splitlines() if "1 of 1 " in line)
    assert line.split()[:3] == ["xquad.en/test", "passage", "span_corruption"]
    assert "city 29 was founded in 1929" in line
    assert "1 of 15" in shown  # items


def test_a_second_call_makes_nothing_anew(cache):
    first, second = (json.loads(cache(*TRAIN, "--json"))["caches"] for _ in range(2))
    assert first[0]["folder"] == second[0]["folder"]
    assert second[0]["seconds"] < 1


def test_a_seqio_task_of_ones_own_is_cached_by_name(
    cache, tmp_path, monkeypatch, capsys
):
    (tmp_path / "own_tasks_for_a_test.py").write_text(
        """
import functools
import seqio
import tensorflow as tf

def dataset(split, shuffle_files, seed=None):
    return tf.data.Dataset.from_tensor_slices({"inputs": ["a b"], "targets": ["c"]})

features = {n: seqio.Feature(seqio.ByteVocabulary(100)) for n in ("inputs", "targets")}
others = {n: seqio.Feature(seqio.ByteVocabulary(0)) for n in ("inputs", "targets")}
for name, found in (("own_task_for_a_test", features), ("of_other_ids", others)):
    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(dataset, splits=["validation"]),
        preprocessors=[seqio.preprocessors.tokenize, seqio.preprocessors.append_eos],
        output_features=found,
    )
"""
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    flags = ("own_task_for_a_test", "--module", "own_tasks_for_a_test", "--json")
    (row,) = json.loads(cache(*flags))["caches"]
    opened = store.Store(row["folder"])
    assert opened.tokens("inputs", 0).tolist() == [100, 35, 101, 1]
    assert opened.meta(0)["inputs"] == "a b"
    assert opened.meta(0)["references"] == ["c"]
    with pytest.raises(UserError, match=r"of_other_ids: its .* of 259 ids, .* 359"):
        cache("of_other_ids", *flags[1:])
    encoder = ("--gin_file=models/encoder_tiny.gin", "--vocabulary=bytes")
    assert main.main(["data", "cache", *flags, *encoder]) == 2
    assert "an encoder needs labels; give the --gin_file of an mT5" in (
        capsys.readouterr().err
    )


def test_an_unknown_name_names_the_near_ones(cache):
    with pytest.raises(UserError, match="near: squad_v"):
        cache("squad_v9")
    with pytest.raises(UserError, match="No module named"):
        cache("squad_v1", "--module", "no_such_module_anywhere")


def test_data_that_is_not_here_says_how_to_get_it(cache):
    with pytest.raises(UserError, match="nothing of mnli is here"):
        cache("mnli")
    with pytest.raises(UserError, match="its data is not here"):
        cache("mnli", "--split", "train")


@pytest.mark.slow  # two processes import TensorFlow
def test_processes_make_the_stores_that_one_makes(
    data_dir, tmp_path, capsys, monkeypatch
):
    _squad(data_dir / "xquad" / "xquad.de.json", begin=3, end=9)
    names = ["xquad.en", "xquad.de"]
    monkeypatch.setattr(data_cache, "task_names", lambda *_, **__: names)
    flags = ["--split", "test", "--vocabulary", "bytes", "--data_dir", str(data_dir)]
    flags += ["--file", "xquad/test=xquad/xquad.{language}.json", "--json"]
    parser = argparse.ArgumentParser()
    data_cache.add_parser(parser.add_subparsers())

    def stores(folder):
        args = parser.parse_args(["cache", "xquad", *flags, "--cache_dir", str(folder)])
        assert args.run(args) == 0
        said = capsys.readouterr()
        made = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.glob("*/test-*/*"))
            if path.name != "card.json"  # tells when it was made
        }
        tasks = [row["task"] for row in json.loads(said.out)["caches"]]
        return tasks, made, "2 processes" in said.err

    alone = stores(tmp_path / "alone")
    assert alone[0] == names
    assert len(alone[1]) > 8
    assert not alone[2]
    monkeypatch.setattr(cache_processes, "WORTH", 1)
    monkeypatch.setattr(cache_processes.os, "cpu_count", lambda: 2)
    assert stores(tmp_path / "together") == (*alone[:2], True)
    assert stores(tmp_path / "together") == alone  # what is there needs no process
