"""A study's report, on studies made up with known effects in the real formats."""

from __future__ import annotations

import csv
import dataclasses
import html.parser
import io
import json
import math
import pathlib
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tests.report.conftest import load_fabricated
from xtl_jax.cli import main, study_results, study_stages
from xtl_jax.errors import UserError
from xtl_jax.metrics import trend
from xtl_jax.metrics.comparisons import ALL
from xtl_jax.report import (
    drawing,
    page,
    published,
    study_protocol,
    study_spent,
    study_wording,
)
from xtl_jax.report.study_findings import Measure
from xtl_jax.report.study_results import CLEAN, items
from xtl_jax.report.study_tests import analyse

# Small, so that the whole file takes seconds: three of the languages, one attack.
FLAGS = (
    "StudyConfig.seeds=[0,1,2,3]",
    "StudyConfig.attacks=['character_noise']",
    "StudyConfig.targets=['world_qa.en>world_qa']",
)
LANGUAGES = ("en", "sw", "zh")
RESAMPLES = 100


@pytest.fixture(scope="module")
def made():
    with pytest.MonkeyPatch.context() as patch:
        whole = study_stages._tasks_of
        patch.setattr(study_stages, "_tasks_of", few(whole, LANGUAGES))
        yield load_fabricated("fabricated_study")


def few(whole, kept):
    """The real tasks of a family, but for the languages that are left out."""

    def found(name):
        every = whole(name)
        return tuple(task for task in every if task.partition(".")[2] in kept) or every

    return found


