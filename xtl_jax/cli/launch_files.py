"""What is shipped to the hosts, and the record of a launch on this machine.

Code and packages are named by 16 digits of their SHA-256: the same content is uploaded
once, and a host that has it does not fetch it again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import gzip
import hashlib
import importlib.metadata
import importlib.resources
import io
import itertools
import json
import os
import pathlib
import re
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any

import xtl_jax
from xtl_jax.cli import config as configs
from xtl_jax.errors import UserError, near
from xtl_jax.launcher.job import Job
from xtl_jax.launcher.machine import Memory

_NAME = re.compile(r"[A-Za-z0-9][-_.A-Za-z0-9]*")
# What the hosts need beyond what is installed here.
_HOST_EXTRAS = ("gcsfs>=2025.2",)


@dataclasses.dataclass(frozen=True)
class Shipment:
    """Three files for the bucket.

    Attributes:
        code: tar archive of both packages, gin files, and the user's own gin files.
        lock: pinned packages, one a line.
        script: what runs on the hosts.
    """

    code: bytes
    lock: bytes
    script: bytes

    def hashes(self) -> dict[str, str]:
        """Beginning of the SHA-256 of each, under the names that `Job` has for them."""
        return {
            field.name: hashlib.sha256(getattr(self, field.name)).hexdigest()[:16]
            for field in dataclasses.fields(self)
        }

    def write(self, folder: pathlib.Path, names: dict[str, str]) -> None:
        """Write the files under `names`, for the upload."""
        folder.mkdir(parents=True, exist_ok=True)
        for part, name in names.items():
            (folder / name).write_bytes(getattr(self, part))


def shipment(command: Sequence[str], *, lock: str) -> Shipment:
    """Collect what the hosts need to run `command`.

    Args:
        command: words behind `xtl`; gin files named in it are shipped too.
        lock: file with pinned packages; "" pins what is installed here.

    Raises:
        UserError: a file that is not there, or that cannot be placed on the hosts.
    """
    script = importlib.resources.files("xtl_jax.launcher") / "host.sh"
    return Shipment(
        code=_archive(_sources() | _gin_files(command)),
        lock=_lock(lock).encode(),
        script=script.read_bytes(),
    )


def state_folder(given: str) -> pathlib.Path:
    """Where records of launches are kept."""
    default = os.environ.get("XTL_LAUNCH_DIR", "~/.xtl_launch")
    return pathlib.Path(given or default).expanduser()


class Record:
    """What this machine remembers of one launch, in `FOLDER/NAME.json`."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self.path = folder / f"{name}.json"

    def read(self) -> tuple[Job, Memory] | None:
        """The job and how far it is; None if there is no record."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            return Job.from_json(document["job"]), Memory(**document["memory"])
        except FileNotFoundError:
            return None
        except (
            *(KeyError, TypeError, ValueError, AttributeError, RecursionError),
        ) as error:
            raise UserError(
                f"{self.path} is damaged ({error}). Look what runs (gcloud compute "
                "tpus queued-resources list), and remove the file"
            ) from None

    def write(self, job: Job, memory: Memory) -> None:
        """Whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        document = {"job": job.to_json(), "memory": memory.to_json()}
        part.write_text(json.dumps(document, indent=1), encoding="utf-8")
        part.replace(self.path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One launcher at a time; a killed one leaves no lock.

        Raises:
            UserError: another one is at work.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"another launcher looks after {self.path.stem}: stop that one "
                    "first (Ctrl-C deletes its TPU), or see `status`"
                ) from None
            yield


def _sources() -> dict[str, bytes]:
    """Both packages as an installation has them, name in the archive to content."""
    package = pathlib.Path(xtl_jax.__file__).parent
    # Found, not imported: the catalogue is of no use here.
    beside = package.parent / "tasks" / "xtl_tasks"
    tasks = beside if beside.is_dir() else package.parent / "xtl_tasks"
    files = {}
    for inside, folder in (
        ("xtl_jax", package),
        ("xtl_tasks", tasks),
        ("xtl_jax/gin", configs.folder()),
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files[f"{inside}/{path.relative_to(folder)}"] = path.read_bytes()
    return files


def _gin_files(command: Sequence[str]) -> dict[str, bytes]:
    """Files of the user's that the command names, at the same place on the hosts."""
    packaged = configs.folder()
    files = {}
    for name in _values(command, "--gin_file"):
        path = pathlib.Path(name)
        if path.is_absolute() or ".." in path.parts:
            raise UserError(
                f"--gin_file={name}: the hosts run in a folder of their own; go to a "
                "folder above it and give the path from there"
            )
        if path.is_file():
            files[f"files/{path}"] = path.read_bytes()
        elif not (packaged / path).is_file():
            known = [
                str(each.relative_to(packaged)) for each in packaged.rglob("*.gin")
            ]
            raise UserError(
                f"no gin file {name!r} in this folder or among ours; near: "
                f"{near(name, known)}"
            )
    return files


def _values(command: Sequence[str], flag: str) -> list[str]:
    """Values of a repeated flag, as `--flag=value` or `--flag value`."""
    found = [word.partition("=")[2] for word in command if word.startswith(f"{flag}=")]
    pairs = itertools.pairwise(command)
    return found + [value for word, value in pairs if word == flag]


def _archive(files: dict[str, bytes]) -> bytes:
    """The same bytes for the same files: no times, no owners, sorted."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=3) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _lock(given: str) -> str:
    """Pinned packages, one a line."""
    if given:
        path = pathlib.Path(given)
        if not path.is_file():
            raise UserError(f"--lock={given}: no such file; check the path")
        return path.read_text(encoding="utf-8")
    pins: dict[str, str] = {}
    waiting = ["xtl_jax"]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in pins:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system, or of another Python
        pins[name] = distribution.version
        for text in distribution.requires or ():
            found = _NAME.match(text)
            if found and "extra ==" not in text:
                waiting.append(found[0])
    pins.pop("xtl-jax", None)  # it is shipped itself
    lines = [f"{name}=={version}" for name, version in sorted(pins.items())]
    lines.append(f"jax[tpu]=={pins['jax']}")
    return "\n".join([*lines, *_HOST_EXTRAS, ""])


def describe(job: Job, memory: Memory) -> dict[str, Any]:
    """What `status` tells from the record alone."""
    return {
        "name": job.name,
        "backend": job.backend,
        "tpu": job.slice.accelerator_type,
        "slices": job.slices,
        "capacity": job.capacity,
        "zone": job.zone,
        "phase": "over" if memory.code is not None else memory.phase,
        "attempt": memory.attempt,
        "retries": f"{memory.retries} of {job.max_retries}",
        "spent_usd": round(memory.spent_usd, 2),
        "max_cost": job.max_cost,
        "message": memory.message,
    }
