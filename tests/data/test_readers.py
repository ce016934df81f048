"""Rows checked: each defect is one error that names file, row, field and value."""

from __future__ import annotations

import collections
import json

import pytest

from xtl_jax.data import readers
from xtl_jax.data.readers import ReadOptions
from xtl_jax.errors import UserError

CONTEXT = "Der Zug fährt um 7:45 ab."


def _squad(tmp_path, *, name="q.json", raw=None, context=CONTEXT, **changes):
    """A file with one good question, then one with changes."""
    good = {
        "id": "1",
        "question": "Wann?",
        "answers": [{"text": "7:45", "answer_start": 17}],
    }
    changed = {**good, "id": "2", **changes}
    changed = {key: value for key, value in changed.items() if value is not None}
    document = {
        "data": [{"paragraphs": [{"context": context, "qas": [good, changed]}]}]
    }
    path = tmp_path / name
    path.write_text(json.dumps(document) if raw is None else raw, encoding="utf-8")
    return path


def _read(path, **options):
    return list(
        readers.squad(
            path, language="de", split="train", options=ReadOptions(**options)
        )
    )


def test_a_good_question_file(tmp_path):
    first, second = _read(_squad(tmp_path))
    assert (first.id, first.answers, first.answer_starts) == ("1", ("7:45",), (17,))
    assert second.context == CONTEXT


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"answers": []}, "(id '2'): has no answer"),
        ({"answers": None}, "field 'answers' is missing; there are: id, question"),
        ({"answers": "7:45"}, "field 'answers' must be a list, got '7:45'"),
        ({"question": None}, "field 'question' is missing"),
        ({"question": " "}, "field 'question' is blank"),
        ({"question": 5}, "field 'question' must be a text, got 5"),
        ({"id": None}, "qas[1]: field 'id' is missing"),
        ({"id": "1"}, "id '1' is there a second time"),
        ({"is_impossible": True}, "marked unanswerable (SQuAD 2.0)"),
        (
            {"answers": [{"text": "8:45", "answer_start": 17}]},
            "answers[0]: answer '8:45' is not in its context",
        ),
        (
            {"answers": [{"text": "7:45", "answer_start": 18}]},
            "answer_start is 18, where the context has ':45 ', but the answer is "
            "'7:45', first found at 17",
        ),
        ({"answers": [{"text": "7:45", "answer_start": -8}]}, "answer_start is -8"),
        (
            {"answers": [{"text": "7:45", "answer_start": "17"}]},
            "field 'answer_start' must be a whole number, got '17'",
        ),
        (
            {"answers": [{"text": "7:45", "answer_start": True}]},
            "field 'answer_start' must be a whole number, got True",
        ),
        ({"answers": [{"text": "7:45"}]}, "field 'answer_start' is missing"),
        (
            {"answers": [{"text": "", "answer_start": 0}]},
            "(id '2'), answers[0]: field 'text' is blank: ''",
        ),
    ],
)
def test_bad_questions_are_named(tmp_path, changes, wanted):
    path = _squad(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        _read(path)
    assert wanted in str(error.value)
    assert str(path) in str(error.value)
    assert "data[0].paragraphs[0].qas[1]" in str(error.value)


def test_offsets_may_be_replaced_by_the_first_occurrence(tmp_path):
    path = _squad(tmp_path, answers=[{"text": "7:45", "answer_start": 3}])
    rows = _read(path, answer_offsets="first_occurrence")
    assert rows[1].answer_starts == (17,)
    with pytest.raises(UserError, match="answer_offsets is 'off'; allowed"):
        ReadOptions(answer_offsets="off")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ('{"data": [', "line 1, column 11, character 10 of 10 (its end: the file is"),
        ('{"data": [],\n x}', "at line 2, column 2, character 14 of 16"),
        ("[]", "top level: a JSON object is needed, got []"),
        ('{"rows": []}', "field 'data' is missing; there are: rows"),
        ('{"data": []}', "field 'data' is empty"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', "field 'context' is missing"),
        ('{"data": [3]}', "data[0]: a JSON object is needed, got 3"),
    ],
)
def test_a_file_that_is_not_squad_is_named_by_place(tmp_path, raw, wanted):
    with pytest.raises(UserError) as error:
        _read(_squad(tmp_path, raw=raw))
    assert wanted in str(error.value)


def test_an_unlabelled_file_is_refused_as_a_whole(tmp_path):
    empty = [{"text": "", "answer_start": 0}]
    document = json.loads(_squad(tmp_path, answers=empty).read_text())
    document["data"][0]["paragraphs"][0]["qas"][0]["answers"] = empty
    path = _squad(tmp_path, raw=json.dumps(document))
    with pytest.raises(UserError, match=r"q\.json: the split 'train' is unlabelled"):
        _read(path)


def test_repeated_ids_are_numbered_where_the_release_repeats_them(tmp_path):
    path = _squad(tmp_path, id="1")
    rows = readers.squad(path, language="de", split="train", may_repeat=lambda id: True)
    assert [row.id for row in rows] == ["1", "1#2"]


# --- pairs ------------------------------------------------------------------------


def _nli(tmp_path, name, text, *, language="en", dropped=None):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return list(readers.nli(path, language=language, split="dev", dropped=dropped))


