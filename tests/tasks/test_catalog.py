"""The catalogue: names, languages, splits."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest
from xtl_tasks import catalog, intermediate, target
from xtl_tasks.build import seqio_name
from xtl_tasks.family import Card, Family
from xtl_tasks.loading import TaskSettings

from xtl_jax.errors import UserError

# Written from the publications, not read from the families.
ENGLISH = """
    anli_plus snli anli anli_r1 anli_r2 anli_r3 mnli qqp squad_v1 squad_v2 hellaswag
    hellaswag_rank ccg cosmos_qa cosmos_qa_rank commonsense_qa commonsense_qa_rank
    social_iqa social_iqa_rank copa copa_rank
"""
_PANX = (
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru "
    "ja ka ko th sw yo my zh kk tr et fi hu"
)
_XCOPA = "et ht id it qu sw ta th tr vi zh"
_UNER = "ceb da de en hr pt ru sk sr sv tl zh"
LANGUAGES = {
    **dict.fromkeys(ENGLISH.split(), "en"),
    "xquad": "ar de el en es hi ru th tr vi zh",
    "mlqa": "ar de en es hi vi zh",
    "tydiqa_goldp": "ar bn en fi id ko ru sw te",
    "xnli": "ar bg de el en es fr hi ru sw th tr ur vi zh",
    "pawsx": "de en es fr ja ko zh",
    "xcopa": _XCOPA,
    "xcopa_rank": _XCOPA,
    "udpos": "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru "
    "ta te th tl tr ur vi yo zh",
    "panx": _PANX,
    "panx_spans": _PANX,
    "uner": _UNER,
    "uner_spans": _UNER,
    "bucc": "de fr ru zh",
    "tatoeba": "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml "
    "mr nl pt ru sw ta te th tl tr ur vi zh",
    "lareqa": "ar de el en es hi ru th tr vi zh",
    "mewslix": "ar de en es fa ja pl ro ta tr uk",
    # machine translations of English training sets: the target's other languages
    "xnli_translated": "ar bg de el es fr hi ru sw th tr ur vi zh",
    "pawsx_translated": "de es fr ja ko zh",
    "squad_translated": "ar de el es hi ru th tr vi zh",
    "tydiqa_goldp_translated": "ar bn fi id ko ru sw te",
    "span_corruption": "mul",
    "world_text": "ar de en es hi ru sw tr zh",
    "world_qa": "ar de en es hi ru sw tr zh",
    "world_nli": "ar de en es hi ru sw tr zh",
    "world_paraphrase": "ar de en es hi ru sw tr zh",
    "world_tagging": "ar de en es hi ru sw tr zh",
    "world_retrieval": "ar de es hi ru sw tr zh",
    "world_parallel": "ar de es hi ru sw tr zh",
    "parallel_text": (
        "af ar az bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko lt ml mr "
        "nl pl pt ro ru sw ta te th tl tr uk ur vi zh"
    ),
}


def test_families_have_the_published_languages():
    found = {f.name: sorted(f.standard_languages) for f in catalog.FAMILIES}
    assert found == {name: sorted(text.split()) for name, text in LANGUAGES.items()}


def test_every_module_of_a_task_is_in_the_catalogue():
    """A file that nobody put into the catalogue would be a task that nobody finds."""
    for package in (intermediate, target):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            values = vars(importlib.import_module(module.name)).values()
            families = [value for value in values if isinstance(value, Family)]
            assert families, module.name
            for family in families:
                assert family in catalog.FAMILIES, (module.name, family.name)


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
        ("squadv1", f"no task 'squadv1' among {len(catalog.task_names())}; near: squa"),
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
        ("squad/train", "no family 'squad'; near: xquad, squad_v"),
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


@pytest.mark.parametrize(
    ("name", "train", "validation"),
    [
        ("anli_plus", 1_104_934, 22_857),
        ("mnli", 392_702, 9_815),
        ("qqp", 363_846, 40_430),
        ("squad_v2", 130_319, 11_873),
        ("squad_v1", 87_599, 10_570),
        ("hellaswag", 39_905, 10_042),
        ("cosmos_qa", 25_262, 2_985),
        ("commonsense_qa", 9_741, 1_221),
        ("social_iqa", 33_410, 1_954),
        ("copa", 400, 100),
        ("pawsx", 49_401, 2_000),
    ],
)
def test_published_rows_of_english_training_sets(name, train, validation):
    family = catalog.family(name)
    assert family.rows_published(language="en", split="train") == train
    assert family.rows_published(language="en", split="validation") == validation


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
