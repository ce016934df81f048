"""How large a difference is, beside how sure: in points, in errors, in seeds' spread.

Points are what tables show. They do not say that from 95 to 96 a fifth of all errors
went away, and from 50 to 51 a fiftieth:

    >>> error_reduction(95.0, 96.0), error_reduction(50.0, 51.0)
    (20.0, 2.0)

nor whether another seed would show the same. For that the mean difference is divided by
the seeds' standard deviation (Cohen's d of paired values), times Hedges' factor, which
takes away that few seeds make it look larger. Differences 1, 2 and 3 have mean 2 and
standard deviation 1; the factor of two degrees of freedom is 0.564:

    >>> round(standardised([1.0, 2.0, 3.0]), 3)
    1.128
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def error_reduction(baseline: float, value: float) -> float | None:
    """Percent of the baseline's errors that went away; None if it had none.

    Args:
        baseline: percent.
        value: percent.
    """
    if baseline >= 100.0:
        return None
    return 100.0 * (value - baseline) / (100.0 - baseline)


def standardised(differences: Sequence[float]) -> float | None:
    """Hedges' g of paired differences, one for each seed.

    None for fewer than three seeds, where it has no unbiased value, or if all are the
    same: then there is no spread to measure with.
    """
    if len(differences) < 3:
        return None
    spread = statistics.stdev(differences)
    if not spread:
        return None
    freedom = len(differences) - 1
    return hedges_factor(freedom) * statistics.fmean(differences) / spread


def hedges_factor(freedom: int) -> float:
    """What makes a standardised difference unbiased (Hedges 1981); below 1.

    Raises:
        ValueError: fewer than 2 degrees of freedom.
    """
    if freedom < 2:
        raise ValueError(f"degrees of freedom must be at least 2, got {freedom}")
    logs = math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2)
    return math.exp(logs - math.log(freedom / 2) / 2)
