"""Lexicon files that a run names: what is wrong with one is told with its name."""

from __future__ import annotations

import pytest

from xtl_jax.cli import lexicons
from xtl_jax.errors import UserError


def test_a_lexicon_is_found_by_its_two_languages(tmp_path):
    path = tmp_path / "en-de.txt"
    path.write_text("cat Katze\n", encoding="utf-8")
    (key, found), *others = lexicons.read({"en-de": str(path)}).items()
    assert (key, others) == (("en", "de"), [])
    assert found.entries == {"cat": ("Katze",)}


@pytest.mark.parametrize(
    ("pair", "content", "says"),
    [
        ("ende", b"cat Katze", "attack_lexicons has 'ende'; its names are two lang"),
        ("-de", b"cat Katze", "attack_lexicons has '-de'; .*, such as 'en-de'"),
        ("en-de", None, r"lexicon .*words\.txt: cannot be read \(.*No such file"),
        ("en-de", b"\xff", r"lexicon .*words\.txt: cannot be read \(.*utf-8"),
        ("en-de", b"cat", r"words\.txt, line 1: 'cat' is no pair of words"),
    ],
)
def test_what_is_none_is_named(tmp_path, pair, content, says):
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=says):
        lexicons.read({pair: str(path)})
