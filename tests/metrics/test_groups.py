"""Means over groups of languages by hand, with intervals drawn jointly."""

from __future__ import annotations

import numpy as np
import pytest

from xtl_jax.metrics import accuracy, bootstrap, groups, summary
from xtl_jax.metrics.metric import Metric

STANDARD = ("en", "de", "sw", "te", "yo", "ru")
RIGHT = {"en": 90, "de": 80, "sw": 50, "te": 40, "yo": 30, "ru": 70}


def counts(right, of=100, *, prefix=""):
    return {
        f"{prefix}{i}": {"total": 1.0, "correct": float(i < right)} for i in range(of)
    }


def summarise(languages, **changes):
    return summary.summarise(
        languages,
        metric=accuracy.METRIC,
        **{"standard_languages": STANDARD, **changes},
    )


@pytest.fixture(scope="module")
def found():
    made = summarise({name: counts(right) for name, right in RIGHT.items()})
    return {(group.dimension, group.name): group for group in made.groups}


@pytest.mark.parametrize(
    ("dimension", "name", "languages", "accuracy_percent"),
    [
        # sw 2, te 1, yo 2; en and de 5, ru 4 in Joshi et al. 2020
        ("resource", "low", ("sw", "te", "yo"), (50 + 40 + 30) / 3),
        ("resource", "high", ("en", "de", "ru"), (90 + 80 + 70) / 3),
        ("resource", "high_without_english", ("de", "ru"), 75),
        ("joshi", "1", ("te",), 40),
        ("joshi", "2", ("sw", "yo"), 40),
        ("joshi", "4", ("ru",), 70),
        ("joshi", "5", ("en", "de"), 85),
        ("joshi", "5_without_english", ("de",), 80),
        ("script", "Latin", ("en", "de", "sw", "yo"), (90 + 80 + 50 + 30) / 4),
        ("script", "Latin_without_english", ("de", "sw", "yo"), (80 + 50 + 30) / 3),
        ("script", "Cyrillic", ("ru",), 70),
        ("family", "Niger-Congo", ("sw", "yo"), 40),
        ("family", "Indo-European", ("en", "de", "ru"), 80),
        ("genus", "Germanic_without_english", ("de",), 80),
        ("mt5", "in", STANDARD, 60),
        ("xlmr", "out", ("yo",), 30),
        ("source", "english", ("en",), 90),
        ("source", "others", ("de", "sw", "te", "yo", "ru"), (80 + 50 + 40 + 100) / 5),
    ],
)
def test_each_group_is_the_mean_of_its_languages(
    found, dimension, name, languages, accuracy_percent
):
    group = found[dimension, name]
    assert group.languages == languages
    assert group.missing_languages == ()
    assert group.values == {"accuracy": pytest.approx(accuracy_percent)}
    low, high = group.intervals["accuracy"]
    assert low < accuracy_percent < high


def test_every_dimension_parts_all_languages(found):
    for dimension in {key[0] for key in found}:
        parts = [
            language
            for (each, name), group in found.items()
            if each == dimension and not name.endswith(groups.WITHOUT_ENGLISH)
            for language in group.languages
        ]
        assert sorted(parts) == sorted(STANDARD), dimension


def test_a_group_that_a_family_lacks_is_there_without_a_value(found):
    group = found["mt5", "out"]  # XTREME-R's qu and wo are such languages
    assert group.languages == ()
    assert group.values is None
    assert group.intervals is None
    with_quechua = summarise(
        {"en": counts(80), "qu": counts(20)}, standard_languages=("en", "qu")
    )
    (out,) = [g for g in with_quechua.groups if (g.dimension, g.name) == ("mt5", "out")]
    assert out.values == {"accuracy": 20.0}


def test_a_missing_language_takes_its_groups_and_no_other():
    made = summarise({n: counts(r) for n, r in RIGHT.items() if n != "te"})
    found = {(group.dimension, group.name): group for group in made.groups}
    low = found["resource", "low"]
    assert low.values is None
    assert low.intervals is None
    assert low.languages == ("sw", "te", "yo")
    assert low.missing_languages == ("te",)
    assert found["resource", "high"].values == {"accuracy": pytest.approx(80)}
    assert found["family", "Niger-Congo"].values == {"accuracy": 40.0}
    document = made.to_json()["groups"]
    assert document["resource"]["low"] == {
        "title": "Low (Joshi 0–2)",
        "languages": ["sw", "te", "yo"],
        "missing_languages": ["te"],
        "values": {"accuracy": None},
        "intervals": {},
    }


