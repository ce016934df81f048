"""How long a study will still take, by what its done stages took.

Training is told by its steps: a second a step, as the done training stages had it. What
is predicted and scored is told by the mean of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xtl_jax.studies.graph import Stage


def seconds(
    stages: Sequence[Stage], *, took: Mapping[str, float], workers: int = 1
) -> float | None:
    """Seconds that are left; None while nothing is known of a kind that is left.

    Args:
        stages: of the study.
        took: seconds of each stage that is done, by its id.
        workers: that share what is left.
    """
    left = 0.0
    for kind in ("train", "predict", "score"):
        members = [stage for stage in stages if stage.kind == kind]
        undone = sum(_size(each) for each in members if each.id not in took)
        done = [each for each in members if each.id in took]
        if not undone:
            continue
        if not done:
            return None
        rate = sum(took[each.id] for each in done) / sum(map(_size, done))
        left += rate * undone
    return left / workers


def _size(stage: Stage) -> float:
    return float(stage.settings["steps"]) if stage.kind == "train" else 1.0
