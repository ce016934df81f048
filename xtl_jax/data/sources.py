"""Where a task's files are, and how their bytes become text.

A *release path* is a file name as its publishers wrote it, relative to a data
directory: `xquad/xquad.{language}.json`. The file is looked for under that name, then
with `.xz`, `.gz` and `.bz2` after it, so that a compressed copy needs no setting. A
*file setting* replaces the release path of one split: its key is `FAMILY/SPLIT` or,
for one language alone, `FAMILY.LANGUAGE/SPLIT`; its value is relative to the data
directory or absolute, and may hold the same `{language}`.

    {"squad_v1/train": "squad/train-subset-v1.1.json.xz"}

`A + B` names files that make one split together; all of them must be there.

Everything here fails with the name of the file and the place in it.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import lzma
import os
import pathlib
import zlib
from collections.abc import Iterator, Mapping, Sequence

from xtl_jax import storage
from xtl_jax.errors import UserError, near

SUFFIXES = ("", ".xz", ".gz", ".bz2")
SPLITS = ("train", "validation", "test")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a file, decompressed by its suffix.

    Args:
        path: a local path, or `gs://…`, which needs the extra `gcs`.

    Raises:
        UserError: the file is missing, is a folder, is empty, or is cut short or
            damaged so that it cannot be decompressed.
    """
    name = os.fspath(path)
    try:
        file = storage.at(name)
        with storage.told(name):
            data = file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{name}: no such file; check the path") from None
    except IsADirectoryError:
        raise UserError(f"{name}: is a folder, a file is needed") from None
    except PermissionError:
        raise UserError(f"{name}: may not be read; check its permissions") from None
    if not data:
        raise UserError(f"{name}: the file is empty (0 bytes); fetch it again")
    return _decompress(data, name=name)


def _decompress(data: bytes, *, name: str) -> bytes:
    """Undo `.xz`, `.gz` or `.bz2`; other names are returned as they are."""
    suffix = pathlib.PurePosixPath(name).suffix
    try:
        if suffix == ".xz":
            data = lzma.decompress(data)
        elif suffix == ".gz":
            data = gzip.decompress(data)
        elif suffix == ".bz2":
            data = bz2.decompress(data)
        else:
            return data
    except (lzma.LZMAError, OSError, EOFError, zlib.error, ValueError) as error:
        raise UserError(
            f"{name}: cannot be decompressed as {suffix} ({error}); the file is cut "
            "short or damaged: fetch it again"
        ) from None
    if not data:
        raise UserError(f"{name}: the file holds nothing once decompressed")
    return data


