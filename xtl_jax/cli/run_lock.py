"""One process at a time trains in a run directory.

`RUN/claim-N.json` says which one, by a heartbeat, as with a study's stages
(`studies/claims.py`): whoever was killed on this machine has let go, whoever is silent
elsewhere has after `claims.PATIENCE` seconds. Of several hosts the first one holds the
directory for all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator

from xtl_jax import storage
from xtl_jax.cli.progress import tell
from xtl_jax.errors import UserError
from xtl_jax.hosts import group
from xtl_jax.studies import claims
from xtl_jax.studies.claims import Claim, Claims, Worker

_LOOK_SECONDS = 1.0  # between two looks at the heartbeat of another machine


@contextlib.contextmanager
def held(run_dir: str | os.PathLike[str]) -> Iterator[Callable[[], None]]:
    """Hold a run directory; yields what to call when the run has come to its end.

    Raises:
        UserError: another process trains in it, or it is a file.
    """
    claim = group.once("who trains here", lambda: _take(storage.at(run_dir)))
    finished = False

    def finish() -> None:
        nonlocal finished
        finished = True

    try:
        yield finish
    finally:
        if claim is not None:
            # No number comes twice while one who had it before may still be about.
            if claim.is_held() and (finished or claim.number == 1):
                claim.remove()
            else:
                claim.free()


def _take(folder: storage.AnyPath) -> Claim | None:
    """A claim on a folder; None where this process has one, as a study's worker."""
    if folder.is_file():
        raise UserError(f"{folder} is a file; give another run_dir (MODEL_DIR)")
    own = Claims(Worker.here())
    seen = claims.read(folder)
    if seen is not None and not seen.free and _is(own.worker, seen):
        return None
    before = None if seen is None else (seen.number, seen.beats)
    told = False
    while (claim := own.take(folder)) is None:
        last = claims.read(folder)
        if last is None or last.free:
            continue
        here = last.holder["machine"] == own.worker.machine != ""
        now = (last.number, last.beats)
        before = before or now
        if here or now != before:
            raise UserError(
                f"{folder}: process {last.holder['pid']} on {last.holder['host']} "
                "trains in it; wait for its end, or give another run_dir (MODEL_DIR)"
            )
        if not told:
            tell(
                f"{folder}: process {last.holder['pid']} on {last.holder['host']} may "
                f"train in it; waiting {claims.PATIENCE:.0f} s for a sign of life"
            )
            told = True
        time.sleep(_LOOK_SECONDS)
    return claim


def _is(worker: Worker, last: claims.Held) -> bool:
    """Whether a claim is this process's own."""
    own = dataclasses.asdict(worker)
    return all(last.holder[key] == own[key] for key in ("machine", "pid", "begun"))