MULTINLI = "gold_label\tsentence1\tsentence2\tpairID\tlabel1\tlabel2\n"


def test_multinli_rows_without_gold_are_dropped_and_counted(tmp_path):
    dropped: collections.Counter[str] = collections.Counter()
    text = MULTINLI + (
        'neutral\tHe said "no\tIt\'s "late"\ta\tneutral\tneutral\n'
        "-\tp\th\tb\tneutral\tentailment\n"
        "entailment\tp\th\tc\tentailment\n"  # training rows have one annotator
    )
    rows = _nli(tmp_path, "m.txt", text, dropped=dropped)
    assert [(r.id, r.label) for r in rows] == [("a", "neutral"), ("c", "entailment")]
    assert rows[0].first == 'He said "no'  # quotes mean nothing
    assert dropped == {"no gold label": 1}


def test_one_language_of_a_file_of_all(tmp_path):
    head = "language\tgold_label\tsentence1\tsentence2\tpairID\tmatch\n"
    rows = "sw\tneutral\tA\tB\t1\tTrue\nde\tentailment\tC\tD\t1\tTrue\n"
    (row,) = _nli(tmp_path, "x.tsv", head + rows, language="de")
    assert (row.first, row.label) == ("C", "entailment")
    with pytest.raises(UserError, match="holds no labelled row in 'ur'"):
        _nli(tmp_path, "x.tsv", head + rows, language="ur")


def test_xtreme_rows_are_numbered_and_one_line_end_is_enough(tmp_path):
    rows = _nli(tmp_path, "d.tsv", 'a "b\tc\tneutral\r\nd\te\tcontradictory\n')
    assert [(r.id, r.first, r.label) for r in rows] == [
        ("0", 'a "b', "neutral"),
        ("1", "d", "contradiction"),
    ]


def test_csv_has_quotes_and_digits(tmp_path):
    text = 'id,premise,hypothesis,language,label\n7,"a, ""b""",c,English,2\n'
    (row,) = _nli(tmp_path, "w.csv", text)
    assert (row.id, row.first, row.label) == ("7", 'a, "b"', "contradiction")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("d.tsv", "a\tb\tneutral\na\tb\tc\td\n", "line 2: has 4 columns, 3 (premise"),
        ("d.tsv", "a\tb\tneutral\n\na\tb\tneutral\n", "line 2: has 1 columns"),
        ("d.tsv", "a\tb\tyes\n", "line 1: unknown label 'yes'; allowed: entailment"),
        ("d.tsv", "a\tb\nc\td\n", "the split 'dev' is unlabelled (2 columns"),
        ("d.tsv", " \tb\tneutral\n", "line 1 (id '0'): the first text is blank"),
        ("m.txt", MULTINLI + "neutral\tp\th\n", "line 2: has 3 columns, 6 ("),
        (
            "m.txt",
            MULTINLI + "neutral\tp\th\ta\tneutral\n" * 2,
            "line 3: id 'a' is there a sec",
        ),
        ("t.tsv", "index\tsentence1\tsentence2\n0\ta\tb\n", "is unlabelled (fields: i"),
        ("j.jsonl", '{"sentence1": "a"}\n', "has fields sentence1; needed: sentence1/"),
        ("j.jsonl", '{"a": 1}\n{"b\n', "has fields a; needed"),
        ("j.jsonl", "[1]\n", "line 1: is no JSON object"),
        (
            "j.jsonl",
            '{"sentence1": "a", "sentence2": 3, "gold_label": "neutral"}\n',
            "line 1: field 'sentence2' is missing or no text: 3",
        ),
        ("j.jsonl", '{"sentence1": "a\n', "line 1: is not JSON"),
        ("w.csv", "premise,hypothesis,label\na,b\n", "line 2: has 2 columns, 3 (prem"),
        ("w.csv", 'premise,hypothesis,label\n"a,b,0\n', "is not CSV"),
    ],
)
def test_bad_pairs_are_named(tmp_path, name, text, wanted):
    with pytest.raises(UserError) as error:
        _nli(tmp_path, name, text)
    assert wanted in str(error.value)
    assert str(tmp_path / name) in str(error.value)


def test_paraphrases(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("a\tb\t1\nc\td\t0\n")
    rows = list(readers.paraphrase(path, language="en", split="test"))
    assert [row.label for row in rows] == ["paraphrase", "different_meaning"]
    path.write_text("a\tb\t1\nc\td\t2\n")
    with pytest.raises(UserError, match="line 2: unknown label '2'; allowed: 0"):
        list(readers.paraphrase(path, language="en", split="test"))


def test_texts(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("one\n\n  two \n")
    rows = list(readers.text_lines(path, language="en", split="train"))
    assert [(row.id, row.text) for row in rows] == [
        ("t.txt:1", "one"),
        ("t.txt:3", "two"),
    ]
    path.write_text("\n \n")
    with pytest.raises(UserError, match="holds blank lines only"):
        list(readers.text_lines(path, language="en", split="train"))


def test_a_release_file_with_too_few_rows_is_refused():
    rows = readers.check_count([1, 2], expected=3, name="f.json", what="squad_v1/train")
    with pytest.raises(UserError, match=r"has 2 rows, the release has 3; .*--file"):
        list(rows)
