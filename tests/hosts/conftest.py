"""Commands of `xtl` on several hosts: processes of this machine on the loopback."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from xtl_jax.cli import launch_local

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATIENCE = 600.0  # seconds until a moment must have come, on a busy machine


class Ended(NamedTuple):
    """What the hosts of a command did, by number."""

    codes: list[int]
    outs: list[str]
    errors: list[str]


class Hosts:
    """A command that runs on several hosts."""

    def __init__(
        self,
        environment: dict[str, str],
        folder: pathlib.Path,
        words: list[list[str]],
        folders: list[pathlib.Path] | None = None,
    ) -> None:
        folder.mkdir()
        self._folder = folder
        port = launch_local.free_port()
        variables = launch_local.environments(len(words), port=port, devices=1)
        self.processes = []
        for index, (mine, each) in enumerate(zip(words, variables, strict=True)):
            with (
                (folder / f"{index}.out").open("wb") as out,
                (folder / f"{index}.err").open("wb") as error,
            ):
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "xtl_jax.cli.main", *mine],
                        env={**environment, **each},
                        cwd=folders[index] if folders else None,
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=error,
                    )
                )

    def until(self, moment: Callable[[], bool]) -> None:
        """Wait for something to be so while all are running."""
        deadline = time.monotonic() + PATIENCE
        while not moment():
            assert time.monotonic() < deadline, self.said()
            assert all(each.poll() is None for each in self.processes), self.said()
            time.sleep(0.02)

    def send(self, host: int, number: signal.Signals) -> None:
        """A signal to one of them."""
        self.processes[host].send_signal(number)

    def end(self, *, within: float = PATIENCE) -> Ended:
        """What they did, once all have ended."""
        deadline = time.monotonic() + within
        for process in self.processes:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                pytest.fail(f"still running after {within} seconds: {self.said()}")
        return self.said()

    def said(self) -> Ended:
        """So far."""
        count = range(len(self.processes))
        return Ended(
            [each.poll() for each in self.processes],
            [(self._folder / f"{i}.out").read_text() for i in count],
            [(self._folder / f"{i}.err").read_text() for i in count],
        )

    def kill(self) -> None:
        """Whatever is left of them."""
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Of hosts: programs are compiled once for all that are alike, and quickly."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XTL_CO", "XTL_PROCESS", "JAX_NUM_CPU"))
    }
    return own | {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tasks")]),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def on_hosts(environment, tmp_path):
    """Starts `xtl WORDS` on so many hosts.

    `only` are more words of some of them, `folders` where each is started.
    """
    begun: list[Hosts] = []

    def start(
        count: int,
        *words: Any,
        only: dict[int, tuple[str, ...]] | None = None,
        folders: list[pathlib.Path] | None = None,
    ) -> Hosts:
        all_words = [[*map(str, words), *(only or {}).get(i, ())] for i in range(count)]
        said = tmp_path / f"hosts{len(begun)}"
        begun.append(Hosts(environment, said, all_words, folders))
        return begun[-1]

    yield start
    for each in begun:
        each.kill()


@pytest.fixture(scope="session")
def flags(world_data, tmp_path_factory):
    """Of a run of mT5 of one layer, with dev evaluation, on the toy world."""
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "mt5.gin").write_text(MT5)
    (folder / "encoder.gin").write_text(ENCODER)
    shared = (f"--data_dir={world_data}", f"--cache_dir={folder / 'cache'}")
    return {
        "mt5": (f"--gin_file={folder / 'mt5.gin'}", *shared),
        "encoder": (f"--gin_file={folder / 'encoder.gin'}", *shared),
    }


SHARED = """
RunConfig.steps = 4
RunConfig.vocabulary = "bytes"
RunConfig.batch_size = 8
RunConfig.log_period = 1
RunConfig.save_period = 2
RunConfig.eval_period = 2
RunConfig.eval_examples = 4
RunConfig.predict_batch_size = 4
"""
MT5 = f"""{SHARED}
ModelConfig.vocab = 0
ModelConfig.embed = 16
ModelConfig.heads = 2
ModelConfig.head_dim = 8
ModelConfig.mlp = 32
ModelConfig.encoder_layers = 1
ModelConfig.decoder_layers = 1
DROPOUT_RATE = 0.1
RunConfig.task = "world_qa.en"
RunConfig.lengths = {{"inputs": 96, "targets": 16}}
RunConfig.decode_length = 4
RunConfig.evaluate = ["world_qa.de/test", "world_nli.en/test", "world_retrieval/test"]
"""
ENCODER = f"""{SHARED}
EncoderConfig.architecture = "xlm-roberta"
EncoderConfig.vocab = 0
EncoderConfig.embed = 16
EncoderConfig.heads = 2
EncoderConfig.mlp = 32
EncoderConfig.layers = 1
EncoderConfig.positions = 200
EncoderConfig.dropout_rate = 0.1
RunConfig.task = "world_nli.en"
RunConfig.lengths = {{"inputs": 160, "targets": 8}}
RunConfig.evaluate = ["world_nli.en/test", "world_nli.sw/test"]
"""


def logged(run_dir: pathlib.Path, kind: str = "train") -> list[dict[str, Any]]:
    """Lines of a run's log that are whole."""
    path = run_dir / "log.jsonl"
    lines = path.read_text().splitlines(True) if path.is_file() else []
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    return [row for row in rows if row["kind"] == kind]
