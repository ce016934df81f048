"""Release files from their publishers, each checked.

A `Download` says where a file is published and what it becomes under the data folder.
When its bytes are there (`transfer.py`), size and SHA-256 are compared

- with what others have published about the file, where that is known, or
- with the receipt of an earlier download of it: what came first is trusted, and a file
  that changes later is refused.

A file that is not as expected is kept aside and named; nothing is overwritten. An
archive is then unpacked (`unpack.py`) and deleted. `NAME.receipt.json` beside it says
what came from where, and when.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from xtl_jax import storage
from xtl_jax.data import transfer, unpack
from xtl_jax.errors import UserError

ARCHIVES = (".zip", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Download:
    """One published file.

    Attributes:
        url: where its publisher has it.
        to: what it becomes under the data folder: a file, or the folder that the
            content of an archive goes to.
        inside: of an archive: its folder that becomes `to` (`unpack.unpack`).
        keep: of an archive: patterns of the files in it that are wanted.
        within: patterns of the files wanted of archives inside the archive, which go to
            folders of their names.
        languages: the languages of its family that it belongs to; none for all.
        size: bytes, where known.
        sha256: hexadecimal, where known.
        known_from: who published size and checksum.
        by_hand: why it cannot be fetched; the user must put it in its place.
    """

    url: str
    to: str
    inside: str = ""
    keep: tuple[str, ...] = ("*",)
    within: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None
    known_from: str = ""
    by_hand: str = ""
    file_name: str = ""  # where the address does not tell it

    @property
    def name(self) -> str:
        """The file's name at its publisher."""
        return self.file_name or self.url.partition("?")[0].rpartition("/")[2]

    @property
    def is_archive(self) -> bool:
        """Whether it is unpacked."""
        return self.name.endswith(ARCHIVES)

    def place(self, data_dir: str | os.PathLike[str]) -> pathlib.Path:
        """Where the file itself is put: an archive beside the folder it becomes."""
        target = pathlib.Path(data_dir) / self.to
        return target.parent / self.name if self.is_archive else target


class Fetched(NamedTuple):
    """What is there now."""

    status: Literal["fetched", "here"]
    size: int  # bytes, as published
    sha256: str
    checked: str  # what the checksum was compared with; "" where with nothing


class ByHandError(UserError):
    """A file that only its user can get."""