@pytest.fixture(scope="module", autouse=True)
def _nothing_of_this_machine(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XTL_DATA_DIR", raising=False)
        patch.setenv("XTL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def strong(arm, language):
    """Every task adds 6 points, Swahili 6 more; attacks are felt less in `all`."""
    if arm == "none":
        return 0.0
    number = 3 if arm == "all" else len(arm.split("+"))
    return 6.0 * number + 6.0 * (language == "sw")


def cost_of_attack(arm, language):
    return 20.0 if arm == "none" else 8.0


@pytest.fixture(scope="module")
def declared(made):
    return made.declare("number_of_tasks", *FLAGS)


@pytest.fixture(scope="module")
def complete(made, declared, tmp_path_factory):
    return made.write(
        tmp_path_factory.mktemp("study"),
        declared,
        effect=strong,
        cost_of_attack=cost_of_attack,
        items=400,
    )


@pytest.fixture(scope="module")
def study(complete, made):
    return study_results.read(complete, name="number_of_tasks", scale="world")


@pytest.fixture(scope="module")
def analysis(study):
    return analyse(study, resamples=RESAMPLES)


@pytest.fixture(scope="module")
def target(study):
    return study.targets[0].name


def report(folder, name="number_of_tasks", *flags):
    arguments = ["study", "report", name, "--study_dir", str(folder)]
    arguments += ["--resamples", str(RESAMPLES), *flags]
    assert main.main(arguments) == 0
    return (folder / "report" / "index.html").read_text(encoding="utf-8")


# What is computed


def test_a_known_effect_is_found_with_its_size(analysis, target):
    found = analysis.test(Measure(target, CLEAN), "all")
    # 18 points and, in one of three languages, 6 more.
    assert found.comparison.estimate.points == pytest.approx(18 + 6 / 3, abs=3.0)
    assert found.conclusion == "higher"
    low = analysis.test(Measure(target, CLEAN), "all", dimension="resource", name="low")
    assert low.comparison.languages == ("sw",)
    assert low.comparison.estimate.points == pytest.approx(24, abs=4.0)


def test_a_gap_is_clean_minus_attacked_on_the_same_items(study, analysis, target):
    attack = study.attacks[0]
    scored = study.targets[0].scores["none", 0]
    for language in ("en", "sw"):
        sides = [scored.rows[c][language] for c in (CLEAN, attack)]
        assert sides[0].keys() == sides[1].keys()
    gap = analysis.level(Measure(target, attack, gap=True), "none").estimate.points
    clean, attacked = (
        analysis.level(Measure(target, condition), "none").estimate.points
        for condition in (CLEAN, attack)
    )
    assert gap == pytest.approx(clean - attacked)
    assert gap == pytest.approx(20, abs=3)
    change = analysis.test(Measure(target, attack, gap=True), "all")
    assert change.comparison.estimate.points == pytest.approx(-12, abs=4)
    assert change.conclusion == "lower"


def test_holm_is_over_all_comparisons_of_the_headline(analysis):
    raw = sorted(
        (test.comparison.estimate.p, test.comparison.adjusted_p)
        for test in analysis.headline
    )
    size = len(raw)
    # 5 arms, clean and an attack with its gap, all languages and low-resource ones.
    assert size == 5 * 3 * 2
    largest = 0.0
    for rank, (p, adjusted) in enumerate(raw):
        largest = max(largest, min(1.0, p * (size - rank)))
        assert adjusted == pytest.approx(largest)


def test_low_resource_minus_the_rest_by_hand(study, analysis, target):
    (found,) = (
        each
        for each in analysis.low_against_rest
        if each.measure == Measure(target, CLEAN) and each.row == "all"
    )
    sample = analysis.samples[Measure(target, CLEAN)]
    arms = [sample.arms.index(arm) for arm in ("all", "none")]
    difference = np.subtract(*sample.values[arms]).mean(axis=0)
    low = sample.languages.index("sw")
    rest = [i for i in range(len(sample.languages)) if i != low]
    expected = difference[low] - difference[rest].mean()
    assert found.estimate.points == pytest.approx(expected)


def test_the_trend_is_of_all_subsets_by_their_number(study, analysis, target):
    sample = analysis.samples[Measure(target, CLEAN)]
    numbers = {arm: float(study.place(arm).get("size", 0)) for arm in study.arms}
    expected = trend.of(sample, numbers, languages=sample.languages)
    found = next(
        each
        for each in analysis.trends
        if each.measure == Measure(target, CLEAN) and each.part == (ALL, ALL)
    )
    assert found.trend.slope.points == expected.slope.points
    assert found.trend.slope.points == pytest.approx(6.0, abs=1.0)
    assert found.conclusion == "higher"


def test_no_answer_that_changed_is_no_certainty(made, declared, tmp_path):
    folder = made.write(
        tmp_path, declared, effect=lambda a, b: 0.0, items=3, seed_spread=0.0
    )
    study = study_results.read(folder, name="number_of_tasks", scale="world")
    found = analyse(study, resamples=50)
    contrasts = [c for c in found.low_against_rest if not c.estimate.standard_error]
    assert contrasts
    assert {c.conclusion for c in contrasts} == {"not enough power"}
    frozen = [
        test
        for test in found.headline
        if test.comparison.estimate.standard_error == 0
        and test.comparison.estimate.points == 0
    ]
    assert frozen
    assert {test.conclusion for test in frozen} == {"not enough power"}


def test_languages_alone_do_not_make_a_group_again(analysis, target):
    tests = [
        each.comparison
        for each in (*analysis.headline, *analysis.details)
        if each.measure == Measure(target, CLEAN) and each.comparison.arm == "all"
    ]
    groups = [t for t in tests if t.dimension != "language"]
    assert len({tuple(sorted(t.languages)) for t in groups}) == len(groups)
    assert {t.name for t in tests if t.dimension == "language"} == set(
        analysis.samples[Measure(target, CLEAN)].languages
    )


def test_an_order_that_was_not_run_is_not_averaged_away(made, tmp_path):
    document = made.declare("task_order", "StudyConfig.seeds=[0,1,2]")
    first = document["study"]["tasks"][0]
    gone = next(a["name"] for a in document["arms"] if a["name"].startswith(first))
    missing = [each["id"] for each in document["stages"] if each["arms"] == [gone]]
    folder = made.write(
        tmp_path, document, effect=lambda a, b: 0.0, items=50, missing=missing
    )
    study = study_results.read(folder, name="task_order", scale="world")
    cells = analyse(study, resamples=50).positions
    (found,) = {(c.arms, c.of_arms) for c in cells if (c.row, c.column) == (first, "1")}
    assert found == (1, 2)
    assert "1 of 2 orders" in report(folder, "task_order")


# What is said


@pytest.mark.parametrize(
    ("gap", "conclusion", "said"),
    [
        (False, "higher", "higher in low-resource than in the rest"),
        (True, "higher", "larger in low-resource than in the rest"),
        (True, "lower", "smaller in low-resource than in the rest"),
        (True, "not enough power", "without enough power"),
    ],
)
def test_a_gap_that_grows_is_no_gain(analysis, gap, conclusion, said):
    contrast = dataclasses.replace(
        analysis.low_against_rest[0],
        measure=Measure("a", "b", gap),
        conclusion=conclusion,
    )
    assert study_wording.contrast_words(contrast) == said


def test_what_an_attack_leaves_out_is_told(made, declared, tmp_path):
    folder = made.write(tmp_path, declared, effect=strong, items=20)
    for path in folder.glob("stages/*/items/*.zh@*"):
        path.unlink()
    study = study_results.read(folder, name="number_of_tasks", scale="world")
    (note,) = (note for note in study.notes if "there are no items in zh" in note)
    assert "means over the other languages" in note
    for path in folder.glob("stages/*/items/*@*"):
        path.unlink()
    study = study_results.read(folder, name="number_of_tasks", scale="world")
    assert any("1 of 1 attacks have a meaning in none" in each for each in study.notes)


def test_what_speaks_against_the_training_of_stages_is_told_once(
    made, declared, tmp_path
):
    folder = made.write(tmp_path, declared, effect=strong, items=5)
    trained = [each["id"] for each in declared["stages"] if each["kind"] == "train"]
    for stage in trained[:3]:
        place = folder / "stages" / stage
        made.put(place / "run.json", {"reading": {"fill_percent": {"inputs": 2.0}}})
        (place / "log.jsonl").write_text('{"kind": "train", "loss": NaN, "step": 7}\n')
    study = study_results.read(folder, name="number_of_tasks", scale="world")
    told = [note for note in study.notes if trained[0] in note]
    assert [note.partition("more stages: ")[2][:30] for note in told] == [
        "the loss was not finite at ste",
        "rows of inputs are 2.0 % full:",
    ]


def test_items_without_a_meaning_for_an_attack_are_in_no_measure(study):
    (note,) = (each for each in study_protocol.notes(study) if "3 items of" in each)
    assert "are left out, clean and attacked" in note


def headlines(folder, name="number_of_tasks"):
    study = study_results.read(folder, name=name, scale="world")
    analysis = analyse(study, resamples=RESAMPLES)
    return study, analysis, study_wording.headline_sentences(study, analysis)


def test_three_sentences_for_three_conclusions(made, tmp_path):
    """An effect, none with many items, none with few: three different sentences."""
    flag = "StudyConfig.smallest_difference=%s"
    cases = {
        "Significant: ": (lambda a, b: 30.0 * (a != "none"), 400, 1.0),
        "Not significant: ": (lambda a, b: 0.0, 400, 30.0),
        "Not enough power: ": (lambda a, b: 0.0, 400, 0.01),
    }
    for number, (begins, (effect, count, matters)) in enumerate(cases.items()):
        document = made.declare(
            "number_of_tasks", FLAGS[0], flag % matters, "StudyConfig.attacks=[]"
        )
        folder = made.write(
            tmp_path / str(number), document, effect=effect, items=count
        )
        _, _, said = headlines(folder)
        assert all(each.text.startswith(begins) for each in said), said


def test_a_larger_gap_is_worse(analysis, study):
    said = study_wording.headline_sentences(study, analysis)
    gaps = [each for each in said if ", gap under" in each.where]
    assert any("a smaller gap than none" in each.text for each in gaps)
    assert {each.news for each in gaps if "smaller gap" in each.text} == {"better"}


# The page


class Parsed(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.void = {"meta", "line", "rect", "circle", "polyline", "br"}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text(complete):
    return report(complete)


def test_the_page_is_whole_and_loads_nothing(text):
    parsed = Parsed(text)
    assert parsed.open == []
    for tag, attributes in parsed.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "script"}
        assert attributes.get("href", "#").startswith("#")
    assert not re.search(r"https?://|@import|url\(", text)
    ids = {a["id"] for _, a in parsed.elements if "id" in a}
    links = {a["href"][1:] for _, a in parsed.elements if "href" in a}
    assert links <= ids


def test_the_page_says_what_was_asked_and_how(text, declared):
    for expected in (
        declared["study"]["question"],
        f"All {len(declared['stages'])} stages are done.",
        "the first 120 examples of each set",
        "not run: no checkpoint was chosen by the scored languages",
        "StudyConfig.smallest_difference",
        "toy data",
        *(stage["id"] for stage in declared["stages"]),
    ):
        assert html.escape(expected, quote=False) in text, expected


def test_the_same_stages_give_the_same_bytes_but_for_times(
    made, declared, complete, text, tmp_path
):
    again = made.write(
        tmp_path,
        declared,
        effect=strong,
        cost_of_attack=cost_of_attack,
        items=400,
        seconds=77.5,
    )
    other = report(again)
    assert other != text
    assert study_spent.without_cost(other) == study_spent.without_cost(text)
    for path in (complete / "report").iterdir():
        if path.name != "index.html":
            assert path.read_bytes() == (again / "report" / path.name).read_bytes()


def test_every_figure_is_there_as_svg_and_png(complete, text):
    folder = complete / "report"
    pictures = sorted(path.stem for path in folder.glob("*.svg"))
    assert pictures == sorted(path.stem for path in folder.glob("*.png"))
    for wanted in ("delta_clean", "languages_1_clean", "curves_1_clean"):
        assert wanted in pictures
    assert any(name.startswith("robustness_1") for name in pictures)
    for path in folder.glob("*.svg"):
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag.endswith("svg")
    assert (folder / "delta_clean.png").read_bytes()[:4] == b"\x89PNG"


def test_tables_hold_what_was_tested(complete, text, analysis):
    folder = complete / "report"
    rows = list(csv.DictReader(io.StringIO((folder / "comparisons.csv").read_text())))
    assert len(rows) == len(analysis.headline) + len(analysis.details)
    first = analysis.headline[0].comparison
    assert float(rows[0]["points"]) == first.estimate.points
    assert rows[0]["arm"] == first.arm
    latex = (folder / "tables.tex").read_text(encoding="utf-8")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 4
    assert r"world\_nli.en" in latex


def test_what_is_not_done_is_shown_and_not_averaged_away(made, declared, tmp_path):
    train = [
        stage
        for stage in declared["stages"]
        if stage["kind"] == "train" and stage["arms"] == ["all"] and stage["seed"] == 1
    ]
    missing = next(
        stage["id"]
        for stage in declared["stages"]
        if stage["kind"] == "train"
        and stage["arms"] == ["world_tagging.en"]
        and stage["seed"] == 3
    )
    error = "loss is <not> finite at step 12: lower RunConfig.learning_rate"
    folder = made.write(
        tmp_path,
        declared,
        effect=strong,
        items=60,
        missing=[missing],
        failed={train[0]["id"]: error},
    )
    text = report(folder)
    assert "This study is not complete" in text
    assert html.escape(error) in text
    assert "3 of 4 seeds" in text
    assert "blocked by one that failed" in text
    study = study_results.read(folder, name="number_of_tasks", scale="world")
    states = {stage.id: stage.state for stage in study.stages}
    assert states[missing] == "ready"
    assert states[train[0]["id"]] == "failed"
    assert states[train[1]["id"]] == "blocked"
    test = analyse(study, resamples=50).test(
        Measure(study.targets[0].name, CLEAN), "all"
    )
    assert test.comparison.seeds == (0, 2, 3)


def test_a_study_that_has_just_begun_has_a_page(made, declared, tmp_path):
    first = declared["stages"][0]["id"]
    folder = made.write(tmp_path, declared, effect=strong, missing=[first])
    text = report(folder)
    assert "No conclusion" in text
    assert text.count("not run") > 5
    assert Parsed(text).open == []


def test_an_order_study_has_its_matrix(made, tmp_path):
    document = made.declare("task_order", "StudyConfig.seeds=[0,1,2]")
    folder = made.write(
        tmp_path,
        document,
        effect=lambda arm, _: 12.0 * arm.startswith(document["study"]["tasks"][0]),
        items=200,
    )
    study = study_results.read(folder, name="task_order", scale="world")
    analysis = analyse(study, resamples=100)
    cells = {(each.row, each.column): each for each in analysis.positions}
    first = document["study"]["tasks"][0]
    assert len(cells) == 9
    assert cells[first, "1"].arms == 2
    assert cells[first, "1"].estimate.points == pytest.approx(12, abs=3)
    assert cells[first, "3"].estimate.points == pytest.approx(0, abs=3)
    assert "Task by place in the order" in report(folder, "task_order")


def test_steps_have_curves_and_a_slope_for_each_doubling(made, tmp_path):
    document = made.declare(
        "number_of_steps", FLAGS[0], "StudyConfig.targets=['world_qa.en>world_qa']"
    )
    (task,) = document["study"]["tasks"]
    grid = sorted(document["study"]["step_grid"])

    def effect(arm, _):
        if arm == "none":
            return 0.0
        return 4.0 * (1 + math.log2(float(arm.split()[-1]) / grid[0]))

    folder = made.write(tmp_path, document, effect=effect, items=300)
    study = study_results.read(folder, name="number_of_steps", scale="world")
    found = analyse(study, resamples=100).trends[0]
    assert found.line == task
    assert found.trend.slope.points == pytest.approx(4.0, abs=1.0)
    assert "Over intermediate steps" in report(folder, "number_of_steps")


# Bad input


def test_another_study_and_no_study_are_refused(complete, tmp_path):
    with pytest.raises(UserError, match="number_of_tasks at scale world, not"):
        study_results.read(complete, name="task_order", scale="world")
    with pytest.raises(UserError, match=r"study\.json"):
        study_results.read(tmp_path, name="task_order", scale="world")


def test_items_of_another_metric_are_refused(study):
    metric = study.targets[0].metric
    with pytest.raises(UserError, match="run the study again"):
        items({"metric": "bleu", "keys": [], "rows": {}}, metric=metric, source="x")
    document = {"metric": metric.name, "keys": ["total"], "rows": {"a": [1, 2]}}
    with pytest.raises(UserError, match="not what this version writes"):
        items(document, metric=metric, source="x")


def test_an_attack_on_what_was_not_scored_clean_is_refused(made, declared, tmp_path):
    folder = made.write(tmp_path, declared, effect=strong, items=4)
    min(folder.glob("stages/*/items/world_qa.sw.json")).unlink()
    study = study_results.read(folder, name="number_of_tasks", scale="world")
    with pytest.raises(UserError, match=r"seed \d: sw was scored under attack and not"):
        analyse(study, resamples=2)


def test_text_of_a_study_cannot_act(made, declared, tmp_path):
    document = json.loads(json.dumps(declared))
    document["study"]["question"] = "<script>alert(1)</script>\u202e?"
    folder = made.write(
        tmp_path, document, effect=strong, missing=[document["stages"][0]["id"]]
    )
    text = report(folder)
    assert "<script" not in text
    assert "⟨U+202E⟩" in text


# Published numbers


def test_published_numbers_stand_only_beside_their_own_setting(study, analysis):
    assert published.beside(study, analysis) == ()  # the toy
    models = {each.model for each in published.numbers()}
    models_there = {
        path.stem for path in pathlib.Path("gin/models").resolve().glob("*.gin")
    }
    assert models <= models_there
    assert all(0 < each.value < 100 for each in published.numbers())


def test_published_numbers_are_verified_ones(shared):
    """Each is in the papers' tables as one that was checked."""
    rows = []
    for name in ("mt5_results.csv", "xtreme_baselines.csv"):
        path = shared / "papers" / name
        rows += list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    names = {"xnli": "XNLI", "pawsx": "PAWS-X", "panx": "NER", "xquad": "XQuAD"}
    names |= {"mlqa": "MLQA", "tydiqa_goldp": "TyDiQA-GoldP"}
    for number in published.numbers():
        model, _, size = number.model.partition("_")
        wanted = {"mt5": "mT5", "xlmr": "XLM-R"}[model], size.lower()
        assert any(
            (row["model"], row["size"].lower()) == wanted
            and row["task"] == names[number.family]
            and row["value"] == str(number.value)
            and row["setting"] == "zero-shot"
            and row["verified"] == "yes"
            for row in rows
        ), number


# Drawings


def test_drawings_have_the_colours_of_the_page():
    light = page.source("page.css").partition("@media")[0]
    for name, colour in drawing.COLOURS.items():
        assert f"--{name}: {colour};" in light, name


def test_a_drawing_placed_in_another_keeps_its_shapes():
    one = drawing.Drawing(width=10, height=10, title="one")
    one.line(0, 1, 2, 3, colour="ink")
    one.circle(5, 5, 2, colour="good")
    sheet = drawing.side_by_side([one, one], columns=2, gap=1, title="two")
    assert (sheet.width, sheet.height) == (23, 12)
    assert sheet.shapes[2].numbers == (12, 2, 14, 4)
    assert sheet.shapes[3].numbers == (17, 6, 2)
