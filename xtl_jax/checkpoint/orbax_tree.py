"""Trees that orbax wrote, read leaf by leaf.

`leaves` lists what a folder holds without reading any of it; a `Leaf` is read when it
is asked for, alone, so that a checkpoint needs the memory of its largest array.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath

from xtl_jax import storage
from xtl_jax.errors import UserError


class Leaf:
    """One array.

    Attributes:
        shape: known before it is read.
    """

    def __init__(
        self, folder: epath.Path, path: tuple[str, ...], *, shape: Any, advice: str
    ) -> None:
        self._folder, self._path, self._advice = folder, path, advice
        self.shape = tuple(shape)

    def read(self) -> np.ndarray:
        """The array, in the dtype that it was stored in.

        Raises:
            UserError: it is damaged.
        """
        import orbax.checkpoint as ocp

        def alone(value: Any) -> Any:
            for key in reversed(self._path):
                value = {key: value}
            return value

        with _errors(self._folder, self._advice), _reader() as checkpointer:
            found = checkpointer.restore(
                self._folder,
                args=ocp.args.PyTreeRestore(
                    item=alone(0),
                    restore_args=alone(ocp.RestoreArgs(restore_type=np.ndarray)),
                    partial_restore=True,
                ),
            )
        for key in self._path:
            found = found[key]
        return np.asarray(found)


def leaves(folder: epath.Path, *, advice: str) -> dict[str, Any]:
    """The tree of a folder with a `Leaf` for each array.

    Args:
        folder: with `_METADATA`.
        advice: what to do about a damaged one, for errors.

    Raises:
        UserError: what describes the tree is damaged.
    """
    folder = storage.absolute(epath.Path(folder))
    with _errors(folder, advice), _reader() as checkpointer:
        metadata = checkpointer.metadata(folder).item_metadata.tree

    def later(node: Any, path: tuple[str, ...]) -> Any:
        if isinstance(node, dict):
            return {key: later(child, (*path, key)) for key, child in node.items()}
        return Leaf(folder, path, shape=getattr(node, "shape", ()), advice=advice)

    return later(metadata, ())


def _reader() -> Any:
    import orbax.checkpoint as ocp

    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler())


@contextlib.contextmanager
def _errors(folder: epath.Path, advice: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # orbax raises many kinds on damaged files
        raise UserError(
            f"{folder} is damaged ({type(error).__name__}: {str(error)[:200]}); "
            f"{advice}"
        ) from error
