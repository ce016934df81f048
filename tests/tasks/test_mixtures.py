"""Mixtures by name: exact membership, rates by the papers, families spread to tasks."""

from __future__ import annotations

import pytest
from xtl_tasks import catalog, mixtures

from xtl_jax.data.mixture import MixtureConfig
from xtl_jax.errors import UserError


def _members(name):
    return list(mixtures.expand(mixtures.mixture(name)).members)


def _tasks(family, languages):
    return [f"{family}.{language}" for language in languages.split()]


NINE = [
    "anli_plus",
    "mnli",
    "qqp",
    "squad_v2",
    "squad_v1",
    "hellaswag",
    "ccg",
    "cosmos_qa",
    "commonsense_qa",
]
XQUAD = "ar de el es hi ru th tr vi zh"
# Written from the papers and the names' scheme, not read from the module.
MEMBERS = {
    "intermediate_all": NINE,
    "intermediate_all_with_text": [*NINE, "span_corruption"],
    "squad_v1_and_mnli": ["squad_v1", "mnli"],
    **{f"{task}_with_text": [task, "span_corruption"] for task in NINE},
    "xnli_translate_train": [
        "xnli.en",
        *_tasks("xnli_translated", "ar bg de el es fr hi ru sw th tr ur vi zh"),
    ],
    "pawsx_translate_train": [
        "pawsx.en",
        *_tasks("pawsx_translated", "de es fr ja ko zh"),
    ],
    "xquad_translate_train": ["squad_v1", *_tasks("squad_translated", XQUAD)],
    "mlqa_translate_train": [
        "squad_v1",
        *_tasks("squad_translated", "ar de es hi vi zh"),
    ],
    "tydiqa_goldp_translate_train": [
        "tydiqa_goldp.en",
        *_tasks("tydiqa_goldp_translated", "ar bn fi id ko ru sw te"),
    ],
    "xquad_all": _tasks("xquad", "ar de el en es hi ru th tr vi zh"),
    "mlqa_all": _tasks("mlqa", "ar de en es hi vi zh"),
    "world_qa_all": _tasks("world_qa", "ar de en es hi ru sw tr zh"),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_mixture_has_exactly_its_tasks(name):
    assert sorted(_members(name)) == sorted(MEMBERS[name])


def test_names_follow_the_scheme_and_none_is_a_tasks():
    names = mixtures.names()
    assert len(set(names)) == len(names)
    taken = {*catalog.task_names(), *(family.name for family in catalog.FAMILIES)}
    assert not taken & set(names)
    ends = ("_all", "_translate_train", "_with_text", "squad_v1_and_mnli")
    assert [name for name in names if not name.endswith(ends)] == []
    for family in catalog.FAMILIES:
        if family.role == "target" and len(family.standard_languages) > 1:
            assert len(_members(f"{family.name}_all")) == len(family.standard_languages)


@pytest.mark.parametrize("name", mixtures.names())
def test_every_mixture_names_tasks_that_exist_and_has_fixed_rates(name):
    mixture = mixtures.expand(mixtures.mixture(name))
    assert set(mixture.members) <= set(catalog.task_names())
    assert mixture.is_static
    shares = mixture.shares(dict.fromkeys(mixture.tasks, 1000))
    assert sum(shares.values()) == pytest.approx(1.0)


def test_all_nine_are_mixed_as_in_phang_et_al():
    mixture = mixtures.expand(mixtures.mixture("intermediate_all"))
    # Published sizes and r_m = min(e_m, 2^17) / sum, worked out by hand.
    sizes = {
        "anli_plus": 1_104_934,
        "mnli": 392_702,
        "qqp": 363_846,
        "squad_v2": 130_319,
        "squad_v1": 87_599,
        "hellaswag": 39_905,
        "ccg": 38_015,
        "cosmos_qa": 25_588,
        "commonsense_qa": 9_741,
    }
    assert mixture.shares(sizes) == pytest.approx(
        {
            "anli_plus": 0.1809,
            "mnli": 0.1809,
            "qqp": 0.1809,
            "squad_v2": 0.1799,
            "squad_v1": 0.1209,
            "hellaswag": 0.0551,
            "ccg": 0.0525,
            "cosmos_qa": 0.0353,
            "commonsense_qa": 0.0134,
        },
        abs=5e-5,
    )


def test_text_is_one_for_a_hundred_examples():
    mixture = mixtures.expand(mixtures.mixture("squad_v1_with_text"))
    shares = mixture.shares({})
    assert shares["squad_v1"] == pytest.approx(100 * shares["span_corruption"])
    everything = mixtures.expand(mixtures.mixture("intermediate_all_with_text"))
    shares = everything.shares(dict.fromkeys(NINE, 10))
    assert shares["span_corruption"] == pytest.approx(1 / 101)


def test_translated_languages_are_alike_as_in_mt5():
    mixture = mixtures.expand(mixtures.mixture("xnli_translate_train"))
    assert mixture.shares({}) == pytest.approx(dict.fromkeys(mixture.tasks, 1 / 15))


# --- families in the place of tasks -------------------------------------------------


def _own(**values):
    return mixtures.expand(MixtureConfig(name="own", **values))


def test_a_family_stands_for_the_languages_it_is_trained_in():
    assert _own(tasks=("xnli",)).tasks == ("xnli.en",)
    assert len(_own(tasks=("tydiqa_goldp",)).tasks) == 9
    assert len(_own(tasks=("xquad",)).tasks) == 11  # evaluation only: all of them
    assert _own(tasks=("squad_v1.en",)).tasks == ("squad_v1",)


def test_what_is_said_of_a_task_beats_what_is_said_of_its_family():
    mixture = _own(
        tasks=("xnli.en", "xnli_translated.de", "xnli_translated.sw"),
        rates="explicit",
        weights={"xnli": 1, "xnli_translated": 2, "xnli_translated.sw": 5},
        examples={"xnli_translated": 1000},
    )
    shares = mixture.shares({})
    assert shares == {
        "xnli.en": 0.125,
        "xnli_translated.de": 0.25,
        "xnli_translated.sw": 0.625,
    }
    assert mixture.examples == {
        "xnli_translated.de": 1000,
        "xnli_translated.sw": 1000,
    }


def test_a_schedule_may_name_families():
    mixture = _own(
        tasks=("tydiqa_goldp.sw", "tydiqa_goldp.te", "squad_v1"),
        rates="varying",
        schedule={0: {"squad_v1": 1}, 10: {"tydiqa_goldp": 1}},
    )
    assert mixture.schedule[10] == {"tydiqa_goldp.sw": 1, "tydiqa_goldp.te": 1}


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"tasks": ("squad",)}, "no task 'squad'.*near: .*squad_v2"),
        ({"tasks": ("xnli.xx",)}, "xnli has no language 'xx'"),
        ({"tasks": ("mnli", "mnli.en")}, "names mnli twice"),
        (
            {"tasks": ("mnli",), "rates": "explicit", "weights": {"mnlii": 1}},
            r"mixture 'own': weights names 'mnlii', which is not in the mixture; "
            "near: mnli",
        ),
        (
            {"tasks": ("mnli",), "examples": {"squad_v1": 5}},
            "examples names 'squad_v1', which is not in the mixture.*it has: mnli",
        ),
        (
            {"tasks": ("xnli",), "rates": "equal", "beside": {"xnli.en": 0.1}},
            r"MixtureConfig.beside names xnli\.en, which MixtureConfig.tasks names too",
        ),
        (
            {"tasks": ("mnli",), "rates": "varying", "schedule": {0: {"qqp": 1}}},
            r"schedule\[0\] names 'qqp'",
        ),
    ],
)
def test_names_that_do_not_fit_are_refused(values, wanted):
    with pytest.raises(UserError, match=wanted):
        _own(**values)


def test_an_unknown_mixture_names_the_near_one():
    with pytest.raises(UserError, match="near: mlqa_all"):
        mixtures.mixture("mlqa_al")
