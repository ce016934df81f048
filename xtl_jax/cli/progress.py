"""What a person sees while something long runs: on stderr, with an estimated end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

STDERR = Console(stderr=True, highlight=False)


def tell(message: str) -> None:
    """One line on stderr; the text is shown as it is, markup and all."""
    STDERR.print(message, markup=False, soft_wrap=True)


def bar() -> Progress:
    """A progress display that vanishes when it is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=STDERR,
        transient=True,
    )


@contextlib.contextmanager
def counting(description: str, *, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that is told how much is done."""
    with bar() as display:
        task = display.add_task(description, total=total, note="")
        yield lambda done: display.update(task, completed=done)
