"""Overlap of training and evaluation texts, by hand and on real data."""

from __future__ import annotations

import json
import lzma

import numpy as np
import pytest

from xtl_jax.data import overlap, readers, shingles
from xtl_jax.data.rows import (
    ChoiceRow,
    PairRow,
    QuestionRow,
    RetrievalRow,
    TaggedRow,
    TextRow,
)


def _question(name, question, context):
    return QuestionRow(
        id=name, question=question, context=context, answers=("x",), answer_starts=(0,)
    )


# 20 words, so 8 runs of 13.
LONG = (
    "The Norman dynasty had a major political, cultural and military impact on "
    "medieval Europe and even the distant Near East."
)
CHINESE = (  # 51 characters without spaces
    "诺曼王朝对中世纪欧洲乃至近东都产生了重大的政治文化"
    "和军事影响其后裔至今仍生活在那里的许多城市与乡村之间"
)


def _found(training, evaluation):
    found = overlap.Index({"evaluation": evaluation}).search(training)["evaluation"]
    return {each.kind: each for each in found}


def _counts(training, evaluation):
    found = _found(training, evaluation)
    return {kind: (each.shared, each.total) for kind, each in found.items()}


def test_the_same_paragraph_with_other_questions_is_found():
    training = [_question("a", "Who?", LONG), _question("b", "When?", LONG)]
    evaluation = [
        _question("c", "where?", LONG.upper()),
        _question("d", "How?", "Another text."),
        _question("e", "WHEN ?", "Another text."),
    ]
    assert _counts(training, evaluation) == {
        "item": (2, 3),
        "passage": (1, 1),
        "question": (1, 3),
        "context": (1, 2),
        "id": (0, 3),
    }


def test_a_translation_under_the_same_id_is_found():
    training = [_question("56beb4", "Who?", LONG)]
    evaluation = [_question("56beb4", "谁？", "诺曼王朝")]
    assert _counts(training, evaluation)["id"] == (1, 1)


def test_row_numbers_are_no_ids():
    training = [_question("7", "Who?", LONG)]
    found = _counts(training, [_question("7", "谁？", "诺曼王朝")])
    assert found == {"item": (0, 1), "question": (0, 1), "context": (0, 1)}


@pytest.mark.parametrize(
    "training",
    [
        f"Before that, {LONG} And after it came others.",  # inside a longer one
        " ".join(LONG.split()[2:17]),  # a part of it
        LONG.replace(",", " –").upper(),
        LONG.replace("Norman", "Nor\u00adman"),  # a soft hyphen
    ],
)
def test_a_paragraph_cut_otherwise_is_found_and_its_words_shown(training):
    found = _found([TextRow(id="0", text=training)], [_question("a", "Who?", LONG)])
    assert (found["passage"].shared, found["passage"].total) == (1, 1)
    shown = found["passage"].samples[0]
    assert len(shown.split()) == 13
    assert shown in " ".join(shingles.units(LONG))
    assert (found["item"].shared, found["item"].total) == (1, 1)


def test_scripts_without_spaces_are_compared_by_character():
    inside = f"此前{CHINESE[4:44]}，2008年以后。"
    found = _found([TextRow(id="0", text=inside)], [_question("a", "谁？", CHINESE)])
    assert found["passage"].shared == 1
    assert found["passage"].samples == (CHINESE[4:36],)
    other = CHINESE[::-1]
    found = _found([TextRow(id="0", text=other)], [_question("a", "谁？", CHINESE)])
    assert found["passage"].shared == 0


def test_a_phrase_that_many_texts_have_is_no_overlap():
    phrase = "had someone living alone who was 65 years of age or older the"
    rest = " ".join(f"word{number}" for number in range(200))
    training = [TextRow(id="0", text=f"{phrase} town")]
    # 1 of 201 runs is shared; of the shorter text 1 of 2 is.
    evaluation = [
        _question("a", "Who?", f"{phrase} {rest}"),
        _question("b", "Who?", f"{phrase} village"),
    ]
    assert _counts(training, evaluation)["passage"] == (1, 2)


def test_pairs_are_compared_as_pairs():
    training = [PairRow(id="1", first="It rains.", second="It is wet.", label="1")]
    evaluation = [
        PairRow(id="9", first="it rains", second="It is wet!", label="0"),
        PairRow(id="1", first="It rains.", second="It is dry.", label="2"),
        PairRow(id="2", first="It rains. It", second="is wet.", label="2"),
    ]
    assert _counts(training, evaluation) == {"item": (1, 3), "pair": (1, 3)}


def test_the_other_kinds_of_rows_are_covered():
    training = [
        ChoiceRow(id="1", context="I fell.", question="cause", options=("A", "B"),
                  answer=0),
        TaggedRow(id="2", tokens=("Ada", "slept", "."), tags=("A", "B", "C")),
        RetrievalRow(id="3", text="Guten Tag!", side="query"),
        TextRow(id="4", text="A line."),
    ]  # fmt: skip
    evaluation = [
        ChoiceRow(id="5", context="I fell", question="cause", options=("a", "b"),
                  answer=1),
        TaggedRow(id="6", tokens=("A", "line"), tags=("A", "B")),
        RetrievalRow(id="7", text="guten tag", side="candidate"),
        TextRow(id="8", text="ada slept"),
        TextRow(id="9", text="Something else."),
    ]  # fmt: skip
    assert _counts(training, evaluation) == {
        "item": (4, 5),
        "pair": (1, 1),
        "sentence": (3, 4),
    }


