"""The catalogue: names, languages, splits, mixtures."""

from __future__ import annotations

import subprocess
import sys

import pytest
from xtl_tasks import catalog, mixtures
from xtl_tasks.build import seqio_name
from xtl_tasks.family import Card, Family
from xtl_tasks.loading import TaskSettings

from xtl_jax.errors import UserError

# Written from the publications, not read from the families.
LANGUAGES = {
    "squad_v1": "en",
    "mnli": "en",
    "xquad": "ar de el en es hi ru th tr vi zh",
    "mlqa": "ar de en es hi vi zh",
    "tydiqa_goldp": "ar bn en fi id ko ru sw te",
    "xnli": "ar bg de el en es fr hi ru sw th tr ur vi zh",
    "span_corruption": "mul",
    "world_text": "ar de en es hi ru sw tr zh",
    "world_qa": "ar de en es hi ru sw tr zh",
    "world_nli": "ar de en es hi ru sw tr zh",
    "world_paraphrase": "ar de en es hi ru sw tr zh",
}


def test_families_have_the_published_languages():
    found = {f.name: sorted(f.standard_languages) for f in catalog.FAMILIES}
    assert found == {name: sorted(text.split()) for name, text in LANGUAGES.items()}


def test_mlqa_has_49_keys_and_xquad_romanian_beside_the_average():
    mlqa, xquad = catalog.family("mlqa"), catalog.family("xquad")
    assert len(set(mlqa.languages)) == 49
    assert "zh-vi" in mlqa.languages
    assert set(xquad.languages) - set(xquad.standard_languages) == {"ro"}


def test_task_names_differ_in_seqio_too():
    names = catalog.task_names()
    assert len(set(map(seqio_name, names))) == len(names)


def test_every_task_is_found_by_its_name():
    for name in catalog.task_names():
        family, language = catalog.find(name)
        assert family.task_name(language) == name
    assert catalog.find("squad_v1.en")[1] == "en"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mlqa.arr", "mlqa has no language 'arr'; near: ar"),
        ("squadv1", "no task 'squadv1' among 124; near: squad_v1"),
        ("mlqa", "mlqa is a family of 49 languages; name one: mlqa.ar"),
    ],
)
def test_unknown_tasks_suggest_near_ones(name, wanted):
    with pytest.raises(UserError) as error:
        catalog.find(name)
    assert wanted in str(error.value)


def test_splits_that_a_release_lacks_are_refused():
    xquad, xnli = catalog.family("xquad"), catalog.family("xnli")
    with pytest.raises(UserError, match=r"xquad\.ar has no split 'validation'.*: test"):
        xquad.check_split("validation", language="ar")
    with pytest.raises(UserError, match=r"trains on xnli\.en"):
        xnli.check_split("train", language="sw")
    xnli.check_split("train", language="en")


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("squad/train", "no family 'squad'; near: xquad, squad_v1"),
        ("xnli.en/dev", "SPLIT one of train, validation, test"),
        ("mlqa.en-xx/test", "mlqa has no language 'en-xx'; near: en"),
        ("squad_v1", "must be FAMILY/SPLIT"),
    ],
)
def test_file_settings_that_nothing_reads_are_refused(key, wanted):
    with pytest.raises(UserError) as error:
        TaskSettings(files={key: "a.json"})
    assert wanted in str(error.value)


def test_published_row_counts():
    tydi, mlqa = catalog.family("tydiqa_goldp"), catalog.family("mlqa")
    trains = [
        tydi.rows_published(language=each, split="train") for each in tydi.languages
    ]
    assert sum(trains) == 49_881  # the release's own total
    assert mlqa.rows_published(language="en", split="test") == 11_590
    assert mlqa.rows_published(language="de-en", split="validation") == 512
    assert mlqa.rows_published(language="de-ar", split="test") is None
    assert catalog.family("squad_v1").train_rows == 87_599
    assert catalog.family("mnli").train_rows == 392_702


def test_mixtures_name_tasks_that_exist():
    names = set(catalog.task_names())
    for mixture in mixtures.MIXTURES:
        assert set(mixture.rates) <= names, mixture.name
        assert mixture.name not in {*names, *(f.name for f in catalog.FAMILIES)}
    assert mixtures.mixture("squad_v1_with_text").rates == {
        "squad_v1": 100.0,
        "span_corruption": 1.0,
    }
    assert set(mixtures.mixture("mlqa_all").rates) == {
        f"mlqa.{language}" for language in LANGUAGES["mlqa"].split()
    }
    with pytest.raises(UserError, match="near: mlqa_all"):
        mixtures.mixture("mlqa_al")


def test_cards_are_filled_and_toys_labelled():
    for family in catalog.FAMILIES:
        for field in ("summary", "trains_on", "selection", "licence", "traps", "get"):
            assert getattr(family.card, field), (family.name, field)
        assert family.card.toy == family.name.startswith("world_")
        assert family.card.summary.startswith("TOY") == family.card.toy
    assert "low-resource" in catalog.family("mlqa").card.traps


def test_a_family_must_agree_with_itself():
    xnli = catalog.family("xnli")
    values = {
        field: getattr(xnli, field) for field in ("name", "role", "kind", "languages")
    }
    values |= dict.fromkeys(("read", "prompt"), print) | {"files": {}, "metric": None}
    card = Card(**dict.fromkeys((*_CARD_TEXTS,), "-"))
    with pytest.raises(ValueError, match="needs labels"):
        Family(**values, standard_languages=(), card=card)
    with pytest.raises(ValueError, match="not among"):
        Family(**values, standard_languages=("xx",), labels=("a",), card=card)


_CARD_TEXTS = (
    *("summary", "trains_on", "selection", "normaliser", "licence", "homepage"),
    *("traps", "get"),
)


def test_the_catalogue_imports_nothing_heavy():
    code = (
        "import sys; import xtl_tasks.catalog, xtl_tasks.mixtures, xtl_tasks.build, "
        "xtl_tasks.loading, xtl_jax.data.vocabulary; "
        "heavy = {'seqio', 'tensorflow', 'tensorflow_datasets', 'jax', 'regex', "
        "'sentencepiece', 'google.protobuf', 'jinja2', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
