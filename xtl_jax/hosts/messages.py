"""Messages between hosts: one JSON object a line, over TCP."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import Any

_SEND_SECONDS = 5  # a host that takes no bytes for so long is not waited for

Message = Mapping[str, Any]


class Line:
    """One end of a connection, which several threads may write to."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Of writing alone: reading waits as long as it takes.
        limit = struct.pack("ll", _SEND_SECONDS, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._connection = connection
        self._writing = threading.Lock()

    def send(self, **message: Any) -> bool:
        """Write a message; whether the other end could be written to."""
        line = json.dumps(message).encode() + b"\n"
        try:
            with self._writing:
                self._connection.sendall(line)
        except OSError:
            return False
        return True

    def received(self) -> Iterator[Message]:
        """Messages until the other end has closed, or died."""
        try:
            with self._connection.makefile("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    yield json.loads(line)
        except (OSError, ValueError):
            return

    def close(self) -> None:
        """End the connection, also for a thread that is reading."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def split(address: str) -> tuple[str, int]:
    """Machine and port of "MACHINE:PORT".

    Raises:
        ValueError: it is not of that form.

    Example:
        >>> split("10.0.0.1:8482"), split("[::1]:80")
        (('10.0.0.1', 8482), ('::1', 80))
    """
    machine, colon, port = address.rpartition(":")
    if not colon or not machine or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"{address!r} is no MACHINE:PORT")
    return machine.strip("[]"), int(port)
