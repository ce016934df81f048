"""Runs that belong together: one system, one arm of a report.

The usual protocol fine-tunes once for each target task, so that what a paper calls a
model is several runs: one for XNLI, one for PAN-X, … Joined, they are one arm with the
families of all. A family may be in one of the runs only: which of two scores counts
would be a guess.

The joined configuration has the values on which all runs agree; where they differ, the
values of the runs one after the other:

    >>> joined_config([{"run": {"task": "xnli.en", "steps": 600}},
    ...                {"run": {"task": "panx.en", "steps": 600}}])
    {'run': {'task': 'xnli.en · panx.en', 'steps': 600}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xtl_jax.errors import UserError
from xtl_jax.report.results import RunResults

MOST_NAMES = 3  # run names in a label that was not given


def join(runs: Sequence[RunResults], *, label: str | None) -> RunResults:
    """Several runs as one arm.

    Args:
        runs: at least two.
        label: what to call them; their own names where None.

    Raises:
        UserError: two of them have scores for the same family.
    """
    owner: dict[str, RunResults] = {}
    for run in runs:
        for family in families(run):
            if family in owner:
                raise UserError(
                    f"{owner[family].folder} and {run.folder} cannot be one system: "
                    f"both have scores for {family}, and which of them counts cannot "
                    "be known; give them as two (with a space, not with +)"
                )
            owner[family] = run
    return RunResults(
        label=label or _label(runs),
        folder=" + ".join(run.folder for run in runs),
        config=joined_config([run.config for run in runs]),
        log=(),
        scores=tuple(score for run in runs for score in run.scores),
        summary={name: found for run in runs for name, found in run.summary.items()},
        predictions={
            name: found for run in runs for name, found in run.predictions.items()
        },
        notes=_differing_starts(runs),
        parts=tuple(runs),
    )


def families(run: RunResults) -> set[str]:
    """The families that a run says anything about."""
    return {score.family for score in run.scores} | set(run.summary)


def disjoint(runs: Sequence[RunResults]) -> bool:
    """Whether no family is in two of the runs."""
    names = [name for run in runs for name in families(run)]
    return len(names) == len(set(names))


def joined_config(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One configuration of several; what differs is written one after the other."""
    joined: dict[str, Any] = {}
    for key in dict.fromkeys(key for config in configs for key in config):
        values = [config[key] for config in configs if key in config]
        if all(isinstance(value, Mapping) for value in values):
            joined[key] = joined_config(values)
        else:
            written = dict.fromkeys(map(_written, values))
            joined[key] = values[0] if len(written) == 1 else " · ".join(written)
    return joined


def _label(runs: Sequence[RunResults]) -> str:
    names = [run.label for run in runs]
    more = f" + {len(names) - MOST_NAMES} more" if names[MOST_NAMES:] else ""
    return " + ".join(names[:MOST_NAMES]) + more


def _differing_starts(runs: Sequence[RunResults]) -> tuple[str, ...]:
    """A note where the runs of one system do not start from the same checkpoint."""
    starts: dict[str, list[str]] = {}
    for run in runs:
        settings = run.config.get("run")
        start = settings.get("initial_checkpoint") if isinstance(settings, dict) else ""
        starts.setdefault(str(start or "nothing"), []).append(run.label)
    if len(starts) < 2:
        return ()
    told = "; ".join(
        f"{', '.join(names)} from {start}" for start, names in starts.items()
    )
    return (
        "its runs started from different checkpoints, so that means over their tasks "
        f"are the number of no one recipe: {told}",
    )


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
