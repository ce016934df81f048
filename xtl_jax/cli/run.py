"""`xtl run`: train, predict, score and report, from one configuration."""

from __future__ import annotations

import argparse
import json
from typing import Any

from xtl_jax.cli import config as configs
from xtl_jax.cli.config import Config
from xtl_jax.errors import UserError
from xtl_jax.hosts import group

EXAMPLE = """example:
  xtl run --gin_file=models/tiny.gin --gin_file=runs/squad_to_qa.gin \\
      --data_dir=DATA --run_dir=runs/squad

Each part can also be run alone: `xtl train` with the same flags, then `xtl predict`,
`xtl score` and `xtl report` with the run directory.
"""


def add_parser(commands: Any) -> None:
    """Register `xtl run`."""
    from xtl_jax.cli import train

    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="train, predict, score and report from one configuration",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    configs.add_arguments(parser)
    train.add_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The four parts in a row; nothing is done twice in the same directory."""
    from xtl_jax.cli import train

    config = configs.from_arguments(arguments)
    if not config.run.evaluate:
        raise UserError(
            "RunConfig.evaluate names nothing to score; give families such as "
            "--gin.RunConfig.evaluate=mlqa,xquad, or use `xtl train`"
        )
    evaluated = _evaluation_sets(config)  # found before anything is computed
    if arguments.dry_run:
        checked = train.dry_run(config)
        checked["evaluate"] = evaluated
        train.show(checked, as_json=arguments.json)
        return 0
    trained = train.train(config)
    if trained["outcome"] == "stopped":
        train.show(trained, as_json=arguments.json)
        return 143
    families = evaluate(config, show=not arguments.json)
    if arguments.json and group.is_first():
        print(json.dumps({**trained, "families": families}, ensure_ascii=False))
    return 0


def evaluate(config: Config, *, show: bool) -> dict[str, Any]:
    """Predict, score and report a trained run; the summary of each family."""
    from xtl_tasks import catalog

    from xtl_jax.cli import (
        predict,
        report,
        run_files,
        score_attacked,
        score_gold,
        score_run,
        score_tables,
    )
    from xtl_jax.cli.screen import Console

    document = run_files.read(config.run.run_dir)
    assert document is not None, "a run that was trained has a run.json"
    predict.predict(
        config.run,
        mesh=config.mesh,
        vocabulary_sha256=document["environment"]["vocabulary_sha256"],
        dtype=config.model.dtype,
    )
    if not group.is_first():
        return {}
    gold = score_gold.GoldReader(config.run.run_dir, find=catalog.find)
    scores = score_run.score_run(config.run.run_dir, find=catalog.find, gold=gold)
    summaries = score_run.summarise(scores, find=catalog.find)
    score_run.write(config.run.run_dir, scores=scores, summaries=summaries)
    attacked = score_attacked.score(config.run.run_dir, find=catalog.find)
    robust = score_attacked.summary(attacked)
    score_attacked.write(config.run.run_dir, attacked, document=robust)
    page = report.write_report([config.run.run_dir], out=None)
    if show:
        console = Console()
        for name, summary in summaries.items():
            members = [each for each in scores if each.family == name]
            console.print(score_tables.family_table(name, summary, scores=members))
        for name, by_attack in robust["families"].items():
            console.print(score_tables.robustness_table(name, by_attack))
        console.print(f"report: {page}", markup=False, soft_wrap=True)
    return {name: summary.to_json() for name, summary in summaries.items()}


def _evaluation_sets(config: Config) -> dict[str, str]:
    """What would be predicted, and what is missing."""
    from xtl_jax.cli import predict_sets
    from xtl_jax.data import vocabulary as vocabularies

    vocabulary = vocabularies.load(
        config.run.vocabulary, extra_ids=config.run.extra_ids
    )
    wanted, missing = predict_sets.find_wanted(config.run, vocabulary, split=None)
    return {
        **{each.name: f"{each.split}, {each.examples}" for each in wanted},
        **{name: f"missing: {why}" for name, why in missing.items()},
    }
