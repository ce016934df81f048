"""`xtl study run`: do a study's stages, those that are not done yet."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING, Any

from xtl_jax.cli import study_config
from xtl_jax.errors import UserError
from xtl_jax.hosts import group

if TYPE_CHECKING:
    from xtl_jax.cli.study_begin import Study
    from xtl_jax.cli.study_progress import Shown
    from xtl_jax.studies.executor import Outcome

EXAMPLE = """examples:
  xtl study run number_of_tasks --scale world --study_dir studies/tasks
  xtl study run phang_2020 --scale real --study_dir /shared/phang --data_dir DATA \\
      --gin.RunConfig.vocabulary=FILE --gin.StudyConfig.initial=CHECKPOINT
  xtl study run task_order --study_dir studies/order --executor processes --workers 4

The same command again goes on where it was stopped, tries again what failed, and does
nothing when all is done. Given on several machines at once, with a directory that they
share, it is one study.
"""
CODES = {"done": 0, "failed": 1, "stopped": 143}


def add_parser(commands: Any) -> None:
    """Register `xtl study run`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="train, predict and score what is not done yet",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="of the study")
    study_config.add_flags(parser)
    parser.add_argument(
        "--study_dir", required=True, help="folder of the study; may be gs://"
    )
    parser.add_argument(
        "--executor",
        choices=("here", "processes", "ray"),
        default="here",
        help="who does the stages: this process, several of this machine, or the "
        "tasks of a Ray cluster (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        help="processes of --executor processes (default: %(default)s)",
    )
    parser.add_argument(
        "--resource",
        action="append",
        default=[],
        metavar="NAME=AMOUNT",
        help="of --executor ray: what a stage needs of a node, such as GPU=1 or TPU=4; "
        "repeatable (default: CPU=1)",
    )
    parser.add_argument("--worker", default="", help="name of this worker, for people")
    parser.add_argument(
        "--go_on",
        action="store_true",
        help="leave what failed as it is; without it, it is tried again",
    )
    parser.add_argument(
        "--drop_checkpoints",
        action="store_true",
        help="delete those of a target's training once its predictions are made; a "
        "prediction that is asked for later has it trained again",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show what each stage has to say"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what is not done; 0 if all is done then, 1 if a stage failed, 143 stopped."""
    from xtl_jax.cli import study_begin, study_checkpoints, study_signals, study_status
    from xtl_jax.cli.study_progress import Shown
    from xtl_jax.studies.executor import Stopped

    if arguments.workers < 1:
        raise UserError(f"--workers must be at least 1, got {arguments.workers}")
    hosts = group.current().count
    if hosts > 1:
        raise UserError(
            f"a study's stage is done by one process, and {hosts} hosts were started "
            "as one: start each by itself, with a --study_dir that all of them see"
        )
    began = time.perf_counter()
    outcome: Outcome = "stopped"
    study = None
    with study_signals.stopping():
        try:
            study = study_begin.begin(arguments)
            if not arguments.go_on:
                study.directory.forgive(stage.id for stage in study.graph.stages)
                study_checkpoints.keeper(
                    study, drop=arguments.drop_checkpoints
                ).reopen()
            shown = Shown(
                study.graph.stages,
                directory=study.directory,
                workers=arguments.workers if arguments.executor == "processes" else 1,
                verbose=arguments.verbose,
            )
            with shown.watching():
                outcome = _work(arguments, study, shown=shown)
        except Stopped:
            pass
    if study is not None:
        seconds = round(time.perf_counter() - began, 1)
        found = study_status.status(study.directory)
        if arguments.json:
            document = {"outcome": outcome, "seconds": seconds, **found}
            print(json.dumps(document, ensure_ascii=False))
        else:
            study_status.show_counts(found, outcome=outcome, seconds=seconds)
    return CODES[outcome]


def _work(arguments: argparse.Namespace, study: Study, *, shown: Shown) -> Outcome:
    if arguments.executor == "processes":
        from xtl_jax.cli import study_processes

        return study_processes.work(arguments, study, shown=shown)
    if arguments.executor == "ray":
        from xtl_jax.cli import study_ray

        return study_ray.work(arguments, study, shown=shown)
    from xtl_jax.cli import study_checkpoints, study_show, study_work
    from xtl_jax.studies import executor
    from xtl_jax.studies.claims import Claims, Worker

    do = study_work.Performer(study.describer, study.directory)
    return executor.work(
        study.graph.stages,
        directory=study.directory,
        claims=Claims(Worker.here(arguments.worker)),
        do=do,
        document=study_show.stage_document,
        after=study_checkpoints.keeper(study, drop=arguments.drop_checkpoints),
        stopping=do.stopping,
        told=shown.told,
    )
