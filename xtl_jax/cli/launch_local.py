"""Several processes on this machine, as several hosts would run them.

Each is given the address of the first as `XTL_COORDINATOR`, how many there are as
`XTL_PROCESSES` and its own number as `XTL_PROCESS_ID`: what `jax.distributed` wants to
know where no TPU tells it. One process alone is given none of them.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

_LOOK_SECONDS = 0.1
# The others of a crashed process wait for it in vain: they cannot save any more.
_CRASH_SECONDS = 5.0
_TAIL_LINES = 5


def environments(
    processes: int, *, port: int | str, devices: int
) -> list[dict[str, str]]:
    """Variables of each process.

    Args:
        processes: how many.
        port: where the first one listens.
        devices: CPU devices of each; 0 for what is set already.

    Example:
        >>> environments(2, port=4000, devices=0)[1]["XTL_PROCESS_ID"]
        '1'
        >>> environments(1, port=4000, devices=0)
        [{'JAX_PLATFORMS': 'cpu'}]
    """
    shared = {"JAX_PLATFORMS": "cpu"}
    if devices:
        shared["JAX_NUM_CPU_DEVICES"] = str(devices)
    if processes == 1:
        return [shared]
    return [
        {
            **shared,
            "XTL_COORDINATOR": f"127.0.0.1:{port}",
            "XTL_PROCESSES": str(processes),
            "XTL_PROCESS_ID": str(index),
        }
        for index in range(processes)
    ]


def free_port() -> int:
    """A port on the loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def see_through(
    argv: Sequence[str],
    variables: Sequence[Mapping[str, str]],
    *,
    logs: pathlib.Path,
    stop_seconds: float,
    tell: Callable[[str], None],
) -> int:
    """Run the processes until all have ended; one that fails ends the others.

    Args:
        argv: the program and its words, the same for all.
        variables: what each finds in its environment beyond ours.
        logs: folder for the output of all but the first, which prints here.
        stop_seconds: how long they may take to save when told to stop.
        tell: shows a line to the user.

    Returns:
        0 if all ended so; otherwise the exit code of the first that did not (128 and
        the signal's number, if one killed it), or 130 and 143 after SIGINT and SIGTERM.
    """
    logs.mkdir(parents=True, exist_ok=True)
    asked: list[int] = []  # signals that came
    with contextlib.ExitStack() as stack:
        stack.enter_context(_noting(asked))
        running = _Processes(stack, argv, variables, logs)
        code = running.wait(asked)
        if asked:
            code = 128 + asked[0]
            tell(f"{signal.Signals(asked[0]).name}: stopping all processes")
        elif code:
            tell(running.blame(code))
        saves = bool(asked) or code == 143
        running.end(stop_seconds if saves else _CRASH_SECONDS, tell)
    return code


class _Processes:
    """The processes, dead ones included."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        argv: Sequence[str],
        variables: Sequence[Mapping[str, str]],
        logs: pathlib.Path,
    ) -> None:
        self.logs = [logs / f"{index}.log" for index in range(len(variables))]
        self.processes: list[subprocess.Popen[bytes]] = []
        stack.callback(self._kill)  # whatever happens
        for log, each in zip(self.logs, variables, strict=True):
            first = not self.processes
            output = None if first else stack.enter_context(log.open("wb"))
            self.processes.append(
                subprocess.Popen(
                    argv,
                    env={**os.environ, **each},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=None if first else subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches the launcher alone
                )
            )

    def wait(self, asked: Sequence[int]) -> int:
        """Until all have ended well (0), one has not (its code), or a signal came."""
        while not asked:
            codes = self._codes()
            bad = [code for code in codes if code]
            if bad:
                return bad[0]
            if None not in codes:
                return 0
            time.sleep(_LOOK_SECONDS)
        return 0

    def blame(self, code: int) -> str:
        """Which process failed, and its last words."""
        index = next(i for i, each in enumerate(self._codes()) if each == code)
        what = "was stopped, after saving" if code == 143 else "failed"
        told = f"process {index} of {len(self.processes)} {what} (exit code {code})"
        if index == 0:  # its output was seen
            return f"{told}; stopping the others"
        lines = self.logs[index].read_text(errors="replace").splitlines()
        last = "".join(f"\n  {line}" for line in lines[-_TAIL_LINES:])
        return f"{told}; stopping the others. {self.logs[index]} ends with:{last}"

    def end(self, seconds: float, tell: Callable[[str], None]) -> None:
        """SIGTERM to those that are left, and SIGKILL when the time is over."""
        self._send(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while None in self._codes() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        left = [index for index, code in enumerate(self._codes()) if code is None]
        if left:
            tell(f"processes {left} did not end in {seconds:g} seconds: killed")
        self._kill()

    def _codes(self) -> list[int | None]:
        found = [process.poll() for process in self.processes]
        return [128 - code if code is not None and code < 0 else code for code in found]

    def _send(self, number: signal.Signals) -> None:
        for process in self.processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)

    def _kill(self) -> None:
        self._send(signal.SIGKILL)
        for process in self.processes:
            process.wait()


@contextlib.contextmanager
def _noting(asked: list[int]) -> Iterator[None]:
    """Signals are noted, and nothing else happens."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {
        number: signal.signal(number, lambda got, _: asked.append(got))
        for number in numbers
    }
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
