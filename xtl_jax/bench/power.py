"""Do the tests of studies keep what they promise? Simulated studies with known effects.

An answer is right where a sum of normal draws is above 0: how hard the item is, how
good the run is, how the two suit each other. All arms have the same draws but for
their mean, so without an effect every difference is exactly 0 in the long run, and an
effect of so many points is reached by one shift of the mean.

Of each setting many studies are drawn, twice:

    without an effect      how often a test finds one: false positives
    with the effect that   how often it is found: the power, which should be 80 %
    is called detectable

What is detectable is worked out as for a real study: large pilots give the spread,
`metrics.power` the rest. Beside the test that is used stands the percentile interval of
the hierarchical bootstrap, which is not.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from xtl_jax.metrics import bootstrap, corrections, crossed, power, trend
from xtl_jax.metrics.crossed import ALPHA, Estimate, Factor

_RESAMPLES = 200
_PILOTS = 3
# Of the sum that decides an answer: the mean, and what has a standard deviation.
_MEAN = 0.5
_ITEM, _ITEM_IN_LANGUAGE = 1.0, 0.5
_RUN, _RUN_IN_LANGUAGE = 0.06, 0.06
_ARM_IN_LANGUAGE = 0.12  # where languages are drawn
_ARM_ON_ITEM, _NOISE = 0.4, 0.6

Kind = Literal["difference", "family", "trend"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of study."""

    kind: Kind
    seeds: int
    languages: int
    items: int  # of each language
    parallel: bool = True  # whether languages share their items
    languages_like_these: bool = False  # whether languages are drawn too
    arms: int = 1  # beside the baseline

    @property
    def title(self) -> str:
        """In words."""
        what = {
            "difference": "one arm and the baseline",
            "family": f"{self.arms} arms and the baseline, Holm",
            "trend": f"slope over {self.arms + 1} ordered arms",
        }[self.kind]
        return what + ", languages like these" * self.languages_like_these

    @property
    def over(self) -> tuple[Factor, ...]:
        """The random factors."""
        if self.languages_like_these:
            return crossed.LANGUAGES_LIKE_THESE
        return crossed.THESE_LANGUAGES

    @property
    def alpha(self) -> float:
        """Of the first step of the correction."""
        return ALPHA / self.arms if self.kind == "family" else ALPHA


SETTINGS = (
    Setting(kind="difference", seeds=1, languages=1, items=300),
    Setting(kind="difference", seeds=3, languages=1, items=300),
    Setting(kind="difference", seeds=5, languages=1, items=300),
    Setting(kind="difference", seeds=5, languages=1, items=100),
    Setting(kind="difference", seeds=5, languages=1, items=2000),
    Setting(kind="difference", seeds=10, languages=1, items=300),
    Setting(kind="difference", seeds=3, languages=7, items=300),
    Setting(kind="difference", seeds=5, languages=7, items=300),
    Setting(kind="difference", seeds=5, languages=7, items=300, parallel=False),
    *(
        Setting(
            kind="difference",
            seeds=5,
            languages=count,
            items=200,
            parallel=parallel,
            languages_like_these=True,
        )
        for count, parallel in ((4, True), (12, True), (12, False))
    ),
    Setting(kind="family", seeds=5, languages=3, items=300, arms=9),
    Setting(kind="trend", seeds=5, languages=3, items=300, arms=5),
)


class Share(NamedTuple):
    """How many simulated studies a test called significant."""

    percent: float
    error: float  # standard error of `percent`, from the number of studies


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What a setting's studies showed."""

    false_positives: Share  # of a family: any
    percentile_false_positives: Share  # of the interval that is not used
    order_false_positives: Share | None  # Page's test, of a trend
    detectable: float  # points; of a trend, from the first arm to the last
    found: Share  # of that effect; promised: 80 %
    order_found: Share | None


def measure(setting: Setting, *, studies: int, seed: int = 0) -> Result:
    """Simulate a setting.

    Args:
        setting: what is simulated.
        studies: how many, with and without an effect.
        seed: of everything.
    """
    rng = np.random.default_rng([seed, 1])
    nothing = np.zeros(setting.arms + 1)
    null = [_tests(setting, nothing, rng=rng) for _ in range(studies)]
    detectable = _detectable(setting, rng=np.random.default_rng([seed, 2]))
    effects = nothing.copy()
    if setting.kind == "trend":
        effects = np.linspace(0.0, detectable, setting.arms + 1)
    else:
        effects[1] = detectable
    rng = np.random.default_rng([seed, 3])
    true = [_tests(setting, effects, rng=rng) for _ in range(studies)]
    is_trend = setting.kind == "trend"
    return Result(
        false_positives=_share([any(each.significant) for each in null]),
        percentile_false_positives=_share([any(each.percentile) for each in null]),
        order_false_positives=_share([each.order for each in null])
        if is_trend
        else None,
        detectable=detectable,
        found=_share([each.significant[0] for each in true]),
        order_found=_share([each.order for each in true]) if is_trend else None,
    )


class _Tests(NamedTuple):
    significant: list[bool]  # of each comparison, corrected
    percentile: list[bool]  # whether the percentile interval leaves out 0
    order: bool


def _tests(
    setting: Setting, effects: np.ndarray, *, rng: np.random.Generator
) -> _Tests:
    """One study, tested as a real one is."""
    answers = study(setting, effects, rng=rng)
    found: list[Estimate] = []
    percentile = []
    for points, draws in _contrasts(setting, answers, rng=rng):
        items = [setting.items] * setting.languages
        found.append(crossed.estimate(points, draws, items=items, over=setting.over))
        low, high = bootstrap.interval(
            crossed.resampled(draws, over=setting.over, seed=int(rng.integers(2**31)))
        )
        percentile.append(not low <= 0 <= high)
    values = corrections.holm({i: each.p for i, each in enumerate(found)})
    return _Tests(
        significant=[p is not None and p <= ALPHA for p in values.values()],
        percentile=percentile,
        order=setting.kind == "trend"
        and trend.page(answers.mean(axis=(2, 3)).T.tolist()).p <= ALPHA,
    )


