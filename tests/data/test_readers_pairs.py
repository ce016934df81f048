"""Pairs of texts, in each release's layout: rows checked, each defect named."""

from __future__ import annotations

import collections
import csv
import io
import json

import pytest

from xtl_jax.data import readers
from xtl_jax.errors import UnlabelledError, UserError


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


def test_anli_has_one_letter_labels(tmp_path):
    records = [
        {"uid": f"u{n}", "context": "p", "hypothesis": f"h{n}", "label": label}
        for n, label in enumerate("enc")
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    rows = _nli(tmp_path, "dev.jsonl", text)
    assert (rows[0].id, rows[0].first, rows[0].second) == ("u0", "p", "h0")
    assert [r.label for r in rows] == ["entailment", "neutral", "contradiction"]
    with pytest.raises(UserError, match="id 'u0' is there a second time"):
        _nli(tmp_path, "dev.jsonl", text + text)


def test_one_blank_line_at_the_end_is_no_row_and_elsewhere_an_error(tmp_path):
    row = "neutral\tp\th\ta\tneutral\tneutral\n"
    assert len(_nli(tmp_path, "m.txt", MULTINLI + row + "\n")) == 1
    for text in (MULTINLI + "\n" + row, MULTINLI + row + "\n\n"):
        with pytest.raises(UserError, match="has 1 columns, 6"):
            _nli(tmp_path, "m.txt", text)
    assert len(_nli(tmp_path, "d.tsv", "a\tb\tneutral\n\n")) == 1
    csv_text = "premise,hypothesis,label\na,b,0\n"
    assert len(_nli(tmp_path, "w.csv", csv_text + "\n")) == 1
    with pytest.raises(UserError, match="line 3: has 0 columns, 3"):
        _nli(tmp_path, "w.csv", csv_text + "\nc,d,0\n")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path):
    text = MULTINLI + "neutral\tp\th\ta\tneutral\tneutral\n"
    plain = _nli(tmp_path, "m.txt", text)
    assert _nli(tmp_path, "m.txt", "\ufeff" + text.replace("\n", "\r\n")) == plain


# --- paraphrases ------------------------------------------------------------------

HEADER = "id\tsentence1\tsentence2\tlabel\n"


def _paraphrase(tmp_path, text, *, name="p.tsv", dropped=None):
    path = tmp_path / name
    path.write_bytes(text.encode())
    rows = readers.paraphrase(path, language="fr", split="test", dropped=dropped)
    return list(rows)


@pytest.mark.parametrize("header", ["", "sentence1\tsentence2\tlabel\n"])
def test_paraphrases_with_and_without_header(tmp_path, header):
    rows = _paraphrase(tmp_path, header + "a\tb\t1\nc\td\t0\n")
    assert [row.label for row in rows] == ["paraphrase", "different_meaning"]
    with pytest.raises(UserError, match=r"unknown label '2'; allowed: 0"):
        _paraphrase(tmp_path, header + "a\tb\t1\nc\td\t2\n")
    with pytest.raises(UnlabelledError, match="the split 'test' is unlabelled"):
        _paraphrase(tmp_path, header.replace("\tlabel", "") + "a\tb\nc\td\n")


def test_paws_x_has_ids(tmp_path):
    (row,) = _paraphrase(tmp_path, HEADER + "25\ta\tb\t1\n")
    assert row.id == "25"
    with pytest.raises(UserError, match="id '25' is there a second time"):
        _paraphrase(tmp_path, HEADER + "25\ta\tb\t1\n" * 2)
    with pytest.raises(UserError, match="line 2: has 3 columns, 4"):
        _paraphrase(tmp_path, HEADER + "25\ta\tb\n")
    with pytest.raises(UserError, match=r"\(id '25'\): the second text is blank"):
        _paraphrase(tmp_path, HEADER + "25\ta\t \t1\n")


