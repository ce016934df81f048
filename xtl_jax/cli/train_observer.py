"""What is seen of a run while it trains: progress, `log.jsonl`, TensorBoard."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Literal

from xtl_jax import storage
from xtl_jax.cli import run_files, train_program
from xtl_jax.cli.config import Config
from xtl_jax.cli.progress import Lines, bar, tell
from xtl_jax.hosts import group
from xtl_jax.report import doubts


def observer(config: Config, began: int, peak: float) -> Observer | Onlooker:
    """Who watches a run on this host."""
    kind = Observer if group.is_first() else Onlooker
    return kind(config, began, peak)


class Onlooker(contextlib.AbstractContextManager):
    """Keeps the last values, where another host shows and writes them."""

    def __init__(self, config: Config, began: int, peak: float) -> None:
        self.last: dict[str, float] = {}

    def __exit__(self, *error: object) -> Literal[False]:
        return False

    def stepped(self, step: int) -> None:
        """A step was handed to the device."""

    def logged(self, step: int, values: Mapping[str, float]) -> None:
        """Values of the steps since the last log."""
        self.last = {key: values[key] for key in ("loss", "accuracy_percent")}

    def evaluated(self, step: int, values: Mapping[str, float]) -> None:
        """Scores on the English dev set."""

    def saved(self, step: int) -> None:
        """A checkpoint is being written."""


class Observer(contextlib.AbstractContextManager):
    """Screen, `log.jsonl` and TensorBoard."""

    def __init__(self, config: Config, began: int, peak: float) -> None:
        self.last: dict[str, float] = {}
        self._run = config.run
        self._flops = train_program.useful_flops(config)
        self._peak = peak
        self._began = began
        self._losses: list[float] = []

    def __enter__(self) -> Observer:
        from xtl_jax.train import optimizer

        self._schedule = optimizer.schedule(self._run)
        self._log = run_files.Log(self._run.run_dir, step=self._began)
        self._board = _tensorboard(self._run.run_dir)
        self._display = bar()
        self._display.start()
        self._task = self._display.add_task(
            f"train {self._run.task}",
            total=self._run.steps,
            completed=self._began,
            note="compiling",
        )
        self._lines = Lines(total=self._run.steps, done=self._began)
        self._clock = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> Literal[False]:
        self._display.stop()
        self._log.close()
        if self._board is not None:
            self._board.close()
        return False

    def stepped(self, step: int) -> None:
        """A step was handed to the device."""
        self._display.update(self._task, completed=step)

    def logged(self, step: int, values: Mapping[str, float]) -> None:
        """Values of the steps since the last log; the clock is read here."""
        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        steps = values["steps"]
        rate: Any = self._schedule(step - 1)  # a number, or an array of one
        line = {
            **values,
            "learning_rate": float(rate),
            "tokens_per_second": values["real_tokens"] / seconds,
            "steps_per_second": steps / seconds,
            "mfu_percent": 100.0 * self._flops * steps / seconds / self._peak,
            "seconds": seconds,
        }
        self.last = {key: line[key] for key in ("loss", "accuracy_percent")}
        self._write(step, "train", line)
        self._doubt(step, line)
        note = (
            f"loss {line['loss']:.3f}  {line['tokens_per_second']:,.0f} tokens/s  "
            f"MFU {line['mfu_percent']:.1f}%"
        )
        self._display.update(self._task, note=note)
        self._lines.say(f"train {self._run.task}, {note}, step", done=step)

    def evaluated(self, step: int, values: Mapping[str, float]) -> None:
        """Scores on the English dev set."""
        self._write(
            step, "eval", {"task": self._run.dev_task or self._run.task, **values}
        )
        shown = ", ".join(f"{k} {v:.2f}" for k, v in values.items() if k != "score")
        tell(f"step {step}: English dev {shown}")
        self._clock = time.perf_counter()  # evaluating is no training time

    def saved(self, step: int) -> None:
        """A checkpoint is being written."""
        self._log.write(step, "event", {"event": "checkpoint"})

    def _doubt(self, step: int, line: Mapping[str, float]) -> None:
        """Say at once what the report will say of these steps."""
        if before := doubts.spike(self._losses, line["loss"]):
            tell(f"step {step}: the loss rose from {before:.2f} to {line['loss']:.2f}")
        if doubts.is_dead(line):
            tell(f"step {step}: the gradient is zero: nothing is learnt")
        self._losses.append(line["loss"])

    def _write(self, step: int, kind: str, values: Mapping[str, Any]) -> None:
        self._log.write(step, kind, values)
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, float):
                    self._board.add_scalar(f"{kind}/{name}", value, step)


def _tensorboard(run_dir: str) -> Any | None:
    """A writer of event files; where its package is not installed there are none."""
    try:
        from tensorboardX import SummaryWriter, record_writer
    except ImportError:
        tell("no TensorBoard events: the package tensorboardX is not installed")
        return None
    if storage.is_remote(run_dir):
        record_writer.register_writer_factory(run_dir.split(":")[0], _RemoteEvents)
    return SummaryWriter(f"{run_dir}/tensorboard")


class _RemoteEvents:
    """How tensorboardX opens event files in a bucket."""

    open = storage.Growing

    @staticmethod
    def directory_check(path: str) -> None:
        """A bucket has no folders to be made."""
