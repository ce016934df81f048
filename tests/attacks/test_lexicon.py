"""Lexicons read, written, and built from translated sentences."""

from __future__ import annotations

import itertools

import pytest

from tests.attacks import real_rows
from xtl_jax.attacks import lexicon, lexicon_build
from xtl_jax.errors import UserError


def test_both_separators_are_read_and_what_is_written_reads_back():
    given = ["\ufeffcat Katze\n", "cat\tKater\r\n", "", "new\tganz neu", "ada ada"]
    found = lexicon.parse(given, source="en", target="de")
    assert found.entries == {"cat": ("Katze", "Kater"), "new": ("ganz neu",)}
    again = lexicon.parse(lexicon.lines(found), source="en", target="de")
    assert again == found


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["cat"], "words.txt, line 1: 'cat' is no pair"),
        (["a b", "new ganz neu"], "line 2: .* has 3 words; put a tab"),
        (["a\t"], "line 1"),
        ([], "no pair of different words"),
        (["ada ada"], "no pair of different words"),
    ],
)
def test_bad_files_are_named(given, wanted):
    with pytest.raises(UserError, match=wanted):
        lexicon.parse(given, source="en", target="de", name="words.txt")


def test_words_of_an_artificial_language_are_found_again():
    # Every sentence of four of eight words, its translation in another order.
    english = ["sun", "moon", "sky", "sea", "tree", "bird", "stone", "fire"]
    other = [word[::-1] + "u" for word in english]
    pairs = [
        (
            " ".join(chosen),
            " ".join(reversed([other[english.index(w)] for w in chosen])),
        )
        for chosen in itertools.combinations(english, 4)
    ]
    found = lexicon_build.build(pairs, source="en", target="sw")
    assert found.entries == {
        word: (translation,)
        for word, translation in sorted(zip(english, other, strict=True))
    }


def test_rare_words_and_words_that_stand_beside_everything_are_left_out():
    pairs = [("the cat", "le chat"), ("the dog", "le chien"), ("the cat", "le chat")]
    found = lexicon_build.build(pairs, source="en", target="fr", least=2)
    assert found.entries == {"cat": ("chat",), "the": ("le",)}


def test_real_translations_give_real_words(shared):
    german, english = (
        real_rows.inferences(shared / "data", each) for each in ("de", "en")
    )
    pairs = [
        (ours.second, theirs.second)
        for ours, theirs in zip(english[:1200], german[:1200], strict=True)
    ]
    found = lexicon_build.build(pairs, source="en", target="de").entries
    known = {
        "and": "und",
        "not": "nicht",
        "people": "menschen",
        "he": "er",
        "is": "ist",
    }
    assert {word: found[word][0] for word in known} == known
    assert len(found) > 100


@pytest.mark.parametrize("language", ["zh", "th"])
def test_languages_without_spaces_are_refused(language):
    with pytest.raises(UserError, match=f"{language!r}, which puts no spaces"):
        lexicon_build.build([("a", "b")], source="en", target=language)
