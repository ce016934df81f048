"""Intervals: against scipy, hand cases, and what must not change them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import stats

from xtl_jax.errors import UserError
from xtl_jax.metrics import accuracy, bootstrap, qa, summary

METRIC = accuracy.METRIC


def rows(values, *, prefix=""):
    return {
        f"{prefix}{i}": {"total": 1.0, "correct": float(value)}
        for i, value in enumerate(values)
    }


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(0).random(300)
    reference = stats.bootstrap(
        (100 * values,),
        np.mean,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = bootstrap.intervals(rows(values), metric=METRIC, resamples=20_000)
    # The ends of two bootstraps differ by their own noise, some hundredths of a point.
    assert found["accuracy"] == pytest.approx(tuple(reference), abs=0.15)


def test_a_paired_difference_is_that_of_scipy():
    rng = np.random.default_rng(0)
    first = rng.random(300)
    second = 0.8 * first + 0.2 * rng.random(300)
    reference = stats.bootstrap(
        (100 * first, 100 * second),
        lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = bootstrap.difference_intervals(
        rows(first), rows(second), metric=METRIC, resamples=20_000
    )
    assert found["accuracy"] == pytest.approx(tuple(reference), abs=0.1)


def test_two_examples_by_hand():
    # A resample of {0, 1} is 0, 50 or 100 with chances 1/4, 1/2, 1/4.
    draws = bootstrap.draws(
        {"en": rows([0, 1])}, metric=METRIC, resamples=20_000, seed=3
    )["en"]["accuracy"]
    values, counts = np.unique(draws, return_counts=True)
    assert values.tolist() == [0.0, 50.0, 100.0]
    assert counts / 20_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.02)
    assert bootstrap.interval(draws) == (0.0, 100.0)


def test_equal_examples_have_no_width():
    for value in (0, 1):
        found = bootstrap.intervals(rows([value] * 9), metric=METRIC)
        assert found["accuracy"] == (100.0 * value, 100.0 * value)


def test_the_seed_decides_and_the_order_of_rows_does_not():
    made = rows(np.random.default_rng(0).integers(0, 2, 50))
    turned = dict(reversed(made.items()))
    found = bootstrap.intervals(made, metric=METRIC, seed=1)
    assert bootstrap.intervals(turned, metric=METRIC, seed=1) == found
    assert bootstrap.intervals(made, metric=METRIC, seed=2) != found


def test_a_ratio_of_sums_is_resampled_as_sums():
    metric = accuracy.with_f1(positive="1", negative="0")
    said, labels = "1101001110", "1100101011"
    made = {
        str(i): metric.counts(a, references=(b,), language="en")
        for i, (a, b) in enumerate(zip(said, labels, strict=True))
    }

    def f1_of(indices):
        a, b = ([text[i] == "1" for i in indices] for text in (said, labels))
        hits = sum(x and y for x, y in zip(a, b, strict=True))
        return 200.0 * hits / (sum(a) + sum(b)) if sum(a) + sum(b) else 0.0

    rng = np.random.default_rng(5)
    reference = [f1_of(rng.integers(0, 10, 10)) for _ in range(20_000)]
    found = bootstrap.intervals(made, metric=metric, resamples=20_000)
    assert found["f1"] == pytest.approx(bootstrap.interval(np.array(reference)), abs=1)


def test_languages_with_shared_ids_are_drawn_together():
    values = np.random.default_rng(0).integers(0, 2, 200)
    draws = bootstrap.draws(
        {"en": rows(values), "ar": rows(values), "zh": rows(1 - values)},
        metric=METRIC,
        resamples=1000,
        seed=0,
    )
    assert (draws["en"]["accuracy"] == draws["ar"]["accuracy"]).all()
    # Equal to rounding: 100 * a / n + 100 * (n - a) / n.
    both = draws["en"]["accuracy"] + draws["zh"]["accuracy"]
    assert both == pytest.approx(100.0, abs=1e-9)


def test_languages_without_shared_ids_are_drawn_apart():
    values = np.random.default_rng(0).integers(0, 2, 500)
    languages = {"en": rows(values), "ar": rows(values, prefix="ar")}
    draws = bootstrap.draws(languages, metric=METRIC, resamples=4000, seed=0)
    correlation = np.corrcoef(draws["en"]["accuracy"], draws["ar"]["accuracy"])[0, 1]
    assert abs(correlation) < 0.06
    alone = bootstrap.draws(
        {"ar": languages["ar"]}, metric=METRIC, resamples=4000, seed=0
    )
    assert (alone["ar"]["accuracy"] == draws["ar"]["accuracy"]).all()


def test_languages_that_share_some_ids_are_drawn_by_id():
    values = np.random.default_rng(0).integers(0, 2, 400)
    everything = rows(values)
    half = {id_: counts for id_, counts in everything.items() if int(id_) % 2}
    other = rows(values, prefix="other")
    draws = bootstrap.draws(
        {"half": half, "other": other, "all": everything},
        metric=METRIC,
        resamples=4000,
        seed=0,
    )
    # The mean of half the items has a correlation of sqrt(1/2) with the mean of all.
    correlation = np.corrcoef(draws["half"]["accuracy"], draws["all"]["accuracy"])
    assert correlation[0, 1] == pytest.approx(0.5**0.5, abs=0.04)
    width = draws["half"]["accuracy"].std()
    expected = 100 * np.std(list(values[1::2])) / len(half) ** 0.5
    assert width == pytest.approx(expected, rel=0.06)


def test_a_resample_never_lacks_a_language():
    tiny = {"0": {"total": 1.0, "correct": 1.0}}
    draws = bootstrap.draws(
        {"tiny": tiny, "big": rows([0, 1, 1, 0])},
        metric=METRIC,
        resamples=1000,
        seed=0,
    )
    assert (draws["tiny"]["accuracy"] == 100.0).all()
    assert len(draws["big"]["accuracy"]) == 1000


def test_the_interval_of_a_parallel_macro_average_is_wider_than_of_independent_ones():
    values = np.random.default_rng(0).integers(0, 2, 100)
    together = {name: rows(values) for name in ("en", "ar", "zh", "de")}
    apart = {name: rows(values, prefix=name) for name in together}

    def width(languages):
        found = summary.summarise(
            languages, metric=METRIC, standard_languages=tuple(languages)
        )
        low, high = found.intervals["accuracy"]
        return high - low

    # Four copies of one language tell no more than one; four independent ones halve it.
    assert width(together) == pytest.approx(19.6, abs=2)
    assert width(apart) == pytest.approx(9.8, abs=1.5)


def test_bad_requests_are_refused():
    with pytest.raises(UserError, match=r"same ids on both sides; 2 of 4.*'3'"):
        bootstrap.difference_intervals(
            {**rows([1, 0]), "3": {}}, {**rows([1, 0]), "4": {}}, metric=METRIC
        )
    with pytest.raises(ValueError, match=r"no rows to resample for \['ar'\]"):
        bootstrap.draws({"ar": {}}, metric=METRIC, resamples=1000, seed=0)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        bootstrap.intervals(rows([1]), metric=METRIC, resamples=0)


def test_mlqa_sized_files_take_seconds():
    made = {
        str(i): {"total": 1.0, "exact_match": float(i % 3 == 0), "f1": (i % 7) / 7}
        for i in range(11_590)
    }
    start = time.process_time()
    bootstrap.intervals(made, metric=qa.METRIC)
    assert time.process_time() - start < 5
