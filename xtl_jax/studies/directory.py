"""A study's directory: what is done, what failed, who works, what may begin.

    DIR/study.json          the study, its arms and its graph of stages
    DIR/stages/ID/          one stage, a run directory as `xtl train` knows them
        stage.json          the stage, written before it begins
        claim-N.json        the Nth attempt (`claims`); all gone when it is done
        done.json           it is done: written last of all
        failed.json         why it is not

All of it is files, so that workers on several machines, and people, see the same.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from xtl_jax import storage
from xtl_jax.errors import UserError
from xtl_jax.infer import records
from xtl_jax.studies import claims

STUDY, STAGES = "study.json", "stages"
STAGE, DONE, FAILED = "stage.json", "done.json", "failed.json"
# "blocked": a stage before it failed.
State = Literal["done", "running", "failed", "ready", "waiting", "blocked"]
STATES: tuple[State, ...] = (
    *("done", "running", "failed", "ready", "waiting", "blocked"),
)


class Node(NamedTuple):
    """As much of a stage as its order needs."""

    id: str
    parents: tuple[str, ...]


class Seen(NamedTuple):
    """A stage as its folder shows it."""

    state: State
    held: claims.Held | None = None  # of a running one
    document: Mapping[str, Any] | None = None  # done.json or failed.json


class Directory:
    """The files of one study."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = storage.absolute(storage.at(path))
        self._done: dict[str, float] = {}  # to its seconds

    def write_study(self, document: Mapping[str, Any]) -> None:
        """Keep what the study is; one that is the same is left as it is.

        Raises:
            UserError: the directory is another study's, or of another scale.
        """
        path, text = self.path / STUDY, _dumps(document)
        if path.is_file():
            if path.read_text(encoding="utf-8") == text:
                return
            before, now = self.study()["study"], document["study"]
            for key in ("name", "scale"):
                if before.get(key) != now.get(key):
                    raise UserError(
                        f"{path}: the {key} of the study there is {before.get(key)!r}, "
                        f"and {now.get(key)!r} was asked for; give another --study_dir"
                    )
        records.replace(path, text)

    def study(self) -> dict[str, Any]:
        """`study.json`.

        Raises:
            UserError: there is none.
        """
        path = self.path / STUDY
        if not path.is_file():
            raise UserError(
                f"{self.path} holds no {STUDY}; `xtl study run NAME --study_dir "
                f"{self.path}` begins a study there"
            )
        return records.read_document(path)

    def folder(self, stage: str) -> storage.AnyPath:
        """Of a stage, by its id."""
        return self.path / STAGES / stage

    def begin(self, stage: str, document: Mapping[str, Any]) -> None:
        """Write what a stage is."""
        path = self.folder(stage) / STAGE
        if not path.is_file():
            records.replace(path, _dumps(document))

    def is_done(self, stage: str) -> bool:
        """Whether it is done; what is done stays so."""
        path = self.folder(stage) / DONE
        if stage not in self._done and path.is_file():
            done = _document(path)
            if done is not None:
                with records.understood(path):
                    self._done[stage] = float(done["seconds"])
        return stage in self._done

    def seconds(self, stage: str) -> float:
        """That a done stage took, all attempts together."""
        return self._done[stage]

    def is_failed(self, stage: str) -> bool:
        """Whether its last attempt failed."""
        return (self.folder(stage) / FAILED).is_file()

    def finish(self, stage: str, claim: claims.Claim, worker: claims.Worker) -> None:
        """A stage is done; the claims on it are taken away."""
        folder = self.folder(stage)
        document = {
            "worker": worker.name,
            "host": worker.host,
            "attempts": claim.number,
            "seconds": round(
                claims.seconds_before(folder, claim.number) + claim.seconds, 3
            ),
            "when": _now(),
        }
        (folder / FAILED).unlink(missing_ok=True)
        records.replace(folder / DONE, _dumps(document))
        claim.remove()

    def fail(
        self, stage: str, error: Exception, *, worker: claims.Worker, attempt: int
    ) -> None:
        """A stage failed; what is there of it stays, and may be gone on with."""
        known = isinstance(error, UserError)
        document = {
            "error": str(error) if known else f"{type(error).__name__}: {error}",
            "traceback": "" if known else "".join(traceback.format_exception(error)),
            "worker": worker.name,
            "attempt": attempt,
            "when": _now(),
        }
        records.replace(self.folder(stage) / FAILED, _dumps(document))

    def forgive(self, stages: Iterable[str]) -> None:
        """Forget what failed, so that it is tried again."""
        for stage in stages:
            if self.is_failed(stage):
                (self.folder(stage) / FAILED).unlink(missing_ok=True)

    def undo(self, stage: str) -> None:
        """Have a stage done again."""
        (self.folder(stage) / DONE).unlink(missing_ok=True)
        self._done.pop(stage, None)

    def look(self, nodes: Sequence[Node]) -> dict[str, Seen]:
        """Every stage as it is now, parents before children."""
        found: dict[str, Seen] = {}
        for node in nodes:
            found[node.id] = self._look(node, [found[each] for each in node.parents])
        return found

    def _look(self, node: Node, parents: Sequence[Seen]) -> Seen:
        folder = self.folder(node.id)
        if self.is_done(node.id) and (done := _document(folder / DONE)):
            return Seen("done", document=done)
        if any(parent.state in ("failed", "blocked") for parent in parents):
            return Seen("blocked")
        if any(parent.state != "done" for parent in parents):
            return Seen("waiting")
        if self.is_failed(node.id) and (failed := _document(folder / FAILED)):
            return Seen("failed", document=failed)
        held = claims.read(folder)
        if held is not None and not held.free and not claims.is_gone(held.holder):
            return Seen("running", held=held)
        return Seen("ready", held=held)


def _document(path: storage.AnyPath) -> dict[str, Any] | None:
    """A file's; None where a worker has taken it away since it was seen."""
    try:
        return records.read_document(path)
    except FileNotFoundError:
        return None


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _dumps(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
