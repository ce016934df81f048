"""The table of languages says what its sources say."""

from __future__ import annotations

import csv
import re
import tarfile
import unicodedata

import pytest

from xtl_jax.metrics import languages
from xtl_jax.metrics.benchmark import BENCHMARKS
from xtl_jax.world import LANGUAGES as WORLD


def facts_elsewhere(shared):
    """Language to fact to value, from the collected sources."""
    found: dict[str, dict[str, str]] = {}
    with (shared / "papers" / "languages.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["metric"] != "covered":
                found.setdefault(row["language"], {})[row["metric"]] = row["value"]
    return found


def test_joshi_class_and_pre_training_are_those_of_the_sources(shared):
    checked = 0
    for code, facts in facts_elsewhere(shared).items():
        if "Joshi class" not in facts:
            continue
        ours = languages.LANGUAGES[code]
        assert str(ours.joshi_class) == facts["Joshi class"], code
        assert ours.in_mt5 == (facts["in mT5 pretraining"] == "yes"), code
        assert ours.in_xlmr == (facts["in XLM-R pretraining"] == "yes"), code
        checked += 1
    assert checked == 50  # the languages of XTREME and XTREME-R


def test_every_language_of_the_benchmarks_and_the_toy_world_is_there():
    wanted = set(WORLD)
    for benchmark in BENCHMARKS.values():
        for task in benchmark.tasks:
            wanted.update(task.languages)
    assert wanted <= languages.LANGUAGES.keys()
    assert all(languages.LANGUAGES[code].joshi_class is not None for code in wanted)


def test_low_resource_languages_of_each_task_are_the_published_ones(shared):
    with (shared / "papers" / "lowresource_by_task.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 19
    for row in rows:
        task = BENCHMARKS[row["benchmark"].lower()].task(row["task"])
        facts = [languages.LANGUAGES[code] for code in task.languages]
        low = sorted(each.code for each in facts if each.low_resource)
        by_mt5 = sorted(each.code for each in facts if not each.in_mt5)
        by_xlmr = sorted(each.code for each in facts if not each.in_xlmr)
        assert " ".join(low) == row["joshi_0_2"].strip("-"), row
        assert " ".join(by_mt5) == row["unseen_by_mT5"].strip("-"), row
        assert " ".join(by_xlmr) == row["unseen_by_XLMR"].strip("-"), row
        assert len(task.languages) == int(row["n_languages"])


@pytest.mark.parametrize(
    ("code", "script", "family", "genus"),
    [
        ("ur", "Arabic", "Indo-European", "Indic"),
        ("kk", "Cyrillic", "Turkic", "Turkic"),
        ("az", "Latin", "Turkic", "Turkic"),
        ("pa", "Gurmukhi", "Indo-European", "Indic"),
        ("fi", "Latin", "Uralic", "Finnic"),
        ("hu", "Latin", "Uralic", "Ugric"),
        ("my", "Myanmar", "Sino-Tibetan", "Burmese-Lolo"),
        ("eu", "Latin", "Basque", "Basque"),
        ("yo", "Latin", "Niger-Congo", "Defoid"),
    ],
)
def test_scripts_and_families_by_hand(code, script, family, genus):
    facts = languages.LANGUAGES[code]
    assert (facts.script, facts.family, facts.genus) == (script, family, genus)


# Three letters of the release's file names to two.
TATOEBA = dict(
    re.findall(
        r"(\w+)=(\w+)",
        "ara=ar heb=he kat=ka tam=ta tel=te tha=th urd=ur kaz=kk ell=el jpn=ja cmn=zh "
        "kor=ko hin=hi mal=ml ben=bn rus=ru bul=bg pes=fa mar=mr swh=sw khm=km hye=hy "
        "amh=am tgl=tl",
    )
)
UNICODE_NAMES = {"Han": "CJK", "Japanese": ("CJK", "HIRAGANA", "KATAKANA")}


def test_scripts_are_those_of_real_sentences(shared):
    with tarfile.open(shared / "data" / "tatoeba_laser_v1.tar.xz") as archive:
        for three, code in TATOEBA.items():
            file = archive.extractfile(f"laser_v1/tatoeba.{three}-eng.{three}")
            letters = [c for c in file.read().decode("utf-8") if c.isalpha()]
            script = languages.LANGUAGES[code].script
            wanted = UNICODE_NAMES.get(script, script.upper())
            written = sum(unicodedata.name(c, "").startswith(wanted) for c in letters)
            assert written > 0.9 * len(letters), (code, script)


def test_an_unknown_language_has_no_facts():
    assert languages.find("xx") is None
    assert languages.find("en-ar") is None
