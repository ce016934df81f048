"""Paths of files that may lie in a bucket: `gs://BUCKET/NAME` beside those on a disk.

`at` gives an object for either, with the methods of `pathlib`. A bucket is no disk:

- An object appears when all of it has been sent, and takes the place of the one before
  at once. So `put` is whole or not at all, as a rename is on a disk.
- Nothing can be added to an object. `Growing` keeps what it has and sends it again.
- There are no locks. Of two processes that write one name the later one wins, unless
  both `create` it: then the first one does.
- There are no folders: one is there when something in it is.

Buckets are reached through `gcsfs`, the extra `gcs`; where that is not installed,
through TensorFlow if it is.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import pathlib
import re
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

from xtl_jax.errors import UserError

if TYPE_CHECKING:
    from etils import epath

    AnyPath = pathlib.Path | epath.Path

_REMOTE = re.compile("[a-z][a-z0-9]*://")
# Of the kinds of files that we write; the end is `tempfile`'s.
_TEMPORARY = re.compile(
    r"\..+\.(jsonl?|html|md|csv|tex|svg|png|txt|model)\.[a-z0-9_]{8}"
)
Place = TypeVar("Place", bound="AnyPath")
SECONDS = 5.0  # between two sendings of what grows

_reached: set[str] = set()  # buckets that have answered


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether a path is none of this machine's.

    Example:
        >>> is_remote("gs://bucket/run"), is_remote("runs/squad")
        (True, False)
    """
    return bool(_REMOTE.match(os.fspath(path)))


def without_secrets(text: str) -> str:
    """A text whose addresses have no user, password or query left in them.

    Example:
        >>> without_secrets("--data_dir=s3://me:secret@host/x?token=t --json")
        '--data_dir=s3://…@host/x?… --json'
    """
    text = re.sub(r"(?<=://)[^/@\s]+@", "…@", text)
    return re.sub(r"(://[^\s?]*\?)\S+", r"\1…", text)


def at(path: str | os.PathLike[str]) -> AnyPath:
    """The object that reads and writes a path.

    Raises:
        UserError: it is in a bucket that does not answer, or whose client is not
            installed; or it holds a password. A bucket is asked once.

    Example:
        >>> at("runs/squad") == pathlib.Path("runs/squad")
        True
    """
    if not is_remote(path):
        return pathlib.Path(path)
    if without_secrets(os.fspath(path)) != os.fspath(path):
        raise UserError(
            f"{without_secrets(os.fspath(path))}: a path with a password or a token in "
            "it would stand in run.json and in logs; give the client its credentials "
            "in its own way (`gcloud auth application-default login`)"
        )
    from etils import epath

    found = epath.Path(path)
    bucket = "/".join(str(found).split("/")[:3])
    if bucket not in _reached:
        with told(found):
            found.exists()
        _reached.add(bucket)
    return found


def on_disk(path: str, *, what: str) -> str:
    """`path`, unless it is in a bucket.

    Raises:
        UserError: it is; `what` names the setting.
    """
    if is_remote(path):
        raise UserError(
            f"{what} {path} is in a bucket, but its files are mapped into memory and "
            "need a disk: give a local folder; what is there already can be copied: "
            f"gcloud storage cp -r '{path.rstrip('/')}/*' FOLDER"
        )
    return path


def absolute(path: Place) -> Place:
    """From the root on; `epath` takes `gs://` for a folder here.

    Example:
        >>> from etils import epath
        >>> str(absolute(epath.Path("gs://bucket/run")))
        'gs://bucket/run'
    """
    return path if is_remote(path) else path.absolute()


def resolved(path: Place) -> Place:
    """The one name of a place, without links."""
    return path if is_remote(path) else path.resolve()


def put(path: str | os.PathLike[str], data: bytes) -> None:
    """Make `data` the content of an object in a bucket, at once.

    Raises:
        UserError: it cannot be written; what was there before is untouched.
    """
    target = at(path)
    with told(target):
        target.write_bytes(data)


