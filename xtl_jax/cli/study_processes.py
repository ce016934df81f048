"""Several processes of this machine, each a worker like any other.

This process only watches: it starts them, shows what is done, passes signals on and
waits. What they say goes to `DIR/logs/WORKER.log`, or to `logs` here for a directory in
a bucket.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from xtl_jax import storage
from xtl_jax.cli.study_begin import Study
from xtl_jax.cli.study_progress import Shown
from xtl_jax.studies.executor import Outcome, Stopped

_LOOK_SECONDS = 1.0
_EXPECTED = (0, 1, 143)  # exit codes: all is done, a stage failed, stopped


def work(arguments: argparse.Namespace, study: Study, *, shown: Shown) -> Outcome:
    """Start the workers and wait for them.

    Returns:
        "done" if every stage is, whatever happened to workers.
    """
    folder = study.directory.path / "logs"
    if storage.is_remote(folder):
        folder = pathlib.Path("logs")
    folder.mkdir(parents=True, exist_ok=True)
    stopped = False
    with _started(arguments, pathlib.Path(folder)) as workers:
        try:
            while any(each.poll() is None for each in workers):
                shown.look()
                time.sleep(_LOOK_SECONDS)
        except Stopped:
            stopped = True  # it is passed on on the way out
    for number, each in enumerate(workers, start=1):
        if each.returncode < 0 and not stopped:
            name = signal.Signals(-each.returncode).name
            shown.say(f"worker {number} was ended by {name}")
        elif each.returncode not in _EXPECTED and not stopped:
            shown.say(
                f"worker {number} ended with code {each.returncode}; see "
                f"{folder / f'worker-{number}.log'}"
            )
    directory = study.directory
    if all(directory.is_done(stage.id) for stage in study.graph.stages):
        return "done"
    if stopped:
        return "stopped"
    if not any(directory.is_failed(stage.id) for stage in study.graph.stages):
        shown.say(
            f"no worker is left; see {folder}. The same command goes on with the study"
        )
    return "failed"


@contextlib.contextmanager
def _started(
    arguments: argparse.Namespace, logs: pathlib.Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The workers; whatever happens, none is left behind."""
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(1, arguments.workers + 1):
            name = f"{os.uname().nodename}:{os.getpid()}-{number}"
            with open(logs / f"worker-{number}.log", "ab") as log:
                workers.append(
                    subprocess.Popen(
                        [*_command(arguments), "--worker", name],
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        yield workers
    finally:
        _pass_on(workers)
        for each in workers:
            each.wait()


def _pass_on(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    for each in workers:
        if each.poll() is None:
            each.send_signal(signal.SIGTERM)


def _command(arguments: argparse.Namespace) -> list[str]:
    """The same study, for one worker that starts no other."""
    flags = [arguments.name, "--executor=here", "--verbose", "--go_on"]
    if arguments.drop_checkpoints:
        flags.append("--drop_checkpoints")
    for name in ("scale", "study_dir", "data_dir", "cache_dir"):
        value = getattr(arguments, name)
        flags += [f"--{name}={value}"] if value else []
    for name in ("gin_file", "gin_search_path"):
        flags += [f"--{name}={value}" for value in getattr(arguments, name)]
    flags += [f"--gin.{text}" for text in arguments.gin]
    return [sys.executable, "-m", "xtl_jax.cli.main", "study", "run", *flags]