def test_languages_that_the_table_lacks_are_a_group_of_their_own():
    made = summarise(
        {"en": counts(80), "xx": counts(20)}, standard_languages=("en", "xx")
    )
    unknown = {g.dimension: g for g in made.groups if g.name == groups.UNKNOWN}
    for name in ("resource", "joshi", "script", "family", "genus", "mt5", "xlmr"):
        assert unknown[name].languages == ("xx",)
        assert unknown[name].values == {"accuracy": 20.0}


def test_languages_beside_the_standard_ones_are_in_no_group():
    made = summarise(
        {**{name: counts(right) for name, right in RIGHT.items()}, "zh": counts(10)}
    )
    assert not [group for group in made.groups if "zh" in group.languages]


def test_groups_of_a_larger_version_are_of_all_its_languages():
    """XTREME-R has more languages of a family than XTREME, whose mean is unchanged."""
    extended = (*STANDARD, "qu", "gu")
    scored = {name: counts(right) for name, right in RIGHT.items()}
    made = summarise({**scored, "qu": counts(20)}, extended_languages=extended)
    found = {(group.dimension, group.name): group for group in made.groups}
    plain = summarise(scored, extended_languages=extended)
    assert made.macro == plain.macro
    assert made.intervals == plain.intervals
    assert found["mt5", "out"].values == {"accuracy": 20.0}
    low = found["resource", "low"]  # gu belongs to it and was not scored
    assert low.languages == ("sw", "te", "yo", "qu", "gu")
    assert low.missing_languages == ("gu",)
    assert low.values is None
    (unextended,) = [
        g for g in plain.groups if (g.dimension, g.name) == ("resource", "low")
    ]
    assert unextended.values == {"accuracy": 40.0}


def interval(languages, name=("resource", "low")):
    made = summarise(languages, standard_languages=tuple(languages))
    (group,) = [g for g in made.groups if (g.dimension, g.name) == name]
    return group.intervals["accuracy"]


def width(pair):
    return pair[1] - pair[0]


def test_parallel_languages_are_drawn_together():
    """The mean of equal parallel languages moves as one; of separate ones, less."""
    parallel = interval({"sw": counts(50), "te": counts(50), "yo": counts(50)})
    single = interval({"sw": counts(50)})
    apart = interval({name: counts(50, prefix=name) for name in ("sw", "te", "yo")})
    assert width(parallel) == pytest.approx(width(single), abs=0.5)
    # Standard error of a share of one half among 100, 1.96 of them to either side.
    assert width(parallel) == pytest.approx(2 * 1.96 * 5, abs=1.5)
    assert width(apart) == pytest.approx(2 * 1.96 * 5 / np.sqrt(3), abs=1.5)


def test_intervals_resample_counts_not_values_of_examples():
    """F1 of a resample is made from its sums, as `bootstrap.draws` makes it."""
    f1 = Metric(
        name="f1",
        primary="f1",
        keys=("f1",),
        counts=lambda *_, **__: {},
        combine=lambda sums: {
            "f1": 200.0 * sums["hits"] / max(sums["said"] + sums["gold"], 1.0)
        },
    )
    rng = np.random.default_rng(0)
    languages = {
        name: {
            f"{name}{i}": {
                "total": 1.0,
                "hits": float(hits := rng.integers(0, 3)),
                "said": float(hits + rng.integers(0, 3)),
                "gold": float(hits + rng.integers(0, 3)),
            }
            for i in range(40)
        }
        for name in ("sw", "te")
    }
    made = summary.summarise(
        languages, metric=f1, standard_languages=("sw", "te"), resamples=1000, seed=3
    )
    (low,) = [g for g in made.groups if (g.dimension, g.name) == ("resource", "low")]
    draws = bootstrap.draws(languages, metric=f1, resamples=1000, seed=3)
    mean = (draws["sw"]["f1"] + draws["te"]["f1"]) / 2
    assert low.intervals["f1"] == pytest.approx(bootstrap.interval(mean))
