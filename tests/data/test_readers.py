"""Rows checked: each defect is one error that names file, row, field and value."""

from __future__ import annotations

import json

import pytest

from xtl_jax.data import readers
from xtl_jax.data.readers import ReadOptions
from xtl_jax.errors import UnlabelledError, UserError

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


def _read_v2(path):
    return list(readers.squad_v2(path, language="en", split="train"))


def test_questions_without_an_answer_are_rows_of_version_2(tmp_path):
    plausible = [{"text": "Zug", "answer_start": 4}]
    path = _squad(tmp_path, answers=[], is_impossible=True, plausible_answers=plausible)
    first, second = _read_v2(path)
    assert (first.answers, first.answer_starts) == (("7:45",), (17,))
    assert (second.answers, second.answer_starts) == ((), ())


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"answers": []}, "(id '2'): has no answer"),
        ({"answers": [], "is_impossible": False}, "(id '2'): has no answer"),
        ({"is_impossible": True}, "is marked unanswerable and has 1 answers"),
        ({"answers": [], "is_impossible": "yes"}, "must be true or false, got 'yes'"),
    ],
)
def test_bad_questions_of_version_2_are_named(tmp_path, changes, wanted):
    path = _squad(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        _read_v2(path)
    assert wanted in str(error.value)


def test_a_stripped_file_of_version_2_is_refused(tmp_path):
    document = json.loads(_squad(tmp_path, answers=[]).read_text())
    document["data"][0]["paragraphs"][0]["qas"][0]["answers"] = []
    path = _squad(tmp_path, raw=json.dumps(document))
    with pytest.raises(UnlabelledError, match=r"all 2 answers are empty"):
        _read_v2(path)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ('{"data": [', "line 1, column 11, character 10 of 10 (its end: the file is"),
        ('{"data": "\\ud83d"}', "holds \\ud83d alone, one half of an escaped"),
        ('{"data": 1' + "0" * 5000 + "}", "is not JSON of this format"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_json_that_no_program_can_use_is_named(tmp_path, raw, wanted):
    with pytest.raises(UserError) as error:
        _read(_squad(tmp_path, raw=raw))
    assert wanted in str(error.value)


def test_an_escaped_pair_is_one_character(tmp_path):
    path = _squad(tmp_path, question="Wann \U0001f682?")
    assert "\\ud83d\\ude82" in path.read_text()
    assert _read(path)[1].question == "Wann \U0001f682?"


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
