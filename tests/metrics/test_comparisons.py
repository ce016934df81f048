"""Arms against a baseline: hand cases, scipy, and what must not change a number."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from xtl_jax.errors import UserError
from xtl_jax.metrics import accuracy, bootstrap, comparisons
from xtl_jax.metrics.comparisons import MEAN, compare, resample, rows_of


def values_of(array, *, prefix=""):
    return rows_of({f"{prefix}{i}": float(value) for i, value in enumerate(array)})


def study(rng, *, arms, seeds, languages, items, shared=True):
    """Random right and wrong answers; later arms are better."""
    return {
        arm: {
            seed: {
                language: values_of(
                    rng.random(items) < 0.4 + 0.1 * number,
                    prefix="" if shared else language,
                )
                for language in languages
            }
            for seed in range(seeds)
        }
        for number, arm in enumerate(arms)
    }


def find(found, *, arm, name, dimension=None):
    return next(
        each
        for each in found
        if each.arm == arm and each.name == name and dimension in (None, each.dimension)
    )


def test_values_and_differences_by_hand():
    scores = {
        "none": {0: {"en": values_of([0, 0]), "sw": values_of([0, 1])}},
        "qa": {0: {"en": values_of([1, 0]), "sw": values_of([1, 1])}},
    }
    found = compare(resample(scores, metric=MEAN), baseline="none")
    english = find(found, arm="qa", name="en")
    assert (english.baseline_value, english.value) == (0.0, 50.0)
    assert english.estimate.points == 50.0
    assert english.error_reduction == 50.0
    assert english.title == "English"
    assert english.general is None
    everything = find(found, arm="qa", name="all")
    assert everything.estimate.points == 50.0
    assert everything.languages == ("en", "sw")
    assert (everything.baseline_value, everything.value) == (25.0, 75.0)
    low = find(found, arm="qa", name="low", dimension="resource")
    assert low.languages == ("sw",)


def test_items_of_one_seed_are_the_paired_t_test_of_scipy():
    rng = np.random.default_rng(0)
    first = rng.random(200)
    second = 0.7 * first + 0.3 * rng.random(200) + 0.03
    scores = {
        "none": {3: {"de": values_of(first)}},
        "qa": {3: {"de": values_of(second)}},
    }
    found = compare(resample(scores, metric=MEAN, resamples=8000), baseline="none")
    reference = stats.ttest_rel(100 * second, 100 * first)
    estimate = found[0].estimate
    assert estimate.interval == pytest.approx(
        tuple(reference.confidence_interval()), abs=0.1
    )
    assert estimate.over == ("items",)
    assert found[0].seeds == (3,)


def test_many_items_leave_the_paired_t_test_over_seeds():
    """Arms that differ by seed alone: items have nothing to say."""
    differences = [0.01, 0.03, 0.02, 0.05, 0.04]
    base = np.random.default_rng(0).random(50) / 2
    scores = {
        "none": {i: {"de": values_of(base)} for i in range(5)},
        "qa": {i: {"de": values_of(base + d)} for i, d in enumerate(differences)},
    }
    found = compare(resample(scores, metric=MEAN), baseline="none")[0]
    reference = stats.ttest_1samp(100 * np.array(differences), 0)
    assert found.by_seed == pytest.approx((1.0, 3.0, 2.0, 5.0, 4.0))
    assert found.estimate.p == pytest.approx(reference.pvalue)
    assert found.estimate.uncertainty.freedom == pytest.approx(4)
    # Mean 3, standard deviation sqrt(2.5), Hedges' factor of 4.
    assert found.standardised == pytest.approx(0.7979 * 3 / 2.5**0.5, abs=1e-3)


def test_parallel_languages_are_drawn_together():
    rng = np.random.default_rng(1)
    gained = rng.random(300) < 0.3
    names = ("ar", "de", "ru", "zh")

    def scores(shared):
        return {
            arm: {
                0: {
                    name: values_of(
                        gained if arm == "qa" else np.zeros(300),
                        prefix="" if shared else name,
                    )
                    for name in names
                }
            }
            for arm in ("none", "qa")
        }

    errors = {
        shared: find(
            compare(resample(scores(shared), metric=MEAN), baseline="none"),
            arm="qa",
            name="all",
        ).estimate.standard_error
        for shared in (True, False)
    }
    alone = 100 * gained.std(ddof=1) / 300**0.5
    # Four copies of the same items are no more than one; four other sets are.
    assert errors[True] == pytest.approx(alone, rel=0.07)
    assert errors[False] == pytest.approx(alone / 2, rel=0.07)


def test_arms_are_drawn_together_and_do_not_move_each_other():
    scores = study(
        np.random.default_rng(2),
        arms=("none", "qa", "nli"),
        seeds=2,
        languages=("de", "sw"),
        items=40,
    )
    whole = compare(resample(scores, metric=MEAN), baseline="none")
    for reduced in (
        {arm: scores[arm] for arm in ("none", "nli")},
        {arm: scores[arm] for arm in ("nli", "none")},
        {"aaa": scores["qa"], **{arm: scores[arm] for arm in ("none", "nli")}},
    ):
        part = compare(resample(reduced, metric=MEAN), baseline="none")
        for name in ("de", "sw", "all"):
            assert find(part, arm="nli", name=name) == find(whole, arm="nli", name=name)
    same = {"none": scores["qa"], "qa": scores["qa"]}
    nothing = compare(resample(same, metric=MEAN), baseline="none")
    assert all(each.estimate.interval == (0.0, 0.0) for each in nothing)
    assert all(each.estimate.p == 1.0 for each in nothing)


def test_an_arm_that_lacks_a_language_is_still_drawn_alike():
    scores = study(
        np.random.default_rng(3),
        arms=("none", "qa"),
        seeds=2,
        languages=("de", "sw"),
        items=30,
    )
    # Swahili has items that German has not: the draws need both to be the same.
    for by_seed in scores.values():
        for by_language in by_seed.values():
            by_language["sw"] |= values_of(np.ones(5), prefix="more")
    whole = compare(resample(scores, metric=MEAN), baseline="none")
    for by_language in scores["qa"].values():
        del by_language["sw"]
    part = compare(resample(scores, metric=MEAN), baseline="none")
    assert find(part, arm="qa", name="de") == find(whole, arm="qa", name="de")
    assert {each.dimension for each in part if "sw" in each.languages} == set()
    assert not [each for each in part if each.name == "all"]


def test_only_seeds_of_both_arms_are_used():
    scores = study(
        np.random.default_rng(4),
        arms=("none", "qa"),
        seeds=4,
        languages=("de",),
        items=30,
    )
    del scores["none"][0], scores["qa"][3]
    found = compare(resample(scores, metric=MEAN), baseline="none")[0]
    assert found.seeds == (1, 2)
    kept = {arm: {seed: scores[arm][seed] for seed in (1, 2)} for arm in ("none", "qa")}
    assert compare(resample(kept, metric=MEAN), baseline="none")[0] == found
    del scores["qa"][1], scores["qa"][2]
    assert compare(resample(scores, metric=MEAN), baseline="none") == ()


def test_a_ratio_of_sums_is_compared_as_such():
    metric = accuracy.with_f1(positive="1", negative="0")
    said = {"none": "1101001110", "qa": "1101101010"}
    labels = "1100101011"
    scores = {
        arm: {
            0: {
                "en": {
                    str(i): metric.counts(a, references=(b,), language="en")
                    for i, (a, b) in enumerate(zip(text, labels, strict=True))
                }
            }
        }
        for arm, text in said.items()
    }
    found = compare(resample(scores, metric=metric, key="f1"), baseline="none")[0]
    # Hits, said and true: 4, 6, 6 before; 5, 6, 6 after.
    assert found.baseline_value == pytest.approx(100 * 8 / 12)
    assert found.value == pytest.approx(100 * 10 / 12)
    sides = bootstrap.draws(
        {arm: scores[arm][0]["en"] for arm in said},
        metric=metric,
        resamples=8000,
        seed=1,
    )
    deviation = np.std(sides["qa"]["f1"] - sides["none"]["f1"]) * (10 / 9) ** 0.5
    assert found.estimate.standard_error == pytest.approx(deviation, rel=0.08)


def test_holm_over_a_family():
    scores = study(
        np.random.default_rng(5),
        arms=("none", "qa", "nli"),
        seeds=3,
        languages=("de",),
        items=60,
    )
    found = compare(resample(scores, metric=MEAN), baseline="none")
    family = comparisons.with_holm(each for each in found if each.name == "all")
    raw = sorted(each.estimate.p for each in family)
    adjusted = sorted(each.adjusted_p for each in family)
    assert adjusted == pytest.approx([2 * raw[0], max(2 * raw[0], raw[1])])
    assert [dataclasses.replace(each, adjusted_p=None) for each in family] == [
        each for each in found if each.name == "all"
    ]


def test_other_items_are_refused():
    scores = {
        "none": {0: {"de": values_of([0, 1])}},
        "qa": {1: {"de": values_of([0, 1, 1])}},
    }
    with pytest.raises(UserError, match=r"de: qa, seed 1 and none, seed 0 .* '2'"):
        resample(scores, metric=MEAN)


def test_an_unknown_baseline_is_refused():
    sample = resample({"none": {0: {"de": values_of([0, 1])}}}, metric=MEAN)
    with pytest.raises(UserError, match=r"no arm 'non' .*near: none"):
        compare(sample, baseline="non")


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="too few"):
        resample({}, metric=MEAN)
    with pytest.raises(ValueError, match="no items of 'de'"):
        resample({"none": {0: {"de": {}}}}, metric=MEAN)
