"""Our own checkpoints: orbax, sharded, written while training goes on.

`RUN/checkpoints/STEP/` holds `state` (parameters, optimiser, step), `position` (where
the data feed stands) and `checksums` (of each array of the state, from before it was
written). A checkpoint appears under its number only when it is complete; one that was
damaged later is passed over for the one before, and the caller is told.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint import checkpoint_managers as policies

from xtl_jax import storage
from xtl_jax.checkpoint import checksums
from xtl_jax.errors import UserError
from xtl_jax.hosts import group

FOLDER = "checkpoints"


class Store:
    """Checkpoints of one run directory."""

    def __init__(self, run_dir: str | epath.Path, *, keep: int = 2) -> None:
        # The newest ones and the one with the best dev score.
        best = policies.BestN(
            get_metric_fn=_rank,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self._folder = storage.absolute(epath.Path(run_dir)) / FOLDER
        self._without_score = group.once(
            "scores that can be read", lambda: _forget_damaged_scores(self._folder)
        )
        with storage.told(self._folder):
            self._manager = ocp.CheckpointManager(
                self._folder,
                options=ocp.CheckpointManagerOptions(
                    preservation_policy=policies.AnyPreservationPolicy(
                        [policies.LatestN(keep), best]
                    ),
                    best_fn=_rank,  # without it orbax writes no metrics to disk
                    best_mode="max",
                    cleanup_tmp_directories=True,
                ),
                item_names=("state", "position", checksums.FOLDER),
            )

    def save(
        self, step: int, state: Any, position: Any, *, score: float | None = None
    ) -> None:
        """Start writing; training may go on. `score` ranks it, higher is better.

        Raises:
            UserError: this one, or the one before, cannot be written.
        """
        with self._writing():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state),
                    position=ocp.args.JsonSave(position),
                    checksums=ocp.args.JsonSave(_sums(state, position)),
                ),
                metrics={"score": score},
            )

    def wait(self) -> None:
        """Until what was saved lies on disk.

        Raises:
            UserError: it cannot be written.
        """
        with self._writing():
            self._manager.wait_until_finished()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # tensorstore's kinds, from threads of orbax
            raise UserError(
                f"{self._folder}: a checkpoint cannot be written ({_first(error)}); "
                f"whole are {self.steps()}. Make room, or mend the disk, and give the "
                "same command again: it goes on after the last of them"
            ) from error

    def steps(self) -> list[int]:
        """Steps of complete checkpoints, oldest first."""
        return sorted(self._manager.all_steps())

    def restore_latest(
        self, like: Any, *, tell: Callable[[str], None]
    ) -> tuple[Any, Any] | None:
        """State and position of the newest checkpoint that can be read, or None.

        Args:
            like: a state (or shapes with shardings) that says what to expect.
            tell: called with a message for each damaged checkpoint passed over.
        """
        for step in self._without_score or ():
            tell(
                f"checkpoint {self._folder / str(step)}: its dev score cannot be read; "
                "it counts as having none"
            )
        steps = self.steps()
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        for step in reversed(steps):
            restored, reason = None, ""
            try:
                restored = self._manager.restore(
                    step,
                    args=ocp.args.Composite(
                        state=ocp.args.StandardRestore(shapes),
                        position=ocp.args.JsonRestore(),
                    ),
                )
            except Exception as error:  # orbax raises many kinds on damaged files
                reason = _first(error)
            # A part that only one host reads may be the damaged one.
            reasons = group.current().exchange(f"checkpoint {step} was read", reason)
            if restored is not None and not any(reasons):  # the hosts sum together
                reason = self._changed(step, restored)
                reasons = group.current().exchange(f"checkpoint {step} is it", reason)
            if restored is None or any(reasons):
                tell(
                    f"checkpoint {self._folder / str(step)} cannot be read "
                    f"({next(filter(None, reasons))}); trying the one before"
                )
                continue
            # They must not count as the newest when their numbers come round again.
            group.once(
                "damaged checkpoints",
                functools.partial(self._set_aside, steps[steps.index(step) + 1 :]),
            )
            self._manager.reload()
            return restored["state"], restored["position"]
        if steps:
            raise UserError(
                f"none of the checkpoints {steps} in {self._folder} can be read; "
                "start again in another run directory"
            )
        return None

    def _changed(self, step: int, restored: Any) -> str:
        """What of a restored checkpoint is not what was saved; "" if all is."""
        found = _sums(restored["state"], restored["position"])
        try:
            checksums.compare(
                found, written=checksums.written(self._folder / str(step))
            )
        except ValueError as error:
            return _first(error)
        return ""

    def _set_aside(self, steps: Sequence[int]) -> None:
        """Gives damaged checkpoints names that are no steps; nothing is deleted."""
        for step in steps:
            places = (self._folder / f"damaged-{step}-{n}" for n in itertools.count(1))
            aside = next(place for place in places if not place.exists())
            (self._folder / str(step)).rename(aside)

    def close(self) -> None:
        """Finish writing."""
        self._manager.close()


def _sums(state: Any, position: Any) -> dict[str, int]:
    """Checksums of all that a checkpoint holds; all hosts compute them together."""
    return checksums.of_tree(state) | {checksums.POSITION: checksums.of_json(position)}


def _first(error: Exception) -> str:
    """Its kind and the first line of what it says."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


