"""How many answers stay right however an input is moved: certified accuracy.

A vote under noise (`infer/smooth.py`) gives each example a class and a radius, or
abstains. An answer is certified at a radius if it is right and its own radius is
larger: no addition to the vectors that is not longer changes it. An example on which
the vote abstains is certified at none.

    >>> votes = [Vote(right=True, radius=0.5), Vote(right=True, radius=0.2),
    ...          Vote(right=False, radius=0.9), Vote(right=False, radius=0.0)]
    >>> found = certified(votes, sigma=0.5)
    >>> [(point.radius, point.accuracy) for point in found.points][:2]
    [(0.0, 50.0), (0.25, 25.0)]
    >>> found.abstained
    25.0

Certified accuracy is a lower bound of what any attack within the radius leaves, and by
how much it is too low nobody knows. The certificate of each example may be wrong with a
probability of 1 - confidence, whatever the model is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from xtl_jax.metrics.metric import percent

# Radii in sigmas. 1,000 draws and a confidence of 0.999 reach 2.46, so 2.5 is for more.
SIGMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)


class Vote(NamedTuple):
    """What is known of one example."""

    right: bool  # the class that was voted for is the right one
    radius: float  # in the unit of the vectors; 0 where the vote abstained
    length: float = 0.0  # mean length of the vectors of its text


class Point(NamedTuple):
    """Certified accuracy at one radius."""

    radius: float  # in the unit of the vectors
    share: float | None  # the radius in mean lengths of the vectors
    accuracy: float  # percent of all examples
    interval: tuple[float, float]  # 95 %, of examples like these


@dataclasses.dataclass(frozen=True, kw_only=True)
class Certified:
    """Certified accuracy of one language; percent."""

    examples: int
    sigma: float
    abstained: float
    points: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        document = dataclasses.asdict(self)
        document["points"] = [
            {**point._asdict(), "interval": list(point.interval)}
            for point in self.points
        ]
        return document


def certified(votes: Sequence[Vote], *, sigma: float) -> Certified:
    """Certified accuracy at multiples of sigma.

    Args:
        votes: one for each example, at least one.
        sigma: of the noise that was voted under.
    """
    if not votes:
        raise ValueError("no votes, so nothing is certified")
    lengths = [vote.length for vote in votes if vote.length > 0]
    mean = sum(lengths) / len(lengths) if lengths else None
    points = []
    for multiple in SIGMAS:
        radius = multiple * sigma
        held = sum(vote.right and vote.radius > radius for vote in votes)
        points.append(
            Point(
                radius=radius,
                share=None if mean is None else radius / mean,
                accuracy=percent(held, total=len(votes)),
                interval=_interval(held, len(votes)),
            )
        )
    return Certified(
        examples=len(votes),
        sigma=sigma,
        abstained=percent(sum(not vote.radius for vote in votes), total=len(votes)),
        points=tuple(points),
    )


def _interval(held: int, total: int) -> tuple[float, float]:
    """Clopper and Pearson's, which does not shrink to nothing at 0 or all."""
    from scipy import stats

    found = stats.binomtest(held, total).proportion_ci(0.95, method="exact")
    return 100.0 * float(found.low), 100.0 * float(found.high)
