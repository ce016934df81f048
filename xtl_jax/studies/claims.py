"""Who works at a stage: claims, of which one worker at a time holds the last.

Workers share nothing but a folder, on a disk or in a bucket. Each attempt at a stage is
a file of its own, with the next number:

    claim-1.json    was killed: its heartbeat stands still
    claim-2.json    took over; its holder rewrites it every few seconds

A claim is made by creating its file, which fails where that is there already, so of
several workers that want the same number one gets it. No number is used twice before
the stage is done: a worker that comes late with an old one cannot hold it beside
another. Whoever finds a number above its own has lost the stage and must end at once.

A claim is free when its holder let it go, when its holder's process is gone from this
machine, or when its heartbeat has not changed for `PATIENCE` seconds by the clock of
whoever looks; clocks of two machines are never compared.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from xtl_jax import storage
from xtl_jax.errors import UserError
from xtl_jax.fields import is_number
from xtl_jax.infer import records

BEAT_SECONDS = 10.0  # between two heartbeats
PATIENCE = 90.0  # seconds without one after which a stage is taken over
_NAME = re.compile(r"claim-(\d+)\.json")
_ENDED = 75  # exit code of a worker that lost its stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Worker:
    """One process that works at stages.

    Attributes:
        name: for people.
        host: likewise.
        pid: its number there.
        machine: what tells machines apart; "" where nothing does.
        begun: when the process began, as its machine counts.
    """

    name: str
    host: str
    pid: int
    machine: str
    begun: str

    @classmethod
    def here(cls, name: str = "") -> Worker:
        """This process."""
        host, pid = socket.gethostname(), os.getpid()
        return cls(
            name=name or f"{host}:{pid}",
            host=host,
            pid=pid,
            machine=_machine(),
            begun=_begun(pid) or "",
        )


def _machine() -> str:
    """This boot of this machine, and which process numbers are seen in it."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""  # another system: heartbeats alone tell


def _begun(pid: int) -> str | None:
    """When a process of this machine began; None where there is none."""
    try:
        line = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = line.rpartition(")")[2].split()  # the name may hold anything
    return None if state in "ZX" else rest[18]


def is_gone(holder: Mapping[str, Any]) -> bool:
    """Whether the process of a claim ended on this machine; False where none knows."""
    if not holder.get("machine") or holder["machine"] != _machine():
        return False
    begun = _begun(holder["pid"])
    if begun is None and _is_anothers(holder["pid"]):
        return False  # systems may hide the processes of other users
    return begun != holder["begun"]


def _is_anothers(pid: int) -> bool:
    """Whether a process of this machine is there that another user began."""
    try:
        os.kill(pid, 0)  # sends nothing
    except PermissionError:
        return True
    except OSError:
        pass
    return False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """What a claim's file says.

    Attributes:
        number: of the attempt, from 1.
        holder: fields of `Worker`.
        beats: heartbeats so far.
        at: wall time of the last one, for people.
        seconds: that the attempt has taken up to it.
        free: its holder let it go.
    """

    number: int
    holder: Mapping[str, Any]
    beats: int
    at: float
    seconds: float
    free: bool


def read(folder: storage.AnyPath) -> Held | None:
    """The last claim of a stage; None where nobody has begun."""
    numbers = _numbers(folder)
    # It may go away between the two, with the end of its stage.
    return _read(folder, max(numbers)) if numbers else None


def _numbers(folder: storage.AnyPath) -> list[int]:
    try:
        with storage.told(folder):
            names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:  # in a bucket also when its last file goes away
        return []
    found = map(_NAME.fullmatch, names)
    return sorted(int(each[1]) for each in found if each)


def _path(folder: storage.AnyPath, number: int) -> storage.AnyPath:
    return folder / f"claim-{number}.json"


