"""Joining the other hosts of a run, before the first device is used.

`XTL_COORDINATOR` (MACHINE:PORT of the first host), `XTL_PROCESSES` and `XTL_PROCESS_ID`
say who is there, as `xtl launch --backend=local` sets them. On a TPU
`XTL_COORDINATOR=auto` leaves it to JAX to find out, as `launcher/host.sh` does. Without
them a process is alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import pathlib
import platform
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import xtl_jax
from xtl_jax.errors import UserError
from xtl_jax.hosts import group, messages

if TYPE_CHECKING:
    from xtl_jax.hosts.channel import Channel

COMMANDS = ("train", "predict", "run")  # that compute on all hosts together
_JOIN_SECONDS = 300.0  # pods do not start at one moment
_REDUCE_SECONDS = 120.0
_BLAME_SECONDS = 55.0  # longer than a silent host is waited for
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class Place(NamedTuple):
    """This host among the others."""

    address: str  # of the first
    host: int
    hosts: int


def place(environment: Mapping[str, str]) -> Place | None:
    """What the environment says; None where this process is alone.

    Raises:
        UserError: it says something impossible.

    Example:
        >>> place({"XTL_COORDINATOR": "10.0.0.1:80", "XTL_PROCESSES": "4",
        ...        "XTL_PROCESS_ID": "3"})
        Place(address='10.0.0.1:80', host=3, hosts=4)
        >>> place({}) is None
        True
    """
    address = environment.get("XTL_COORDINATOR", "")
    names = ("XTL_PROCESSES", "XTL_PROCESS_ID")
    if not address:
        given = [name for name in names if environment.get(name)]
        if given:
            raise UserError(
                f"{given[0]} is set and XTL_COORDINATOR is not: set it to the address "
                "of the first host, MACHINE:PORT, or unset both"
            )
        return None
    if address == "auto":
        return _found_by_jax()
    try:
        messages.split(address)
    except ValueError as error:
        raise UserError(
            f"XTL_COORDINATOR: {error}; give such as 10.0.0.1:8482, or auto on a TPU"
        ) from None
    texts = [environment.get(name, "") for name in names]
    if not all(text.isdecimal() for text in texts):
        said = " and ".join(f"{n}={t!r}" for n, t in zip(names, texts, strict=True))
        raise UserError(f"{said} must be whole numbers: how many hosts, and which")
    hosts, host = map(int, texts)
    if not host < hosts:
        raise UserError(
            f"XTL_PROCESS_ID={host} must be below XTL_PROCESSES={hosts}: the first "
            "host is number 0"
        )
    return Place(address, host, hosts)


def _found_by_jax() -> Place:
    """What JAX finds out of the TPU's metadata, or of Slurm's variables."""
    from jax._src import clusters  # there is no public way to ask without joining

    found = clusters.ClusterEnv.auto_detect_unset_distributed_params(
        None, None, None, None, None, int(_JOIN_SECONDS)
    )
    address, hosts, host = found[:3]
    if address is None or hosts is None or host is None:
        raise UserError(
            "XTL_COORDINATOR=auto, and nothing here says what the other hosts are: "
            "this is no TPU pod; give MACHINE:PORT, XTL_PROCESSES and XTL_PROCESS_ID"
        )
    return Place(address, host, hosts)


@contextlib.contextmanager
def joined(command: str) -> Iterator[None]:
    """Inside, this process is one of the hosts that the environment names.

    Whatever ends the command on this host ends it on all, and they say why.

    Args:
        command: of `xtl`; most run on one host alone, whatever the environment says.

    Raises:
        UserError: the environment is wrong, or the hosts do not fit together.
    """
    here = place(os.environ) if command in COMMANDS else None
    if here is None or here.hosts == 1:
        yield
        return
    _keep_stdout()
    channel = _connect(here, command)
    group.become(channel)
    if channel.index:
        from xtl_jax.cli import progress

        progress.silence()
    with ending_all(command):
        _compare(command)
        _start_jax(here, channel)
        _add_up(channel)
        yield
        channel.leave()


@contextlib.contextmanager
def ending_all(command: str) -> Iterator[None]:
    """What is raised inside ends this host at once, and with it all others.

    Nothing that is entered outside is left first: closing the checkpoints, say, would
    wait for hosts that wait for this one.
    """
    try:
        yield
    except BaseException as error:
        if group.current().count > 1:
            _end(command, error)
        raise


def _keep_stdout() -> None:
    """What is printed here goes to stdout; what libraries print there, to stderr.

    Gloo, which adds up over the CPUs of hosts, says hello on file descriptor 1.
    """
    own = os.dup(1)
    sys.stdout.flush()
    os.dup2(2, 1)
    sys.stdout = os.fdopen(own, "w", encoding="utf-8", buffering=1)


def _connect(here: Place, command: str) -> Channel:
    from xtl_jax.hosts.channel import Channel
    from xtl_jax.hosts.hub import Hub

    seconds = _join_seconds(os.environ.get("XTL_JOIN_SECONDS", ""))

    def end(code: int, why: str) -> None:
        """Ends this process at once: JAX may be waiting for a host that is gone."""
        _leave(code, f"xtl {command}: {why}; host {here.host} of {here.hosts} stops")

    if here.host == 0:
        try:
            Hub(here.address, hosts=here.hosts, join_seconds=seconds)
        except OSError as error:
            raise UserError(
                f"XTL_COORDINATOR={here.address} cannot be listened on "
                f"({error.strerror}): give a free port of this machine"
            ) from None
    return Channel(
        here.address,
        host=here.host,
        hosts=here.hosts,
        name=socket.gethostname(),
        join_seconds=seconds,
        end=end,
    )


def _join_seconds(text: str) -> float:
    if not text:
        return _JOIN_SECONDS
    if not text.isdecimal() or int(text) < 1:
        raise UserError(
            f"XTL_JOIN_SECONDS={text!r} must be a whole number of seconds, 1 or more"
        )
    return float(text)


def _compare(command: str) -> None:
    """Refuses hosts with other code or packages than the first."""
    packages = {name: metadata.version(name) for name in _PACKAGES}
    group.agree(
        "code and packages",
        {
            "command": command,
            "xtl_jax": xtl_jax.__version__,
            "hash of the code": _code_hash(),
            "python": platform.python_version(),
            **packages,
        },
    )


def _code_hash() -> str:
    """Of the sources of this package and of the tasks."""
    import xtl_tasks

    digest = hashlib.sha256()
    for package in (xtl_jax, xtl_tasks):
        folder = pathlib.Path(package.__file__ or "").parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder)).encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _start_jax(here: Place, channel: Channel) -> None:
    """`jax.distributed`, at a port that the first host chooses."""
    import jax

    machine, _ = messages.split(here.address)
    port = _free_port() if here.host == 0 else 0
    port = channel.exchange("the port of JAX", port)[0]
    shown = f"[{machine}]" if ":" in machine else machine
    # JAX would take SIGTERM for itself; the group agrees on the step.
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    _delay_abort()
    jax.distributed.initialize(
        f"{shown}:{port}", num_processes=here.hosts, process_id=here.host
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def _delay_abort() -> None:
    """JAX aborts when its first host has gone; first the channel says which it was."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
    handler = kind(lambda _: time.sleep(5.0))
    _kept.append(handler)  # C holds no reference
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = [ctypes.c_int, kind]
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signal.SIGABRT, handler)


