"""Before a study: which difference it could see. After: which it could have seen.

The *minimum detectable effect* is the true difference that would be found significant
in 80 % of all repetitions. It needs the *spread*: the variance that seeds, items and
languages bring into a paired difference, from an earlier study (`spread_of`) or assumed
(`assumed`). Say that two seeds of the same two arms differ by a standard deviation of
1 point in their difference, and that 20 % of the answers change:

    >>> spread = assumed(seeds=1.0, changed_percent=20.0)
    >>> expected = plan(spread, sizes={"seeds": 5, "items": 1000})
    >>> round(expected.standard_error, 2), round(minimum_detectable(expected), 1)
    (1.48, 4.3)

Afterwards the same question is asked of the standard error that came out. It is not
asked of the difference that came out ("observed power"), which is only the p-value in
other words; it is asked of the smallest difference that would matter, which whoever
asks the question must name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from xtl_jax.metrics import crossed
from xtl_jax.metrics.crossed import ALPHA, Estimate, Factor, Factors, Part, Uncertainty

POWER = 0.8  # that is asked for, by custom
# Standard errors beyond which the other tail is below 1e-9; scipy has no value there.
_FAR = 6.0

Spread = Mapping[Factors, float]  # variance of one level of each set of factors
Conclusion = Literal["higher", "lower", "not significant", "not enough power"]


def spread_of(found: Estimate) -> dict[Factors, float]:
    """The variance that each set of factors adds, from a study that was run."""
    spread = {}
    for names in found.parts:
        levels = math.prod(found.sizes[name] for name in names)
        own = sum(
            (-1) ** (len(larger) - len(names)) * part.variance
            for larger, part in found.parts.items()
            if larger >= names
        )
        spread[names] = max(0.0, levels * own)
    return spread


def assumed(*, seeds: float, changed_percent: float) -> dict[Factors, float]:
    """A spread where nothing was run yet.

    Args:
        seeds: the standard deviation of the difference between seeds, in points, on
            very many items.
        changed_percent: of the items, how many are right in one arm alone. All of them
            are taken to be the same for every seed, so that more seeds do not help
            against them; that is the careful side.

    Raises:
        ValueError: a negative value, or more than 100 percent.
    """
    if seeds < 0 or not 0 <= changed_percent <= 100:
        raise ValueError(
            f"need seeds of at least 0 and changed_percent between 0 and 100, got "
            f"{seeds} and {changed_percent}"
        )
    # A difference of -100, 0 or 100 points.
    return {
        frozenset(("seeds",)): seeds**2,
        frozenset(("items",)): 100.0**2 * changed_percent / 100,
        frozenset(("seeds", "items")): 0.0,
    }


def plan(spread: Spread, *, sizes: Mapping[Factor, int]) -> Uncertainty:
    """How far a study with so many seeds, items and languages will know a mean.

    Factors of one level are left out, as `crossed.estimate` leaves them out: their
    variance is not seen by such a study, and its claim is for that level alone.

    Raises:
        ValueError: a factor of the spread without a size, or a size below 1.
    """
    named = {name for factors in spread for name in factors}
    names: list[Factor] = [
        name for name in crossed.LANGUAGES_LIKE_THESE if name in named
    ]
    wrong = {name: sizes.get(name) for name in names if (sizes.get(name) or 0) < 1}
    if wrong:
        raise ValueError(f"each factor of the spread needs a size, got {wrong}")
    random: list[Factor] = [name for name in names if sizes[name] > 1]
    parts: dict[Factors, Part] = {}
    for chosen in map(frozenset, crossed.sets_of(random)):
        variance = sum(
            own / math.prod(sizes[name] for name in larger)
            for larger, own in spread.items()
            if larger >= chosen
        )
        freedom = math.prod(sizes[name] - 1 for name in chosen)
        parts[chosen] = Part(variance, freedom)
    return crossed.combine(parts)


def of(effect: float, uncertainty: Uncertainty, *, alpha: float = ALPHA) -> float:
    """The chance to find a true difference, by the noncentral t; 0 to 1.

    Args:
        effect: the true difference.
        uncertainty: of the study, in the same unit.
        alpha: of the two-sided test; for the first step of Holm's, 5 % over the number
            of comparisons.
    """
    from scipy import special

    error, freedom, _ = uncertainty
    if error == 0:
        return 1.0 if effect else alpha
    if not math.isfinite(error):
        return 0.0
    limit = crossed.limit(uncertainty, alpha=alpha)
    shift = abs(effect) / error
    above = 1 - special.nctdtr(freedom, shift, limit)
    if shift > _FAR:
        return float(above)
    return float(above + special.nctdtr(freedom, shift, -limit))


def minimum_detectable(
    uncertainty: Uncertainty, *, alpha: float = ALPHA, power: float = POWER
) -> float:
    """The smallest true difference that is found with this power.

    Raises:
        ValueError: a power that is not between `alpha` and 1.
    """
    if not alpha < power < 1:
        raise ValueError(f"power must lie between alpha={alpha} and 1, got {power}")
    error = uncertainty.standard_error
    if error == 0 or not math.isfinite(error):
        return error
    unit = uncertainty._replace(standard_error=1.0)
    low, high = 0.0, 1.0
    while of(high, unit, alpha=alpha) < power:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        if of(middle, unit, alpha=alpha) < power:
            low = middle
        else:
            high = middle
    return high * error


def conclude(
    found: Estimate,
    *,
    p: float | None,
    matters: float,
    comparisons: int = 1,
    alpha: float = ALPHA,
    power: float = POWER,
) -> Conclusion:
    """What may be said of a difference.

    Where no answer changed in any seed, the standard error is 0 because no spread was
    seen, not because there is none: that is no evidence for no difference.

    Args:
        found: the difference.
        p: the value to decide by: adjusted for the family, where there is one.
        matters: the smallest difference that would matter, in points.
        comparisons: of the family. What matters must have been seen where Holm's
            method is strictest, at `alpha` over their number.
        alpha: false positives that are put up with.
        power: below which a study could not have seen what matters.

    Raises:
        ValueError: `matters` is not above 0.
    """
    if matters <= 0:
        raise ValueError(f"a difference that matters is above 0 points, got {matters}")
    if p is not None and p <= alpha:
        return "higher" if found.points > 0 else "lower"
    if not found.standard_error:
        return "not enough power"  # nothing changed: the spread was not seen
    chance = of(matters, found.uncertainty, alpha=alpha / comparisons)
    return "not significant" if chance >= power else "not enough power"
