"""A folder that is not whole yet: who may write into it, and what it is made of.

`convert.json` in it says which conversion it belongs to: the source's path and the
names, sizes and time stamps of its files. What a killed process has written is used
again by one whose record says the same, and by no other.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from etils import epath

from xtl_jax.errors import UserError

RECORD = "convert.json"


@contextlib.contextmanager
def claimed(folder: pathlib.Path, *, record: Mapping[str, Any]) -> Iterator[None]:
    """The folder, made if it is missing, while no other process may write into it.

    Args:
        folder: of the conversion.
        record: what makes two conversions the same, by what to call it; JSON values.

    Raises:
        UserError: it belongs to another conversion, or another process is at work.
    """
    import fcntl

    path = folder / RECORD
    mend = f"remove {folder} to begin anew, or give another DST"
    if folder.is_dir() and any(folder.iterdir()) and not path.is_file():
        raise UserError(f"{folder} is no conversion that was stopped: {mend}")
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until it is closed
        except BlockingIOError:
            raise UserError(
                f"another process is converting into {folder}: wait for it, or give "
                "another DST"
            ) from None
        file.seek(0)
        text = file.read()
        if not text:
            file.write(json.dumps(record))
            file.flush()
        elif differing := _differing(text, record):
            raise UserError(
                f"{folder} is of a stopped conversion with another {differing}: {mend}"
            )
        yield


def _differing(text: str, wanted: Mapping[str, Any]) -> str:
    """Names of what differs between a record and what it should say."""
    try:
        found = json.loads(text)
        return ", ".join(name for name in wanted if found[name] != wanted[name])
    except (ValueError, KeyError, TypeError):
        return f"{RECORD} (it cannot be read)"


def fingerprint(folder: epath.Path) -> dict[str, list[int]]:
    """Size in bytes and time stamp of the files in a folder, by name.

    Of a bucket only the top level is looked at: each look is a request.
    """
    if "://" in str(folder):
        return {
            child.name: [child.stat().length, int(child.stat().mtime)]
            for child in folder.iterdir()
            if child.is_file()
        }
    local = pathlib.Path(folder)
    found = {}
    for path in sorted(local.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[str(path.relative_to(local))] = [status.st_size, status.st_mtime_ns]
    return found
