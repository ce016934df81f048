"""How sure a mean is whose parts were repeated: over seeds, languages and items.

A study gives one difference to the baseline for each seed, language and item. The three
*factors* are crossed: every seed answers the same items. Which of them are *random*
says what the mean is claimed for: other seeds and other items like these, and perhaps
other languages like these. A factor that is not random is averaged as it stands.

Each set of random factors adds its own variance to the mean. Three seeds and two items,
differences in points; the seeds are worth -10, 0 and 10, the items -20 and 20:

    >>> table = np.array([[-30.0, 10.0], [-20.0, 20.0], [-10.0, 30.0]])
    >>> found = marginal_variances(table, {"seeds": 0, "items": 1})
    >>> {"+".join(sorted(name)): float(part.variance) for name, part in found.items()}
    {'seeds': 33.333333333333336, 'items': 400.0, 'items+seeds': 0.0}

The variance between the seeds' means (here 100 over 3 seeds) holds what items and seeds
do together, and so does the variance between the items' means; added up, it would be
counted twice. So sets of factors are added and taken away in turns (inclusion and
exclusion), which is the analysis of variance of a fully crossed table with random
factors. The mean over its standard error is compared with Student's t. With a single
random factor this is the paired t-test. With more, the limit is Cochran and Cox's: the
mean of each factor's own limit, weighted by its variance. (Satterthwaite's degrees of
freedom, which are usual, let 8 % of false positives pass with three seeds and many
items, and twice what is asked for where Holm's correction asks for little; Cochran and
Cox's limit stays below 5 % everywhere.)

Items come as bootstrap draws, not as columns: then a value may be a ratio of sums, as
an F1 over spans is, and items that languages share are drawn together.

Why not the percentiles of resampled seeds? Five seeds, drawn with replacement, vary by
a fifth less than they should, and percentiles know nothing of degrees of freedom: what
is called 5 % is then 10 to 15 %. `resampled` gives those draws; `xtl bench power`
measures both.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

Factor = Literal["seeds", "languages", "items"]
Factors = frozenset[Factor]

ALPHA = 0.05  # of false positives that are put up with
_SMALLEST = 1e-300  # p-value that is told from 0
THESE_LANGUAGES: tuple[Factor, ...] = ("seeds", "items")
LANGUAGES_LIKE_THESE: tuple[Factor, ...] = ("seeds", "languages", "items")


class Part(NamedTuple):
    """The variance of the mean that a set of factors, and all that hold it, make."""

    variance: float  # of the mean, in squared units of the values
    freedom: float  # degrees of freedom


class Uncertainty(NamedTuple):
    """How far a mean is known."""

    standard_error: float  # of the mean, in its units
    freedom: float  # Satterthwaite's degrees of freedom
    shares: tuple[tuple[float, float], ...]  # of the variance, degrees of freedom


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its uncertainty. `p` is None where nothing was repeated."""

    points: float
    uncertainty: Uncertainty
    interval: tuple[float, float]  # of 1 - ALPHA
    p: float | None  # two-sided
    over: tuple[Factor, ...]  # what varied: only factors with more than one level
    parts: Mapping[Factors, Part] = dataclasses.field(repr=False)
    sizes: Mapping[Factor, int]  # levels of each factor in `over`

    @property
    def standard_error(self) -> float:
        """Of the mean, in its units."""
        return self.uncertainty.standard_error


def estimate(
    values: Float[np.ndarray, "seeds languages"],
    draws: Float[np.ndarray, "resamples seeds languages"],
    *,
    items: Sequence[int],
    over: Sequence[Factor] = THESE_LANGUAGES,
) -> Estimate:
    """The mean over seeds and languages, and how far it would move.

    Args:
        values: of all items.
        draws: of resampled items; entry i is of one resample everywhere.
        items: how many each language has.
        over: the random factors. One with a single level tells nothing and is left out.

    Raises:
        ValueError: shapes that do not belong together, or a value that is not a number.
    """
    if values.ndim != 2 or draws.shape[1:] != values.shape or not values.size:
        raise ValueError(f"values {values.shape} and draws {draws.shape} do not fit")
    if len(items) != values.shape[1]:
        raise ValueError(f"{len(items)} numbers of items, {values.shape[1]} languages")
    if not (np.isfinite(values).all() and np.isfinite(draws).all()):
        raise ValueError("a value is missing; leave its seed or language out")
    axes: dict[Factor, int] = {
        name: axis
        for axis, name in enumerate(("seeds", "languages"))
        if name in over and values.shape[axis] > 1
    }
    parts = marginal_variances(values, axes)
    sizes: dict[Factor, int] = {name: values.shape[axis] for name, axis in axes.items()}
    if "items" in over and min(items) > 1:
        # The n in the variance of n resampled items should be n - 1.
        widen = np.sqrt([count / (count - 1) for count in items])
        moved = (draws - draws.mean(axis=0)) * widen
        parts |= _with_items(moved, axes, freedom=min(items) - 1)
        sizes["items"] = min(items)
    points = float(values.mean())
    uncertainty = combine(parts)
    return Estimate(
        points=points,
        uncertainty=uncertainty,
        interval=interval(points, uncertainty),
        p=p_value(points, uncertainty) if parts else None,
        over=tuple(name for name in LANGUAGES_LIKE_THESE if name in sizes),
        parts=parts,
        sizes=sizes,
    )


