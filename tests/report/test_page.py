"""The page: self-contained, everything escaped, everything there."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import re

import pytest

from xtl_jax.cli import run_results
from xtl_jax.report import mistakes, page, wording
from xtl_jax.report.tables import family_tables

VOID = {"meta", "line", "rect", "circle", "polyline", "input", "br"}


class Parsed(html.parser.HTMLParser):
    """Elements with their attributes, scripts, and the text by `lang`."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.open, self.texts = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1][0] == tag, f"</{tag}> closes <{self.open[-1][0]}>"
        self.open.pop()

    def handle_data(self, text):
        if self.open and self.open[-1][0] == "script":
            self.scripts[-1] += text
        elif self.open:
            self.texts.append((dict(self.open), text))


@pytest.fixture(scope="module")
def text(arms):
    tables = family_tables(arms)
    return page.render(arms, tables=tables, title=wording.title(tables))


@pytest.fixture(scope="module")
def parsed(text):
    return Parsed(text)


def test_every_element_is_closed(parsed):
    assert parsed.open == []


def test_nothing_is_loaded_from_anywhere(text, parsed):
    for tag, attributes in parsed.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not {"src", "srcset", "action", "data"} & set(attributes)
        assert attributes.get("href", "#").startswith("#")
    assert "@import" not in text
    assert "url(" not in text
    assert not re.search(r"https?://", text)


def test_the_only_script_is_ours_and_the_policy_allows_no_other(text, parsed):
    (script,) = parsed.scripts
    assert "alert" not in script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(
        attributes["content"]
        for tag, attributes in parsed.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not [
        a for _, attributes in parsed.elements for a in attributes if a[:2] == "on"
    ]
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_no_character_of_a_prediction_acts(text):
    for character in "\x1b\u202e\u2066\u2028":
        assert character not in text
    assert "␛[31mred␛[0m [red]markup[/red]" in text
    assert "⟨U+202E⟩turned" in text


def test_text_says_its_language_and_finds_its_direction(parsed):
    found = {}
    for opened, text in parsed.texts:
        if "lang" in opened.get("p", {}):
            assert opened["p"]["dir"] == "auto"
            found.setdefault(opened["p"]["lang"], set()).add(text)
    assert "أين تعمل أمينة؟" in found["ar"]  # also as question to an English text
    assert "अमीना कहाँ काम करती है?" in found["hi"]
    assert "老图书馆" in found["zh"]
    assert "Where does Amina work?" in found["en"]
    assert set(found) == {"en", "de", "ru", "el", "ar", "hi", "th", "ko", "zh"}


def test_every_language_of_every_family_is_drawn_and_named(text, tables):
    for table in tables.values():
        for row in table.rows:
            for arm, label in enumerate(table.arms):
                cell = row.cell(arm, table.primary)
                said = f"{label} {wording.number(cell.value)} {wording.interval(cell)}"
                assert f"<title>{row.title}: " in text
                assert said in text


def test_the_command_is_shown_as_a_shell_reads_it(text):
    assert "xtl run &#39;--gin_file=runs/squad to mlqa.gin&#39;" in text


def test_the_same_runs_give_the_same_bytes(arms, text):
    tables = family_tables(arms)
    assert page.render(arms, tables=tables, title=wording.title(tables)) == text


def test_a_hostile_name_title_and_config_are_escaped(fabricated, tmp_path):
    hostile = "<img src=x onerror=alert(1)>\"'&\x1b"
    run = fabricated.write_run(
        tmp_path / "run", name=hostile, config={hostile: hostile, "task": hostile}
    )
    arms = run_results.read_all([run])
    text = page.render(arms, tables=family_tables(arms), title=hostile)
    parsed = Parsed(text)
    assert "img" not in {tag for tag, _ in parsed.elements}
    assert "\x1b" not in text


def test_a_page_of_long_examples_stays_small_and_counts_the_rest(fabricated, tmp_path):
    run = fabricated.write_run(
        tmp_path / "run", nli=tuple(fabricated.QA), skill=0.0, examples=40
    )
    (arm,) = run_results.read_all([run])
    long = {
        name: [
            dataclasses.replace(r, inputs="question: ? context: " + "ह<" * 9000)
            for r in found
        ]
        for name, found in arm.predictions.items()
    }
    arms = (dataclasses.replace(arm, predictions=long),)
    text = page.render(arms, tables=family_tables(arms), title="long")
    assert len(text.encode()) < 3_000_000
    groups = mistakes.groups(arms)
    for group in groups:
        assert group.wrong == len(group.shown) + group.left_out
        assert f"{len(group.shown)} shown, {group.left_out} left out" in text


def test_wrong_examples_are_the_first_ones_with_every_arms_answer(arms):
    first, second = (arm.score("mlqa", "hi").per_example for arm in arms)
    wrong = [key for key in first if first[key] < 1 or second[key] < 1]
    group = next(
        g for g in mistakes.groups(arms) if (g.family, g.language) == ("mlqa", "hi")
    )
    assert [mistake.id for mistake in group.shown] == wrong[: mistakes.PER_LANGUAGE]
    assert group.wrong == len(wrong)
    for mistake in group.shown:
        right = tuple(i for i, s in enumerate((first, second)) if s[mistake.id] == 1)
        assert mistake.right == right
        assert len(mistake.answers) == 2


def test_the_toy_world_is_called_a_toy(fabricated, tmp_path):
    run = fabricated.write_run(tmp_path / "run", config={"task": "world_qa"})
    arms = run_results.read_all([run])
    assert "toy data" in page.render(arms, tables=family_tables(arms), title="t")
    run = fabricated.write_run(tmp_path / "other")
    arms = run_results.read_all([run])
    assert "toy data" not in page.render(arms, tables=family_tables(arms), title="t")


def test_an_example_without_a_prediction_is_wrong_and_said_to_be_unanswered(arms):
    arm = arms[0]
    fewer = {"mlqa.en": arm.predictions["mlqa.en"][:10]}
    (group,) = mistakes.groups([dataclasses.replace(arm, predictions=fewer)])
    later = list(arm.score("mlqa", "en").per_example.values())[10:]
    assert group.unanswered == sum(value < 1 for value in later)
    assert len(group.shown) + group.left_out == group.wrong