def study(
    setting: Setting, effects: Sequence[float] | np.ndarray, *, rng: np.random.Generator
) -> Float[np.ndarray, "arms seeds languages items"]:
    """Right (1.0) or wrong (0.0), of every arm, seed, language and item.

    Args:
        setting: the sizes.
        effects: points by arm, in the long run, against no effect.
        rng: draws everything.
    """
    arms, sizes = len(effects), (setting.seeds, setting.languages, setting.items)
    seeds, languages, items = sizes
    drawn = functools.partial(_normal, rng, (arms, *sizes))
    answers = (
        drawn(_ITEM, items if setting.parallel else (languages, items))
        + drawn(_ITEM_IN_LANGUAGE, (languages, items))
        + drawn(_RUN, (arms, seeds, 1, 1))
        + drawn(_RUN_IN_LANGUAGE, (arms, seeds, languages, 1))
        + drawn(_ARM_ON_ITEM, (arms, 1, languages, items))
        + drawn(_NOISE, (arms, *sizes))
    )
    if setting.languages_like_these:
        answers += drawn(_ARM_IN_LANGUAGE, (arms, 1, languages, 1))
    means = np.array([_mean_for(setting, points) for points in effects])
    return (answers + means[:, None, None, None] > 0).astype(np.float64)


def expected_percent(setting: Setting, mean: float) -> float:
    """How many answers are right in the long run, with this mean of the sum."""
    from scipy import special

    return 100.0 * float(special.ndtr(mean / _deviation(setting)))


def _mean_for(setting: Setting, points: float) -> float:
    """The mean of the sum with so many points more."""
    from scipy import special

    wanted = expected_percent(setting, _MEAN) + points
    if not 0 < wanted < 100:
        raise ValueError(f"an effect of {points:.1f} points leaves 0 to 100 percent")
    return _deviation(setting) * float(special.ndtri(wanted / 100))


def _deviation(setting: Setting) -> float:
    every = (_ITEM, _ITEM_IN_LANGUAGE, _RUN, _RUN_IN_LANGUAGE, _ARM_ON_ITEM, _NOISE)
    language = _ARM_IN_LANGUAGE if setting.languages_like_these else 0.0
    return math.hypot(*every, language)


def _normal(
    rng: np.random.Generator,
    whole: tuple[int, ...],
    deviation: float,
    shape: int | tuple[int, ...],
) -> np.ndarray:
    return np.broadcast_to(rng.normal(0.0, deviation, shape), whole)


def _contrasts(
    setting: Setting, answers: np.ndarray, *, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Points [seeds, languages] and draws [resamples, seeds, languages] of each."""
    _, seeds, languages, items = answers.shape
    by_item = np.einsum("ca,asli->lics", _weights(setting), answers)
    groups = (
        [list(range(languages))]
        if setting.parallel
        else [[language] for language in range(languages)]
    )
    points = 100.0 * by_item.mean(axis=1)  # [languages, contrasts, seeds]
    draws = np.empty((_RESAMPLES, *points.shape))
    for group in groups:
        table = by_item[group].transpose(1, 0, 2, 3).reshape(items, -1)
        sums = bootstrap.resampled_sums(
            np.concatenate([np.ones((items, 1)), table], axis=1),
            totals=[0],
            resamples=_RESAMPLES,
            rng=rng,
        )[:, 1:]
        draws[:, group] = (100.0 * sums / items).reshape(
            _RESAMPLES, len(group), -1, seeds
        )
    for number in range(points.shape[1]):
        yield points[:, number].T, draws[:, :, number].transpose(0, 2, 1)


def _weights(setting: Setting) -> np.ndarray:
    """Of the arms in each contrast, [contrasts, arms]."""
    if setting.kind == "trend":
        # Points from the first arm to the last, if the line is straight.
        places = np.linspace(0.0, 1.0, setting.arms + 1)
        centred = places - places.mean()
        return (centred / (centred**2).sum())[None]
    return np.concatenate(
        [np.full((setting.arms, 1), -1.0), np.eye(setting.arms)], axis=1
    )


def _detectable(setting: Setting, *, rng: np.random.Generator) -> float:
    """The minimum detectable effect, from pilots that are far larger."""
    arms = setting.arms if setting.kind == "trend" else 1
    large: dict[str, int] = (
        {"seeds": 120, "languages": 120, "items": 100}
        if setting.languages_like_these
        else {"seeds": 200, "languages": setting.languages, "items": 600}
    )
    pilot = dataclasses.replace(setting, arms=arms, **large)
    spreads = []
    for _ in range(_PILOTS):
        points, draws = next(
            _contrasts(pilot, study(pilot, np.zeros(arms + 1), rng=rng), rng=rng)
        )
        found = crossed.estimate(
            points, draws, items=[pilot.items] * pilot.languages, over=setting.over
        )
        spreads.append(power.spread_of(found))
    spread = {
        names: sum(each[names] for each in spreads) / _PILOTS for names in spreads[0]
    }
    sizes: dict[Factor, int] = {
        "seeds": setting.seeds,
        "languages": setting.languages,
        "items": setting.items,
    }
    expected = power.plan(spread, sizes=sizes)
    return power.minimum_detectable(expected, alpha=setting.alpha)


def _share(found: Sequence[bool]) -> Share:
    share = sum(found) / len(found)
    return Share(100.0 * share, 100.0 * math.sqrt(share * (1 - share) / len(found)))
