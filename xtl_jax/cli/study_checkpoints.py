"""Which checkpoints of a study stay on disk.

A run keeps several; of a stage that is done only those stay that another may begin
with: the best on English dev (the newest, where none was scored), and the steps that an
arm or oracle selection takes. With `--drop_checkpoints` those of a target's training
go, too, as soon as its predictions are made; a prediction that is asked for later has
it trained again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xtl_jax import storage
from xtl_jax.studies import oracle
from xtl_jax.studies.directory import Directory
from xtl_jax.studies.graph import Parent, Stage

if TYPE_CHECKING:
    from etils import epath

    from xtl_jax.cli.study_begin import Study
    from xtl_jax.train.config import RunConfig

_DROPPED = "dropped.json"  # beside checkpoints that are not, or not all, there


def keeper(study: Study, *, drop: bool) -> Keeper:
    """Of a study."""
    return Keeper(study.graph.stages, directory=study.directory, drop=drop)


class Keeper:
    """Deletes what nothing begins with.

    Args:
        stages: of the study.
        directory: where they lie.
        drop: targets' checkpoints go when their predictions are made.
    """

    def __init__(
        self, stages: Sequence[Stage], *, directory: Directory, drop: bool
    ) -> None:
        self._stages = {stage.id: stage for stage in stages}
        self._directory, self._drop = directory, drop

    def __call__(self, done: Stage) -> None:
        """Delete what is not needed any more, now that a stage is done."""
        if done.kind == "train":
            self._thin(done)
        elif done.kind == "predict" and self._drop:
            for parent in done.parents:
                self._drop_all(self._stages[parent.id])

    def reopen(self) -> None:
        """Have stages trained again whose checkpoints went and are needed.

        They went with `drop`, or are of a step that no arm took before.
        """
        for stage in reversed(self._stages.values()):  # what is undone needs its own
            if self._directory.is_done(stage.id):
                continue
            for parent in stage.parents:
                dropped = self._directory.folder(parent.id) / _DROPPED
                trained = self._stages[parent.id].kind == "train"
                if not trained or not self._directory.is_done(parent.id):
                    continue
                if dropped.is_file() or not self._is_kept(parent):
                    dropped.write_text("{}\n")
                    self._directory.undo(parent.id)

    def _is_kept(self, parent: Parent) -> bool:
        """Whether the checkpoint is there that a stage begins with."""
        folder = self._checkpoints(self._stages[parent.id])
        found = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        if parent.take is None:
            return any(map(str.isdecimal, found))
        return str(parent.take) in found

    def _thin(self, stage: Stage) -> None:
        from xtl_jax.checkpoint import store

        folder = self._checkpoints(stage)
        taken = {
            parent.take
            for child in self._stages.values()
            for parent in child.parents
            if parent.id == stage.id
        }
        best, _ = store.state_folder(folder.parent)
        kept = {str(step) for step in taken if step is not None} | {best.parent.name}
        for path in folder.iterdir():
            if path.name.isdecimal() and path.name not in kept:
                path.rmtree(missing_ok=True)

    def _drop_all(self, stage: Stage) -> None:
        if not stage.target or stage.kind != "train":
            return
        children = [
            child.id
            for child in self._stages.values()
            if any(parent.id == stage.id for parent in child.parents)
        ]
        if all(map(self._directory.is_done, children)):
            folder = self._checkpoints(stage)
            (folder.parent / _DROPPED).write_text("{}\n")
            folder.rmtree(missing_ok=True)

    def _checkpoints(self, stage: Stage) -> epath.Path:
        return _checkpoints(self._directory.folder(stage.id))


def begin_anew(folder: storage.AnyPath) -> None:
    """Delete what is left of dropped checkpoints before a stage is trained again.

    Done by whoever holds the stage: training must not go on from half of one.
    """
    dropped = folder / _DROPPED
    if dropped.is_file():
        _checkpoints(folder).rmtree(missing_ok=True)
        dropped.unlink()


def number_saved(run: RunConfig) -> int:
    """How many checkpoints a training saves, those of stopped attempts among them."""
    folder = _checkpoints(storage.at(run.run_dir))
    found = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    wanted = oracle.saved(steps=run.steps, period=run.save_period)
    return len({*wanted, *map(int, filter(str.isdecimal, found))})


def _checkpoints(folder: storage.AnyPath) -> epath.Path:
    from etils import epath

    from xtl_jax.checkpoint import store

    return epath.Path(folder) / store.FOLDER
