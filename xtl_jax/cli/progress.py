"""What a person sees while something long runs: on stderr, with an estimated end.

`rich` is imported when something is shown: commands import this module at their top,
and `xtl --help` shows none of it.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from xtl_jax.cli.screen import Console

_bars = True  # are shown, on a terminal


@functools.cache
def stderr() -> Console:
    """The one console on stderr, so that messages do not tear a progress bar."""
    from xtl_jax.cli.screen import Console

    return Console(stderr=True, highlight=False)


def silence() -> None:
    """Show nothing more: where several hosts do the same, the first one shows it."""
    stderr().quiet = True


def hide_bars() -> None:
    """Show lines only: where several processes work for one command."""
    global _bars
    _bars = False


def tell(message: str) -> None:
    """One line on stderr; the text is shown as it is, markup and all."""
    stderr().print(message, markup=False, soft_wrap=True)


def bar() -> Progress:
    """A progress display that vanishes when it is done; off a terminal it is silent."""
    from rich import progress as parts

    return _display(
        parts.MofNCompleteColumn(),
        parts.TaskProgressColumn(),
        parts.TimeElapsedColumn(),
        parts.TextColumn("ETA"),
        parts.TimeRemainingColumn(),
        parts.TextColumn("{task.fields[note]}", markup=False),
    )


def bytes_bar() -> Progress:
    """The same for a file that comes over the network."""
    from rich import progress as parts

    return _display(
        parts.DownloadColumn(),
        parts.TransferSpeedColumn(),
        parts.TextColumn("ETA"),
        parts.TimeRemainingColumn(),
    )


def _display(*columns: ProgressColumn) -> Progress:
    from rich import progress as parts

    return parts.Progress(
        parts.TextColumn("{task.description}"),
        parts.BarColumn(bar_width=None),
        *columns,
        console=stderr(),
        transient=True,
        disable=not (_bars and stderr().is_terminal),
    )


@contextlib.contextmanager
def counting(description: str, *, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that is told how much is done."""
    lines = Lines(total=total)
    with bar() as display:
        task = display.add_task(description, total=total, note="")

        def done(count: int) -> None:
            display.update(task, completed=count)
            lines.say(description, done=count)

        yield done


class Lines:
    """Progress where there is no terminal (a log file): a line now and then."""

    SECONDS = 15.0  # between two

    def __init__(self, *, total: int | None, done: int = 0) -> None:
        self._total = total
        self._first = done
        self._began = self._last = time.monotonic()

    def say(self, text: str, *, done: int) -> None:
        """Print `text` with what is done and the time left, if it is time again."""
        now = time.monotonic()
        if stderr().is_terminal or now - self._last < self.SECONDS:
            return
        self._last = now
        left = ""
        if self._total and done > self._first:
            seconds = (now - self._began) / (done - self._first) * (self._total - done)
            left = f", {datetime.timedelta(seconds=round(seconds))} left"
        tell(f"{text}: {done:,}{f' of {self._total:,}' if self._total else ''}{left}")