def _rank(metrics: Mapping[str, float | None]) -> float:
    """A checkpoint without a score comes before all others; of equals the newest wins.

    Example:
        >>> sorted([{"score": 1.0}, {"score": None}, {"score": -2.0}], key=_rank)
        [{'score': None}, {'score': -2.0}, {'score': 1.0}]
    """
    score = metrics["score"]
    return -math.inf if score is None else score


def _score(checkpoint: epath.Path) -> dict[str, float | None] | None:
    """What a checkpoint keeps of its dev score; None where that cannot be read."""
    try:
        found = json.loads((checkpoint / "metrics" / "metrics").read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not isinstance(
        found.get("score"), (int, float, type(None))
    ):
        return None
    return {"score": found.get("score")}


def _complete(folder: epath.Path) -> list[int]:
    """Steps of checkpoints that were written to their end, oldest first."""
    return sorted(ocp.utils.checkpoint_steps(folder)) if folder.is_dir() else []


def has_checkpoint(run_dir: str | epath.Path) -> bool:
    """Whether a run has a checkpoint of its own; nothing is opened or changed."""
    return bool(_complete(epath.Path(run_dir) / FOLDER))


def _forget_damaged_scores(folder: epath.Path) -> list[int]:
    """Writes "no score" over scores that cannot be read: orbax would not open them.

    Returns:
        Steps of the checkpoints concerned.
    """
    damaged = [n for n in _complete(folder) if _score(folder / str(n)) is None]
    for step in damaged:
        metrics = folder / str(step) / "metrics"
        metrics.mkdir(exist_ok=True)
        (metrics / "metrics").write_text(json.dumps({"score": None}))
    return damaged


def _best(folder: epath.Path, steps: list[int]) -> int:
    """The step with the best dev score; of equals, or without any, the newest."""
    return max(
        steps, key=lambda n: (_rank(_score(folder / str(n)) or {"score": None}), n)
    )


def read_params(run_dir: epath.Path, *, step: int | None = None) -> tuple[int, Any]:
    """Step and parameters (host arrays) of a run's best or newest checkpoint.

    Args:
        run_dir: the run.
        step: which checkpoint; None takes the one with the best dev score, and the
            newest where none has a score.

    Raises:
        UserError: no checkpoint, not this one, or a damaged one.
    """
    item, others = state_folder(run_dir, step=step)
    try:
        params = _params(item)
        found = {
            f"params.{jax.tree_util.keystr(path, simple=True, separator='.')}": (
                checksums.of_host(array)
            )
            for path, array in jax.tree_util.tree_leaves_with_path(params)
        }
        checksums.compare(found, written=checksums.written(item.parent))
        return int(item.parent.name), params
    except Exception as error:  # orbax raises many kinds on damaged files
        raise UserError(
            f"checkpoint {item.parent} is damaged ({type(error).__name__}: "
            f"{str(error)[:200]}); the others are of steps {others}"
        ) from error


def state_folder(
    run_dir: epath.Path, *, step: int | None = None
) -> tuple[epath.Path, list[int]]:
    """Where a checkpoint's state lies, and the steps of all others.

    Args:
        run_dir: the run.
        step: as `read_params` has it.

    Raises:
        UserError: no checkpoint, or not this one.
    """
    folder = run_dir / FOLDER
    steps = _complete(folder)
    if not steps:
        raise UserError(f"no checkpoint in {folder}: `xtl train` writes one")
    if step is None:
        step = _best(folder, steps)
    if step not in steps:
        raise UserError(f"no checkpoint of step {step} in {folder}; have {steps}")
    item = storage.absolute(folder) / str(step) / "state"
    return item, [other for other in steps if other != step]


def _params(item: epath.Path) -> Any:
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        tree = checkpointer.metadata(item).item_metadata.tree
        kinds = jax.tree.map(
            lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree["params"]
        )
        restored = checkpointer.restore(
            item,
            args=ocp.args.PyTreeRestore(
                item={"params": jax.tree.map(lambda _: 0, tree["params"])},
                restore_args={"params": kinds},
                partial_restore=True,
            ),
        )
    return restored["params"]
