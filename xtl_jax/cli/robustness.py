"""`xtl robustness`: how much a trained model loses under attack, in one command.

Predicts the evaluation sets clean and under each attack, scores both by id, and writes
the report of the run. Without --attack, the attacks go from blind to informed:

    a random draw, the worst of 8 draws, a greedy search   of one attack on characters
    hotflip, pgd                                           by the model's gradients

Several arms are attacked alike and compared, the first being the baseline; of an arm,
runs that differ in their seed stand with a plus:

    xtl robustness plain=runs/plain-0+runs/plain-1 pgd=runs/pgd-0+runs/pgd-1 --task xnli

prints a table of differences between the models, with intervals over seeds and examples
together, and writes it to `robustness.md` and `robustness.json` in `--out`, by default
the last run directory. `--predicted` compares what is predicted already: then arms may
be answered in different ways, such as one by a vote under noise.

Other commands do the same in parts: `xtl predict --attack`, `xtl score`, `xtl report`.
A run that names `RunConfig.attacks` is attacked by `xtl run` too.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from xtl_jax.cli.score_attacked import Scored

EXAMPLE = """examples:
  xtl robustness runs/xnli --task xnli/validation --examples 200
  xtl robustness runs/xnli --task xnli.de --attack keyboard --attack greedy:keyboard
  xtl robustness plain=runs/a-0+runs/a-1 noise=runs/b-0+runs/b-1 --task xnli.en/test
"""
BASE = "character_noise"  # the attack that the searches of the default make
DEFAULT = (BASE, f"worst_of:{BASE}:k=8", f"greedy:{BASE}", "hotflip", "pgd")


def add_parser(commands: Any) -> None:
    """Register `xtl robustness`."""
    from xtl_jax.cli import predict

    parser: argparse.ArgumentParser = commands.add_parser(
        "robustness",
        help="predict under attack, score by pairs and report, in one command",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="[NAME=]RUN[+RUN…]",
        help="run directory or checkpoint, as `xtl predict` takes it; several are arms "
        "that are compared, the first is the baseline; with a plus one a seed",
    )
    parser.add_argument("--out", help="of several arms: folder for their table")
    parser.add_argument(
        "--predicted",
        action="store_true",
        help="predict nothing: score and compare what is there",
    )
    predict.add_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Attack, score, report; compare where there are several arms.

    Raises:
        UserError: a run that cannot be predicted, scored or compared.
    """
    from xtl_jax.cli import robustness_arms, run_results

    wanted = run_results.arguments(arguments.runs)
    every = [path for arm in wanted for path in arm.run_dirs]
    if len(every) > 1 and arguments.run_dir:
        raise UserError(
            f"--run_dir={arguments.run_dir} is for one checkpoint, got {len(every)} "
            "runs: leave it out, and predict checkpoints one by one"
        )
    arguments.attack = arguments.attack or list(DEFAULT)
    if len(every) > 1:
        return robustness_arms.run(arguments, wanted, attack=_attacked)
    arguments.run_dir_or_checkpoint = str(every[0])
    done = _attacked(arguments)
    return 0 if done is None else _reported(arguments, *done)


def _attacked(
    arguments: argparse.Namespace,
) -> tuple[dict[str, Any], list[Scored]] | None:
    """Predict and score one run; None on hosts that are not the first."""
    from xtl_tasks import catalog

    from xtl_jax.cli import predict, score_attacked, score_certified, score_run
    from xtl_jax.hosts import group

    predicted: dict[str, Any] = {"predictions": {}, "missing": {}}
    if not arguments.predicted:
        predicted = predict.from_arguments(arguments)
    if not group.is_first():
        return None
    run_dir = arguments.run_dir or arguments.run_dir_or_checkpoint
    scores = score_run.score_run(run_dir, find=catalog.find)
    summaries = score_run.summarise(scores, find=catalog.find)
    attacked = score_attacked.score(run_dir, find=catalog.find)
    if arguments.predicted and not attacked:
        raise UserError(
            f"{run_dir} has no attacked predictions to score; predict it with --attack"
        )
    score_run.write(run_dir, scores=scores, summaries=summaries)
    score_certified.write(run_dir, score_certified.score(run_dir, find=catalog.find))
    score_attacked.write(run_dir, attacked, document=score_attacked.summary(attacked))
    return predicted, attacked


def _reported(
    arguments: argparse.Namespace, predicted: dict[str, Any], attacked: list[Scored]
) -> int:
    """The page of one run, and its tables."""
    from xtl_jax.cli import report, score_attacked, score_tables
    from xtl_jax.cli.screen import Console

    robust = score_attacked.summary(attacked)
    run_dir = arguments.run_dir or arguments.run_dir_or_checkpoint
    page = report.write_report([run_dir], out=None)
    if arguments.json:
        document = {**predicted, "robustness": robust["families"], "page": str(page)}
        print(json.dumps(document, ensure_ascii=False))
        return 0
    console = Console()
    for name, by_attack in robust["families"].items():
        console.print(score_tables.robustness_table(name, by_attack))
    for name, why in predicted["missing"].items():
        console.print(f"missing  {name}: {why}", markup=False, soft_wrap=True)
    console.print(f"report: {page}", markup=False, soft_wrap=True)
    return 0
