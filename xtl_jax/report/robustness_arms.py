"""Models beside each other under the same attacks, as one Markdown table.

A row an attack and arm: clean, attacked and gap, and how much each differs from that of
the first arm, the baseline. A gap is as narrow by a lower clean value as by a higher
attacked one, so neither is left out. Values are percent, differences points, intervals
of 95 % over seeds and examples together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from xtl_jax.metrics.crossed import Estimate
from xtl_jax.metrics.robustness_arms import Arm

_KEYS = ("clean", "attacked", "gap")
HEAD = ("attack", "model", *_KEYS, *(f"{key} -" for key in _KEYS))


def rows(by_attack: Mapping[str, Sequence[Arm]]) -> list[list[str]]:
    """Cells of the table, below `HEAD`; the baseline has no differences."""
    return [
        [
            attack,
            arm.arm,
            *(f"{arm.values[key].points:.1f}" for key in _KEYS),
            *(_difference(arm.differences.get(key)) for key in _KEYS),
        ]
        for attack, arms in by_attack.items()
        for arm in arms
    ]


def caption(by_attack: Mapping[str, Sequence[Arm]]) -> str:
    """What the table is over, in one sentence."""
    every = [arm for arms in by_attack.values() for arm in arms]
    languages = sorted({code for arm in every for code in arm.languages})
    examples = sorted({arm.examples for arm in every})
    span = str(examples[0])
    if len(examples) > 1:
        span += f" to {examples[-1]}"
    return (
        f"Percent; {every[0].seeds} runs a model, {span} examples "
        f"({', '.join(languages)}); `-` is the difference to {every[0].arm} in points, "
        "with 95 % intervals over seeds and examples, each for itself: of many, one in "
        "twenty leaves out 0 by chance."
    )


def markdown(families: Mapping[str, Mapping[str, Sequence[Arm]]]) -> str:
    """The tables of all families."""
    parts = []
    for family, by_attack in families.items():
        lines = [list(HEAD), ["---", "---", *["---:"] * (len(HEAD) - 2)]]
        lines += rows(by_attack)
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        parts.append(f"## {family}\n\n{caption(by_attack)}\n\n{table}\n")
    return "\n".join(parts)


def _difference(found: Estimate | None) -> str:
    """Points with their interval; a single example of a single seed has none."""
    if found is None:
        return ""
    if not math.isfinite(found.standard_error):
        return f"{found.points:+.1f}"
    low, high = found.interval
    return f"{found.points:+.1f} [{low:.1f}, {high:.1f}]"
