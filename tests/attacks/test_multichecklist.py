"""MultiCheckList's templates, read and filled."""

from __future__ import annotations

import lzma

import pytest

from xtl_jax.attacks import multichecklist
from xtl_jax.errors import UserError

NAMES = ("Ada", "Alan", "Grace", "Emmy")
SMALL = """\
Field\ten\tfi\tfi-placeholders\tfi\tfi-placeholders
Name\tWho has it?\t\t\t\t
Capability\tTaxonomy\t\t\t\t
Context\t@ has {thing}.\t@ A {thing}\ta dog\t@ B {thing}\t
Question\tWho has {thing}?\tKuka {thing}?\t\t\t
Answer\t@\t@\t\t\t
thing\ta dog\tkoira\t\t\t
thing\ta cat\tkissa\t\t\t
""".replace("@", "{first_name}")


@pytest.fixture(scope="module")
def text(shared):
    path = shared / "data/multichecklist/checklist_templates.tsv.xz"
    return lzma.decompress(path.read_bytes()).decode()


def columns(text):
    header = text.split("\n")[0].strip().split("\t")[1:]
    return list(dict.fromkeys(each for each in header if not each.endswith("holders")))


def test_six_tests_in_fifty_languages_are_filled(text):
    assert len(columns(text)) == 50
    for language in columns(text):
        tests = multichecklist.parse(text, language=language)
        assert len(tests) == 6
        for test in tests:
            rows = multichecklist.fill(
                test, language=language, names=NAMES, seed=0, count=4
            )
            assert len(rows) == 4, (language, test.name)
            for row in rows:
                (answer,), (start,) = row.answers, row.answer_starts
                assert row.context[start : start + len(answer)] == answer
                assert not set("{}[]") & set(row.context + row.question)


def test_an_english_test_asks_what_its_context_says(text):
    test = multichecklist.parse(text, language="en")[0]
    for row in multichecklist.fill(test, language="en", names=NAMES, seed=1, count=20):
        first, rest = row.context.split(" is ")
        comparative, second = rest.removesuffix(".").split(" than ")
        asked = row.question.removesuffix("?")
        wanted = first if asked == f"Who is {comparative}" else second
        assert row.answers == (wanted,)


def test_the_wording_is_that_of_the_word():
    (test,) = multichecklist.parse(SMALL, language="fi")
    rows = multichecklist.fill(test, language="fi", names=NAMES, seed=0, count=8)
    for row in rows:
        assert (" A " in row.context) == ("koira" in row.context)
    assert {row.context.split()[1] for row in rows} == {"A", "B"}


def test_the_same_seed_fills_the_same(text):
    test = multichecklist.parse(text, language="hi")[2]
    rows = [
        multichecklist.fill(test, language="hi", names=NAMES, seed=seed, count=3)
        for seed in (0, 0, 1)
    ]
    assert rows[0] == rows[1] != rows[2]


@pytest.mark.parametrize(
    ("given", "language", "wanted"),
    [
        ("", "en", "first line must begin with 'Field'"),
        (SMALL, "fr", "no column 'fr'"),
        (SMALL.replace("\tkoira", ""), "fi", "line 7: 5 fields, the first line has 6"),
        (SMALL.replace("Answer", "thing"), "fi", "has no Answer below"),
    ],
)
def test_bad_files_are_named(given, language, wanted):
    with pytest.raises(UserError, match=wanted):
        multichecklist.parse(given, language=language)


def test_two_names_are_too_few():
    (test,) = multichecklist.parse(SMALL, language="en")
    with pytest.raises(UserError, match="3 different names"):
        multichecklist.fill(test, language="en", names=("A", "B"), seed=0, count=1)
