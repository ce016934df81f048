"""A host's own side: what it says to the others, and hears of them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from xtl_jax.hosts.hub import BEAT_SECONDS, SILENCE_SECONDS, STALL_SECONDS
from xtl_jax.hosts.messages import Line, Message, split

_KNOCK_SECONDS = 0.2  # between two tries to reach the first host


class Channel:
    """The connection of one host to the group.

    Args:
        address: MACHINE:PORT of the hub.
        host: number of this one.
        hosts: how many there are.
        name: of this machine, for people.
        join_seconds: how long is waited for the others.
        end: called with an exit code and a reason when the run is over because of some
            host; in a process of its own it does not return.
        silence_seconds: how long the hub may say nothing.

    Attributes:
        names: of all hosts, once they are there.
    """

    def __init__(
        self,
        address: str,
        *,
        host: int,
        hosts: int,
        name: str,
        join_seconds: float,
        end: Callable[[int, str], None],
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self.index, self.count = host, hosts
        self.names: list[str] = []
        self._address = address
        self._join_seconds = join_seconds
        self._silence = silence_seconds
        self._end = end
        self._changed = threading.Condition()
        self._values: dict[int, list[Any]] = {}
        self._number = 0  # of the next exchange
        self._last: int | None = None  # number of the exchange that ends the run
        self._over = False
        self._heard = time.monotonic()
        self._asked = threading.Event()  # this host was told to stop
        self._told_to_stop = False
        self._frozen = False
        self._step: int | None = None  # updates made; None: not training yet
        self._stop_at: int | None = None
        connected = self._connect()
        if connected is None:
            self._over = True
            end(
                1,
                f"host 0 of {hosts} cannot be reached at {address} within "
                f"{join_seconds:g} seconds: the same command must run there, with "
                "XTL_PROCESS_ID=0",
            )
            return
        self._line = connected
        self._line.send(kind="hello", host=host, hosts=hosts, name=name)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        threading.Thread(target=self._beat, daemon=True).start()
        self._wait(lambda: bool(self.names))

    def exchange(
        self, name: str, value: Any = None, *, seconds: float | None = None
    ) -> list[Any]:
        """What each host says, once all have: all call this in the same order.

        Args:
            name: what is exchanged, for people.
            value: of this host; JSON values.
            seconds: after which a host that has said nothing is named; None waits as
                long as all are alive.
        """
        number, self._number = self._number, self._number + 1
        self._line.send(kind="value", number=number, name=name, value=value)
        if seconds is not None:
            self._line.send(kind="expect", number=number, name=name, seconds=seconds)
        self._wait(lambda: number in self._values)
        with self._changed:
            return self._values.pop(number, [])

    def expect(self, name: str, *, seconds: float) -> None:
        """From now on the next exchange has so long, also for those that hang."""
        self._line.send(kind="expect", number=self._number, name=name, seconds=seconds)

    def ask(self) -> None:
        """This host must stop: all save after the same step. For signal handlers."""
        self._asked.set()

    def begin(self, step: int) -> None:
        """Training begins after `step` updates, which are the same on all hosts."""
        with self._changed:
            self._step = step
            frozen = self._frozen
        if frozen:
            self._line.send(kind="at", step=step)

    def reached(self, step: int) -> bool:
        """Whether all stop after this step; every host asks after every step.

        A host that was asked to stop freezes all of them between two steps until it is
        known how far each has come, which decides the step that none has passed.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._frozen or self._over)
            self._step = step
            return self._stop_at is not None and step >= self._stop_at

    def blamed(self, *, seconds: float) -> bool:
        """Whether it is known that some host has ended the run, within this time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._over, timeout=seconds)

    def fail(self, code: int, message: str) -> None:
        """Tell the others why this host ends; returns when they have been told."""
        with self._changed:
            self._over = True  # this host ends by itself
        self._line.send(kind="failed", code=code, message=message)
        self._reader.join(timeout=2 * BEAT_SECONDS)

    def leave(self) -> None:
        """End well, together with all others."""
        with self._changed:
            self._last = self._number
        self.exchange("the end")
        self._line.send(kind="bye")

    def _connect(self) -> Line | None:
        deadline = time.monotonic() + self._join_seconds
        place = split(self._address)
        while time.monotonic() < deadline:
            left = max(deadline - time.monotonic(), _KNOCK_SECONDS)
            try:
                connection = socket.create_connection(place, timeout=left)
            except OSError:
                time.sleep(_KNOCK_SECONDS)
                continue
            connection.settimeout(None)
            return Line(connection)
        return None

    def _wait(self, ready: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: ready() or self._over)

    def _read(self) -> None:
        for message in self._line.received():
            with self._changed:
                self._heard = time.monotonic()
                over = self._over
                self._take(message)
                self._changed.notify_all()
            if message["kind"] == "end":
                self._finish(over, message["code"], message["message"])
                return
        self._lost("is gone: its process has ended without a word")

    def _take(self, message: Message) -> None:
        """One message of the hub; the lock is held."""
        kind = message["kind"]
        if kind == "joined":
            self.names = list(message["names"])
        elif kind == "values":
            self._values[message["number"]] = message["values"]
            # From here on nobody is missed.
            self._over = self._over or message["number"] == self._last
        elif kind == "freeze":
            self._frozen = True
            if self._step is not None:
                self._line.send(kind="at", step=self._step)
        elif kind == "stop_at":
            self._stop_at = message["step"]
            self._frozen = False
        elif kind == "end":
            self._over = True

    def _beat(self) -> None:
        """Says that this host is alive, and that it was asked to stop."""
        pause, before = min(BEAT_SECONDS, self._silence / 4), time.monotonic()
        while not self._over:
            self._line.send(kind="beat")
            if self._asked.is_set() and not self._told_to_stop:
                self._told_to_stop = True
                self._line.send(kind="stop")
            now = time.monotonic()
            stalled, before = now - before - pause, now
            if stalled > STALL_SECONDS:  # it is this process that was silent
                self._heard += stalled
            silent = now - self._heard
            if silent > self._silence:
                self._lost(f"is gone: silent for {silent:.0f} seconds")
                return
            if self._told_to_stop:
                time.sleep(pause)
            else:
                self._asked.wait(pause)

    def _lost(self, what: str) -> None:
        """The hub, and host 0 with it."""
        name = f" ({self.names[0]})" if self.names else ""
        with self._changed:
            over, self._over = self._over, True
            self._changed.notify_all()
        self._finish(over, 1, f"host 0{name} of {self.count} {what}")

    def _finish(self, over: bool, code: int, message: str) -> None:
        """Once, and not where this host has ended by itself."""
        with contextlib.suppress(OSError):
            self._line.close()
        if not over:
            self._end(code, message)