def marginal_variances(
    table: np.ndarray, axes: Mapping[Factor, int]
) -> dict[Factors, Part]:
    """The part of each set of random factors; axes that are not named are averaged.

    Args:
        table: one value for each combination of levels.
        axes: of `table`, by random factor; each has at least 2 levels.
    """
    found: dict[Factors, Part] = {}
    for names in sets_of(axes):
        variance = float(_squares(table[None], names, axes)[0])
        found[frozenset(names)] = Part(variance, _freedom(table, names, axes))
    return found


def combine(parts: Mapping[Factors, Part]) -> Uncertainty:
    """The standard error of the mean and what its limits are made of.

    A variance is at least that of each single factor: what is taken away is itself an
    estimate, and could leave too little.
    """
    if not parts:
        return Uncertainty(math.inf, 0.0, ())
    total = sum(
        (-1) ** (len(names) + 1) * part.variance for names, part in parts.items()
    )
    single = [part for names, part in parts.items() if len(names) == 1]
    main = sum(part.variance for part in single)
    total = max(total, *(part.variance for part in single), 0.0)
    if not main:
        freedom = max(part.freedom for part in single)
        return Uncertainty(0.0, freedom, ((1.0, freedom),))
    spread = sum(part.variance**2 / part.freedom for part in parts.values())
    return Uncertainty(
        math.sqrt(total),
        max(total**2 / spread, min(part.freedom for part in single)),
        tuple((part.variance / main, part.freedom) for part in single if part.variance),
    )


def limit(uncertainty: Uncertainty, *, alpha: float) -> float:
    """How many standard errors are significant, two-sided (Cochran and Cox)."""
    from scipy import special

    # The lower tail keeps its digits where alpha is tiny.
    return -sum(
        share * float(special.stdtrit(freedom, alpha / 2))
        for share, freedom in uncertainty.shares
    )


def interval(
    points: float, uncertainty: Uncertainty, *, alpha: float = ALPHA
) -> tuple[float, float]:
    """The differences that a test with `alpha` would not call significant."""
    error = uncertainty.standard_error
    if not math.isfinite(error):
        return -math.inf, math.inf
    wide = limit(uncertainty, alpha=alpha) * error
    return points - wide, points + wide


def p_value(points: float, uncertainty: Uncertainty) -> float:
    """The alpha whose limit is just reached; 1 for no difference, however sure."""
    from scipy import special

    if points == 0:
        return 1.0
    if uncertainty.standard_error == 0:
        return 0.0
    reached = abs(points) / uncertainty.standard_error
    if len(uncertainty.shares) == 1:
        return float(2 * special.stdtr(uncertainty.shares[0][1], -reached))
    low, high = math.log(_SMALLEST), 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if limit(uncertainty, alpha=math.exp(middle)) > reached:
            low = middle
        else:
            high = middle
    return math.exp(high)


def resampled(
    draws: Float[np.ndarray, "resamples seeds languages"],
    *,
    over: Sequence[Factor],
    seed: int = 0,
) -> Float[np.ndarray, " resamples"]:
    """Means of the hierarchical bootstrap: seeds and languages are drawn again too.

    Their percentiles are too narrow for few seeds, as the module says.
    """
    rng = np.random.default_rng(seed)
    count, seeds, languages = draws.shape

    def drawn(size: int, factor: Factor) -> np.ndarray:
        if factor in over:
            return rng.integers(0, size, (count, size))
        return np.broadcast_to(np.arange(size), (count, size))

    rows, columns = drawn(seeds, "seeds"), drawn(languages, "languages")
    picked = draws[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None]]
    return picked.mean(axis=(1, 2))


def _with_items(
    moved: np.ndarray, axes: Mapping[Factor, int], *, freedom: int
) -> dict[Factors, Part]:
    """Parts of items alone and with other factors, from centred draws."""
    found: dict[Factors, Part] = {}
    for names in ((), *sets_of(axes)):
        variance = _squares(moved, names, axes).sum() / (len(moved) - 1)
        found[frozenset((*names, "items"))] = Part(
            float(variance), freedom * _freedom(moved[0], names, axes)
        )
    return found


def sets_of(factors: Collection[Factor]) -> list[tuple[Factor, ...]]:
    """All sets of factors but the empty one, small ones first."""
    return [
        names
        for size in range(1, len(factors) + 1)
        for names in itertools.combinations(factors, size)
    ]


def _squares(
    tables: np.ndarray, names: Sequence[Factor], axes: Mapping[Factor, int]
) -> np.ndarray:
    """The variance of the mean that `names` make in each table of a stack.

    Means over the other axes, less the means of each named one; their squares over the
    degrees of freedom are the variance of a level, over the levels that of the mean.
    """
    kept = {axes[name] + 1 for name in names}
    rest = tuple(axis for axis in range(1, tables.ndim) if axis not in kept)
    centred = tables.mean(axis=rest, keepdims=True)
    for axis in kept:
        centred = centred - centred.mean(axis=axis, keepdims=True)
    levels = math.prod(tables.shape[axis] for axis in kept)
    squares = (centred**2).sum(axis=tuple(range(1, tables.ndim)))
    return squares / (levels * _freedom(tables[0], names, axes))


def _freedom(
    table: np.ndarray, names: Sequence[Factor], axes: Mapping[Factor, int]
) -> float:
    return float(math.prod(table.shape[axes[name]] - 1 for name in names))
