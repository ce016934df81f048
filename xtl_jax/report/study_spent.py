"""What a study has cost: the one part of its page that depends on when it was run.

Seconds and workers' attempts stand between two comments of the page and nowhere else,
so that two runs of one study can be compared byte by byte without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from xtl_jax.report.study_results import Stage, Study

MARKS = ("<!-- cost -->", "<!-- end of cost -->")  # begin and end


class Cost(NamedTuple):
    """What was spent, by kind of stage."""

    rows: tuple[tuple[str, int, str], ...]  # kind, stages, time
    total: str
    again: tuple[Stage, ...]  # that needed more than one attempt
    seconds: tuple[tuple[str, str], ...]  # id, time


def cost(study: Study) -> Cost:
    """The times of all stages that are done."""
    timed = [stage for stage in study.stages if stage.seconds is not None]
    kinds = dict.fromkeys(stage.kind for stage in timed)

    def total(stages: Sequence[Stage]) -> str:
        return duration(sum(stage.seconds or 0.0 for stage in stages))

    return Cost(
        rows=tuple(
            (kind, len(own), total(own))
            for kind in kinds
            for own in [[stage for stage in timed if stage.kind == kind]]
        ),
        total=total(timed),
        again=tuple(stage for stage in timed if (stage.attempts or 1) > 1),
        seconds=tuple((s.id, f"{s.seconds:.1f} s") for s in timed),
    )


def duration(seconds: float) -> str:
    """A time in words.

    Example:
        >>> duration(75.4), duration(7300)
        ('1 min 15 s', '2 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def without_cost(page: str) -> str:
    """A page without what depends on when and where its study was run.

    Example:
        >>> without_cost("a<!-- cost -->3 s<!-- end of cost -->b")
        'ab'
    """
    before, _, rest = page.partition(MARKS[0])
    return before + rest.partition(MARKS[1])[2]