def _written_by_csv(rows):
    with io.StringIO(newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows(rows)
        return stream.getvalue()


@pytest.mark.parametrize("levels", [1, 2])
def test_doubled_quotes_are_undone_as_often_as_they_were_written(tmp_path, levels):
    rows = [('"Angel" est "beau".', "C'est «Angel».", "1"), ("a", 'dit "b"', "0")]
    text = _written_by_csv(rows)
    for _ in range(levels - 1):  # XTREME's preprocessing, which splits at tabs alone
        text = _written_by_csv(line.split("\t") for line in text.splitlines())
    found = _paraphrase(tmp_path, text)
    assert [(row.first, row.second) for row in found] == [row[:2] for row in rows]


def test_quotes_mean_nothing_where_one_is_not_doubled(tmp_path):
    text = '"Tout ""ceci"" est vrai."\tIl dit "non.\t1\n'
    (row,) = _paraphrase(tmp_path, text)
    assert (row.first, row.second) == ('"Tout ""ceci"" est vrai."', 'Il dit "non.')
    (row,) = _paraphrase(tmp_path, '"Oui."\tNon.\t0\n')  # a sentence in quotes
    assert row.first == '"Oui."'


def test_damaged_labels_are_dropped_from_machine_translations_alone(tmp_path):
    text = HEADER + "1\ta\tb\t1\n2\tc\td\te\n"
    dropped: collections.Counter[str] = collections.Counter()
    rows = _paraphrase(tmp_path, text, name="translated_train.tsv", dropped=dropped)
    assert ([row.id for row in rows], dropped) == (["1"], {"damaged label": 1})
    with pytest.raises(UserError, match="unknown label 'e'"):
        _paraphrase(tmp_path, text, name="train.tsv")


# --- duplicate questions ----------------------------------------------------------

GLUE = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"


def _duplicates(tmp_path, name, text, *, dropped=None):
    path = tmp_path / name
    path.write_bytes(text.encode())
    rows = readers.duplicates(path, language="en", split="train", dropped=dropped)
    return list(rows)


def test_glues_quotes_mean_nothing(tmp_path):
    text = GLUE + '7\t1\t2\tWhat is "tare?\t"Tare"?\t1\n8\t3\t4\ta?\tb?\t0\n'
    first, second = _duplicates(tmp_path, "train.tsv", text)
    assert (first.id, first.first, first.second) == ("7", 'What is "tare?', '"Tare"?')
    assert (first.label, second.label) == ("duplicate", "not_duplicate")


def test_quoras_own_quotes_hold_line_ends(tmp_path):
    rows = [
        ("0", "1", "2", 'What is "tare"?', "Tare,\nwhat is it?", "1"),
        ("1", "3", "4", "a?", "", "0"),
    ]
    text = GLUE + _written_by_csv(rows)
    dropped: collections.Counter[str] = collections.Counter()
    name = "quora_duplicate_questions.tsv"
    (row,) = _duplicates(tmp_path, name, text, dropped=dropped)
    assert (row.first, row.second) == rows[0][3:5]
    assert dropped == {"blank question": 1}
    with pytest.raises(UserError, match=r"has [45] columns, 6"):
        _duplicates(tmp_path, "train.tsv", text)


def test_kaggles_and_headless_files(tmp_path):
    text = GLUE.replace("\t", ",") + '0,1,2,"a, b?",c?,0\n'
    (row,) = _duplicates(tmp_path, "train.csv", text)
    assert (row.first, row.label) == ("a, b?", "not_duplicate")
    (row,) = _duplicates(tmp_path, "dev.txt", "a ?\tb ?\t1\n")
    assert (row.id, row.label) == ("0", "duplicate")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("id\tquestion1\tquestion2\n0\ta?\tb?\n", "is unlabelled (fields: id,"),
        (GLUE + "7\t1\t2\ta?\tb?\tyes\n", "unknown label 'yes'; allowed: 0 (not"),
        (GLUE + "7\t1\t2\ta?\t\t0\n", "(id '7'): the second text is blank"),
        (GLUE + "7\t1\t2\ta?\n", "line 2: has 4 columns, 6 (id"),
        (GLUE, "holds no labelled row in 'en'"),
        ("a?\tb?\n", "is unlabelled (2 columns instead of 3: question1"),
    ],
)
def test_bad_duplicates_are_named(tmp_path, text, wanted):
    with pytest.raises(UserError) as error:
        _duplicates(tmp_path, "train.tsv", text)
    assert wanted in str(error.value)
