"""`xtl` with a witness: every update that is made is told in a file, and takes a while.

    python -m tests.cli.study_worker WITNESS SECONDS study run …

A run's own log cannot tell that a step was made twice: it drops what a killed worker
wrote after its last checkpoint.
"""

from __future__ import annotations

import os
import pathlib
import sys
import time


def watch(witness: str, seconds: float) -> None:
    """Tell every update from now on: stage, step, process."""
    from xtl_jax.cli import train_observer

    stepped = train_observer.Observer.stepped
    file = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def told(self, step):
        stage = pathlib.Path(self._run.run_dir).name
        os.write(file, f"{stage} {step} {os.getpid()}\n".encode())
        time.sleep(seconds)
        stepped(self, step)

    train_observer.Observer.stepped = told


if __name__ == "__main__":
    from xtl_jax.cli import main

    watch(sys.argv[1], float(sys.argv[2]))
    sys.exit(main.main(sys.argv[3:]))
