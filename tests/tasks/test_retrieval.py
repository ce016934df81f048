"""Families of sentences to find: real releases whole, and what scores how much."""

from __future__ import annotations

import json
import tarfile

import pytest
from xtl_tasks import build, catalog, loading
from xtl_tasks.family import Search
from xtl_tasks.loading import TaskSettings

from tests import archives
from xtl_jax.data import readers, vocabulary
from xtl_jax.data.language_codes import ISO3
from xtl_jax.errors import UserError
from xtl_jax.metrics.metric import add

NAMES = ("bucc", "tatoeba", "lareqa", "mewslix", "world_retrieval")
# Languages and sentence pairs, as the list of the files has them.
XTREME = (
    *("af", "ar", "bg", "bn", "de", "el", "es", "et", "eu", "fa", "fi", "fr"),
    *("he", "hi", "hu", "id", "it", "ja", "jv", "ka", "kk", "ko", "ml", "mr"),
    *("nl", "pt", "ru", "sw", "ta", "te", "th", "tl", "tr", "ur", "vi", "zh"),
)
XTREME_R = [*XTREME, "az", "lt", "pl", "ro", "uk"]
PAIRS = {"jv": 205, "ka": 746, "kk": 575, "ml": 687, "sw": 390, "ta": 307} | {
    "te": 234,
    "th": 548,
}
LAREQA = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]
MEWSLIX = ["ar", "de", "en", "es", "fa", "ja", "pl", "ro", "ta", "tr", "uk"]


@pytest.fixture(scope="module")
def tatoeba(shared, tmp_path_factory):
    """Both editions, unpacked."""
    folder = tmp_path_factory.mktemp("tatoeba")
    for name in ("tatoeba_laser_v1", "tatoeba_xtreme"):
        with tarfile.open(shared / f"data/{name}.tar.xz") as archive:
            archives.unpack(archive, folder)
    return folder


@pytest.fixture(scope="module")
def settings(shared, tatoeba):
    files = {
        "tatoeba/test": f"{tatoeba}/laser_v1/tatoeba.*.none",
        "mewslix/test": "mewsli_x/example_mentions.jsonl",
    }
    files |= {
        f"tatoeba.{code}/test": f"{tatoeba}/laser_v1/tatoeba.{ISO3[code]}-eng.*"
        for code in XTREME_R
    }
    return TaskSettings(data_dir=str(shared / "data"), files=files)


def _sides(name, language, *, split, settings):
    family = catalog.family(name)
    found = list(loading.examples(family, language, split=split, settings=settings))
    queries = [example for example in found if example.side == "query"]
    candidates = [example for example in found if example.side == "candidate"]
    assert found == [*queries, *candidates]  # in this order
    assert len({example.id for example in found}) == len(found)
    assert all(example.inputs.strip() for example in found)
    assert all(example.targets == "" for example in found)
    assert not any(" " in example.id for example in found)
    return queries, candidates


def _values(name, rows, *, language):
    metric = catalog.family(name).metric
    counts = [
        metric.counts(said, references=references, language=language)
        for said, references in rows
    ]
    return metric.combine(add(counts))


def _check_round_trip(name, queries, *, language):
    """Right ids as predictions score 100, nothing found scores 0."""
    right = [(" ".join(q.references), q.references) for q in queries]
    nothing = [("", references) for _, references in right]
    keys = catalog.family(name).metric.keys
    assert _values(name, right, language=language) == dict.fromkeys(keys, 100.0)
    assert _values(name, nothing, language=language) == dict.fromkeys(keys, 0.0)


def test_the_families_are_those_of_the_benchmarks():
    found = [f.name for f in catalog.FAMILIES if f.kind == "retrieval"]
    assert sorted(found) == sorted(NAMES)
    tatoeba = catalog.family("tatoeba")
    assert sorted(tatoeba.standard_languages) == sorted(XTREME)
    assert sorted(tatoeba.languages) == sorted(XTREME_R)
    assert sorted(catalog.family("lareqa").standard_languages) == LAREQA
    assert sorted(catalog.family("mewslix").standard_languages) == MEWSLIX
    for name in ("lareqa", "mewslix"):
        family = catalog.family(name)
        assert set(family.languages) - set(family.standard_languages) == {"pool"}
        assert family.search == Search(method="nearest", top=20, pool="pool")
    assert catalog.family("bucc").search == Search(method="mining")
    assert tatoeba.search == Search(method="nearest")


