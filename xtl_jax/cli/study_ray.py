"""A study on a Ray cluster: each stage is a task that asks for what it needs.

This process knows the graph and hands out a stage when those before it are done. Ray
finds a node with the resources, and starts a task anew whose worker was killed; the
claim of the dead one is taken over there, and its training resumed. The study's
directory must be one that all nodes see.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from xtl_jax.cli import study_signals
from xtl_jax.cli.study_begin import Study
from xtl_jax.cli.study_progress import Shown
from xtl_jax.errors import UserError
from xtl_jax.studies import executor
from xtl_jax.studies.executor import Outcome, Stopped
from xtl_jax.studies.graph import Stage

_RETRIES = 5  # of a task whose worker was killed
_LOOK_SECONDS = 1.0
_SAVE_SECONDS = 60.0  # that a stage has to save when all shall end


def work(arguments: argparse.Namespace, study: Study, *, shown: Shown) -> Outcome:
    """Do the stages as tasks of a cluster: the one of `RAY_ADDRESS`, or one here.

    Raises:
        UserError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--executor ray needs Ray: pip install 'xtl_jax[ray]'; or take --executor "
            "processes"
        ) from error
    own = not ray.is_initialized()
    with contextlib.redirect_stdout(sys.stderr):  # Ray prints what it has to say
        if own:
            ray.init(log_to_driver=False, include_dashboard=False)
        try:
            with study_signals.stopping():  # Ray has put its own handler over ours
                return _work(arguments, study, shown=shown)
        finally:
            if own:
                ray.shutdown()


def _work(arguments: argparse.Namespace, study: Study, *, shown: Shown) -> Outcome:
    import ray
    from ray import exceptions

    needs = resources(arguments.resource)
    do = ray.remote(
        max_retries=_RETRIES,
        num_cpus=needs.pop("CPU", 1.0),
        num_gpus=needs.pop("GPU", 0.0),
        resources=needs,
    )(_do)
    shared, drop = ray.put(study), arguments.drop_checkpoints
    directory = study.directory
    left = {each.id: each for each in study.graph.stages}
    begun: dict[Any, Stage] = {}
    try:
        while True:
            left = {k: v for k, v in left.items() if not directory.is_done(k)}
            under_way = {stage.id for stage in begun.values()}
            for stage in left.values():
                ready = all(directory.is_done(parent.id) for parent in stage.parents)
                if ready and not (
                    stage.id in under_way or directory.is_failed(stage.id)
                ):
                    begun[do.remote(shared, stage.id, drop)] = stage
            if not begun:
                return "failed" if left else "done"
            ended, _ = ray.wait([*begun], timeout=_LOOK_SECONDS)
            for each in ended:
                stage = begun.pop(each)
                try:
                    outcome = ray.get(each)
                except exceptions.RayError as error:
                    outcome = "failed"
                    directory.fail(stage.id, error, worker=_driver(), attempt=0)
                shown.told(stage, outcome)
            shown.look()
    except Stopped:
        for each in begun:
            ray.cancel(each, force=False)  # an interrupt: it saves and leaves
        if begun:
            ray.wait([*begun], num_returns=len(begun), timeout=_SAVE_SECONDS)
        return "stopped"


def _driver() -> Any:
    from xtl_jax.studies.claims import Worker

    return Worker.here("driver")


def _do(study: Study, stage: str, drop: bool) -> str:
    """In a worker of Ray: one stage, once whoever holds it has let it go."""
    from xtl_jax import storage
    from xtl_jax.cli import devices, study_begin

    storage.prepare()
    devices.keep_compiled(study.directory.path / study_begin.COMPILED)
    with study_signals.stopping():
        try:
            return _attempt(study, stage, drop=drop)
        except Stopped:
            return "stopped"


def _attempt(study: Study, id_: str, *, drop: bool) -> str:
    from xtl_jax.cli import study_checkpoints, study_show, study_work
    from xtl_jax.studies.claims import Claims, Worker

    (stage,) = (each for each in study.graph.stages if each.id == id_)
    claims = Claims(Worker.here())
    while True:
        found = executor.attempt(
            stage,
            directory=study.directory,
            claims=claims,
            do=study_work.Performer(study.describer, study.directory),
            document=study_show.stage_document,
            after=study_checkpoints.keeper(study, drop=drop),
        )
        if found != "taken":
            return found
        time.sleep(executor.POLL_SECONDS)


def resources(given: Sequence[str]) -> dict[str, float]:
    """`NAME=AMOUNT` each, of `--resource`.

    Example:
        >>> resources(["CPU=2", "TPU=4"])
        {'CPU': 2.0, 'TPU': 4.0}
    """
    found = {}
    for text in given:
        name, equals, amount = text.partition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            equals = ""
        if not name or not equals or found[name] < 0:
            raise UserError(
                f"--resource {text!r} must be NAME=AMOUNT, such as CPU=2, GPU=1 or "
                "TPU=4"
            )
    return found
