"""`xtl score`: prediction files to numbers.

Two ways in. A run directory: every file of `RUN/predictions` is scored, one score file
a language and one summary over families are written, and a table is shown:

    xtl score runs/first

Ids are held against the list that `xtl predict` left, or against the evaluation data
where it is still here: an unknown id is an error, a missing one scores 0.

Outside files, so that anyone can check us or use us in place of the official scripts:
the gold file in the release's own format, the predictions as XTREME's submission has
them (one JSON object of answers by id, or one label a line):

    xtl score --task mlqa --language ar --gold GOLD.json --predictions PRED.json --json

Everything is read and scored before the first file is written.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import score_files, score_gold, score_tables
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.metrics import scoring, summary

if TYPE_CHECKING:
    from rich.table import Table
    from xtl_tasks.family import Family

Find = Callable[[str], "tuple[Family, str]"]
Gold = Callable[[records.Record], Sequence[scoring.Row] | None]
Track = Callable[[Sequence[pathlib.Path]], Iterable[pathlib.Path]]

# XTREME's folder names where they are not our families'.
XTREME_NAMES = {"tydiqa": "tydiqa_goldp", "squad": "squad_v1"}


def add_parser(subparsers: Any) -> None:
    """Add `xtl score` to the commands."""
    parser = subparsers.add_parser(
        "score",
        help="prediction files to numbers, as the official scorers have them",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_dir", nargs="?", help="run directory with predictions/")
    parser.add_argument(
        "--data_dir", help="release files to hold ids against (default: the run's)"
    )
    files = parser.add_argument_group("outside files")
    files.add_argument("--task", help="family or task, such as mlqa, mlqa.ar or xnli")
    files.add_argument("--language", help="such as ar; for MLQA also CONTEXT-QUESTION")
    files.add_argument("--gold", help="gold file of the release (plain, .xz or .gz)")
    files.add_argument("--predictions", help="predictions as in an XTREME submission")
    parser.add_argument(
        "--resamples",
        type=int,
        default=1000,
        help="bootstrap resamples of the 95%% intervals (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, not a table"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score a run directory or one pair of files.

    Raises:
        UserError: what was asked or what was read cannot be scored.
    """
    from xtl_tasks import catalog

    if args.resamples < 1000:
        raise UserError(
            f"--resamples={args.resamples}: a 95% interval needs at least 1000"
        )
    flags = ("task", "gold", "predictions")
    given = [name for name in (*flags, "language") if getattr(args, name) is not None]
    if args.run_dir is not None and given:
        raise UserError(
            f"a run directory ({args.run_dir}) and --{given[0]} were given; `xtl score "
            "RUN` takes everything from the run, the flags are for outside files"
        )
    if args.run_dir is not None:
        return _run_directory(args, find=catalog.find)
    lacking = [f"--{name}" for name in flags if name not in given]
    if lacking:
        raise UserError(
            "give a run directory, or --task, --language, --gold and --predictions; "
            f"lacking: {', '.join(lacking)}; see `xtl score --help`"
        )
    name = str(args.task).partition(".")[0]
    family = catalog.family(XTREME_NAMES.get(name, name))
    document = score_files.score_files(
        family,
        language=score_files.language_of(
            family, task=args.task, language=args.language
        ),
        gold=args.gold,
        predictions=args.predictions,
        resamples=args.resamples,
        seed=args.seed,
    )
    for name, what in (
        ("missing", "questions have no prediction: they score 0"),
        ("unknown", "predictions are for no question: they are ignored"),
    ):
        if document.get(name):
            print(f"note: {document[name]} {what}", file=sys.stderr)
    if args.json:
        print(json.dumps(document))
    else:
        _show(score_tables.files_table(document, title=args.predictions))
    return 0


def _run_directory(args: argparse.Namespace, *, find: Find) -> int:
    gold = score_gold.GoldReader(args.run_dir, find=find, data_dir=args.data_dir)
    scores = score_run(
        args.run_dir,
        find=find,
        gold=gold,
        track=_progress,
        resamples=args.resamples,
        seed=args.seed,
    )
    if gold.not_checked:
        families = dict.fromkeys(task.partition(".")[0] for task in gold.not_checked)
        print(
            f"note: {', '.join(families)}: the evaluation data is not here, so whether "
            "predictions are missing was not checked; see --data_dir",
            file=sys.stderr,
        )
    summaries = summarise(scores, find=find, resamples=args.resamples, seed=args.seed)
    write(args.run_dir, scores=scores, summaries=summaries)
    if args.json:
        document = {
            "run": os.fspath(args.run_dir),
            "families": {name: found.to_json() for name, found in summaries.items()},
            "scores": {
                f"{score.family}.{score.language}": score.to_json(per_example=False)
                for score in scores
            },
        }
        print(json.dumps(document, ensure_ascii=False))
        return 0
    for name, found in summaries.items():
        _show(
            score_tables.family_table(
                name, found, scores=[score for score in scores if score.family == name]
            )
        )
    return 0


