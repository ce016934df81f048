"""`xtl attacks` lists and shows attacks, and writes their page."""

from __future__ import annotations

import json

import pytest

from xtl_jax.attacks import catalog, examples
from xtl_jax.cli import attacks, attacks_page, docs


def test_every_attack_is_listed(xtl):
    done = xtl("attacks", "--json")
    listed = json.loads(done.out)["attacks"]
    assert [each["name"] for each in listed] == list(catalog.names())
    plain = xtl("attacks").out
    assert all(name in plain for name in catalog.names())


def test_an_attack_is_shown_in_six_scripts(xtl):
    shown = json.loads(xtl("attacks", "upper_case", "--json").out)["examples"]
    assert [each["language"] for each in shown] == list(examples.SCRIPTS)
    assert shown[0]["attacked"]["question"] == "WHERE DOES THE DANUBE RISE?"
    assert "no capitals" in shown[2]["not_applied"]
    assert "not applied" in xtl("attacks", "upper_case").out


def test_a_text_of_one_s_own_is_attacked(xtl):
    found = xtl(
        *("attacks", "upper_case", "--language", "tr", "--text", "iki", "--json")
    )
    assert json.loads(found.out)["examples"][0]["attacked"] == {"text": "İKİ"}
    pair = xtl("attacks", "tautology", "--language", "en", "--text", "It is.").out
    assert "It is, and true is true." in pair


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("keybord",), "near: keyboard"),
        (("keyboard", "--language", "qq"), "no example in 'qq'"),
        (("keyboard", "--text", "x"), "--text needs --language"),
        (("distractor", "--text", "x", "--language", "en"), "needs sentences"),
        (("keyboard", "--budget", "2"), "at most 1"),
        (("--text", "x"), "give its name too"),
    ],
)
def test_bad_arguments_are_explained(xtl, arguments, wanted):
    done = xtl("attacks", *arguments)
    assert done.code == 2
    assert wanted in done.err


def test_invisible_characters_are_shown(xtl):
    assert "⟨NBSP⟩" in xtl("attacks", "no_break_space", "--language", "en").out
    assert attacks.visible("a\u200bb") == "a⟨ZWSP⟩b"


def test_the_page_that_ships_is_the_page_that_is_written():
    assert docs.pages()["attacks"] == attacks_page.page(), (
        "run xtl attacks --page > xtl_jax/docs/attacks.md"
    )


def test_the_page_has_every_attack_with_an_example():
    page = attacks_page.page()
    for name in catalog.names():
        after = page.split(f"**{name}**")[1].split("\n\n**")[0]
        rows = [line for line in after.splitlines() if line.startswith("| ")]
        assert len(rows) >= 2 + len(examples.SCRIPTS)
