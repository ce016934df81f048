"""Tokenised examples on disk, read by number without reading the rest.

A store is a folder:

    inputs.tokens.bin    all inputs' tokens, one example after the other, int32
    inputs.offsets.npy   where each example begins: n + 1 numbers, the last is the end
    targets.tokens.bin, targets.offsets.npy      likewise
    meta.jsonl           evaluation splits: id, prompt, references, context of each
    meta.offsets.npy     where each line of it begins, in bytes
    card.json            what it holds and what it was made from; the size and SHA-256
                         of each file

Example 7's inputs are tokens[offsets[7]:offsets[8]]. Token files are memory-mapped: a
store of 100 GB opens at once and is shared by the processes of a host.

A store is written beside its final place and renamed into it when complete, so a folder
with the final name is whole; `Store` checks the files against the card anyway (an
interrupted copy is not a rename, and disks change bits): their sizes, and the checksums
of those that are read in no time. `check` reads them all; `xtl doctor` calls it.
Numbers are little-endian on every machine.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import numpy as np

from xtl_jax import storage
from xtl_jax.data.features import TASK_FEATURES
from xtl_jax.errors import UserError
from xtl_jax.typing import Int

FORMAT_VERSION = 1
TOKENS = np.dtype("<i4")
OFFSETS = np.dtype("<i8")
PERCENTILES = (50, 90, 95, 99, 100)
_CHECKED_BYTES = 64 << 20  # in a store whose checksums are looked at when it is opened

Example = Mapping[str, Any]


def _length_summary(lengths: np.ndarray) -> dict[str, Any]:
    if not len(lengths):
        return {"tokens": 0, "mean": 0.0, "percentiles": {}}
    marks = np.percentile(lengths, PERCENTILES, method="higher")
    return {
        "tokens": int(lengths.sum(dtype=np.int64)),
        "mean": float(lengths.mean()),
        "percentiles": {
            str(p): int(v) for p, v in zip(PERCENTILES, marks, strict=True)
        },
    }


class _Column:
    """A file of items of different sizes, and where each begins."""

    def __init__(self, folder: pathlib.Path, *, data: str, offsets: str) -> None:
        self._file: BinaryIO = (folder / data).open("wb")
        self._offsets_path = folder / offsets
        self._ends = [0]
        self._digest = hashlib.sha256()
        self.sums: dict[str, str] = {}  # SHA-256 of both files, once they are closed

    def add(self, content: bytes, *, items: int) -> None:
        self._file.write(content)
        self._digest.update(content)
        self._ends.append(self._ends[-1] + items)

    def close(self) -> np.ndarray:
        """Writes the offsets, makes both files durable; returns the items' sizes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        offsets = np.asarray(self._ends, OFFSETS)
        content = io.BytesIO()
        np.save(content, offsets)
        with self._offsets_path.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        self.sums = {
            pathlib.Path(self._file.name).name: self._digest.hexdigest(),
            self._offsets_path.name: hashlib.sha256(content.getbuffer()).hexdigest(),
        }
        return np.diff(offsets)

    def abandon(self) -> None:
        """Closes the file, whatever became of it."""
        with contextlib.suppress(OSError):
            self._file.close()


