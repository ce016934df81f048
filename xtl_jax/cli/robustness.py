"""`xtl robustness`: how much a trained model loses under attack, in one command.

Predicts the evaluation sets clean and under each attack, scores both by id, and writes
the report of the run. Without --attack, the attacks go from blind to informed:

    a random draw, the worst of 8 draws, a greedy search   of one attack on characters
    hotflip, pgd                                           by the model's gradients

Other commands do the same in parts: `xtl predict --attack`, `xtl score`, `xtl report`.
A run that names `RunConfig.attacks` is attacked by `xtl run` too.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

EXAMPLE = """examples:
  xtl robustness runs/xnli --task xnli/validation --examples 200
  xtl robustness runs/xnli --task xnli.de --attack keyboard --attack greedy:keyboard
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
    predict.add_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Attack, score, report."""
    from rich.console import Console
    from xtl_tasks import catalog

    from xtl_jax.cli import predict, report, score_attacked, score_run, score_tables
    from xtl_jax.hosts import group

    arguments.attack = arguments.attack or list(DEFAULT)
    predicted = predict.from_arguments(arguments)
    if not group.is_first():
        return 0
    run_dir = arguments.run_dir or arguments.run_dir_or_checkpoint
    scores = score_run.score_run(run_dir, find=catalog.find)
    summaries = score_run.summarise(scores, find=catalog.find)
    attacked = score_attacked.score(run_dir, find=catalog.find)
    robust = score_attacked.summary(attacked)
    score_run.write(run_dir, scores=scores, summaries=summaries)
    score_attacked.write(run_dir, attacked, document=robust)
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