def fetch(
    download: Download,
    *,
    data_dir: str | os.PathLike[str],
    progress: transfer.Progress = lambda done, total: None,
    pause: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Makes sure that a published file is under the data folder, as published.

    A file that the user has put in its place is checked and unpacked in the same way.

    Args:
        download: which.
        data_dir: made if missing.
        progress: told of bytes while they come.
        pause: waits a number of seconds between attempts.

    Raises:
        UserError: it cannot be had, is not what was expected, or cannot be written.
    """
    try:
        return _fetch(download, data_dir, progress=progress, pause=pause)
    except OSError as error:
        raise unpack.no_space(error, download.place(data_dir)) from None


def _fetch(
    download: Download,
    data_dir: str | os.PathLike[str],
    *,
    progress: transfer.Progress,
    pause: Callable[[float], None],
) -> Fetched:
    place = download.place(data_dir)
    receipt = place.with_name(f"{place.name}.receipt.json")
    earlier = _read_receipt(receipt)
    if earlier is not None and _is_unchanged(earlier, receipt):
        if download.sha256 not in (None, earlier["sha256"]):
            raise UserError(
                f"{receipt} is of a file with SHA-256 {earlier['sha256']}; that of "
                f"{download.url} is {download.sha256} (by {download.known_from}). "
                "Delete it and its files to fetch them again"
            )
        return Fetched("here", earlier["bytes"], earlier["sha256"], str(receipt))
    expected, source = download.sha256, download.known_from
    if expected is None and earlier is not None:
        expected, source = earlier["sha256"], str(receipt)
    status: Literal["fetched", "here"] = "here"
    if download.by_hand and place.is_dir():
        return Fetched("here", 0, "", "")
    if not place.exists():
        if download.by_hand:
            then = ", and this command again unpacks it" * download.is_archive
            raise ByHandError(
                f"{download.name} must be put at {place} by hand{then}: "
                f"{download.by_hand}"
            )
        status = "fetched"
        _get(download, place, expected, source, progress=progress, pause=pause)
    if place.is_dir():
        raise UserError(f"{place} is a folder, and {download.url} is a file; move it")
    found, size = sha256_of(place), place.stat().st_size
    if expected not in (None, found):
        raise UserError(
            f"{place} is there already, with SHA-256 {found}; {download.url} has "
            f"{expected} (by {source}). Move it away to fetch that one, or name it "
            "with --file to use it"
        )
    files = _unpacked(download, place, data_dir) if download.is_archive else [place]
    _write_receipt(receipt, download, files=files, size=size, sha256=found)
    if download.is_archive:
        place.unlink()
    return Fetched(status, size, found, source)


def sha256_of(path: pathlib.Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _get(
    download: Download,
    place: pathlib.Path,
    expected: str | None,
    source: str,
    *,
    progress: transfer.Progress,
    pause: Callable[[float], None],
) -> None:
    """Brings a file to its place, or says why not."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.part")
    found = ""
    for fresh in (False, True):
        resumed = transfer.bring(
            download.url,
            part,
            size=download.size,
            fresh=fresh,
            progress=progress,
            pause=pause,
        )
        found = sha256_of(part)
        if expected in (None, found) or not resumed:
            break  # else the two halves may be of different files: once more, whole
    transfer.forget(part)
    if expected not in (None, found):
        aside = place.with_name(f"{place.name}.unexpected-{found[:8]}")
        part.replace(aside)
        raise UserError(
            f"{download.url} has changed: SHA-256 {found}, expected {expected} (by "
            f"{source}). It is kept as {aside} and not used; if its publisher says "
            "that it is right, name it with --file"
        )
    part.replace(place)


def _unpacked(
    download: Download, place: pathlib.Path, data_dir: str | os.PathLike[str]
) -> list[pathlib.Path]:
    files = unpack.unpack(
        place,
        pathlib.Path(data_dir) / download.to,
        inside=download.inside,
        keep=download.keep,
    )
    if not download.within:
        return files
    inner = []
    for archive in files:
        folder = archive.with_name(archive.name.partition(".")[0])
        inner += unpack.unpack(archive, folder, keep=download.within)
        archive.unlink()
    return inner


# --- receipts -----------------------------------------------------------------------


def _read_receipt(path: pathlib.Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    kinds = {"url": str, "sha256": str, "bytes": int, "files": dict}
    if not isinstance(found, dict) or not all(
        isinstance(found.get(key), kind) for key, kind in kinds.items()
    ):
        raise UserError(f"{path} is no receipt; delete it to fetch the file again")
    return found


def _is_unchanged(receipt: dict[str, Any], path: pathlib.Path) -> bool:
    """Whether all files of a receipt are there; one that differs is refused."""
    for name, expected in receipt["files"].items():
        file = path.parent / name
        if not file.is_file():
            return False
        found = sha256_of(file)
        if found != expected:
            raise UserError(
                f"{file} was changed after it was fetched: its SHA-256 is {found}, "
                f"{path.name} has {expected}. Delete it to fetch it again, or name it "
                "with --file to use it as it is"
            )
    return True


def _write_receipt(
    path: pathlib.Path,
    download: Download,
    *,
    files: list[pathlib.Path],
    size: int,
    sha256: str,
) -> None:
    content = {
        "url": download.url,
        "sha256": sha256,
        "bytes": size,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "checked_with": download.known_from or "nothing: what came first is trusted",
        "files": {  # name from here -> SHA-256
            os.path.relpath(file, path.parent): sha256_of(file) for file in files
        },
    }
    storage.replace(path, json.dumps(content, indent=1) + "\n")