@pytest.mark.parametrize("language", XTREME_R)
def test_tatoeba_is_xtremes_with_the_alignment_of_laser(tatoeba, settings, language):
    queries, candidates = _sides("tatoeba", language, split="test", settings=settings)
    pairs = PAIRS.get(language, 1_000)
    assert (len(queries), len(candidates)) == (pairs, pairs)
    folder, code = tatoeba / "laser_v1", ISO3[language]
    english = (folder / f"tatoeba.{code}-eng.eng").read_text("utf-8").split("\n")
    foreign = (folder / f"tatoeba.{code}-eng.{code}").read_text("utf-8").split("\n")
    assert [example.inputs for example in candidates] == foreign[:pairs]
    for query in queries:
        (right,) = query.references
        assert english[int(right)] == query.inputs
    sorted_side = (tatoeba / f"xtreme/{language}-en.en").read_text("utf-8")
    assert [example.inputs for example in queries] == sorted_side.split("\n")[:pairs]
    _check_round_trip("tatoeba", queries, language=language)


@pytest.mark.parametrize("language", ["jv", "te"])
def test_xtremes_own_tatoeba_has_the_same_rows_and_no_answers(
    tatoeba, settings, language
):
    aligned = _sides("tatoeba", language, split="test", settings=settings)
    of_xtreme = TaskSettings(
        files={"tatoeba/test": f"{tatoeba}/xtreme/{{language}}-en.*"}
    )
    queries, candidates = _sides("tatoeba", language, split="test", settings=of_xtreme)
    assert candidates == aligned[1]
    assert [(q.id, q.inputs) for q in queries] == [(q.id, q.inputs) for q in aligned[0]]
    assert {q.references for q in queries} == {()}


def test_labels_are_those_of_xtremes_preprocessing(shared, tmp_path):
    path = shared / "conformance/scorers/retrieval_tatoeba.json"
    case = json.loads(path.read_text(encoding="utf-8"))["label_construction"]
    names = {"source": "t.deu-eng.deu", "target": "t.deu-eng.eng"}
    for side, name in names.items():
        text = "".join(f"{line}\n" for line in case[side])
        (tmp_path / name).write_text(text, encoding="utf-8")
    rows = list(
        readers.tatoeba(
            [str(tmp_path / name) for name in names.values()],
            language="de",
            split="test",
        )
    )
    queries = [row for row in rows if row.side == "query"]
    assert [row.text for row in queries] == case["sorted_target"]
    assert [int(row.answers[0]) for row in queries] == case["labels"]


def test_bucc_zh_dev_is_whole(shared, settings):
    queries, candidates = _sides("bucc", "zh", split="validation", settings=settings)
    assert (len(queries), len(candidates)) == (8_624, 13_589)
    partnered = [query for query in queries if query.references]
    assert sum(len(query.references) for query in partnered) == 257
    first = partnered[0]
    assert first.id == "zh-000000057"
    known = {example.id: example.inputs for example in candidates}
    assert known[first.references[0]] == (
        "In Tunisia, the largest newspaper has a circulation of roughly 50,000 in a "
        "country of 10 million people."
    )
    _check_round_trip("bucc", queries, language="zh")


@pytest.mark.parametrize("language", ["de", "fr", "ru"])
def test_a_side_that_is_missing_is_asked_for(settings, language):
    family = catalog.family("bucc")
    with pytest.raises(UserError) as error:
        list(loading.rows(family, language, split="validation", settings=settings))
    assert "its data is not here" in str(error.value)
    assert f"{language}-en.dev.en" in str(error.value)


@pytest.fixture(scope="module")
def pool(settings):
    return {
        row.id: row
        for row in loading.rows(
            catalog.family("lareqa"), "pool", split="test", settings=settings
        )
    }


def test_lareqa_has_the_published_candidates(pool):
    assert len(pool) == 13_014
    assert {row.side for row in pool.values()} == {"candidate"}
    assert {id.split("_")[0] for id in pool} == set(LAREQA)