def _write_into(
    folder: pathlib.Path, examples: Iterable[Example], card: Mapping[str, Any]
) -> None:
    """Writes a whole store into an existing empty folder."""
    columns: dict[str, _Column] = {}
    meta: _Column | None = None
    count = 0
    try:
        for name in TASK_FEATURES:
            data, offsets = f"{name}.tokens.bin", f"{name}.offsets.npy"
            columns[name] = _Column(folder, data=data, offsets=offsets)
        for example in examples:
            for name, column in columns.items():
                tokens = np.asarray(example[name], TOKENS)
                column.add(tokens.tobytes(), items=len(tokens))
            if "meta" in example:
                if meta is None:
                    meta = _Column(
                        folder, data="meta.jsonl", offsets="meta.offsets.npy"
                    )
                line = json.dumps(example["meta"], ensure_ascii=False).encode() + b"\n"
                meta.add(line, items=len(line))
            count += 1
        lengths = {name: column.close() for name, column in columns.items()}
        sums = {name: sum_ for c in columns.values() for name, sum_ in c.sums.items()}
        if meta is not None and len(meta.close()) != count:
            raise ValueError("some examples have meta data and some have none")
        sums |= meta.sums if meta is not None else {}
    finally:
        for column in (*columns.values(), meta):
            if column is not None:
                column.abandon()
    if not count:
        raise UserError(
            f"{card.get('task')} {card.get('split')} has no examples: check that its "
            "source file is the right one and is not empty"
        )
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    whole = {
        "format_version": FORMAT_VERSION,
        **card,
        "examples": count,
        "lengths": {name: _length_summary(values) for name, values in lengths.items()},
        "files": files,
        "sha256": sums,
    }
    with (folder / "card.json").open("w", encoding="utf-8") as file:
        json.dump(whole, file, ensure_ascii=False, indent=2, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    storage.sync_folder(folder)


def write(
    folder: pathlib.Path, examples: Iterable[Example], card: Mapping[str, Any]
) -> pathlib.Path:
    """Writes a store; another process that finished it first wins.

    Args:
        folder: where it shall be. Nothing is there until all of it is.
        examples: mappings with `inputs` and `targets` (token ids) and, for all or for
            none of them, `meta` (a JSON object).
        card: what is known of the store; counts and sizes are added to it.

    Returns:
        `folder`.

    Raises:
        UserError: no space is left, or there is no example. Nothing remains.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = pathlib.Path(
        tempfile.mkdtemp(prefix=partial_prefix(folder), dir=folder.parent)
    )
    try:
        _write_into(partial, examples, card)
        partial.chmod(0o755)  # mkdtemp gives 0700: a cache is shared between users
        try:
            partial.rename(folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            Store(folder)  # another process was faster; its store must be whole
        storage.sync_folder(folder.parent)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        shutil.rmtree(partial, ignore_errors=True)
        free = shutil.disk_usage(folder.parent).free
        raise UserError(
            f"no space left while writing {folder} ({free / 1e6:,.0f} MB free after "
            "what was written has been removed); free some or choose another place "
            "with --cache_dir"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def partial_prefix(folder: pathlib.Path) -> str:
    """How the names of unfinished copies of `folder` begin.

    Example:
        >>> partial_prefix(pathlib.Path("cache/mnli/train-0123"))
        '.train-0123.partial-'
    """
    return f".{folder.name}.partial-"


class Store:
    """A folder of tokenised examples, opened for reading.

    Attributes:
        folder: where it is.
        card: what it holds: task, split, examples, lengths, transform, ...
        num_examples: how many.
        tokens_of: all tokens of a feature, memory-mapped.
        offsets_of: where each example begins in them.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = pathlib.Path(folder)
        self.card = read_card(self.folder)
        small = sum(self.card["files"].values()) <= _CHECKED_BYTES
        check(self.folder, self.card, contents=small)
        self.num_examples: int = self.card["examples"]
        self.tokens_of = {n: self._map(f"{n}.tokens.bin") for n in TASK_FEATURES}
        self.offsets_of = {n: self._offsets(f"{n}.offsets.npy") for n in TASK_FEATURES}
        self.has_meta = "meta.jsonl" in self.card["files"]
        if self.has_meta:
            self._meta_offsets = self._offsets("meta.offsets.npy")
            self._meta = np.asarray(np.memmap(self.folder / "meta.jsonl", mode="r"))

    def _map(self, name: str) -> np.ndarray:
        path = self.folder / name
        if not path.stat().st_size:  # an empty file cannot be mapped
            return np.zeros(0, TOKENS)
        # asarray: a plain view of the mapping; np.memmap's own indexing is slower.
        try:
            return np.asarray(np.memmap(path, dtype=TOKENS, mode="r"))
        except (ValueError, OSError) as error:
            raise self._damaged(path, str(error)) from None

    def _offsets(self, name: str) -> np.ndarray:
        path = self.folder / name
        try:
            offsets = np.load(path, mmap_mode="r")
        except (ValueError, EOFError, OSError) as error:
            raise self._damaged(path, str(error)) from None
        if offsets.shape != (self.num_examples + 1,) or offsets.dtype != OFFSETS:
            found = f"has {offsets.size - 1:,} examples"
            raise self._damaged(path, f"{found}, the card says {self.num_examples:,}")
        return np.asarray(offsets)

    def _damaged(self, path: pathlib.Path, why: str) -> UserError:
        return UserError(
            f"damaged cache: {path}: {why}; delete {self.folder} and build it again"
        )

    @property
    def lengths(self) -> dict[str, Int[np.ndarray, " examples"]]:
        """Tokens of every example, by feature."""
        return {n: np.diff(o).astype(np.int32) for n, o in self.offsets_of.items()}

    def tokens(self, feature: str, index: int) -> Int[np.ndarray, " tokens"]:
        """Token ids of one feature of one example."""
        begin, end = self.offsets_of[feature][index : index + 2]
        return self.tokens_of[feature][begin:end]

    def meta(self, index: int) -> dict[str, Any]:
        """Text of one example: id, inputs, references, context.

        Raises:
            UserError: the store was written without.
        """
        if not self.has_meta:
            raise UserError(
                f"{self.folder} keeps no texts, as is usual for a training split, so "
                "nothing can be predicted from it; name its file as the validation "
                "split of the task (RunConfig.files)"
            )
        begin, end = self._meta_offsets[index : index + 2]
        try:
            return json.loads(self._meta[begin:end].tobytes())
        except (ValueError, RecursionError) as error:
            path = self.folder / "meta.jsonl"
            raise self._damaged(path, f"example {index}: {error}") from None


def check(folder: pathlib.Path, card: Mapping[str, Any], *, contents: bool) -> None:
    """Hold the files of a store against its card.

    Args:
        folder: of the store.
        card: its own.
        contents: read them all, and compare their checksums; else their sizes alone.
            A store of an older version has no checksums.

    Raises:
        UserError: a file is missing or is not the one that was written.
    """
    sums = card.get("sha256", {})
    for name, size in card["files"].items():
        path = folder / name
        found = path.stat().st_size if path.exists() else None
        state = ""
        if found != size:
            state = "is missing" if found is None else f"has {found:,} bytes"
            state += f", its card says {size:,}"
        elif contents and sums.get(name, "") not in ("", _sha256(path)):
            state = "has its size and not its checksum: bytes in it were changed"
        if state:
            raise UserError(
                f"damaged cache: {path} {state}; delete the folder {folder} and build "
                f"it again (`xtl data cache {card.get('task', 'TASK')}`)"
            )


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(folder: pathlib.Path) -> dict[str, Any]:
    """The card of a store.

    Raises:
        UserError: there is none, it is not readable, or its format is another one.
    """
    path = folder / "card.json"
    try:
        card = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(
            f"{folder} is no token store: it has no card.json; build one with `xtl "
            "data cache TASK`"
        ) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"damaged cache: {path} is not readable ({error}); delete the folder "
            f"{folder} and build it again"
        ) from None
    if card.get("format_version") != FORMAT_VERSION:
        raise UserError(
            f"{path} has the format version {card.get('format_version')!r}; this "
            f"version of xtl_jax reads {FORMAT_VERSION}: build the cache again"
        )
    files, sums = card.get("files"), card.get("sha256", {})
    if not (
        isinstance(files, dict)
        and all(type(size) is int for size in files.values())
        and isinstance(sums, dict)
        and type(card.get("examples")) is int
    ):
        raise UserError(
            f"damaged cache: {path} does not say how many examples and which files "
            f"there are; delete the folder {folder} and build it again"
        )
    return card
