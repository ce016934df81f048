"""What is seen of a study while it runs: its stages, and when it will be done.

What the stages themselves have to say is shown with `--verbose` alone: a study has
hundreds of them.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from xtl_jax.cli import progress
from xtl_jax.cli.screen import Console
from xtl_jax.studies import remaining
from xtl_jax.studies.directory import Directory
from xtl_jax.studies.graph import Stage


class Shown:
    """A bar of stages on a terminal, lines elsewhere; both on stderr.

    Args:
        stages: of the study.
        directory: where they lie.
        workers: that share what is left.
        verbose: stages speak, too.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        directory: Directory,
        workers: int,
        verbose: bool,
    ) -> None:
        self._stages, self._directory = stages, directory
        self._workers, self._verbose = workers, verbose
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("study"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            transient=True,
            disable=verbose or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=len(stages), note="")

    @contextlib.contextmanager
    def watching(self) -> Iterator[Shown]:
        """While the study runs."""
        before = progress.stderr().quiet
        progress.stderr().quiet = before or not self._verbose
        try:
            with self._bar:
                yield self
        finally:
            progress.stderr().quiet = before

    def told(self, stage: Stage, what: str) -> None:
        """A stage begins or ends."""
        seed = "" if stage.seed is None else f", seed {stage.seed}"
        text = f"{stage.kind} {stage.id}: {stage.title}{seed}"
        if what in ("begins", "goes on"):
            self._bar.update(self._task, note=text)
            if not self._verbose:
                return
        self.say(f"{text}: {what}")

    def say(self, text: str) -> None:
        """One line, with what is done and what is left."""
        took = self._took()
        self._bar.update(self._task, completed=len(took))
        left = remaining.seconds(self._stages, took=took, workers=self._workers)
        about = ""
        if left:
            about = f", about {datetime.timedelta(seconds=round(left))} left"
        line = f"[{len(took)} of {len(self._stages)}{about}] {text}"
        self._console.print(line, markup=False, soft_wrap=True)

    def look(self) -> None:
        """Show what other processes have done since the last look."""
        took = self._took()
        self._bar.update(self._task, completed=len(took))

    def _took(self) -> dict[str, float]:
        done = [each.id for each in self._stages if self._directory.is_done(each.id)]
        return {stage: self._directory.seconds(stage) for stage in done}
