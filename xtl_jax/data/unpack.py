"""Archives to files, without trusting the archive.

Nothing is written but regular files below the folder asked for: an archive with an
absolute name, a `..`, or a link, device or encrypted member among the files that are
wanted is refused as a whole, as is one that grows beyond a bound or names a file twice.
Files go to a temporary folder first and are moved when all of them are there.
"""

from __future__ import annotations

import fnmatch
import lzma
import os
import pathlib
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, NamedTuple

from xtl_jax.errors import UserError

MOST_BYTES = 8 << 30  # of an unpacked archive; the largest release has 3 GB
MOST_FILES = 100_000
_CHUNK = 1 << 20
# What a Mac adds to archives that it makes.
_LITTER = ("__MACOSX/*", "*/.DS_Store", ".DS_Store", "._*", "*/._*")
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError),
)


class _Member(NamedTuple):
    """One entry of an archive."""

    name: str
    fault: str  # why it may not be written; "" if it may
    is_folder: bool
    open: Callable[[], IO[bytes]]


def unpack(
    archive: pathlib.Path,
    to: pathlib.Path,
    *,
    inside: str = "",
    keep: Sequence[str] = ("*",),
    most_bytes: int = MOST_BYTES,
) -> list[pathlib.Path]:
    """Writes the files of a `.zip` or `.tar` (`.gz`, `.bz2`, `.xz`) archive.

    Args:
        archive: the file.
        to: folder that they go to; made if missing. A file that is there already must
            be the same.
        inside: folder of the archive that becomes `to`; what lies elsewhere is left
            out. `*` is any folder: files lose theirs.
        keep: patterns of the names, below `inside`, of files that are wanted.
        most_bytes: what all files together may have.

    Returns:
        The files, in the archive's order.

    Raises:
        UserError: the archive is damaged, unsafe, too large or holds none of the files;
            no space; another file is in the way.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=".unpacking-") as folder:
        made = _extract(
            archive,
            pathlib.Path(folder),
            inside=inside,
            keep=keep,
            most_bytes=most_bytes,
        )
        return [
            _move(pathlib.Path(folder) / name, to / name, archive=archive)
            for name in made
        ]


def _extract(
    archive: pathlib.Path,
    folder: pathlib.Path,
    *,
    inside: str,
    keep: Sequence[str],
    most_bytes: int,
) -> list[str]:
    """Names, relative to `folder`, of the files written there."""
    made, seen, left = [], [], most_bytes
    try:
        for member in _members(archive):
            name = _safe(member.name, archive=archive)
            if member.is_folder or any(fnmatch.fnmatch(name, p) for p in _LITTER):
                continue
            seen.append(name)
            below = _below(name, inside)
            if not below or not any(fnmatch.fnmatch(below, one) for one in keep):
                continue
            if member.fault:
                raise UserError(f"{archive}: {name!r} {member.fault}; it is refused")
            if len(made) == MOST_FILES:
                raise UserError(
                    f"{archive}: has more than {MOST_FILES:,} files; it is refused"
                )
            left -= _write(member, folder / below, archive=archive, left=left)
            made.append(below)
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise no_space(error, archive) from None
        raise UserError(
            f"{archive}: cannot be unpacked ({error}); it is cut short or damaged: "
            "delete it and fetch it again"
        ) from None
    if not made:
        raise UserError(
            f"{archive}: has no {' or '.join(keep)} in {inside or 'it'}; it has "
            f"{', '.join(seen[:5]) or 'nothing'}{', …' if len(seen) > 5 else ''}: the "
            "publisher has changed its layout"
        )
    return made


def _below(name: str, inside: str) -> str:
    """A file's name below a folder of its archive; "" if it lies elsewhere."""
    if inside == "*":
        return name.rpartition("/")[2]
    if inside and not name.startswith(f"{inside}/"):
        return ""
    return name.removeprefix(f"{inside}/") if inside else name


def _members(archive: pathlib.Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for entry in file.infolist():
                mode = entry.external_attr >> 16
                fault = ""
                if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    fault = "is a link or a device"
                elif entry.flag_bits & 1:
                    fault = "is encrypted"
                yield _Member(
                    entry.filename,
                    fault,
                    entry.is_dir(),
                    lambda entry=entry: file.open(entry),
                )
        return
    with tarfile.open(archive, "r:*") as file:
        for entry in file:
            yield _Member(
                entry.name,
                "" if entry.isreg() else "is a link or a device",
                entry.isdir(),
                lambda entry=entry: file.extractfile(entry),  # type: ignore[return-value]
            )
        # To its end, where the checksum of what was unpacked stands.
        while file.fileobj is not None and file.fileobj.read(_CHUNK):
            pass


def _safe(name: str, *, archive: pathlib.Path) -> str:
    """A member's name with single slashes, refused if it leads out of its folder."""
    parts = name.replace("\\", "/").split("/")
    leads_out = ".." in parts or name[:1] in ("/", "\\") or parts[0][1:2] == ":"
    if leads_out or "\0" in name:
        raise UserError(
            f"{archive}: a file in it is named {name!r}, which leads out of the folder "
            "it is unpacked to; the archive is refused: tell its publisher"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _write(
    member: _Member, path: pathlib.Path, *, archive: pathlib.Path, left: int
) -> int:
    """Bytes written; counted, as what a header states need not be true."""
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, path.open("xb") as file:
            while block := source.read(_CHUNK):
                written += len(block)
                if written > left:
                    raise UserError(
                        f"{archive}: holds more than it should unpack to; refused at "
                        f"{member.name!r}: it may be made to fill the disk"
                    )
                file.write(block)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{archive}: has two files {member.name!r}") from None
    return written


def _move(
    source: pathlib.Path, path: pathlib.Path, *, archive: pathlib.Path
) -> pathlib.Path:
    if path.exists() and not _same(source, path):
        raise UserError(
            f"{path} is there already and is not the file of {archive.name}; move it "
            "away, or name it with --file to use it"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, path)
    return path


def _same(one: pathlib.Path, other: pathlib.Path) -> bool:
    if not other.is_file() or one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        while block := left.read(_CHUNK):
            if block != right.read(_CHUNK):
                return False
    return True


def no_space(error: OSError, path: pathlib.Path) -> UserError:
    """What to tell of a file that cannot be written."""
    free = ""
    folder = path.absolute().parent
    if folder.is_dir():
        free = f" ({shutil.disk_usage(folder).free / 1e6:,.0f} MB free)"
    return UserError(
        f"{path}: cannot be written or read: {error.strerror or error}{free}; free "
        "some space or give another --data_dir, and run the command again"
    )
