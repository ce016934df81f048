"""Oracle selection in a study's report: its numbers, its mark, and where it is not."""

from __future__ import annotations

import csv
import io
import json
import pathlib
import shutil

import pytest

from tests.report.conftest import load_fabricated
from xtl_jax.cli import main
from xtl_jax.metrics import accuracy
from xtl_jax.report import study_oracle
from xtl_jax.report.study_results import CLEAN, Scored, Stage, Study, Target

TARGET = "squad_v1>mlqa"


def rows(right, *, items=4):
    """Items of which so many are right."""
    return {str(i): {"total": 1.0, "correct": float(i < right)} for i in range(items)}


def by_language(en, sw):
    return {"en": rows(en), "sw": rows(sw)}


def study(scores, oracle):
    """A study with stages for steps 40 and 80 of each arm and seed."""
    stages = tuple(
        Stage(
            id=f"{arm} {seed} {step}",
            kind="score",
            title="",
            seed=seed,
            target=TARGET,
            arms=(arm,),
            parents=(),
            marks=(),
            oracle=step,
            state="done",
        )
        for arm, seed in scores
        for step in (40, 80)
    )
    target = Target(
        name=TARGET,
        train="squad_v1",
        family="mlqa",
        metric=accuracy.METRIC,
        languages=("en", "sw"),
        scores={
            key: Scored(rows={CLEAN: found}, shares={}) for key, found in scores.items()
        },
        oracle=oracle,
    )
    arms = [{"name": "none"}, {"name": "a"}]
    return Study(document={"arms": arms}, stages=stages, targets=(target,))


def test_the_best_checkpoint_over_the_mean_and_by_language():
    """Percent of 4: step 40 has 50 and 100, step 80 has 100 and 25."""
    first, last = by_language(2, 4), by_language(4, 1)
    found = study({("a", 0): last}, {("a", 0): {40: first, 80: last}})
    ((_, (row,)),) = study_oracle.tables(found)
    assert (row.arm, row.seeds, row.steps) == ("a", (0,), (40,))
    assert (row.headline, row.over_mean, row.by_language) == (62.5, 75.0, 100.0)
    lines = study_oracle.csv_rows(found)
    kept = ("oracle_over_mean_step", "oracle_by_language_step", "oracle_by_language")
    assert [[line["language"], *(line[key] for key in kept)] for line in lines] == [
        ["en", 40, 80, 100.0],
        ["sw", 40, 40, 100.0],
    ]
    assert {line["oracle_is"] for line in lines} == {study_oracle.MARK}


def test_of_equals_the_newest_is_taken():
    same = by_language(3, 3)
    found = study({("none", 0): same}, {("none", 0): {40: same, 80: same}})
    ((_, (row,)),) = study_oracle.tables(found)
    assert row.steps == (80,)
    assert row.headline == row.over_mean == row.by_language == 75.0


def test_a_seed_that_lacks_a_checkpoint_is_left_out():
    some = by_language(1, 1)
    found = study(
        {("none", 0): some, ("none", 1): some},
        {("none", 0): {40: some}, ("none", 1): {40: some, 80: by_language(2, 2)}},
    )
    ((_, (row,)),) = study_oracle.tables(found)
    assert (row.seeds, row.steps, row.over_mean) == ((1,), (80,), 50.0)
    nothing = study({("none", 0): some}, {})
    assert study_oracle.tables(nothing) == []
    assert study_oracle.csv_rows(nothing) == []


NAME = "number_of_tasks"
FLAGS = (
    "StudyConfig.seeds=[0,1]",
    "StudyConfig.attacks=[]",
    "StudyConfig.tasks=['world_nli.en']",
    "StudyConfig.sizes=[0,1]",
    "StudyConfig.draws=0",
    "StudyConfig.targets=['world_qa.en>world_qa.sw']",
    "StudyConfig.target_steps={'*': 80}",
    "RunConfig.save_period=40",
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The same study without and with oracle selection, whose answers are all right."""
    folder = tmp_path_factory.mktemp("oracle")
    made = load_fabricated("fabricated_study")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XTL_DATA_DIR", raising=False)
        patch.setenv("XTL_CACHE_DIR", str(folder / "cache"))
        found = []
        for flags in (FLAGS, (*FLAGS, "StudyConfig.oracle=True")):
            place = folder / str(len(found))
            document = made.declare(NAME, *flags)
            made.write(place, document, effect=lambda arm, language: 0.0, items=50)
            for stage in document["stages"]:
                if stage["kind"] == "score" and stage["oracle"] is not None:
                    _all_right(place / "stages" / stage["id"] / "items")
            report(place)
            found.append(place)
        return found


def _all_right(folder):
    for path in folder.glob("*.json"):
        document = json.loads(path.read_text())
        best = [1.0] * len(document["keys"])
        document["rows"] = dict.fromkeys(document["rows"], best)
        path.write_text(json.dumps(document))


def report(folder):
    arguments = ["study", "report", NAME, f"--study_dir={folder}", "--resamples=20"]
    assert main.main(arguments) == 0


def lines(folder, name):
    text = (folder / "report" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def test_no_test_and_no_conclusion_knows_of_it(pages):
    without, beside = pages
    names = ("comparisons.csv", "levels.csv", "shares.csv", "tables.tex")
    for name in names:
        texts = [(each / "report" / name).read_bytes() for each in pages]
        assert texts[0] == texts[1], name
    answers = [
        html.partition('id="answer"')[2].partition("</section>")[0]
        for html in (page(without), page(beside))
    ]
    assert answers[0] == answers[1]


def page(folder: pathlib.Path) -> str:
    return (folder / "report" / "index.html").read_text(encoding="utf-8")


def test_the_page_shows_it_beside_and_marked(pages):
    without, beside = map(page, pages)
    assert 'id="oracle"' not in without
    assert "not run: no checkpoint was chosen by the scored languages" in without
    assert not (pages[0] / "report" / "oracle.csv").exists()
    section = beside.partition('id="oracle"')[2].partition("</section>")[0]
    assert section.count(study_oracle.MARK) == 1
    assert section.count("<td>100.0</td>") == 4  # two arms, chosen in two ways
    assert section.count("0: 80, 1: 80") == 2
    found = lines(pages[1], "oracle.csv")
    # An arm, seed and language each.
    assert len(found) == 4
    levels = {row["arm"]: float(row["points"]) for row in lines(pages[1], "levels.csv")}
    for arm, level in levels.items():
        own = [float(row["english_dev"]) for row in found if row["arm"] == arm]
        assert sum(own) / len(own) == pytest.approx(level)


def test_a_study_whose_checkpoints_are_not_all_scored_says_so(pages, tmp_path):
    copied = tmp_path / "study"
    shutil.copytree(pages[1], copied)
    document = json.loads((copied / "study.json").read_text())
    stage = next(
        each
        for each in document["stages"]
        if (each["kind"], each["oracle"], each["seed"]) == ("score", 40, 0)
    )
    (copied / "stages" / stage["id"] / "done.json").unlink()
    report(copied)
    section = page(copied).partition('id="oracle"')[2].partition("</section>")[0]
    assert section.count("1 of 2 seeds") == 1


def test_accidental_translation_is_told_of_clean_answers(pages):
    found = [
        row for row in lines(pages[0], "shares.csv") if row["output"] == "wrong_script"
    ]
    assert {(row["condition"], row["percent"]) for row in found} == {("clean", "3.0")}
    outputs = page(pages[0]).partition('id="outputs"')[2].partition("</section>")[0]
    assert "in another script" in outputs
