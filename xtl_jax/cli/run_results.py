"""Reading a run directory for a report.

    run.json                     must be there
    scores/*.json                at least one must be there
    scores/summary.json          without it, averages are missing
    log.jsonl                    without it, there are no curves
    predictions/TASK.LANGUAGE.jsonl   without one, its wrong examples are not shown
    robustness/summary.json      what attacks cost, where there were any
    robustness/certified.json    what a vote under noise certifies, likewise

What a report cannot do without is an error that says how to get it. What it can do
without becomes a note on the page. A run that was killed may have left half a line at
the end of its log: it is skipped and noted; a broken line before the end is an error.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from xtl_jax import storage
from xtl_jax.errors import UserError
from xtl_jax.report import systems
from xtl_jax.report.results import (
    LanguageScore,
    RunResults,
    family_summaries,
    language_score,
)

SUMMARY = "summary.json"


class Arm(NamedTuple):
    """What one arm of a report is made from."""

    name: str | None  # as given; None: the runs' own names
    run_dirs: tuple[storage.AnyPath, ...]


def arguments(texts: Sequence[str]) -> list[Arm]:
    """Arms as they are given on the command line: `RUN`, `RUN+RUN`, `NAME=RUN+RUN`.

    A run directory whose own name has such a sign in it is taken as it is.

    Example:
        >>> [arm.name for arm in arguments(["base=a/xnli+a/panx", "b"])]
        ['base', None]
    """
    arms = []
    for text in texts:
        whole = storage.at(text)
        if whole.is_dir():
            arms.append(Arm(None, (whole,)))
            continue
        name, equals, rest = text.partition("=")
        parts = (rest if equals else text).split("+")
        if not all(parts) or (equals and not name):
            raise UserError(
                f"{text!r} names no run directory; give RUN, or several as one arm: "
                "RUN+RUN or NAME=RUN+RUN"
            )
        arms.append(Arm(name if equals else None, tuple(map(storage.at, parts))))
    return arms


def read_arms(wanted: Sequence[Arm]) -> tuple[RunResults, ...]:
    """The arms of a report, the baseline first.

    Runs that are given one by one and have no family in common are one arm: nothing of
    one can be compared with another, and one run a target task is the usual protocol.

    Raises:
        UserError: no run, one given twice, one that cannot be read, or two runs of one
            arm that have scores for the same family.
    """
    runs = iter(read_all([path for arm in wanted for path in arm.run_dirs]))
    parts = [[next(runs) for _ in arm.run_dirs] for arm in wanted]
    alone = [run for part in parts for run in part]
    if 1 < len(alone) == len(wanted) and systems.disjoint(alone):
        return (systems.join(alone, label=None),)
    arms = [
        systems.join(part, label=arm.name)
        if len(part) > 1
        else dataclasses.replace(part[0], label=arm.name or part[0].label)
        for arm, part in zip(wanted, parts, strict=True)
    ]
    labels = [arm.label for arm in arms]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise UserError(f"two arms are called {twice!r}; name them: NAME=RUN")
    return tuple(arms)


def read_all(run_dirs: Sequence[storage.AnyPath]) -> tuple[RunResults, ...]:
    """All runs of a report, the baseline first, each with a label of its own.

    Raises:
        UserError: no run, one given twice, or one that cannot be read.
    """
    if not run_dirs:
        raise UserError("give at least one run directory; see `xtl report --help`")
    resolved = [storage.resolved(path) for path in run_dirs]
    twice = next((p for i, p in enumerate(resolved) if p in resolved[:i]), None)
    if twice is not None:
        raise UserError(f"run directory {twice} is given twice; name each run once")
    configs = [_config(path) for path in run_dirs]
    labels = _labels(run_dirs, configs)
    return tuple(
        _read(path, config=config, label=label)
        for path, config, label in zip(run_dirs, configs, labels, strict=True)
    )


def _config(run_dir: storage.AnyPath) -> dict[str, Any]:
    if not run_dir.is_dir():
        raise UserError(f"{run_dir}: no such run directory")
    path = run_dir / "run.json"
    if not path.is_file():
        raise UserError(
            f"{run_dir} has no run.json, so it is not a run directory; give the folder "
            "that `xtl train` or `xtl run` wrote"
        )
    return _object(path, again="it is written by `xtl train`")


def _labels(
    run_dirs: Sequence[storage.AnyPath], configs: Sequence[dict[str, Any]]
) -> list[str]:
    """The run's own name, else its folder's; made unique, since they head columns."""
    labels = []
    for run_dir, config in zip(run_dirs, configs, strict=True):
        run = config.get("run")
        name = run.get("name") if isinstance(run, dict) else None
        labels.append(str(name) if name else storage.resolved(run_dir).name)
    if len(set(labels)) < len(labels):
        folders = [storage.resolved(path).name for path in run_dirs]
        labels = (
            folders if len(set(folders)) == len(folders) else list(map(str, run_dirs))
        )
    return labels


def _read(
    run_dir: storage.AnyPath, *, config: dict[str, Any], label: str
) -> RunResults:
    from xtl_jax.infer import records

    folder = run_dir / "scores"
    files = sorted(path for path in folder.glob("*.json") if path.name != SUMMARY)
    if not files:
        raise UserError(
            f"{run_dir} has no scores ({folder}/*.json); score its predictions first: "
            f"xtl score {run_dir}"
        )
    again = f"score the predictions again: xtl score {run_dir}"
    scores = [
        language_score(_json(path, again=again), source=str(path)) for path in files
    ]
    notes: list[str] = []
    summary = {}
    if (folder / SUMMARY).is_file():
        path = folder / SUMMARY
        summary = family_summaries(_json(path, again=again), source=str(path))
    else:
        notes.append(f"scores/{SUMMARY} is not there, so averages are missing; {again}")
    predictions = {}
    for score in scores:
        name = f"{score.family}.{score.language}"
        path = run_dir / "predictions" / f"{name}.jsonl"
        if path.is_file():
            predictions[name] = records.read(path)
            notes += _mismatch(score, {record.id for record in predictions[name]})
        else:
            notes.append(
                f"predictions/{name}.jsonl is not there, so its wrong examples are "
                "missing from this report"
            )
    entries, log_notes = log(run_dir / "log.jsonl")
    robustness, certified = (
        _object(path, again=again) if path.is_file() else {}
        for path in (run_dir / "robustness" / n for n in (SUMMARY, "certified.json"))
    )
    return RunResults(
        label=label,
        folder=storage.resolved(run_dir).name,
        config=config,
        log=entries,
        scores=tuple(scores),
        summary=summary,
        predictions=predictions,
        notes=(*notes, *log_notes),
        robustness=robustness.get("families", {}),
        certified=certified,
    )


def _mismatch(score: LanguageScore, ids: set[str]) -> list[str]:
    """A note where predictions were made anew and not scored since."""
    strangers = ids - score.per_example.keys()
    if not strangers:
        return []
    return [
        f"{score.family}.{score.language}: {len(strangers)} predictions (such as "
        f"{min(strangers)!r}) have no score, so scores and predictions do not belong "
        "together; score them again with `xtl score`"
    ]


def log(path: storage.AnyPath) -> tuple[tuple[dict[str, Any], ...], list[str]]:
    """The lines of a `log.jsonl`, and what is to be noted of it.

    Raises:
        UserError: a line before the last is broken.
    """
    if not path.is_file():
        return (), ["log.jsonl is not there, so learning curves are missing"]
    lines = path.read_bytes().split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line.decode("utf-8"))
            if not isinstance(entry, dict):
                raise ValueError(f"it is a {_kind(entry)}, not an object")
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                return tuple(entries), [
                    f"the last line of log.jsonl (line {number}) is broken, as a "
                    "killed run leaves it; it was skipped"
                ]
            raise UserError(
                f"{path}, line {number}: no valid JSON object ({error}); only the last "
                "line of a log may be broken: remove the line, or the file to go "
                "without learning curves"
            ) from None
        entries.append(entry)
    return tuple(entries), []


def _json(path: storage.AnyPath, *, again: str) -> Any:
    try:
        return json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is no valid JSON, perhaps cut off ({error}); {again}"
        ) from None


def _object(path: storage.AnyPath, *, again: str) -> dict[str, Any]:
    found = _json(path, again=again)
    if not isinstance(found, dict):
        raise UserError(
            f"{path} must hold a JSON object, holds a {_kind(found)}; {again}"
        )
    return found


def _kind(value: Any) -> str:
    return {list: "list", str: "text", bool: "truth value", type(None): "null"}.get(
        type(value), "number"
    )
