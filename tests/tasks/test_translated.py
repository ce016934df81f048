"""Translated training sets: each release's layout, and what is damaged in them."""

from __future__ import annotations

import collections
import json

import pytest
from xtl_tasks import catalog, loading, translated
from xtl_tasks.loading import TaskSettings

from xtl_jax.errors import UserError

BUCKET = translated.ROOT


def _write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _rows(task, root, *, dropped=None):
    family, language = catalog.find(task)
    settings = TaskSettings(data_dir=str(root))
    return list(
        loading.rows(
            family, language, split="train", settings=settings, dropped=dropped
        )
    )


def test_xtremes_translation_of_mnli_has_the_english_pair_in_front(tmp_path):
    _write(
        tmp_path,
        f"{BUCKET}/XNLI/translate-train/en-sw-translated.tsv",
        "It rains.\tIt is wet.\tInanyesha.\tKuna maji.\tentailment\n"
        "It rains.\tIt is dry.\tInanyesha.\tNi kavu.\tcontradictory\n",
    )
    first, second = _rows("xnli_translated.sw", tmp_path)
    assert (first.first, first.second) == ("Inanyesha.", "Kuna maji.")
    assert (first.label, second.label) == ("entailment", "contradiction")


def test_xnlis_own_translation_of_mnli_has_a_header(tmp_path):
    _write(
        tmp_path,
        "XNLI-MT-1.0/multinli/multinli.train.ur.tsv",
        "premise\thypo\tlabel\nA B .\tA .\tneutral\nA B .\tC .\tcontradictory\n",
    )
    rows = _rows("xnli_translated.ur", tmp_path)
    assert [row.label for row in rows] == ["neutral", "contradiction"]


def test_a_line_of_xtremes_nli_without_five_columns_is_an_error(tmp_path):
    _write(
        tmp_path,
        f"{BUCKET}/XNLI/translate-train/en-de-translated.tsv",
        "a\tb\tc\td\tneutral\na\tb\tc\n",
    )
    with pytest.raises(UserError, match="line 2: unknown label ''"):
        _rows("xnli_translated.de", tmp_path)


def test_damaged_paraphrases_are_left_out_and_counted(tmp_path):
    _write(
        tmp_path,
        f"{BUCKET}/PAWSX/translate-train/en-de-translated.tsv",
        "a\tb\tEr kam.\tEr ging.\t0\na\tb\tverrutscht\n"
        "a\tb\tc\td\te\na\tb\tEr kam an.\tAn kam er.\t1\n",
    )
    dropped = collections.Counter()
    rows = _rows("pawsx_translated.de", tmp_path, dropped=dropped)
    assert [row.label for row in rows] == ["different_meaning", "paraphrase"]
    assert sum(dropped.values()) == 2


def test_xtremes_files_are_preferred_to_the_releases_own(tmp_path):
    own = "id\tsentence1\tsentence2\tlabel\n1\tA b .\tB a .\t1\n"
    _write(tmp_path, "x-final/fr/translated_train.tsv", own)
    (row,) = _rows("pawsx_translated.fr", tmp_path)
    assert row.first == "A b ."
    _write(
        tmp_path,
        f"{BUCKET}/PAWSX/translate-train/en-fr-translated.tsv",
        "a\tb\tc\td\t0\n",
    )
    (row,) = _rows("pawsx_translated.fr", tmp_path)
    assert row.first == "c"


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (
            "squad_translated.hi",
            f"{BUCKET}/SQuAD/translate-train/squad.translate.train.en-hi.json",
        ),
        (
            "tydiqa_goldp_translated.te",
            f"{BUCKET}/TyDiQA-GoldP/translate-train/tydiqa.translate.train.en-te.json",
        ),
    ],
)
def test_a_translated_answer_may_stand_nowhere_in_its_context(tmp_path, task, name):
    questions = [
        {
            "id": id,
            "question": "q?",
            "answers": [{"text": text, "answer_start": start}],
        }
        for id, text, start in (("7", "on two", 3), ("7", "elsewhere", 3))
    ]
    paragraph = {"context": "It is on two.", "qas": questions}
    _write(tmp_path, name, json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    first, second = _rows(task, tmp_path)
    assert (first.answers, first.answer_starts) == (("on two",), (6,))
    assert (second.answers, second.answer_starts) == (("elsewhere",), (-1,))
    assert first.id != second.id


def test_english_is_left_to_the_sets_themselves():
    for family in (
        *(translated.XNLI, translated.PAWSX),
        *(translated.SQUAD, translated.TYDIQA),
    ):
        assert "en" not in family.languages
        assert family.splits == ("train",)
        assert "not zero-shot" in family.card.traps
