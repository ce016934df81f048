"""What a study's tests give: values of arms, differences, trends, contrasts."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from xtl_jax.metrics.comparisons import Comparison
from xtl_jax.metrics.crossed import Estimate
from xtl_jax.metrics.power import Conclusion
from xtl_jax.metrics.trend import Trend

LOW, REST = ("resource", "low"), ("resource", "high")  # groups: dimension, name


class Measure(NamedTuple):
    """What is compared: a score, or what an attack takes from it."""

    target: str
    condition: str  # `CLEAN` or an attack
    gap: bool = False  # then more points are worse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """A difference to `none`, or of such differences, and what may be said of it."""

    measure: Measure
    comparison: Comparison  # with its adjusted p
    conclusion: Conclusion
    detectable: float  # points, with 80 % power where Holm's method is strictest
    chance: float  # that a difference that matters would have been found, 0 to 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Level:
    """What an arm reaches, over the seeds that it has."""

    measure: Measure
    arm: str
    seeds: tuple[int, ...]
    estimate: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrendTest:
    """A trend over the study's number."""

    measure: Measure
    line: str  # which arms: a task, or all subsets
    part: tuple[str, str]  # dimension and name of the languages
    unit: str  # of the slope
    trend: Trend | None  # None: an arm is missing
    lacking: tuple[str, ...]  # arms that are not there
    adjusted_p: float | None
    conclusion: Conclusion | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contrast:
    """Some arms' or languages' difference minus that of others."""

    measure: Measure
    row: str
    column: str
    arms: int  # that were averaged
    of_arms: int  # that should be
    seeds: tuple[int, ...]
    estimate: Estimate
    adjusted_p: float | None = None
    conclusion: Conclusion | None = None
