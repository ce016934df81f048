"""A disk that fails at the Nth call that our code makes of it.

It stands between our code and Python's: opening, writing, syncing, renaming, linking
and making folders are counted for paths below one folder, and the one whose turn it is
fails, as the disk of SQLite's tests does. A write that fails has written half of its
bytes. What C++ libraries write (tensorstore's arrays) does not come by here.
"""

from __future__ import annotations

import builtins
import io
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

import pytest

_WRITING = frozenset("wax+")


class Disk:
    """Counts calls below `root` and fails where it was told to.

    Attributes:
        calls: what was asked of it since it was last told, in order.
        failed: whether the call that was to fail has come.
    """

    def __init__(self, patch: pytest.MonkeyPatch, root: pathlib.Path) -> None:
        self._root = os.fspath(root)
        self._at, self._error, self._slow = 0, 0, 0.0
        self.calls: list[str] = []
        self.failed = False
        self._open = io.open
        for module in (builtins, io):
            patch.setattr(module, "open", self._opened)
        for name in ("replace", "rename", "link", "mkdir"):
            patch.setattr(os, name, self._of_path(name, getattr(os, name)))
        patch.setattr(os, "fsync", self._synced)

    def fail(self, at: int, error: int) -> None:
        """From now on let the call number `at`, from 1, fail with an error number."""
        self._at, self._error, self._slow = at, error, 0.0
        self.calls, self.failed = [], False

    def heal(self, *, slow: float = 0.0) -> None:
        """From now on let nothing fail; `slow` seconds go by at each call."""
        self.fail(0, 0)
        self._slow = slow

    def turn(self, what: str) -> None:
        """A call; raises if it is the one that fails."""
        self.calls.append(what)
        time.sleep(self._slow)
        if len(self.calls) == self._at:
            self.failed = True
            raise OSError(self._error, os.strerror(self._error), what)

    def _is_here(self, path: Any) -> bool:
        return not isinstance(path, int) and os.fspath(path).startswith(self._root)

    def _opened(self, file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        # A temporary file is opened by name with an opener of its own.
        if not self._is_here(file) or not _WRITING & set(mode):
            return self._open(file, mode, *rest, **named)
        self.turn(f"open {file}")
        return _File(self._open(file, mode, *rest, **named), self)

    def _of_path(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def patched(path: Any, *rest: Any, **named: Any) -> Any:
            if self._is_here(path):
                self.turn(f"{name} {path}")
            return call(path, *rest, **named)

        return patched

    def _synced(self, handle: int) -> None:
        """Nothing is synced: it takes long, and no power is lost here."""
        path = os.readlink(f"/proc/self/fd/{handle}")
        if self._is_here(path):
            self.turn(f"fsync {path}")


class _File:
    """An open file whose writes have their turn."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: Any) -> int:
        try:
            self._disk.turn(f"write {self._file.name}")
        except OSError:
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            raise
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        self._file.__enter__()
        return self

    def __exit__(self, *raised: Any) -> Any:
        return self._file.__exit__(*raised)
