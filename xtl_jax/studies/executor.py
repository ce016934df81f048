"""One worker's way through a study's stages.

A worker looks for a stage whose parents are done and that nobody works at, claims it,
does it and looks again. Any number of workers may do so at once, on one machine or
several: each is on its own, and what they share is the study's directory. A stage that
failed stops nothing but what begins with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from xtl_jax.studies.claims import Claim, Claims
from xtl_jax.studies.directory import Directory, Node
from xtl_jax.studies.graph import Stage

# "stopped": asked to end before its time; what it did is kept.
Outcome = Literal["done", "failed", "stopped"]
Do = Callable[[Stage], Literal["done", "stopped"]]
POLL_SECONDS = 1.0  # between two looks while others work


class Stopped(BaseException):
    """Raised from wherever the worker is when it shall end; no error of a stage."""


def nodes(stages: Sequence[Stage]) -> list[Node]:
    """The order of stages alone."""
    return [
        Node(stage.id, tuple(parent.id for parent in stage.parents)) for stage in stages
    ]


def work(
    stages: Sequence[Stage],
    *,
    directory: Directory,
    claims: Claims,
    do: Do,
    document: Callable[[Stage], Mapping[str, Any]],
    after: Callable[[Stage], None] = lambda stage: None,
    stopping: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    told: Callable[[Stage, str], None] = lambda stage, what: None,
) -> Outcome:
    """Do stages until all are done, or those that are left cannot be.

    Args:
        stages: of the study, parents before children.
        directory: of the study.
        claims: of this worker.
        do: does one stage; may raise, and is called again later for one that stopped.
        document: of `stage.json`.
        after: told of each stage that this worker has done; tidies up.
        stopping: asked after each stage, whether to end.
        sleep: while others work.
        told: of each stage that this worker begins, ends or fails at.

    Returns:
        "failed" if some stage did, after all others that could be done.
    """
    while True:
        left = [stage for stage in stages if not directory.is_done(stage.id)]
        if not left:
            return "done"
        failed: set[str] = set()
        others, did = False, False
        for stage in left:
            parents = [parent.id for parent in stage.parents]
            if failed.intersection(parents) or directory.is_failed(stage.id):
                failed.add(stage.id)
                continue
            if not all(map(directory.is_done, parents)):
                continue
            found = attempt(
                stage,
                directory=directory,
                claims=claims,
                do=do,
                document=document,
                after=after,
                told=told,
            )
            if found == "stopped" or stopping():
                return "stopped"
            others, did = others or found == "taken", did or found != "taken"
            if found == "failed":
                failed.add(stage.id)
        if not others and not did:
            return "failed"
        if not did:
            sleep(POLL_SECONDS)


def attempt(
    stage: Stage,
    *,
    directory: Directory,
    claims: Claims,
    do: Do,
    document: Callable[[Stage], Mapping[str, Any]],
    after: Callable[[Stage], None] = lambda stage: None,
    told: Callable[[Stage, str], None] = lambda stage, what: None,
) -> Literal["done", "failed", "stopped", "taken"]:
    """Do one stage whose parents are done, unless another worker holds it.

    Args:
        stage: to do.
        directory: as `work` has it, and all else.
        claims: likewise.
        do: likewise.
        document: likewise.
        after: likewise.
        told: likewise.
    """
    claim = claims.take(directory.folder(stage.id))
    if claim is None:
        return "done" if directory.is_done(stage.id) else "taken"
    try:
        # It may have been done, or have failed, between the look and the claim.
        if directory.is_done(stage.id):
            claim.remove()
            return "done"
        if directory.is_failed(stage.id):
            claim.free()
            return "failed"
        told(stage, "begins" if claim.number == 1 else "goes on")
        directory.begin(stage.id, document(stage))
        outcome = do(stage)
    except Exception as error:
        if not claim.is_held():
            return _lost(stage, claim, told=told)
        directory.fail(stage.id, error, worker=claims.worker, attempt=claim.number)
        claim.free()
        told(stage, f"failed: {error}")
        return "failed"
    except BaseException:
        claim.free()
        raise
    if outcome == "stopped":
        claim.free()
        told(stage, "stopped")
        return "stopped"
    if not claim.is_held():
        return _lost(stage, claim, told=told)
    directory.finish(stage.id, claim, claims.worker)
    after(stage)
    told(stage, "done")
    return "done"


def _lost(
    stage: Stage, claim: Claim, *, told: Callable[[Stage, str], None]
) -> Literal["taken"]:
    """Another worker has the stage: what came of it here counts for nothing."""
    claim.free()  # its heartbeat would end this process, which has stopped writing
    told(stage, "taken over by another worker")
    return "taken"