def score_run(
    run_dir: str | os.PathLike[str],
    *,
    find: Find,
    gold: Gold | None = None,
    track: Track = iter,
    resamples: int = 1000,
    seed: int = 0,
) -> list[scoring.Score]:
    """Score every prediction file of a run; nothing is written.

    Args:
        run_dir: the run.
        find: task name to its family and language: `xtl_tasks.catalog.find`.
        gold: all examples that a file's first record belongs to, to find missing and
            unknown ids; `None`, or a gold of `None`, takes the file as complete.
        track: goes through the files, to show progress.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        UserError: no prediction files, one that cannot be read or scored, or files of
            one family that were made from different checkpoints or splits.
    """
    folder = pathlib.Path(run_dir) / "predictions"
    if not pathlib.Path(run_dir).is_dir():
        raise UserError(f"{run_dir}: no such run directory")
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise UserError(
            f"{folder}: holds no prediction file (*.jsonl); make them with "
            f"`xtl predict`"
        )
    scores = [
        _score_file(path, find=find, gold=gold, resamples=resamples, seed=seed)
        for path in track(paths)
    ]
    _check_comparable(scores, folder=folder)
    return scores


def _score_file(
    path: pathlib.Path, *, find: Find, gold: Gold | None, resamples: int, seed: int
) -> scoring.Score:
    found = records.read(path)
    first = found[0]
    for number, record in enumerate(found, start=1):
        for name in ("task", "family", "language", "split", "checkpoint", "step"):
            if getattr(record, name) != getattr(first, name):
                raise UserError(
                    f"{path}, line {number}: {name} is {getattr(record, name)!r}, in "
                    f"line 1 it is {getattr(first, name)!r}; a prediction file is of "
                    "one task, language, split and checkpoint; make it again with "
                    "`xtl predict`"
                )
    family, language = find(first.task)
    if (family.name, language) != (first.family, first.language):
        raise UserError(
            f"{path}: task {first.task!r} is family {family.name!r} in language "
            f"{language!r}, but its records say {first.family!r} and "
            f"{first.language!r}; make it again with `xtl predict`"
        )
    if path.stem != f"{family.name}.{language}":
        raise UserError(
            f"{path}: holds predictions for {family.name}.{language}; rename it to "
            f"{family.name}.{language}.jsonl"
        )
    if family.metric is None:
        raise UserError(f"{path}: {family.name} has no metric, so it is not scored")
    rows = [
        scoring.Row(
            id=record.id,
            references=record.references,
            prediction=record.prediction,
            prediction_raw=record.prediction_raw,
            context=record.context if family.kind == "qa" else None,
        )
        for record in found
    ]
    wanted = gold and gold(first)
    try:
        return scoring.score(
            family.metric,
            scoring.join(wanted, rows) if wanted else rows,
            task=first.task,
            family=family.name,
            language=language,
            split=first.split,
            labels=family.labels,
            chance_percent=_chance(family, language, found),
            checkpoint=first.checkpoint,
            step=first.step,
            resamples=resamples,
            seed=seed,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _chance(
    family: Family, language: str, found: Sequence[records.Record]
) -> float | None:
    """What guessing would score, for families that can tell."""
    if family.chance is None:
        return None
    pairs = [(record.context, record.references[0]) for record in found]
    return family.chance(pairs, language=language)


def _check_comparable(scores: Sequence[scoring.Score], *, folder: pathlib.Path) -> None:
    """Languages of a family are averaged, so one model must have made them."""
    first: dict[str, scoring.Score] = {}
    for score in scores:
        other = first.setdefault(score.family, score)
        for name in ("split", "checkpoint", "step"):
            if getattr(score, name) != getattr(other, name):
                raise UserError(
                    f"{folder}: {score.family}.{score.language} has {name} "
                    f"{getattr(score, name)!r} and {other.family}.{other.language} has "
                    f"{getattr(other, name)!r}; their mean would be the number of no "
                    "model: predict all languages again, or move one file away"
                )


def summarise(
    scores: Sequence[scoring.Score], *, find: Find, resamples: int = 1000, seed: int = 0
) -> dict[str, summary.Summary]:
    """The summary of each family that has a score, in the order of the scores."""
    summaries = {}
    for task, name in {score.family: score.task for score in scores}.items():
        family, _ = find(name)
        if family.metric is None:
            raise UserError(f"{task} has no metric, so its scores have no summary")
        summaries[task] = summary.summarise(
            {score.language: score.counts for score in scores if score.family == task},
            metric=family.metric,
            standard_languages=family.standard_languages,
            resamples=resamples,
            seed=seed,
        )
    return summaries


def write(
    run_dir: str | os.PathLike[str],
    *,
    scores: Sequence[scoring.Score],
    summaries: Mapping[str, summary.Summary],
) -> None:
    """Write `scores/TASK.LANGUAGE.json` and `scores/summary.json`, each whole.

    Raises:
        UserError: a file cannot be written.
    """
    folder = pathlib.Path(run_dir) / "scores"
    for score in scores:
        records.replace(
            folder / f"{score.family}.{score.language}.json", _dumps(score.to_json())
        )
    records.replace(
        folder / "summary.json",
        _dumps(
            {"families": {name: found.to_json() for name, found in summaries.items()}}
        ),
    )


def _dumps(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"


def _progress(paths: Sequence[pathlib.Path]) -> Iterable[pathlib.Path]:
    """A bar with the time left, on stderr, gone when done; none outside a terminal."""
    from rich.console import Console
    from rich.progress import track

    return track(
        paths,
        description="scoring",
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _show(table: Table) -> None:
    from rich.console import Console

    # In a file or a log, lines are as long as they need to be.
    Console(width=None if sys.stdout.isatty() else 120).print(table)