_kept: list[Any] = []


def _add_up(channel: Channel) -> None:
    """A first sum over all devices; a host that does not take part is named."""
    channel.exchange("ready to add up", seconds=_REDUCE_SECONDS)
    channel.expect("the first sum over all devices", seconds=_REDUCE_SECONDS)
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    own = np.asarray([jax.local_device_count()], np.int32)
    total = int(multihost_utils.process_allgather(own).sum())
    channel.exchange("the first sum over all devices", total)
    if total != len(jax.devices()):
        raise UserError(
            f"the hosts have {total} devices together and JAX sees "
            f"{len(jax.devices())}: they belong to different slices; start the command "
            "on all hosts of one slice, or of all slices"
        )


def _end(command: str, error: BaseException) -> NoReturn:
    """Ends this process, after the others have been told why.

    When another has ended first, that is the reason for all.
    """
    channel: Any = group.current()
    code, said = 1, str(error)
    if isinstance(error, UserError):
        code = 2
    elif isinstance(error, KeyboardInterrupt):
        code, said = 130, "interrupted"
    elif channel.blamed(seconds=_blame_seconds(error)):
        time.sleep(60.0)  # the channel is ending this process
    shown = f"xtl {command}: {said}"
    if code == 1:
        shown = "".join(traceback.format_exception(error))
        said = f"{type(error).__name__}: {said[:1000]}"
    channel.fail(code, said)
    _leave(code, shown)


def _leave(code: int, message: str) -> NoReturn:
    """Ends this process without waiting for anything, as JAX's own end would."""
    if sys.stderr.isatty():
        message = f"\x1b[?25h\n{message}"  # a progress bar has hidden the cursor
    with contextlib.suppress(OSError, ValueError):
        print(message, file=sys.stderr, flush=True)
        sys.stdout.flush()
    if group.is_first():
        time.sleep(1.0)  # JAX on the others aborts when this process has ended
    os._exit(code)


def _blame_seconds(error: BaseException) -> float:
    """How long it may take until it is known that another host was the cause.

    A sum over hosts fails on all that are left when one has gone.
    """
    causes = (error, error.__cause__, error.__context__)
    jax = any(type(each).__name__ == "JaxRuntimeError" for each in causes)
    return _BLAME_SECONDS if jax else _BLAME_SECONDS / 10
