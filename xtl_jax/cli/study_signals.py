"""SIGTERM and Ctrl-C end a worker in good order.

Training saves a checkpoint and leaves (`cli/train.py` has its own handler for that);
whatever else is under way is given up, and done again later. A second Ctrl-C ends the
process at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from xtl_jax.studies.executor import Stopped


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """Inside, either signal raises `Stopped`, or has a training save and leave.

    `Stopped` is raised once: another SIGTERM does not disturb who cleans up then.
    Outside of the main thread, where no signal arrives, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    def interrupt(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGTERM)

    before = (
        signal.signal(signal.SIGTERM, stop),
        signal.signal(signal.SIGINT, interrupt),
    )
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
