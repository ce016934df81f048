"""What speaks against a run's numbers, from what it read and how it went.

Each doubt is one sentence. `xtl train` says it when it shows, a report says it before
its first number. None of them ends a run: a loss that is no number does, in the loop.

    >>> of_log([{"step": 5, "kind": "train", "loss": 0.7, "gradient_norm": 0.0}])
    ['the gradient was zero from step 5 to 5: nothing was learnt there']
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

CUT_PERCENT = 5.0  # examples that lose their end, from which it is said
FULL_PERCENT = 5.0  # positions of rows that hold a token, below which it is said
# A spike: a loss above the median of those before it by this factor and these nats.
SPIKE_FACTOR, SPIKE_NATS = 2.0, 1.0
_BEFORE = 10  # losses that a spike is measured against
_FEWEST = 3  # of them
_LEARNT = 0.01  # nats a token: below it a gradient may well vanish


def of_reading(reading: Mapping[str, Any]) -> list[str]:
    """Of what a run reads, as `run.json` keeps it.

    Example:
        >>> of_reading({"tasks": {"mnli": {"truncated_percent": {"inputs": 31.0}}},
        ...             "fill_percent": {"inputs": 2.0, "targets": 60.0}})
        ['mnli: 31.0 % of its examples are cut (inputs); give longer \
RunConfig.lengths', 'rows of inputs are 2.0 % full: most of a step is padding; give \
shorter RunConfig.lengths, or RunConfig.pack']
    """
    found = []
    for task, values in reading.get("tasks", {}).items():
        cut = values.get("truncated_percent")
        parts = cut if isinstance(cut, Mapping) else {"inputs": cut or 0.0}
        much = {name: share for name, share in parts.items() if share > CUT_PERCENT}
        if much:
            found.append(
                f"{task}: {max(much.values()):.1f} % of its examples are cut "
                f"({', '.join(much)}); give longer RunConfig.lengths"
            )
    for name, share in (reading.get("fill_percent") or {}).items():
        if share < FULL_PERCENT:
            found.append(
                f"rows of {name} are {share:.1f} % full: most of a step is padding; "
                "give shorter RunConfig.lengths, or RunConfig.pack"
            )
    return found


def of_log(log: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of how a run went, from the lines of `log.jsonl`."""
    found = []
    lines = [line for line in log if "loss" in line and line.get("kind") == "train"]
    for line in lines:
        if not _is_finite(line["loss"]):
            found.append(f"the loss was not finite at step {line.get('step')}")
            break
    whole = [line for line in lines if _is_finite(line["loss"])]
    losses = [float(line["loss"]) for line in whole]
    spikes = [
        (whole[at].get("step"), losses[at], before)
        for at in range(len(losses))
        if (before := spike(losses[max(0, at - _BEFORE) : at], losses[at])) is not None
    ]
    if spikes:
        step, loss, before = spikes[0]
        more = f", and {len(spikes) - 1} times more" if spikes[1:] else ""
        found.append(
            f"the loss rose from {before:.2f} to {loss:.2f} nats at step {step}{more}"
        )
    if dead := [line.get("step") for line in whole if is_dead(line)]:
        found.append(
            f"the gradient was zero from step {dead[0]} to {dead[-1]}: nothing was "
            "learnt there"
        )
    return found


def spike(before: Sequence[float], loss: float) -> float | None:
    """What a loss was before it rose too far; None where it did not.

    Example:
        >>> spike([1.1, 1.0, 0.9], 3.5), spike([1.1, 1.0, 0.9], 1.5)
        (1.0, None)
    """
    if len(before) < _FEWEST:
        return None
    usual = statistics.median(before[-_BEFORE:])
    rose = loss > usual * SPIKE_FACTOR and loss > usual + SPIKE_NATS
    return usual if rose else None


def is_dead(line: Mapping[str, Any]) -> bool:
    """Whether a line of a log has a loss and no gradient."""
    return line.get("gradient_norm") == 0 and line["loss"] > _LEARNT


def _is_finite(loss: object) -> bool:
    return isinstance(loss, (int, float)) and math.isfinite(loss)
