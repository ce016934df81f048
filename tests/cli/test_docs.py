"""`xtl docs` lists and prints what ships."""

from __future__ import annotations

import argparse
import json

import pytest

from xtl_jax.cli import docs
from xtl_jax.errors import UserError


def call(*arguments):
    parser = argparse.ArgumentParser()
    docs.add_parser(parser.add_subparsers())
    args = parser.parse_args(["docs", *arguments])
    return args.run(args)


@pytest.fixture
def two_pages(monkeypatch):
    pages = {"data": "# Getting data\n\nText.\n", "tasks": "# Adding a task\n"}
    monkeypatch.setattr(docs, "pages", lambda: pages)
    return pages


def test_lists_pages_with_their_titles(two_pages, capsys):
    assert call() == 0
    printed = capsys.readouterr().out
    assert "data    Getting data" in printed
    assert "errors  What can be wrong, and what is said" in printed
    call("--json")
    assert json.loads(capsys.readouterr().out)["pages"]["tasks"] == "Adding a task"


def test_prints_a_page_unchanged_into_a_pipe(two_pages, capsys):
    call("data")
    assert capsys.readouterr().out == two_pages["data"]
    call("data.md")
    assert capsys.readouterr().out == two_pages["data"]


def test_a_misspelt_page_suggests_the_near_one(two_pages):
    with pytest.raises(UserError, match="near: tasks"):
        call("taks")


def test_pages_are_the_markdown_files_of_the_package():
    for name, text in docs.pages().items():
        assert not name.endswith(".md")
        assert text.startswith("# "), f"page {name} has no heading"


def test_the_page_of_errors_is_read_off_the_sources(two_pages, capsys):
    call("errors")
    printed = capsys.readouterr().out
    assert "## xtl_jax.data.sources\n" in printed
    assert "- {name}: no such file; check the path\n" in printed
    assert printed.count("\n- ") > 700
