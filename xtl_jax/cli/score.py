"""`xtl score`: prediction files to numbers.

Three ways in. A run directory: every file of `RUN/predictions` is scored, one score
file a language and one summary over families are written, and a table is shown:

    xtl score runs/first

Attacked files (`xtl predict --attack`) are paired with the clean ones by id; what each
attack costs goes to `RUN/robustness`, and so does what a vote under noise certifies.

Ids are held against the list that `xtl predict` left, or against the evaluation data
where it is still here: an unknown id is an error, a missing one scores 0.

Outside files, so that anyone can check us or use us in place of the official scripts:
the gold file in the release's own format, the predictions as XTREME's submission has
them (one JSON object of answers by id, or one label a line):

    xtl score --task mlqa --language ar --gold GOLD.json --predictions PRED.json --json

Or a whole submission folder against a folder of labels, as XTREME's evaluate.py:

    xtl score --submission PRED_DIR --labels LABEL_DIR --xtreme_version xtreme-r --json

Everything is read and scored before the first file is written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import (
    score_attacked,
    score_certified,
    score_files,
    score_gold,
    score_run,
    score_submission,
    score_tables,
)
from xtl_jax.errors import UserError
from xtl_jax.metrics import benchmark_score
from xtl_jax.metrics.benchmark import BENCHMARKS
from xtl_jax.report.text import visible

if TYPE_CHECKING:
    from rich.table import Table

# XTREME's folder names where they are not our families'.
XTREME_NAMES = {
    "tydiqa": "tydiqa_goldp",
    "squad": "squad_v1",
    "bucc2018": "bucc",
}


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
    files.add_argument(
        "--na_probs", help="no-answer probabilities by question id (squad_v2)"
    )
    files.add_argument(
        "--na_prob_thresh",
        type=float,
        default=1.0,
        help="above it, a prediction counts as no answer (default: %(default)s)",
    )
    files.add_argument(
        "--gold_answers",
        choices=("raw", "mt5_padded"),
        help="of questions: as the release has them (default), or with spaces around "
        "punctuation, as mT5 scores what it decodes (prediction_raw of a record)",
    )
    folders = parser.add_argument_group("submission folder")
    folders.add_argument("--submission", help="folder of TASK/test-LANGUAGE files")
    folders.add_argument("--labels", help="folder of label files of the same names")
    folders.add_argument(
        "--xtreme_version",
        choices=tuple(BENCHMARKS),
        default="xtreme",
        help="which tasks and languages (default: %(default)s)",
    )
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
    of_files = (*flags, "language", "na_probs", "gold_answers")
    given = [name for name in of_files if getattr(args, name) is not None]
    if args.run_dir is not None and given:
        raise UserError(
            f"a run directory ({args.run_dir}) and --{given[0]} were given; `xtl score "
            "RUN` takes everything from the run, the flags are for outside files"
        )
    if args.run_dir is not None:
        return _run_directory(args, find=catalog.find)
    if args.submission is not None or args.labels is not None:
        return _submission(args, given=given)
    lacking = [f"--{name}" for name in flags if name not in given]
    if lacking:
        raise UserError(
            "give a run directory, or --task, --language, --gold and --predictions, or "
            f"--submission and --labels; lacking: {', '.join(lacking)}; see `xtl score "
            "--help`"
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
        na_probs=args.na_probs,
        na_prob_thresh=args.na_prob_thresh,
        gold_answers=args.gold_answers or "raw",
        resamples=args.resamples,
        seed=args.seed,
    )
    for name, what in (
        ("missing", "questions have no prediction: they score 0"),
        ("unknown", "predictions are for no question: they are ignored"),
        ("illegal", "predictions are no label of the gold file: they are wrong"),
    ):
        if document.get(name):
            print(f"note: {document[name]} {what}", file=sys.stderr)
    if args.json:
        print(json.dumps(document))
    else:
        _show(score_tables.files_table(document, title=args.predictions))
    return 0


def _submission(args: argparse.Namespace, *, given: Sequence[str]) -> int:
    flags = {"--submission": args.submission, "--labels": args.labels}
    lacking = [flag for flag, value in flags.items() if value is None]
    if lacking or given:
        raise UserError(
            f"{lacking[0]} is missing: a submission folder is scored against a folder "
            "of labels"
            if lacking
            else f"--submission and --{given[0]} were given; folders are scored by "
            "themselves"
        )
    document, notes = score_submission.score_submission(
        args.submission, args.labels, version=args.xtreme_version, track=_progress
    )
    for note in notes:
        print(visible(f"note: {note}"), file=sys.stderr)
    if args.json:
        print(json.dumps(document))
    else:
        _show(score_submission.table(document))
    return 0


def _run_directory(args: argparse.Namespace, *, find: score_run.Find) -> int:
    gold = score_gold.GoldReader(args.run_dir, find=find, data_dir=args.data_dir)
    scores = score_run.score_run(
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
    summaries = score_run.summarise(
        scores, find=find, resamples=args.resamples, seed=args.seed
    )
    attacked = score_attacked.score(
        args.run_dir, find=find, resamples=args.resamples, seed=args.seed
    )
    robust = score_attacked.summary(attacked, resamples=args.resamples, seed=args.seed)
    certified = score_certified.score(args.run_dir, find=find)
    score_run.write(args.run_dir, scores=scores, summaries=summaries)
    score_attacked.write(args.run_dir, attacked, document=robust)
    score_certified.write(args.run_dir, certified)
    if args.json:
        document = {
            "run": os.fspath(args.run_dir),
            **score_run.summary_document(scores, summaries),
            "scores": {
                f"{score.family}.{score.language}": score.to_json(per_example=False)
                for score in scores
            },
        }
        if attacked:
            document["robustness"] = robust["families"]
        if certified:
            document["certified"] = certified
        print(json.dumps(document, ensure_ascii=False))
        return 0
    for name, found in summaries.items():
        _show(
            score_tables.family_table(
                name, found, scores=[score for score in scores if score.family == name]
            )
        )
    for found in benchmark_score.of_scores(scores).values():
        _show(score_tables.benchmark_table(found))
    for name, by_attack in robust["families"].items():
        _show(score_tables.robustness_table(name, by_attack))
    for name, by_language in certified.items():
        _show(score_tables.certified_table(name, by_language))
    return 0


def _progress(paths: Sequence[Any]) -> Iterable[Any]:
    """A bar with the time left, on stderr, gone when done; none outside a terminal."""
    from rich.progress import track

    from xtl_jax.cli.screen import Console

    return track(
        paths,
        description="scoring",
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _show(table: Table) -> None:
    from xtl_jax.cli.screen import Console

    # In a file or a log, lines are as long as they need to be.
    Console(width=None if sys.stdout.isatty() else 120).print(table)
