"""`xtl submit`: predictions of runs to a folder that XTREME's evaluate.py reads.

    xtl submit runs/xnli runs/mlqa --out submission --xtreme_version xtreme

Each run's `predictions/` is read; families that the benchmark does not have are left
alone. A task is written only if it is whole: all languages, every example, one
checkpoint. One that is not is refused with what it lacks, or, with `--partial`, left
out and named. Check the folder where labels are at hand:

    xtl score --submission submission --labels LABEL_DIR --xtreme_version xtreme
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax import storage
from xtl_jax.cli import score_gold, score_run
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.metrics import xtreme
from xtl_jax.metrics.benchmark import BENCHMARKS
from xtl_jax.report import submission
from xtl_jax.report.text import visible

if TYPE_CHECKING:
    from xtl_tasks.family import Family


def add_parser(subparsers: Any) -> None:
    """Add `xtl submit` to the commands."""
    parser = subparsers.add_parser(
        "submit",
        help="predictions of runs to an XTREME or XTREME-R submission folder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_dirs", nargs="+", metavar="RUN", help="run directories")
    parser.add_argument("--out", required=True, help="folder to write; new or empty")
    parser.add_argument(
        "--xtreme_version",
        choices=tuple(BENCHMARKS),
        default="xtreme",
        help="which tasks and languages (default: %(default)s)",
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="leave out tasks that are not whole, and say so",
    )
    parser.add_argument(
        "--format",
        action="append",
        default=[],
        metavar="FAMILY",
        help="family to take where a task was predicted in two text formats, such as "
        "xcopa_rank; may be repeated",
    )
    parser.add_argument(
        "--data_dir", help="release files to hold ids against (default: the runs')"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, not a list"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read the runs, and write the folder.

    Raises:
        UserError: the folder is in use, or the predictions make no submission.
    """
    out = storage.at(args.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"--out={out}: is there already and not empty; a submission is written "
            "into a new folder, so that no file of another one stays in it"
        )
    made = submission.compose(
        args.xtreme_version,
        prediction_sets(
            args.run_dirs, version=args.xtreme_version, data_dir=args.data_dir
        ),
        incomplete="leave_out" if args.partial else "refuse",
        formats=args.format,
    )
    for name, text in made.files.items():
        records.replace(out / name, text)
    document = {
        "out": str(out),
        "xtreme_version": args.xtreme_version,
        "tasks": {
            name: {
                "family": each.family,
                "languages": sum(file.startswith(f"{name}/") for file in made.files),
                "checkpoint": each.checkpoint,
                "step": each.step,
                "invalid": made.invalid.get(name, 0),
            }
            for name, each in made.tasks.items()
        },
        "left_out": dict(made.left_out),
        "absent": list(made.absent),
        "unchecked": list(made.unchecked),
    }
    if args.json:
        print(json.dumps(document, ensure_ascii=False))
    else:
        _show(document)
    return 0


def prediction_sets(
    run_dirs: Sequence[str], *, version: str, data_dir: str | None
) -> list[submission.PredictionSet]:
    """Predictions of the benchmark's tasks in these runs.

    Raises:
        UserError: a run is named twice or not there, or a file cannot be read.
    """
    from xtl_tasks import catalog

    places = [storage.resolved(storage.at(each)) for each in run_dirs]
    for run_dir, place in zip(run_dirs, places, strict=True):
        if places.count(place) > 1:
            raise UserError(f"run directory {run_dir} is given twice; name it once")
    tasks = xtreme.scored_tasks(version)
    families = {name for task in tasks for name in (task.family, *task.other_formats)}
    found = []
    for run_dir in run_dirs:
        gold = score_gold.GoldReader(run_dir, find=catalog.find, data_dir=data_dir)
        for path in score_run.prediction_files(run_dir):
            if path.name.partition(".")[0] not in families:
                continue
            read, family, language = score_run.read_file(path, find=catalog.find)
            found.append(
                _prediction_set(path, read, family, language=language, gold=gold)
            )
    return found


def _prediction_set(
    path: storage.AnyPath,
    read: Sequence[records.Record],
    family: Family,
    *,
    language: str,
    gold: score_gold.GoldReader,
) -> submission.PredictionSet:
    first = read[0]
    expected = gold(first)
    published = None
    if family.kind != "retrieval":  # there it is the number of both sides
        published = family.rows_published(language=language, split=first.split)
    return submission.PredictionSet(
        source=str(path),
        family=family.name,
        language=language,
        split=first.split,
        checkpoint=first.checkpoint,
        step=first.step,
        records=read,
        labels=family.labels,
        expected=None if expected is None else [row.id for row in expected],
        published=published,
        limit=gold.limit,
    )


def _show(document: dict[str, Any]) -> None:
    for name, task in document["tasks"].items():
        print(
            f"{name}: {task['languages']} languages of {task['family']}, "
            f"{task['checkpoint']} (step {task['step']})"
        )
        if task["invalid"]:
            print(
                f"note: {name}: {task['invalid']} predictions are no label; they are "
                f"written as {submission.INVALID} and count as wrong",
                file=sys.stderr,
            )
    for name, why in document["left_out"].items():
        print(visible(f"left out: {name}: {why}"), file=sys.stderr)
    if document["absent"]:
        print(
            f"not in this submission: {', '.join(document['absent'])} (no predictions)",
            file=sys.stderr,
        )
    if document["unchecked"]:
        print(
            f"note: {', '.join(document['unchecked'])}: the evaluation data is not "
            "here, so their ids were not checked; see --data_dir",
            file=sys.stderr,
        )
    print(
        f"wrote {document['out']}; where labels are at hand: xtl score --submission "
        f"{document['out']} --labels LABEL_DIR --xtreme_version "
        f"{document['xtreme_version']}"
    )