@pytest.mark.parametrize(
    "language",
    [
        language if language in ("ar", "en", "zh") else slow
        for language in LAREQA
        for slow in (pytest.param(language, marks=pytest.mark.slow),)
    ],
)
def test_lareqa_asks_each_question_of_all_languages(settings, pool, language):
    queries, candidates = _sides("lareqa", language, split="test", settings=settings)
    assert (len(queries), candidates) == (1_190, [])
    for query in queries:
        languages = [id.split("_")[0] for id in query.references]
        assert sorted(set(languages)) == LAREQA
        assert set(query.references) <= set(pool)
    _check_round_trip("lareqa", queries, language=language)


def test_lareqa_is_built_as_xtreme_builds_it(shared, tmp_path):
    path = shared / "conformance/scorers/retrieval_lareqa.json"
    case = json.loads(path.read_text(encoding="utf-8"))["data_construction"]
    paths = []
    for language, document in case["documents"].items():
        paths.append(str(tmp_path / f"{language}.json"))
        (tmp_path / f"{language}.json").write_text(json.dumps(document), "utf-8")
    found = list(readers.lareqa(paths, language="pool", split="test"))
    assert [[row.id, row.text] for row in found] == case["candidates"]
    questions = [
        (row, language)
        for language in case["documents"]
        for row in readers.lareqa(paths, language=language, split="test")
    ]
    assert [[row.id, language] for row, language in questions] == case["questions"]
    for row, language in questions:
        shared_id = row.id.removesuffix(f"_{language}")
        assert list(row.answers) == case["targets"][shared_id]


def test_mewslix_mentions_are_written_as_xtremes_baseline_writes_them(settings):
    (english,), _ = _sides("mewslix", "en", split="test", settings=settings)
    assert english.inputs == (
        "Helsinki: In { Helsinki } , the Finnish trade union for bus and truck drivers "
        "has gone on strike on Sunday evening, mainly over the use of part-time labor."
    )
    assert english.references == ("Q1757",)
    arabic, _ = _sides("mewslix", "ar", split="test", settings=settings)
    assert [query.references for query in arabic] == [("Q167217",), ("Q3447452",)]
    first, second = (query.inputs for query in arabic)
    assert first.startswith("أبو موسى: زار قائد الحرس الثوري الإيراني")
    assert "وهي جزر { أبو موسى } وطنب الكبرى وطنب الصغرى، في أول" in first
    assert "وطنب الكبرى و { طنب الصغرى } ، في أول" in second
    for language, queries in (("en", [english]), ("ar", arabic)):
        _check_round_trip("mewslix", queries, language=language)
    with pytest.raises(UserError, match=r"candidate_set_entities\.jsonl is needed"):
        _sides("mewslix", "pool", split="test", settings=settings)


def test_the_toy_searches_in_every_language_but_english(world_data):
    settings = TaskSettings(data_dir=str(world_data))
    family = catalog.family("world_retrieval")
    assert "en" not in family.languages
    for language in family.languages:
        queries, candidates = _sides(
            "world_retrieval", language, split="validation", settings=settings
        )
        assert len(queries) == len(candidates) == 4
        assert [q.references for q in queries] == [(c.id,) for c in candidates]
        _check_round_trip("world_retrieval", queries, language=language)


def test_seqio_sees_sentences_with_empty_targets(world_data):
    bytes_ = vocabulary.load("bytes")
    settings = TaskSettings(data_dir=str(world_data), vocabulary=bytes_)
    family = catalog.family("world_retrieval")
    task = build.build(family, "sw", settings=settings, for_cache=True)
    data = task.get_dataset(None, split="test", shuffle=False).as_numpy_iterator()
    queries, candidates = _sides(
        "world_retrieval", "sw", split="test", settings=settings
    )
    for element, example in zip(data, [*queries, *candidates], strict=True):
        assert element["inputs"].tolist() == [*bytes_.encode(example.inputs), 1]
        assert element["targets"].tolist() == [1]
        assert element["side"].decode() == example.side
        assert [each.decode() for each in element["references"]] == list(
            example.references
        )
    assert task.metric_fns == []  # what is decoded is not what is found