def replace(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Put `content` in place of a file; readers see the old or the new, whole.

    On a disk it is there after a loss of power, too, once this has returned.

    Raises:
        UserError: it cannot be written; what was there before is untouched.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    if is_remote(path):
        put(path, data)
        return
    target = pathlib.Path(path)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "wb", dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # a temporary file is private otherwise
        os.replace(temporary, target)
        sync_folder(target.parent)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise UserError(
            f"{target}: cannot be written ({error.strerror or error}); nothing was "
            "overwritten; make room or choose another folder"
        ) from None


def is_temporary(name: str) -> bool:
    """Whether a file's name is one that `replace` and `create` give what is not whole.

    Example:
        >>> [is_temporary(n) for n in (".run.json.k3_x9a0b", ".my.settings")]
        [True, False]
    """
    return bool(_TEMPORARY.fullmatch(name))


def sync_folder(folder: pathlib.Path) -> None:
    """Make a folder's list of names durable, where its file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def create(path: str | os.PathLike[str], data: bytes) -> bool:
    """Make a file that is not there, whole; of several who try one succeeds.

    Returns:
        Whether it was made; else it was there before, and is as it was.

    Raises:
        UserError: a bucket refuses, or its client has no such request; a disk cannot be
            written to, or has no hard links.
    """
    target = at(path)
    if is_remote(target):
        return _create_in_bucket(os.fspath(target), data)
    try:
        return _create_on_disk(pathlib.Path(target), data)
    except OSError as error:
        raise UserError(
            f"{target}: cannot be created ({error.strerror or error}); the folder must "
            "be one that may be written to, with room, on a disk that has hard links"
        ) from error


def _create_on_disk(target: pathlib.Path, data: bytes) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Readers see a link's whole content at once; a file opened for writing is empty
    # first.
    with tempfile.NamedTemporaryFile(
        "wb", dir=target.parent, prefix=f".{target.name}."
    ) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        os.chmod(file.name, 0o644)  # a temporary file is private otherwise
        try:
            os.link(file.name, target)
        except FileExistsError:
            return False
    sync_folder(target.parent)
    return True


def _create_in_bucket(path: str, data: bytes) -> bool:
    with told(path):
        import fsspec.core

        files, name = fsspec.core.url_to_fs(path)
        try:
            files.pipe_file(name, data, mode="create")
        except FileExistsError:
            return False
    return True


def append(path: AnyPath) -> IO[Any] | Growing:
    """A file to add bytes to: with `flush` they are on a disk, in a bucket soon."""
    return Growing(path) if is_remote(path) else path.open("ab")


class Growing:
    """An object that is added to: kept here, and sent whole every few seconds.

    Whoever is killed loses what was written in the last `seconds`. A sending that fails
    is made again with the next one; the last one, of `close`, must succeed.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, seconds: float = SECONDS
    ) -> None:
        """Go on after what the object holds, if it is there."""
        self._path = at(path)
        with told(self._path):
            there = self._path.exists()
            self._content = bytearray(self._path.read_bytes() if there else b"")
        self._sent = len(self._content) if there else -1
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sender = threading.Thread(
            target=self._send_often, args=(seconds,), daemon=True
        )
        self._sender.start()

    def write(self, data: bytes) -> int:
        """Add to the end."""
        with self._lock:
            self._content += data
        return len(data)

    def flush(self) -> None:
        """Nothing to do: what was written is sent soon anyway."""

    def close(self) -> None:
        """Send the rest.

        Raises:
            UserError: that failed.
        """
        if not self._closing.is_set():
            self._closing.set()
            self._sender.join()
            self._send()

    def _send_often(self, seconds: float) -> None:
        while not self._closing.wait(seconds):
            with contextlib.suppress(UserError):
                self._send()

    def _send(self) -> None:
        with self._lock:
            content = bytes(self._content)
        if len(content) != self._sent:
            put(self._path, content)
            self._sent = len(content)


@contextlib.contextmanager
def told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of a bucket's client, which has many kinds, as one that says what to do.

    A file that is not there stays a `FileNotFoundError`, and a path on a disk keeps all
    of its errors.
    """
    name = os.fspath(path)
    try:
        yield
    except (UserError, FileNotFoundError, IsADirectoryError):
        raise
    except ImportError as error:
        if not is_remote(name):
            raise
        extra = "pip install 'xtl_jax[gcs]'" if name.startswith("gs://") else error
        raise UserError(
            f"{name}: the client of this bucket is not installed: {extra}"
        ) from error
    except Exception as error:
        if not is_remote(name):
            raise
        reason = (str(error).splitlines() or [""])[0][:200]
        raise UserError(
            f"{name}: the bucket refused or did not answer ({type(error).__name__}: "
            f"{reason}); see if `gcloud storage ls {name}` can read it; credentials "
            f"come from `gcloud auth application-default login`{_advice()}"
        ) from error


def _advice() -> str:
    if importlib.util.find_spec("gcsfs") is not None:
        return ""
    return ", its own client from `pip install 'xtl_jax[gcs]'`"


def prepare() -> None:
    """Settings of this process for buckets; to be called before any is used.

    Where `gcsfs` is installed it is taken, so that no host imports TensorFlow to write
    a file; and it lists a folder anew each time, since other hosts write there too.
    """
    if importlib.util.find_spec("gcsfs") is not None:
        import fsspec.config

        os.environ.setdefault("EPATH_USE_TF", "0")
        fsspec.config.conf.setdefault("gcs", {}).setdefault("use_listings_cache", False)
