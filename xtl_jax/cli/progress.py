"""What a person sees while something long runs: on stderr, with an estimated end.

`rich` is imported when something is shown: commands import this module at their top,
and `xtl --help` shows none of it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


@functools.cache
def stderr() -> Console:
    """The one console on stderr, so that messages do not tear a progress bar."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def tell(message: str) -> None:
    """One line on stderr; the text is shown as it is, markup and all."""
    stderr().print(message, markup=False, soft_wrap=True)


def bar() -> Progress:
    """A progress display that vanishes when it is done."""
    from rich import progress as parts

    return parts.Progress(
        parts.TextColumn("{task.description}"),
        parts.BarColumn(bar_width=None),
        parts.MofNCompleteColumn(),
        parts.TaskProgressColumn(),
        parts.TimeElapsedColumn(),
        parts.TextColumn("ETA"),
        parts.TimeRemainingColumn(),
        parts.TextColumn("{task.fields[note]}", markup=False),
        console=stderr(),
        transient=True,
    )


@contextlib.contextmanager
def counting(description: str, *, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that is told how much is done."""
    with bar() as display:
        task = display.add_task(description, total=total, note="")
        yield lambda done: display.update(task, completed=done)