def read_text(path: str | os.PathLike[str]) -> str:
    r"""A file's text: UTF-8, without byte order mark, line ends as they are.

    Raises:
        UserError: as `read_bytes`, or a byte that is 0 or not UTF-8, with its offset.
    """
    data = read_bytes(path)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(
            f"{os.fspath(path)}: starts with a UTF-16 byte order mark; UTF-8 is "
            "needed: `iconv -f UTF-16 -t UTF-8`"
        )
    if (place := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, place) + 1
        raise UserError(
            f"{os.fspath(path)}: byte {place} (line {line}) is 0x00, which is no text; "
            "the file is damaged or is UTF-16: fetch it again, or save it as UTF-8"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{os.fspath(path)}: byte {error.start} (line {line}) is "
            f"0x{data[error.start]:02x}, which is not UTF-8 ({error.reason}); save the "
            "file as UTF-8"
        ) from None


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    r"""Line number from 1 and line without its end, split at \n, \r\n only.

    `str.splitlines` would also cut at U+2028 and other marks that real rows contain.
    """
    with io.StringIO(read_text(path), newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            yield number, line.removesuffix("\n").removesuffix("\r")


def file_setting(
    files: Mapping[str, str], *, family: str, language: str, split: str
) -> str | None:
    """The user's file name for one split, or None; one language's beats the family's.

    Example:
        >>> files = {"xnli/test": "a-{language}.tsv", "xnli.sw/test": "b.tsv"}
        >>> file_setting(files, family="xnli", language="sw", split="test")
        'b.tsv'
        >>> file_setting(files, family="xnli", language="de", split="test")
        'a-{language}.tsv'
    """
    for key in (f"{family}.{language}/{split}", f"{family}/{split}"):
        if key in files:
            return files[key]
    return None


def check_file_settings(
    files: Mapping[str, str], *, families: Mapping[str, Sequence[str]]
) -> None:
    """Refuse settings that no task would ever read.

    Args:
        files: `FAMILY/SPLIT` or `FAMILY.LANGUAGE/SPLIT` to path.
        families: family name to its languages; an empty sequence allows any.

    Raises:
        UserError: an unknown family, language or split, with the near ones.
    """
    for key in files:
        task, slash, split = key.partition("/")
        family, dot, language = task.partition(".")
        if not slash or split not in SPLITS:
            raise UserError(
                f"file setting {key!r}: must be FAMILY/SPLIT or FAMILY.LANGUAGE/SPLIT "
                f"with SPLIT one of {', '.join(SPLITS)}"
            )
        if family not in families:
            raise UserError(
                f"file setting {key!r}: no family {family!r}; near: "
                f"{near(family, families)}; see `xtl tasks`"
            )
        known = families[family]
        if dot and known and language not in known:
            raise UserError(
                f"file setting {key!r}: {family} has no language {language!r}; near: "
                f"{near(language, known)}; see `xtl tasks {family}`"
            )


def parse_file_settings(pairs: Sequence[str]) -> dict[str, str]:
    """`FAMILY/SPLIT=PATH` flags as a mapping.

    Example:
        >>> parse_file_settings(["squad_v1/train=squad/part.json.xz"])
        {'squad_v1/train': 'squad/part.json.xz'}
    """
    settings: dict[str, str] = {}
    for pair in pairs:
        key, equals, path = pair.partition("=")
        if not (equals and key and path):
            raise UserError(f"file setting {pair!r}: must be FAMILY/SPLIT=PATH")
        if key in settings:
            raise UserError(f"file setting {key!r} is given twice")
        settings[key] = path
    return settings


def expand(template: str, *, language: str) -> str:
    """Fill `{language}`, `{context}` and `{question}` of a file name.

    A pair `en-ar` is an English context with an Arabic question; one language alone
    stands for both.

    Example:
        >>> expand("mlqa/context-{context}-question-{question}.json", language="en-ar")
        'mlqa/context-en-question-ar.json'
    """
    context, _, question = language.partition("-")
    fields = {
        "language": language,
        "context": context,
        "question": question or context,
    }
    for field, value in fields.items():
        template = template.replace("{" + field + "}", value)
    return template


def locate(
    candidates: Sequence[str], *, data_dir: str | os.PathLike[str] | None, language: str
) -> list[str]:
    """Paths of the first candidate that exists, or an empty list.

    A candidate with `*` is a pattern and may match several files, in sorted order; of
    `A + B` the files of both are needed.

    Args:
        candidates: release paths, in the order in which they are tried.
        data_dir: folder that relative candidates start from; None tries only absolute
            ones.
        language: fills the names' fields.
    """
    for candidate in candidates:
        parts = [
            _locate_one(name, data_dir=data_dir)
            for name in expand(candidate, language=language).split(" + ")
        ]
        if all(parts):
            return [path for found in parts for path in found]
    return []


def _locate_one(name: str, *, data_dir: str | os.PathLike[str] | None) -> list[str]:
    """Paths of one file name or pattern, or an empty list."""
    if storage.is_remote(name):
        return [name]
    if not os.path.isabs(name):
        if not data_dir:
            return []
        if storage.is_remote(data_dir):
            return _locate_remote(f"{os.fspath(data_dir).rstrip('/')}/{name}")
        name = os.path.join(os.fspath(data_dir), name)
    for suffix in SUFFIXES:
        if any(mark in name for mark in "*?["):
            found = sorted(glob.glob(name + suffix, recursive=True))
            found = [path for path in found if os.path.isfile(path)]
        else:
            found = [name + suffix] if os.path.isfile(name + suffix) else []
        if found:
            return found
    return []


def _locate_remote(name: str) -> list[str]:
    for suffix in SUFFIXES:
        path = storage.at(name + suffix)
        with storage.told(path):
            if not any(mark in path.name for mark in "*?["):
                found = [path] if path.exists() else []
            else:
                found = [each for each in path.parent.glob(path.name) if each.is_file()]
        if found:
            return sorted(map(str, found))
    return []