def test_kinds_that_cannot_be_compared_are_not_reported_as_clean():
    training = [PairRow(id="1", first="a", second="b", label="1")]
    assert _counts(training, [_question("a", "Who?", "Ada.")]) == {}
    # A long context can be compared with anything.
    found = _counts(training, [_question("a", "Who?", LONG)])
    assert found == {"item": (0, 1), "passage": (0, 1)}


def test_several_sets_are_searched_at_once_and_an_empty_one_is_no_harm():
    index = overlap.Index(
        {
            "one": [_question("a", "Who?", LONG)],
            "two": [_question("b", "What?", LONG), _question("c", "Why?", "x")],
            "none": [],
        }
    )
    found = index.search([TextRow(id="0", text=LONG)])
    shared = {name: [each.shared for each in all] for name, all in found.items()}
    assert shared == {"one": [1, 1, 0, 1], "two": [1, 1, 0, 1], "none": []}
    # Nothing is remembered from one search to the next.
    assert not any(each.shared for each in index.search([])["one"])


def test_texts_across_batches_are_found(monkeypatch):
    monkeypatch.setattr(overlap, "_BATCH", 10)
    rows = [_question(f"q{n}", f"Who {n}?", f"{n} {LONG} {n}") for n in range(50, 60)]
    assert _counts(rows[:3] + rows[5:], rows)["context"] == (8, 10)
    assert _counts(rows[:1], rows)["passage"] == (10, 10)


def test_runs_are_windows_of_one_text():
    texts = [[f"w{n}" for n in range(length)] for length in (12, 13, 15, 0, 14)]
    runs = shingles.Hasher().runs(texts)
    places = list(zip(runs.owners.tolist(), runs.starts.tolist(), strict=True))
    assert places == [(1, 0), (2, 0), (2, 1), (2, 2), (4, 0), (4, 1)]
    assert len(np.unique(runs.hashes)) == 3  # the three windows of the longest


def test_hashes_are_the_same_in_every_process():
    # A polynomial in exact arithmetic, and BLAKE2b as `b2sum` computes it.
    words = [f"w{n}" for n in range(13)]
    value = 0
    for word in words:
        value = (value * 0x9E3779B97F4A7C15 + (shingles.digest(word) & ~1)) % 2**64
    assert shingles.Hasher().runs([words]).hashes.tolist() == [value]
    assert shingles.digest("abc") == int.from_bytes(
        bytes.fromhex("d8bb14d833d59559"), "little"  # printf abc | b2sum -l 64
    )  # fmt: skip


def _squad(shared, name, language="en"):
    path = shared / "data" / name
    return list(readers.squad(path, language=language, split="x"))


@pytest.fixture(scope="module")
def squad_targets(shared):
    """XQuAD in four scripts, LAReQA and MLQA's English dev set."""
    sets = {
        f"xquad.{language}": _squad(shared, f"xquad/xquad.{language}.json.xz", language)
        for language in ("en", "ru", "th", "zh")
    }
    sets["lareqa.en"] = _squad(shared, "lareqa/xquad-r/en.json.xz")
    name = "mlqa/MLQA_V1/dev/dev-context-en-question-en.json.xz"
    sets["mlqa.en"] = _squad(shared, name)
    return overlap.Index(sets)


def _shared(found):
    return {
        name: {each.kind: each.shared for each in kinds if each.shared}
        for name, kinds in found.items()
    }


def test_squads_dev_paragraphs_are_xquads_and_lareqas(shared, squad_targets):
    found = _shared(squad_targets.search(_squad(shared, "squad/dev-v1.1.json.xz")))
    for name in ("xquad.en", "lareqa.en"):
        assert found[name]["context"] == 240  # all of XQuAD's paragraphs
        assert found[name]["item"] == found[name]["id"] == 1190
    assert found["xquad.zh"] == {"item": 1190, "id": 1190}
    assert found["mlqa.en"]["item"] == 1  # 1 of 1,148: a sentence taken over


@pytest.mark.parametrize(
    "name", ["squad/train-subset-v1.1.json.xz", "squad/train-v1.1.first1027.json.xz"]
)
def test_squads_training_rows_are_clean_against_xquad(shared, squad_targets, name):
    found = _shared(squad_targets.search(_squad(shared, name)))
    assert not any(found[f"xquad.{language}"] for language in ("en", "ru", "th", "zh"))
    assert not found["lareqa.en"]


@pytest.mark.parametrize("language", ["en", "ru", "th", "zh"])
def test_wikipedia_text_holds_the_evaluation_paragraphs(
    shared, squad_targets, language, tmp_path
):
    path = shared / f"data/raw_text/wiki_qa_contexts/{language}.txt.xz"
    whole = lzma.decompress(path.read_bytes()).decode()
    # As one text without its paragraphs: no line is a context any more.
    row = TextRow(id="0", text=json.dumps(whole.split("\n"), ensure_ascii=False))
    found = _shared(squad_targets.search([row]))[f"xquad.{language}"]
    assert "context" not in found
    assert found["passage"] >= 240
    assert found["item"] == 1190