def _read(folder: storage.AnyPath, number: int) -> Held | None:
    path = _path(folder, number)
    try:
        with storage.told(path):
            held = Held(number=number, **records.read_document(path))
        Worker(**held.holder)
        if not all(map(is_number, (held.beats, held.at, held.seconds))):
            raise TypeError("its times are no numbers")
    except FileNotFoundError:
        return None
    except TypeError as error:
        raise UserError(
            f"{path} is no claim ({error}): remove it if nobody works there"
        ) from None
    return held


def seconds_before(folder: storage.AnyPath, number: int) -> float:
    """That all attempts before one have taken, each up to its last heartbeat."""
    found = (_read(folder, each) for each in _numbers(folder) if each < number)
    return sum(each.seconds for each in found if each is not None)


class Claim:
    """A stage that this worker holds, kept by a heartbeat until `end`."""

    def __init__(
        self,
        folder: storage.AnyPath,
        number: int,
        worker: Worker,
        *,
        every: float = BEAT_SECONDS,
        lost: Callable[[str], None] | None = None,
    ) -> None:
        self.number = number
        self._folder, self._worker, self._every = folder, worker, every
        self._lost = lost or _end_process
        self._began = time.monotonic()
        self._beats = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat_often, daemon=True)

    def make(self) -> bool:
        """Create its file; whether this worker was the first."""
        made = storage.create(_path(self._folder, self.number), self._content())
        if made:
            self._thread.start()
        return made

    def is_held(self) -> bool:
        """Whether nobody has taken over."""
        return _numbers(self._folder)[-1:] == [self.number]

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._began

    def free(self) -> None:
        """Let others go on with the stage."""
        self._stop()
        if self.is_held():
            self._write(free=True)

    def remove(self) -> None:
        """Take the claims of a stage away that is done for good."""
        self._stop()
        for number in _numbers(self._folder):
            _path(self._folder, number).unlink(missing_ok=True)

    def _stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _beat_often(self) -> None:
        while not self._over.wait(self._every):
            try:
                if not self.is_held():
                    self._lost(f"{self._folder}: another worker has taken over")
                    return
                self._beats += 1
                self._write()
            except Exception:
                continue  # the next one may get through; without any it would be lost

    def _write(self, *, free: bool = False) -> None:
        path = _path(self._folder, self.number)
        records.replace(path, self._content(free=free).decode())

    def _content(self, *, free: bool = False) -> bytes:
        document = {
            "holder": dataclasses.asdict(self._worker),
            "beats": self._beats,
            "at": round(time.time(), 1),
            "seconds": round(self.seconds, 3),
            "free": free,
        }
        return (json.dumps(document, ensure_ascii=False) + "\n").encode()


def _end_process(why: str) -> None:
    """A worker without its stage must not write into it: nothing milder is sure."""
    os.write(2, f"{why}; this worker ends\n".encode())
    os._exit(_ENDED)


class Claims:
    """What one worker knows of the claims of others.

    Args:
        worker: who claims.
        patience: seconds without a heartbeat after which it takes over.
        every: seconds between its own heartbeats.
        clock: seconds, of this machine.
        lost: called from the heartbeat's thread if another takes over; None ends the
            process.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        patience: float = PATIENCE,
        every: float = BEAT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        lost: Callable[[str], None] | None = None,
    ) -> None:
        self.worker = worker
        self._patience, self._every, self._clock = patience, every, clock
        self._lost = lost
        # Folder to its claim and heartbeat as last seen to change, and when that was.
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}

    def take(self, folder: storage.AnyPath) -> Claim | None:
        """Claim a stage, or take it over; None where another works at it."""
        last = read(folder)
        if last is not None and not self._is_free(folder, last):
            return None
        claim = Claim(
            folder,
            1 if last is None else last.number + 1,
            self.worker,
            every=self._every,
            lost=self._lost,
        )
        return claim if claim.make() else None

    def _is_free(self, folder: storage.AnyPath, last: Held) -> bool:
        if last.free or is_gone(last.holder):
            return True
        now, state = self._clock(), (last.number, last.beats)
        before, since = self._seen.get(os.fspath(folder), (None, now))
        if state != before:
            self._seen[os.fspath(folder)] = (state, now)
            return False
        return now - since > self._patience
