"""The first host's side: it hears all hosts, and tells all what they must know.

What hosts say and are told (`messages.py`):

    to the hub                                    from the hub
    hello  host, hosts, name                      joined  names
    beat                                          beat
    value  number, name, value                    values  number, values
    expect name, number, seconds                  end     host, code, message
    stop                                          freeze
    at     step                                   stop_at step
    failed code, message
    bye
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from xtl_jax.hosts.messages import Line, Message, split

BEAT_SECONDS = 2.0
SILENCE_SECONDS = 45.0  # then a host is gone
STALL_SECONDS = 2.0  # whoever was not run for so long has missed what others said
_LOST = 1  # exit code of hosts that lose another


class _Exchange:
    """Values of one kind, as far as they have come."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[int, Any] = {}
        self.deadline: float | None = None
        self.seconds = 0.0


class _Member(NamedTuple):
    line: Line
    name: str


class Hub:
    """Listens for all hosts of a run.

    Args:
        address: MACHINE:PORT at which the others look for it.
        hosts: how many come.
        join_seconds: how long is waited for the last of them.
        silence_seconds: how long a host may say nothing.

    Raises:
        OSError: the port cannot be listened on.
    """

    def __init__(
        self,
        address: str,
        *,
        hosts: int,
        join_seconds: float,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        machine, port = split(address)
        local = machine in ("localhost", "127.0.0.1", "::1")
        family = socket.AF_INET6 if ":" in machine else socket.AF_INET
        self._listener = socket.create_server(
            (machine if local else "", port), family=family, backlog=hosts
        )
        self._hosts = hosts
        self._silence = silence_seconds
        self._join_seconds = join_seconds
        self._join_by = time.monotonic() + join_seconds
        self._lock = threading.RLock()
        self._members: dict[int, _Member] = {}
        self._heard: dict[int, float] = {}
        self._left: set[int] = set()
        self._exchanges: dict[int, _Exchange] = {}
        self._done = 0  # exchanges that are complete
        self._steps: dict[int, int] | None = None  # where hosts are; None: no stop
        self._ended = False
        for work in (self._accept, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._ended = True
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            line = Line(connection)
            threading.Thread(target=self._hear, args=(line,), daemon=True).start()

    def _hear(self, line: Line) -> None:
        """One host, from its first message to its last."""
        messages = line.received()
        first = next(messages, None)
        if first is None or first.get("kind") != "hello":
            line.close()  # some other program has knocked at the port
            return
        host = int(first["host"])
        if not self._enter(host, first, line):
            for _ in messages:  # until it has read why, and closed
                pass
            line.close()
            return
        for message in messages:
            with self._lock:
                self._heard[host] = time.monotonic()
                self._take(host, message)
        with self._lock:
            if host not in self._left:
                self._end(host, "is gone: its process has ended without a word")

    def _enter(self, host: int, hello: Message, line: Line) -> bool:
        with self._lock:
            if hello["hosts"] != self._hosts or not 0 <= host < self._hosts:
                why = f"was told of {hello['hosts']} hosts, host 0 of {self._hosts}"
            elif host in self._members:
                other = self._members[host].name
                why = f"is there twice, as {other} and as {hello['name']}"
            else:
                self._members[host] = _Member(line, str(hello["name"]))
                self._heard[host] = time.monotonic()
                if len(self._members) == self._hosts:
                    names = [self._members[i].name for i in range(self._hosts)]
                    self._tell(kind="joined", names=names)
                return True
            why += ": XTL_PROCESSES must be the same and XTL_PROCESS_ID another on each"
            self._end(host, why, code=2)
            told = f"host {host} of {self._hosts} {why}"
            line.send(kind="end", host=host, code=2, message=told)
            return False

    def _take(self, host: int, message: Message) -> None:
        """One message of a host that is known; the lock is held."""
        kind = message["kind"]
        if kind == "value":
            exchange = self._exchange(host, message)
            exchange.values[host] = message["value"]
            if len(exchange.values) == self._hosts:
                number = message["number"]
                del self._exchanges[number]
                self._done = number + 1
                values = [exchange.values[i] for i in range(self._hosts)]
                self._tell(kind="values", number=number, values=values)
        elif kind == "expect":
            exchange = self._exchange(host, message)
            if message["number"] >= self._done and exchange.deadline is None:
                exchange.seconds = message["seconds"]
                exchange.deadline = time.monotonic() + exchange.seconds
        elif kind == "stop" and self._steps is None:
            self._steps = {}
            self._tell(kind="freeze")
        elif kind == "at" and self._steps is not None:
            self._steps[host] = message["step"]
            if len(self._steps) == self._hosts:
                self._tell(kind="stop_at", step=max(self._steps.values()) + 1)
        elif kind == "failed":
            self._left.add(host)
            self._end(host, f"failed: {message['message']}", code=message["code"])
        elif kind == "bye":
            self._left.add(host)

    def _exchange(self, host: int, message: Message) -> _Exchange:
        number, name = message["number"], message["name"]
        if number < self._done:
            return _Exchange(name)  # an `expect` that comes after all values
        exchange = self._exchanges.setdefault(number, _Exchange(name))
        if exchange.name != name:
            theirs = exchange.name
            self._end(host, f"does something else than others: {name}, not {theirs}")
        return exchange

    def _watch(self) -> None:
        """Says each second what has not happened in time."""
        last_beat, before = 0.0, time.monotonic()
        pause = min(1.0, self._silence / 10)
        while not self._ended:
            time.sleep(pause)
            now = time.monotonic()
            stalled, before = now - before - pause, now
            with self._lock:
                if stalled > STALL_SECONDS:  # it is this process that was silent
                    self._heard = {i: at + stalled for i, at in self._heard.items()}
                if now - last_beat >= BEAT_SECONDS:
                    self._tell(kind="beat")
                    last_beat = now
                self._check(now)

    def _check(self, now: float) -> None:
        absent = [i for i in range(self._hosts) if i not in self._members]
        if absent and now > self._join_by:
            self._end(
                absent,
                f"did not come within {self._join_seconds:g} seconds: the same command "
                "must run on every host, with its own XTL_PROCESS_ID",
            )
        for host, heard in self._heard.items():
            if host not in self._left and now - heard > self._silence:
                self._end(host, f"is gone: silent for {now - heard:.0f} seconds")
        for exchange in self._exchanges.values():
            if exchange.deadline is not None and now > exchange.deadline:
                late = [i for i in range(self._hosts) if i not in exchange.values]
                self._end(
                    late,
                    f"did not do its part in {exchange.seconds:g} seconds: "
                    f"{exchange.name}",
                )

    def _end(self, hosts: int | Sequence[int], what: str, *, code: int = _LOST) -> None:
        """Tell all that the run is over, and because of whom; only the first counts."""
        if self._ended:
            return
        self._ended = True
        blamed = [hosts] if isinstance(hosts, int) else list(hosts)
        named = " and ".join(
            f"host {i} ({self._members[i].name})" if i in self._members else f"host {i}"
            for i in blamed
        )
        message = f"{named} of {self._hosts} {what}"
        self._tell(kind="end", host=blamed[0], code=code, message=message)

    def _tell(self, **message: Any) -> None:
        """All hosts; the hub's own one last, which may end the process."""
        for host in sorted(self._members, reverse=True):
            with contextlib.suppress(OSError):
                self._members[host].line.send(**message)
