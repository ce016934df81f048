"""A submission folder against a label folder: what XTREME's `evaluate.py` prints.

Both folders hold `TASK/test-LANGUAGE.SUFFIX`. A task is scored if its folder is in
both; then every language of it must be there, since a mean over fewer languages would
be another number under the same name.
"""

from __future__ import annotations

import pathlib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import xtl_jax
from xtl_jax.cli import score_files
from xtl_jax.errors import UserError
from xtl_jax.metrics import tagging, xtreme
from xtl_jax.metrics.benchmark import BENCHMARKS, Task
from xtl_jax.metrics.metric import Values

if TYPE_CHECKING:
    from rich.table import Table

_LISTED = 5  # missing files that an error names


class Pair(NamedTuple):
    """One language of one task."""

    task: str
    language: str
    predictions: pathlib.Path
    labels: pathlib.Path


def score_submission(
    predictions: str,
    labels: str,
    *,
    version: str,
    track: Callable[[Sequence[Pair]], Iterable[Pair]] = iter,
) -> tuple[dict[str, Any], list[str]]:
    """Score a folder.

    Args:
        predictions: the submission.
        labels: folder of label files.
        version: `xtreme` or `xtreme-r`.
        track: goes through the files, to show progress.

    Returns:
        The document, and notes on what was not scored. The document has `overall` and
        `detailed` as the script returns them, with UDPOS's spans as seqeval before 1.0
        finds them; `with_seqeval_1` has what differs with a newer seqeval.

    Raises:
        UserError: a folder is not there, no task is in both, a language of a task is
            missing, or a file cannot be scored.
    """
    roots = {"predictions": pathlib.Path(predictions), "labels": pathlib.Path(labels)}
    tasks, notes = _tasks(roots, version=version)
    pairs = [
        _pair(roots, task, language) for task in tasks for language in task.languages
    ]
    _check_complete(pairs)
    values: dict[str, dict[str, Values]] = {task.name: {} for task in tasks}
    newer: dict[str, Values] = {}  # UDPOS as seqeval 1 finds its spans
    for pair in track(pairs):
        values[pair.task][pair.language] = _score(pair, seqeval="0")
        if pair.task == "udpos":
            newer[pair.language] = _score(pair, seqeval="1")
    found = xtreme.evaluate(version, values)
    document = {
        "xtreme_version": version,
        "overall": found.overall,
        "detailed": found.detailed,
        "signature": _signature(tasks, version=version),
    }
    if newer:
        other = xtreme.evaluate(version, {**values, "udpos": newer})
        document["with_seqeval_1"] = {
            "overall": {
                name: number
                for name, number in other.overall.items()
                if number != found.overall[name]
            },
            "detailed": {"udpos": other.detailed["udpos"]},
        }
    return document, notes


def _tasks(
    roots: Mapping[str, pathlib.Path], *, version: str
) -> tuple[list[Task], list[str]]:
    """Tasks whose folder is on both sides, and notes on the other folders."""
    for name, root in roots.items():
        if not root.is_dir():
            raise UserError(f"{root}: no such folder of {name}")
    folders = {
        name: {path.name for path in root.iterdir() if path.is_dir()}
        for name, root in roots.items()
    }
    both = folders["predictions"] & folders["labels"]
    known = {task.name for task in xtreme.scored_tasks(version)}
    unscored = [task.name for task in BENCHMARKS[version].tasks if task.ours]
    for name in unscored:
        if name in both:
            raise UserError(
                f"{roots['predictions'] / name}: evaluate.py has no languages and no "
                f"reader for {name} and stops at this folder (KeyError); move it away, "
                f"and score {name} from a run with `xtl score RUN`"
            )
    notes = []
    for name in sorted(folders["predictions"]):
        if name not in known and name not in unscored:
            notes.append(f"{name}: is no task of {version}; its folder was not scored")
        elif name not in folders["labels"]:
            notes.append(f"{name}: there are no labels for it; it was not scored")
    tasks = [task for task in xtreme.scored_tasks(version) if task.name in both]
    if not tasks:
        raise UserError(
            f"{roots['predictions']} and {roots['labels']} have no folder of a task of "
            f"{version} in common; tasks are {', '.join(sorted(known))}, each a folder "
            "of files such as xnli/test-ar.tsv"
        )
    return tasks, notes


def _pair(roots: Mapping[str, pathlib.Path], task: Task, language: str) -> Pair:
    name = xtreme.file_name(task.name, language=language)
    return Pair(
        task.name,
        language,
        predictions=roots["predictions"] / task.name / name,
        labels=roots["labels"] / task.name / name,
    )


def _score(pair: Pair, *, seqeval: tagging.Seqeval) -> dict[str, float]:
    names = (str(pair.predictions), str(pair.labels))
    try:
        return xtreme.score_file(
            pair.task,
            gold=score_files.read_text(names[1]),
            predictions=score_files.read_text(names[0]),
            language=pair.language,
            gold_name=names[1],
            prediction_name=names[0],
            seqeval=seqeval,
        )
    except UserError as error:
        if any(name in str(error) for name in names):
            raise
        raise UserError(f"{names[0]}: {error}") from None


def _check_complete(pairs: Sequence[Pair]) -> None:
    missing = [
        path
        for pair in pairs
        for path in (pair.predictions, pair.labels)
        if not path.is_file()
    ]
    if missing:
        shown = ", ".join(map(str, missing[:_LISTED]))
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        raise UserError(
            f"{len(missing)} of {2 * len(pairs)} files are missing: {shown}{more}; a "
            "task is averaged over all of its languages: add them, or move the task's "
            "folder away to score the others"
        )


def _signature(tasks: Sequence[Task], *, version: str) -> str:
    choices = {
        "benchmark": version,
        "tasks": "+".join(task.name for task in tasks),
        "spans": "seqeval0",
        "agg": "languages,tasks",
        "unicode": unicodedata.unidata_version,
        "v": xtl_jax.__version__,
    }
    return "|".join(["xtl", *(f"{name}:{value}" for name, value in choices.items())])


def table(document: Mapping[str, Any]) -> Table:
    """A row a task with its averages and its languages, then the overall scores."""
    from rich import box
    from rich.table import Table

    found = Table(
        title=f"{BENCHMARKS[document['xtreme_version']].title}: percent",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    found.add_column("task")
    found.add_column("score", justify="right")
    found.add_column("languages", overflow="fold")
    for name, rows in document["detailed"].items():
        keys = [key for key, row in rows.items() if isinstance(row, Mapping)]
        means = " ".join(f"{key}={rows[f'avg_{key}']:.2f}" for key in keys)
        cells = [
            f"{language}={'/'.join(f'{rows[key][language]:.1f}' for key in keys)}"
            for language in rows[keys[0]]
        ]
        found.add_row(name, f"{rows['avg_metric']:.2f}", f"{means}\n{'  '.join(cells)}")
    found.add_section()
    for name, number in document["overall"].items():
        found.add_row(name, f"{number:.2f}", "", style="bold")
    if "with_seqeval_1" in document:
        newer = document["with_seqeval_1"]["detailed"]["udpos"]["avg_metric"]
        found.caption = (
            "udpos: spans as seqeval before 1.0 finds them, as published; a newer one "
            f"gives {newer:.2f}"
        )
    return found
